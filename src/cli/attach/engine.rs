//! The process that traces: nobody sees it, and it outlives who started it until the target is free.
//!
//! Must not know: terminals.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lineprof::own::{STOP, Word};
use lineprof::profile::Report;
use lineprof::profiler::{self, Observer, Progress, Settings, StopHandle, Target};
use lineprof::source::SourceCache;

use super::memory_killer;
use crate::cli::hint::{self, Doing, Failure};
use crate::cli::profile::{self, Many};
use crate::cli::signals::{JobControl, Signals};
use crate::cli::{FAILED, kept, timeline};

/// Traces until the process ends or the front asks for the end, or is gone.
pub(crate) fn run(
    target: &Target,
    settings: Result<Settings, Failure>,
    many: Many,
    timeline_file: Option<&Path>,
) -> ExitCode {
    // A session of its own: no terminal's signals, and no shell's job control. It fails only for the leader of
    // a process group, which a child that was just started is not.
    let _is_leader = nix::unistd::setsid();
    memory_killer::go_late();
    // The file was executed by a link called `exe`, and so would this process be.
    let _only_looks = nix::sys::prctl::set_name(c"lineprof");
    let Ok(signals) = Signals::take(JobControl::Own) else {
        return ExitCode::from(FAILED);
    };
    let handle = Arc::new(Mutex::new(Stop::default()));
    let front_is_there = Arc::new(AtomicBool::new(true));
    listen(Arc::clone(&handle), Arc::clone(&front_is_there));
    let mut teller = Teller { handle, signals };
    let outcome = settings.and_then(|settings| {
        profiler::profile(target, &settings, &mut teller)
            .map_err(|error| hint::explain(&error, Doing::Attach))
    });
    let word = match outcome {
        Ok(mut outcome) => {
            // The report is worth having without it.
            if let Err(failure) = timeline::write(&mut outcome.profiled, timeline_file) {
                failure.say();
            }
            Word::Report {
                report: profile::report_of(outcome.profiled, many, &mut SourceCache::new()),
                left_stopped: outcome.left_stopped.map(|process| process.0),
            }
        }
        Err(failure) => Word::Failed(failure.into()),
    };
    let told = front_is_there.load(Ordering::SeqCst) && word.write(&mut io::stdout().lock()).is_ok();
    match word {
        Word::Report { report, .. } if !told => keep(&report),
        _ => ExitCode::SUCCESS,
    }
}

/// Nobody is there to take the report.
fn keep(report: &Report) -> ExitCode {
    match kept::keep(report) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(path)) => {
            // Its terminal may be gone too.
            let _nobody = writeln!(
                io::stderr(),
                "lineprof: the process was let go; its report is kept in {}: `lineprof report` shows it",
                path.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _nobody = writeln!(io::stderr(), "lineprof: cannot keep the report: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// The request to stop, which may come before there is anything to stop.
#[derive(Debug, Default)]
struct Stop {
    asked: bool,
    handle: Option<StopHandle>,
}

impl Stop {
    fn ask(stop: &Mutex<Stop>) {
        let mut stop = stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        stop.asked = true;
        stop.handle = None;
    }

    fn is_possible(stop: &Mutex<Stop>, handle: StopHandle) {
        let mut stop = stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !stop.asked {
            stop.handle = Some(handle);
        }
    }
}

/// Hears the front: a request to stop, or that it is gone.
fn listen(handle: Arc<Mutex<Stop>>, front_is_there: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut from_front = io::stdin().lock();
        let mut word = [0; STOP.len()];
        if from_front.read_exact(&mut word).is_err() {
            front_is_there.store(false, Ordering::SeqCst);
        }
        Stop::ask(&handle);
    });
}

/// Tells the front what goes on.
struct Teller {
    handle: Arc<Mutex<Stop>>,
    signals: Signals,
}

impl Observer for Teller {
    fn progress(&mut self, progress: Progress) {
        let word = match progress {
            Progress::Selected { by, functions, sites } => Word::Selected { by, functions, sites },
            Progress::Unmatched { patterns } => Word::Unmatched { patterns },
            Progress::Loaded {
                path,
                functions,
                sites,
            } => Word::Loaded {
                path,
                functions,
                sites,
            },
            Progress::Running { pid } => Word::Running { pid: pid.0 },
            Progress::Crossed(crossing) => Word::Crossed(crossing),
            Progress::FirstEnded => Word::FirstEnded,
            // Whoever stopped it knows.
            Progress::Stopped { .. } => return,
        };
        // A front that is gone is noticed by its silence.
        let _gone = word.write(&mut io::stdout().lock());
    }

    fn stoppable(&mut self, handle: StopHandle) {
        Stop::is_possible(&self.handle, handle);
        let handle = Arc::clone(&self.handle);
        self.signals.stop(Box::new(move || Stop::ask(&handle)));
    }
}
