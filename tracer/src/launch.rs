//! Starting a program under trace.
//!
//! Must not know: what is profiled in it.
//!
//! ```text
//! fork ─► child waits ─► SEIZE (EXITKILL) ─► release ─► exec ─► PTRACE_EVENT_EXEC: the session begins
//! ```
//! SEIZE and not TRACEME: no SIGSTOP is made up, and group-stops can be told apart (ptrace(2)). The kernel
//! lets a process trace its own descendants also where Yama restricts the rest.

use crate::decode::{Stop, decode};
use crate::error::{Error, Kind, Operation, Result, Subject};
use crate::options::Options;
use crate::session::Core;
use crate::sys::doorbell::Doorbell;
use crate::sys::linux::Linux;
use crate::sys::spawn::{self, SignalMask};
use crate::sys::{Go, Kernel, Seize, Signal, WaitFor};
use crate::tracee::{Role, State};
use nix::errno::Errno;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The file to execute; see [`find_program`].
    pub program: PathBuf,
    /// Its arguments, its own name first.
    pub arguments: Vec<OsString>,
    /// Its environment, `NAME=value` each.
    pub environment: Vec<OsString>,
    /// The signals it starts with blocked.
    pub blocked: SignalMask,
}

/// The file that a shell would run for `program`: itself when it has a slash, else the first in `path`.
#[must_use]
pub fn find_program(program: &Path, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    spawn::find_program(program, path)
}

/// Starts the program; its first instruction has not run yet.
pub(crate) fn launch(launch: &Launch, options: Options, doorbell: Doorbell) -> Result<Core<Linux>> {
    let subject = || Subject::Program(launch.program.clone());
    let failed = |errno| Error::from_errno(Operation::Run, subject(), errno);
    let mut held = spawn::hold(
        &launch.program,
        &launch.arguments,
        &launch.environment,
        launch.blocked,
    )
    .map_err(failed)?;
    let mut kernel = Linux::default();
    let tid = held.pid.leader();
    if let Err(errno) = kernel.seize(tid, Seize::DiesWithTracer) {
        // Dropping `held` closes its pipe: the child sees the end of it and exits.
        return Err(Error::from_errno(Operation::Attach, subject(), errno));
    }
    held.release().map_err(failed)?;
    loop {
        let Some((_, status)) = kernel.wait(WaitFor::Only(tid)).map_err(failed)? else {
            continue;
        };
        let go = match decode(status) {
            Stop::Executed => break,
            Stop::Signal(signal) => (Go::On, signal),
            Stop::Group(_) => (Go::Listen, Signal::NONE),
            Stop::SystemCall | Stop::Pause | Stop::Child(_) | Stop::Exiting => (Go::On, Signal::NONE),
            Stop::Ended(_) => {
                let errno = held.exec_error().unwrap_or(Errno::ECHILD);
                return Err(match errno {
                    Errno::ENOENT => Error::from_errno(Operation::Run, subject(), errno),
                    Errno::ECHILD => failed(errno),
                    _ => Error {
                        kind: Kind::NotExecutable,
                        ..failed(errno)
                    },
                });
            }
        };
        kernel.resume(tid, go.0, go.1).map_err(failed)?;
    }
    let mut core = Core::new(kernel, held.pid, options, Some(doorbell));
    core.fate = Seize::DiesWithTracer;
    core.adopt(tid, held.pid, Role::Profiled, State::Stopped);
    core.stand_at(tid);
    core.begin_trap_setting(tid).map_err(failed)?;
    Ok(core)
}
