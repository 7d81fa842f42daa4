//! `lineprof PROGRAM` and `lineprof --pid PID`.
//!
//! Must not know: how anything is measured.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

use lineprof::metric::Reading;
use lineprof::profile::{self, Metric};
use lineprof::profiler::{
    self, Engine, Observer, Outcome, Pid, Pinning, Progress, Settings, SignalMask, StopHandle, Target,
};
use lineprof::report::escape::Escaped;
use lineprof::select::Selection;
use lineprof::source::SourceCache;
use lineprof_dwarf::{FilePattern, Pattern};
use lineprof_tracer::End;

use super::args::{self, Profile};
use super::functions::counted;
use super::hint::{self, Doing, Failure};
use super::output::{self, Destination};
use super::signals::Signals;
use super::{FAILED, NOT_FOUND, notes};

/// A plan of more functions than this is worth a word: each hit costs time.
const MANY_FUNCTIONS: usize = 1000;

/// Profiles; the program's exit code, or one of ours.
pub(crate) fn run(args: &Profile) -> ExitCode {
    let blocked = SignalMask::of_this_thread();
    let (target, default) = match args.pid {
        Some(pid) => (Target::Attach(Pid(pid)), Destination::Stdout),
        None => match launch(&args.program, blocked) {
            Ok(target) => (target, Destination::Stderr),
            Err(failure) => return failure.say(),
        },
    };
    let to = Destination::new(args.output.as_deref(), default);
    carry_out(&target, args, &to, &mut |_| {})
}

/// Profiles `target` and writes the report, which `finish` sees first.
pub(crate) fn carry_out(
    target: &Target,
    args: &Profile,
    to: &Destination,
    finish: &mut dyn FnMut(&mut profile::Profile),
) -> ExitCode {
    let signals = match Signals::take() {
        Ok(signals) => signals,
        Err(errno) => return Failure::new(format!("cannot take signals: {errno}")).say(),
    };
    if let Err(error) = to.check() {
        return not_written(to, &error).say();
    }
    let settings = settings(args);
    let doing = match target {
        Target::Launch { .. } => Doing::Launch,
        Target::Attach(_) => Doing::Attach,
    };
    let mut terminal = Terminal {
        signals,
        doing,
        selection: settings.selection.clone(),
        handle: None,
    };
    match profiler::profile(target, &settings, &mut terminal) {
        Ok(mut outcome) => {
            finish(&mut outcome.profile);
            report(outcome, to, args, doing)
        }
        Err(error) => hint::explain(&error, doing).say(),
    }
}

fn not_written(to: &Destination, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "cannot write the report to {to}: {}",
        hint::reason(error)
    ))
    .hint("name a file in a folder that can be written: `-o FILE`")
}

fn launch(words: &[OsString], blocked: SignalMask) -> Result<Target, Failure> {
    let name = words.first().cloned().unwrap_or_default();
    let path = std::env::var_os("PATH");
    let Some(program) = lineprof_tracer::find_program(Path::new(&name), path.as_deref()) else {
        let failure =
            Failure::new(format!("cannot find `{}`: no such file in PATH", name.display())).code(NOT_FOUND);
        return Err(if Path::new(&name).exists() {
            failure.hint(format!("to run the file of this folder: `./{}`", name.display()))
        } else {
            failure.hint("check the name; a program outside of PATH needs its path, as in `./program`")
        });
    };
    let variable = |(name, value): (OsString, OsString)| {
        let mut text = name.into_vec();
        text.push(b'=');
        text.extend(value.into_vec());
        OsString::from_vec(text)
    };
    Ok(Target::Launch {
        program,
        arguments: words.to_vec(),
        environment: std::env::vars_os().map(variable).collect(),
        blocked,
    })
}

fn settings(args: &Profile) -> Settings {
    Settings {
        selection: Selection {
            functions: args.functions.clone(),
            files: args.files.clone(),
            exclude: args.exclude.clone(),
        },
        metric: match args.metric {
            args::Metric::Rss => Metric::Rss,
            args::Metric::Anon => Metric::Anon,
            args::Metric::Pss => Metric::Pss,
            args::Metric::Uss => Metric::Uss,
        },
        reading: if args.exact {
            Reading::Exact
        } else {
            Reading::Counters
        },
        engine: match args.engine {
            args::Engine::Auto => Engine::Auto,
            args::Engine::Displaced => Engine::Displaced,
            args::Engine::InPlace => Engine::InPlace,
        },
        pinning: Pinning::WhileHot,
    }
}

/// Tells the user what goes on, on stderr.
struct Terminal {
    signals: Signals,
    doing: Doing,
    selection: Selection,
    /// Held while a started program runs: dropping it would end the session.
    handle: Option<StopHandle>,
}

impl Terminal {
    /// What is profiled, where the user has not named it or has named more than it looks.
    fn selected(&self, functions: usize, sites: usize) {
        let counts = format!("{}, {}", counted(functions, "function"), counted(sites, "site"));
        if self.selection.is_default() {
            eprintln!("lineprof: profiling the program's own code: {counts} (--function names some)");
        } else if functions > MANY_FUNCTIONS {
            let named = self.selection.functions.iter().map(Pattern::as_str);
            let named = named.chain(self.selection.files.iter().map(FilePattern::as_str));
            let quoted: Vec<String> = named.map(|text| format!("`{}`", Escaped(text))).collect();
            eprintln!(
                "lineprof: {} selects {counts}; fewer run faster",
                quoted.join(", ")
            );
        }
    }
}

impl Observer for Terminal {
    fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Selected { functions, sites } => self.selected(functions, sites),
            Progress::Running { pid } if self.doing == Doing::Attach => {
                eprintln!(
                    "lineprof: attached to {pid}; Ctrl-C ends the profile and leaves the process running"
                );
            }
            Progress::Running { pid } => self.signals.hand_on(pid.0),
        }
    }

    fn stoppable(&mut self, handle: StopHandle) {
        if self.doing == Doing::Attach {
            self.signals.stop(handle);
        } else {
            self.handle = Some(handle);
        }
    }
}

fn report(outcome: Outcome, to: &Destination, args: &Profile, doing: Doing) -> ExitCode {
    let mut sources = SourceCache::new();
    let mut profile = outcome.profile;
    let notes = notes::of(&profile, outcome.built, &mut sources);
    profile.notes.extend(notes);
    let format = to.format(args.format);
    match output::write(&profile, to, format, args.precision, &mut sources) {
        Ok(()) => {}
        // Whoever read has read enough.
        Err(error) if *to == Destination::Stdout && error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => return not_written(to, &error).say(),
    }
    match outcome.exit {
        Some(_) if doing == Doing::Attach => ExitCode::SUCCESS,
        Some(End::Exited(code)) => ExitCode::from(u8::try_from(code & 0xFF).unwrap_or(FAILED)),
        Some(End::Killed(signal)) => ExitCode::from(u8::try_from(128 + signal.0).unwrap_or(FAILED)),
        None => ExitCode::SUCCESS,
    }
}
