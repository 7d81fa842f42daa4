//! A profile from beginning to end: open, select, plan, trace, record, sum up.
//!
//! Must not know: how a request was typed, where a report is written. It never prints: what a user may want to
//! hear meanwhile goes to an [`Observer`].
//!
//! ```text
//! Request ─► prepare (file, functions, plan) ─► run (session, recorder) ─► finish (profile) ─► Outcome
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `run` | the order of it all |
//! | `prepared` | a program's file, read and planned |
//! | `follow` | the processes of a session, and its events |
//! | `watch` | a process between its first event and its last |
//! | `summary` | the profile of what was recorded |
//! | `timeline` | memory over time, and calls one by one |
//! | `trigger`, `crossed` | whether memory has crossed a limit, and what is told then |
//! | `stopped` | waiting for a process that was left stopped |
//! | `backtrace` | who called whom, where it has |
//! | `passages` | what threads did without a stop, for the recorder |
//! | `images` | libraries: those there at the start, and those that come and go |
//! | `missed` | what was asked for and is not in the profile |
//! | `so_far` | a profile while its program runs |
//! | `at` | which function an address of a process is in |
//! | `builder`, `program`, `running` | the same as a program asks for it |

mod at;
mod backtrace;
mod builder;
mod crossed;
mod error;
mod follow;
mod images;
mod missed;
mod passages;
mod prepared;
mod program;
mod run;
mod running;
mod so_far;
mod stopped;
mod summary;
mod timeline;
mod trigger;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;

pub use at::{closure_called_at, function_at};
pub use builder::Profiler;
pub use error::{Error, NoMatch};
pub use lineprof_tracer::{Children, Engine, Gates, Keeper, Pid, Pinning, Signal, SignalMask, StopHandle};
pub use missed::Missed;
pub use program::Program;
pub use running::Running;
pub use timeline::Timeline;
pub use trigger::{Then, Trigger};

use crate::metric::Reading;
use crate::profile::{Crossing, Metric, Profile};
use crate::select::{By, Selection};
use crate::units::Bytes;

/// What to profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A program to start.
    Launch {
        /// The file to execute.
        program: PathBuf,
        /// Its arguments, its own name first.
        arguments: Vec<OsString>,
        /// Its environment, `NAME=value` each.
        environment: Vec<OsString>,
        /// The signals it starts with blocked.
        blocked: SignalMask,
    },
    /// A process that runs already.
    Attach(Pid),
}

/// How to profile.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Which functions.
    pub selection: Selection,
    /// What counts as memory.
    pub metric: Metric,
    /// Where it is read from.
    pub reading: Reading,
    /// How instructions under sites are run.
    pub engine: Engine,
    /// How what runs inline hears that memory has changed.
    pub gates: Gates,
    /// Who looks after what runs inline. With [`Keeper::Nobody`] what cannot run inline is refused, and so is what would
    /// have to have breakpoints for another reason (metrics that the process cannot read, children).
    pub keeper: Keeper,
    /// Whether hot threads may share the tracer's processor.
    pub pinning: Pinning,
    /// Whether processes that it makes, and programs that it becomes, are profiled too.
    pub children: Children,
    /// What to do when nothing that is mapped at the start matches.
    pub pending: Pending,
    /// Limits of memory. With one, each site is a breakpoint: what ran inline would tell of a crossing late.
    pub trigger: Trigger,
    /// Tell of memory over time, and of so many calls one by one. Each site is a breakpoint then: what runs inline does not
    /// tell when.
    pub calls: Option<usize>,
}

/// What to do when no function of the program, or of a library that it was linked with, is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pending {
    /// Fail: a name was mistyped.
    #[default]
    Fail,
    /// Go on: a library that is loaded later may have it.
    GoOn,
}

/// What happens meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// These are going to be profiled.
    Selected {
        /// Who named them.
        by: By,
        /// How many functions.
        functions: usize,
        /// How many sites.
        sites: usize,
    },
    /// Nothing that is there at the start matches these.
    Unmatched {
        /// Patterns for functions and files.
        patterns: Vec<String>,
    },
    /// A library has functions that are profiled.
    Loaded {
        /// The library, as the process sees it.
        path: PathBuf,
        /// How many functions.
        functions: usize,
        /// How many sites.
        sites: usize,
    },
    /// The process runs and every site is planted.
    Running {
        /// The process.
        pid: Pid,
    },
    /// Memory has crossed a limit; the thread stands on the line.
    Crossed(Box<Crossing>),
    /// The process that was started or attached to has ended, and others are followed still.
    FirstEnded,
    /// How it stands, because the session was woken.
    SoFar(Box<SoFar>),
    /// Every thread of the process has stopped; SIGCONT lets it go on.
    Stopped {
        /// The signal that stopped it.
        by: Signal,
    },
}

/// A profile that is not at its end.
///
/// What threads do while it is made may be in it or not, and a frame that is open stands as if it ended now. The end of
/// it ([`Profile::end`]) says nothing yet, and lines are without their text.
#[derive(Debug, Clone, PartialEq)]
pub struct SoFar {
    /// What was recorded.
    pub profile: Profile,
    /// The memory of the process now.
    pub memory: Bytes,
}

/// Hears of progress, on the thread that traces.
pub trait Observer: Send {
    /// Something has happened.
    fn progress(&mut self, progress: Progress);

    /// The session can be stopped by this handle from now on; dropping it stops it. Waking it has it tell how it stands
    /// ([`Progress::SoFar`]).
    fn stoppable(&mut self, handle: StopHandle);
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// A profile for each program that was watched, in the order in which they began: one, where children run free.
    pub profiled: Vec<Profiled>,
    /// What the program ended with, if it ended while it was watched or, started by us, afterwards.
    pub exit: Option<lineprof_tracer::End>,
    /// The process that was left stopped on a line ([`Then::LeaveStopped`]).
    pub left_stopped: Option<Pid>,
}

/// The profile of one program.
#[derive(Debug)]
pub struct Profiled {
    /// The profile.
    pub profile: Profile,
    /// The executable was changed last at this time: sources newer than that may not be what was compiled.
    pub built: Option<std::time::SystemTime>,
    /// What was asked for and is not in the profile.
    pub missed: Missed,
    /// Memory over time, where it was asked for.
    pub timeline: Option<Timeline>,
}

/// Profiles `target`.
///
/// Works on a thread of its own, whose end lets go of the last threads of an attached process.
///
/// # Errors
/// Nothing could be profiled: the target or its debug information cannot be used, or no function matches.
/// A program that was to be started has not run then, unless children are followed: only their ends tell that none of
/// them had such a function.
pub fn profile(target: &Target, settings: &Settings, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    let outcome = std::thread::scope(|scope| {
        let tracing = std::thread::Builder::new().name("lineprof-tracer".into());
        let thread = tracing
            .spawn_scoped(scope, || run::run(target, settings, observer))
            .map_err(Error::Thread)?;
        match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    // Not before: threads that slept are let go by the end of that one.
    if let Some(process) = outcome.left_stopped {
        stopped::wait_for(process);
    }
    Ok(outcome)
}
