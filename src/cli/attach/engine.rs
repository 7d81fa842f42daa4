//! The process that traces: nobody sees it, and it outlives who started it until the target is free.
//!
//! Must not know: terminals.
//!
//! The same for `lineprof top`, which has it start the program, too: that ends with the front, as a program ends that
//! lineprof traces itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lineprof::own::{SO_FAR, STOP, Word};
use lineprof::profile::Report;
use lineprof::profiler::{self, Observer, Pid, Progress, Settings, StopHandle, Target};
use lineprof::source::SourceCache;
use nix::sys::signal::{Signal, kill};

use super::memory_killer;
use crate::cli::hint::{self, Doing, Failure};
use crate::cli::profile::{self, Many};
use crate::cli::signals::{JobControl, Signals};
use crate::cli::{FAILED, kept, program, timeline};

/// Where words come from, and where they go.
pub(crate) struct Front {
    from: Box<dyn Read + Send>,
    to: Box<dyn Write + Send>,
}

impl Front {
    /// A front that has the standard streams.
    pub(crate) fn by_streams() -> Front {
        Front {
            from: Box::new(io::stdin()),
            to: Box::new(io::stdout()),
        }
    }

    /// A front that left these two descriptors to this process, and to nobody that it starts.
    pub(crate) fn by_descriptors([from, to]: [i32; 2]) -> io::Result<Front> {
        let path = |fd| format!("/proc/self/fd/{fd}");
        let front = Front {
            from: Box::new(File::open(path(from))?),
            to: Box::new(File::options().write(true).open(path(to))?),
        };
        // Opened anew, they close when the program is executed; as they were inherited they would not.
        for fd in [from, to] {
            nix::unistd::close(fd)?;
        }
        Ok(front)
    }
}

/// Traces until the process ends or the front asks for the end, or is gone.
pub(crate) fn run(
    front: Front,
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
    let doing = match target {
        Target::Launch { .. } => Doing::Launch,
        Target::Attach(_) => Doing::Attach,
    };
    let Front { from, mut to } = front;
    listen(from, Arc::clone(&handle), Arc::clone(&front_is_there));
    let mut teller = Teller {
        handle,
        signals,
        to: &mut to,
        dies_with_front: doing == Doing::Launch,
    };
    let outcome = settings.and_then(|settings| {
        profiler::profile(target, &settings, &mut teller).map_err(|error| hint::explain(&error, doing))
    });
    let word = match outcome {
        Ok(mut outcome) => {
            if let Some(end) = outcome.exit {
                teller.tell(&Word::Exited {
                    code: program::code_of(end),
                });
            }
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
    let told = front_is_there.load(Ordering::SeqCst) && word.write(&mut to).is_ok();
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
    /// Killed when the front is gone.
    started: Option<Pid>,
}

impl Stop {
    fn ask(stop: &Mutex<Stop>) {
        let mut stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
        stop.asked = true;
        stop.handle = None;
    }

    fn is_possible(stop: &Mutex<Stop>, handle: StopHandle) {
        let mut stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
        if !stop.asked {
            stop.handle = Some(handle);
        }
    }

    fn wake(stop: &Mutex<Stop>) {
        let stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = &stop.handle {
            // A session that is over has its report under way.
            let _over = handle.wake();
        }
    }

    /// The front is gone; whether there is anything to stop now.
    fn front_is_gone(stop: &Mutex<Stop>) {
        let started = stop.lock().unwrap_or_else(PoisonError::into_inner).started;
        match started {
            // Its end ends the session.
            Some(pid) => {
                let _ended = kill(nix::unistd::Pid::from_raw(pid.0), Signal::SIGKILL);
            }
            None => Stop::ask(stop),
        }
    }
}

/// Hears the front: what it asks for, or that it is gone.
fn listen(from: Box<dyn Read + Send>, handle: Arc<Mutex<Stop>>, front_is_there: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match lines.read_until(b'\n', &mut line) {
                Ok(1..) if line == SO_FAR => Stop::wake(&handle),
                Ok(1..) if line == STOP => return Stop::ask(&handle),
                // Of another version; it knows this one by its answers.
                Ok(1..) => {}
                Ok(0) | Err(_) => {
                    front_is_there.store(false, Ordering::SeqCst);
                    return Stop::front_is_gone(&handle);
                }
            }
        }
    });
}

/// Tells the front what goes on.
struct Teller<'f> {
    handle: Arc<Mutex<Stop>>,
    signals: Signals,
    to: &'f mut (dyn Write + Send),
    dies_with_front: bool,
}

impl Teller<'_> {
    fn tell(&mut self, word: &Word) {
        // A front that is gone is noticed by its silence.
        let _gone = word.write(&mut self.to);
    }
}

impl Observer for Teller<'_> {
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
            Progress::Running { pid } => {
                if self.dies_with_front {
                    let mut stop = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
                    stop.started = Some(pid);
                }
                Word::Running { pid: pid.0 }
            }
            Progress::SoFar(so_far) => Word::SoFar {
                profile: Box::new(so_far.profile),
                memory: so_far.memory,
            },
            Progress::Crossed(crossing) => Word::Crossed(crossing),
            Progress::FirstEnded => Word::FirstEnded,
            // Whoever stopped it knows.
            Progress::Stopped { .. } => return,
        };
        self.tell(&word);
    }

    fn stoppable(&mut self, handle: StopHandle) {
        Stop::is_possible(&self.handle, handle);
        let handle = Arc::clone(&self.handle);
        self.signals.stop(Box::new(move || Stop::ask(&handle)));
    }
}
