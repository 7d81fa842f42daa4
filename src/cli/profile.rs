//! `lineprof PROGRAM`; for `lineprof --pid PID` read on in `attach`.
//!
//! Must not know: how anything is measured.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitCode;

use lineprof::metric::Reading;
use lineprof::profile::{self, Metric, Report};
use lineprof::profiler::{
    self, Children, Engine, Gates, Keeper, Observer, Pending, Pid, Pinning, Profiled, Progress, Settings,
    SignalMask, StopHandle, Target, closure_called_at, function_at,
};
use lineprof::report::escape::Escaped;
use lineprof::select::{By, Pattern, Selection};
use lineprof::source::SourceCache;
use lineprof_tracer::RemoteAddr;

use super::args::{self, Profile, Writing};
use super::breaking::{self, Heir};
use super::hint::{self, Doing, Failure};
use super::output::{self, Destination};
use super::signals::{self, JobControl, Signals};
use super::{attach, notes, program, timeline};

/// Profiles; the program's exit code, or one of ours.
pub(crate) fn run(args: &Profile) -> ExitCode {
    let output = args.writing.output.as_deref();
    if let Err(failure) = args.means.check(args.metric) {
        return failure.say();
    }
    let heir = match breaking::heir(args, std::env::var_os("PATH").as_deref()) {
        Ok(heir) => heir,
        Err(failure) => return failure.say(),
    };
    if let Err(failure) = timeline::check(args) {
        return failure.say();
    }
    breaking::note_engine(args);
    if args.pid.is_some() {
        let to = Destination::new(output, Destination::Stdout);
        return attach::run_front(args, &selection(args), &heir, &to);
    }
    let target = match launch(&args.program, SignalMask::of_this_thread()) {
        Ok(target) => target,
        Err(failure) => return failure.say(),
    };
    carry_out(
        &target,
        args,
        &heir,
        &Destination::new(output, Destination::Stderr),
        &mut |_| {},
    )
}

/// Traces for a front; see [`attach`].
pub(crate) fn run_engine(args: &Profile) -> ExitCode {
    let Some(pid) = args.pid else {
        return Failure::new("`lineprof engine` is for lineprof's own use").say();
    };
    let settings = named_by_address(args, Pid(pid)).map(|named| {
        let mut settings = settings(args);
        settings.selection.functions.extend(named);
        settings
    });
    attach::run_engine(
        attach::Front::by_streams(),
        &Target::Attach(Pid(pid)),
        settings,
        Many::of(args),
        args.timeline.as_deref(),
    )
}

/// The functions that a program which profiles itself knows by their addresses.
fn named_by_address(args: &Profile, pid: Pid) -> Result<Vec<Pattern>, Failure> {
    let functions = args
        .functions_at
        .iter()
        .map(|at| function_at(pid, RemoteAddr(*at)));
    let closures = args
        .closures_of
        .iter()
        .map(|at| closure_called_at(pid, RemoteAddr(*at)));
    functions
        .chain(closures)
        .collect::<Result<_, _>>()
        .map_err(|error| hint::explain(&error, Doing::Attach))
}

/// Starts `target`, profiles it and writes the report, which `finish` sees first.
pub(crate) fn carry_out(
    target: &Target,
    args: &Profile,
    heir: &Heir,
    to: &Destination,
    finish: &mut dyn FnMut(&mut profile::Profile),
) -> ExitCode {
    let signals = match Signals::take(JobControl::OfTheProgram) {
        Ok(signals) => signals,
        Err(errno) => return Failure::new(format!("cannot take signals: {errno}")).say(),
    };
    if let Err(error) = to.check() {
        return not_written(to, &error).say();
    }
    let settings = settings(args);
    let mut terminal = Terminal {
        signals,
        selection: settings.selection.clone(),
        handle: None,
    };
    match profiler::profile(target, &settings, &mut terminal) {
        Ok(mut outcome) => {
            for profiled in &mut outcome.profiled {
                finish(&mut profiled.profile);
            }
            let stopped = outcome.left_stopped;
            let handed_over = stopped.map_or(Ok(()), |process| breaking::hand_over(process, heir));
            let exit = outcome.exit;
            let timed = timeline::write(&mut outcome.profiled, args.timeline.as_deref());
            let written = report(outcome.profiled, Many::of(args), to, &args.writing);
            let failed = breaking::say_failures([handed_over, timed, written]);
            if let Some(process) = stopped.filter(|_| *heir == Heir::Nobody) {
                breaking::say_commands(process);
            }
            signals::leave_to_the_terminal();
            let exit = exit.or_else(|| breaking::end_of(stopped?));
            failed.unwrap_or_else(|| exit.map_or(ExitCode::SUCCESS, program::passed_on))
        }
        Err(error) => hint::explain(&error, Doing::Launch).say(),
    }
}

pub(crate) fn not_written(to: &Destination, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "cannot write the report to {to}: {}",
        hint::reason(error)
    ))
    .hint("name a file in a folder that can be written: `-o FILE`")
}

pub(crate) fn launch(words: &[OsString], blocked: SignalMask) -> Result<Target, Failure> {
    let launch = program::find(words, blocked)?;
    if let Some(note) = notes::lent_rights(&launch.program) {
        eprintln!("lineprof: {}", Escaped(&note));
    }
    Ok(Target::Launch {
        program: launch.program,
        arguments: launch.arguments,
        environment: launch.environment,
        blocked: launch.blocked,
    })
}

pub(crate) fn selection(args: &Profile) -> Selection {
    Selection {
        functions: args.functions.clone(),
        files: args.files.clone(),
        exclude: args.exclude.clone(),
        by: By::Name,
    }
}

pub(crate) fn settings(args: &Profile) -> Settings {
    Settings {
        selection: selection(args),
        metric: match args.metric {
            // Shared pages would count once for each process.
            None if args.family.merge_children => Metric::Pss,
            None => Metric::Rss,
            Some(metric) => metric.into(),
        },
        children: if args.family.children || args.family.merge_children {
            Children::Followed
        } else {
            Children::RunFree
        },
        reading: if args.exact {
            Reading::Exact
        } else {
            Reading::Counters
        },
        engine: match args.means.engine {
            args::Engine::Auto => Engine::Auto,
            args::Engine::Displaced => Engine::Displaced,
            args::Engine::InPlace => Engine::InPlace,
            args::Engine::Inline => Engine::Inline,
        },
        gates: match args.means.gate {
            _ if args.means.verify_gate => Gates::Verified,
            args::Gate::Auto => Gates::Cheapest,
            args::Gate::Statm => Gates::Statm,
        },
        keeper: if args.means.inline_only {
            Keeper::Nobody
        } else {
            Keeper::Tracer
        },
        pinning: if args.means.inline_only {
            Pinning::Never
        } else {
            Pinning::WhileHot
        },
        pending: if args.pending {
            Pending::GoOn
        } else {
            Pending::Fail
        },
        trigger: breaking::trigger(args),
        calls: args.timeline.as_ref().map(|_| timeline::MOST_CALLS),
    }
}

/// Tells the user what goes on, on stderr.
struct Terminal {
    signals: Signals,
    selection: Selection,
    /// Held while the program runs: dropping it would end the session.
    handle: Option<StopHandle>,
}

impl Observer for Terminal {
    fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Selected { by, functions, sites } => {
                notes::selected(&self.selection, by, functions, sites);
            }
            Progress::Unmatched { patterns } => notes::not_found(&patterns),
            Progress::Loaded {
                path,
                functions,
                sites,
            } => notes::loaded(&path, functions, sites),
            Progress::Running { pid } => self.signals.hand_on(pid.0),
            Progress::Crossed(crossing) => breaking::say(&crossing),
            Progress::FirstEnded => {
                notes::first_ended();
                if let Some(handle) = self.handle.take() {
                    self.signals.stop(Box::new(move || handle.stop()));
                }
            }
            // Nobody wakes the session.
            Progress::SoFar(_) => {}
            Progress::Stopped { by } => signals::stop_with_the_program(by),
        }
    }

    fn stoppable(&mut self, handle: StopHandle) {
        self.handle = Some(handle);
    }
}

/// How the profiles of several processes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Many {
    /// There is one.
    None,
    /// One after the other.
    Apart,
    /// As one.
    Merged,
}

impl Many {
    pub(crate) fn of(args: &Profile) -> Many {
        match (args.family.merge_children, args.family.children) {
            (true, _) => Many::Merged,
            (false, true) => Many::Apart,
            (false, false) => Many::None,
        }
    }
}

/// The report that `profiled` make, with what there is to say of each.
pub(crate) fn report_of(profiled: Vec<Profiled>, many: Many, sources: &mut SourceCache) -> Report {
    let with_notes = |profiled: Profiled| {
        let mut profile = profiled.profile;
        let notes = notes::of(&profile, &profiled.missed, profiled.built, sources);
        profile.notes.extend(notes);
        profile
    };
    let mut processes: Vec<profile::Profile> = profiled.into_iter().map(with_notes).collect();
    let one = match many {
        Many::None if processes.len() == 1 => processes.pop(),
        Many::Merged => profile::merge(std::mem::take(&mut processes)),
        Many::None | Many::Apart => None,
    };
    match one {
        Some(profile) => Report::One(Box::new(profile)),
        None => Report::Many(profile::Profiles {
            schema: profile::ProfilesSchema::default(),
            processes,
        }),
    }
}

fn report(profiled: Vec<Profiled>, many: Many, to: &Destination, writing: &Writing) -> Result<(), Failure> {
    let mut sources = SourceCache::new();
    let report = report_of(profiled, many, &mut sources);
    write(&report, to, writing, &mut sources)
}

/// Writes a report where it was asked for.
pub(crate) fn write(
    report: &Report,
    to: &Destination,
    writing: &Writing,
    sources: &mut SourceCache,
) -> Result<(), Failure> {
    let format = to.format(writing.format);
    match output::write(report, to, format, writing.precision, sources) {
        // Whoever read has read enough.
        Err(error) if *to == Destination::Stdout && error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| not_written(to, &error)),
    }
}
