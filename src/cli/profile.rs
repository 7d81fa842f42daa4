//! `lineprof PROGRAM` and `lineprof --pid PID`.
//!
//! Must not know: how anything is measured.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

use lineprof::metric::Reading;
use lineprof::profile::Metric;
use lineprof::profiler::{
    self, Engine, Observer, Outcome, Pid, Pinning, Progress, Settings, SignalMask, StopHandle, Target,
};
use lineprof::select::Selection;
use lineprof::source::SourceCache;
use lineprof_tracer::End;

use super::args::{self, Profile};
use super::output::{self, Destination};
use super::signals::Signals;
use super::{CANNOT_RUN, FAILED, NOT_FOUND, hint};

/// Profiles; the program's exit code, or one of ours.
pub(crate) fn run(args: Profile) -> ExitCode {
    let blocked = SignalMask::of_this_thread();
    let signals = match Signals::take() {
        Ok(signals) => signals,
        Err(errno) => return fail(FAILED, &format!("cannot take signals: {errno}")),
    };
    let (target, default) = match args.pid {
        Some(pid) => (Target::Attach(Pid(pid)), Destination::Stdout),
        None => match launch(&args.program, blocked) {
            Ok(target) => (target, Destination::Stderr),
            Err(code) => return code,
        },
    };
    let to = Destination::new(args.output.as_deref(), default);
    if let Err(error) = to.check() {
        return fail(FAILED, &format!("cannot write the report: {error}"));
    }
    let settings = settings(&args);
    let mut terminal = Terminal {
        signals,
        attached: matches!(target, Target::Attach(_)),
        selection_said: !settings.selection.is_default(),
        handle: None,
    };
    match profiler::profile(&target, &settings, &mut terminal) {
        Ok(outcome) => report(&outcome, &to, &args),
        Err(error) => fail(code_of(&error), &hint::message(&error)),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("lineprof: {message}");
    ExitCode::from(code)
}

fn code_of(error: &profiler::Error) -> u8 {
    match error {
        profiler::Error::File(_) => CANNOT_RUN,
        _ => FAILED,
    }
}

fn launch(words: &[OsString], blocked: SignalMask) -> Result<Target, ExitCode> {
    let name = words.first().cloned().unwrap_or_default();
    let path = std::env::var_os("PATH");
    let Some(program) = lineprof_tracer::find_program(Path::new(&name), path.as_deref()) else {
        return Err(fail(
            NOT_FOUND,
            &format!("cannot find `{}`: no such file in PATH", name.display()),
        ));
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
    attached: bool,
    selection_said: bool,
    /// Held while a started program runs: dropping it would end the session.
    handle: Option<StopHandle>,
}

impl Observer for Terminal {
    fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Selected { functions, sites } if !self.selection_said => {
                eprintln!("lineprof: profiling the program's own code: {functions} functions, {sites} sites");
            }
            Progress::Selected { .. } => {}
            Progress::Running { pid } if self.attached => {
                eprintln!(
                    "lineprof: attached to {pid}; Ctrl-C ends the profile and leaves the process running"
                );
            }
            Progress::Running { pid } => self.signals.hand_on(pid.0),
        }
    }

    fn stoppable(&mut self, handle: StopHandle) {
        if self.attached {
            self.signals.stop(handle);
        } else {
            self.handle = Some(handle);
        }
    }
}

fn report(outcome: &Outcome, to: &Destination, args: &Profile) -> ExitCode {
    let mut sources = SourceCache::new();
    let format = to.format(args.format);
    if let Err(error) = output::write(&outcome.profile, to, format, args.precision, &mut sources) {
        return fail(FAILED, &format!("cannot write the report: {error}"));
    }
    match outcome.exit {
        Some(_) if args.pid.is_some() => ExitCode::SUCCESS,
        Some(End::Exited(code)) => ExitCode::from(u8::try_from(code & 0xFF).unwrap_or(FAILED)),
        Some(End::Killed(signal)) => ExitCode::from(u8::try_from(128 + signal.0).unwrap_or(FAILED)),
        None => ExitCode::SUCCESS,
    }
}
