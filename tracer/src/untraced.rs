//! A process that nobody traces: started, or found by its number, and known until its end.
//!
//! Must not know: what is measured in it. No ptrace request is ever made of it.
//!
//! ```text
//! start: fork ─► identity, pidfd ─► release ─► exec ─► (the failure pipe closes: it is the program now)
//! find:  pidfd ─► identity ─► is it no thread, zombie, kernel thread?
//! ```
//! Its descriptor is readable once it has ended, by poll(2) (pidfd_open(2)). Who holds an [`Identity`] never mistakes
//! another process for it.

use crate::attach;
use crate::decode::{Stop, decode};
use crate::error::{Error, Kind, Operation, Result, Subject};
use crate::event::End;
use crate::identity::Identity;
use crate::ids::Pid;
use crate::launch::Launch;
use crate::sys::descriptors::pidfd_open;
use crate::sys::{procfs, spawn, watched};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A process that runs without a tracer.
#[derive(Debug)]
pub struct Untraced {
    identity: Identity,
    descriptor: OwnedFd,
    origin: Origin,
    /// The most that it had as a copy of this process, in bytes.
    before_exec: u64,
}

/// Where a process comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This process started it and will hear how it ended.
    Started,
    /// It ran before.
    Found,
}

/// How a process ended, and the most memory that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// How it ended.
    pub end: End,
    /// The most resident memory, in bytes, of the process over all programs that it was, the moment before its first
    /// exec included, and of the children that it waited for (getrusage(2), `ru_maxrss`).
    pub most_resident: u64,
    /// No less than what it had before its first exec, as a copy of the process that started it, in bytes.
    ///
    /// `most_resident` says something about the program where it is more than this.
    pub before_exec: u64,
    /// Whether `most_resident` can be a child's.
    pub children: WaitedFor,
}

/// Whether a process has waited for children of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitedFor {
    /// It has not: no fault of a child was added to its own count (proc_pid_stat(5), `cminflt`).
    None,
    /// It has, or it cannot be told.
    Some,
}

impl Untraced {
    /// Starts a program.
    ///
    /// *State*: it is the program when this returns, and may have run already.
    ///
    /// # Errors
    /// It cannot be executed.
    pub fn start(launch: &Launch) -> Result<Self> {
        let failed =
            |errno| Error::from_errno(Operation::Run, Subject::Program(launch.program.clone()), errno);
        let mut held = spawn::hold(
            &launch.program,
            &launch.arguments,
            &launch.environment,
            launch.blocked,
        )
        .map_err(failed)?;
        // Nobody else can have its number: it is not reaped before this process does it.
        let identity = Identity::of(held.pid)?;
        let descriptor = pidfd_open(held.pid.0, 0).map_err(failed)?;
        // What the child still touches on its way to exec: a few pages of the C library, each with its neighbours.
        const ON_THE_WAY: u64 = 512 << 10;
        let before_exec = procfs::most_resident(held.pid).map_err(failed)? + ON_THE_WAY;
        held.release().map_err(failed)?;
        if let Some(errno) = held.exec_error() {
            // It ends by itself, and its code says nothing.
            watched::reap(identity.pid()).map_err(failed)?;
            let kind = match errno {
                Errno::ENOENT => Kind::NotFound,
                _ => Kind::NotExecutable,
            };
            return Err(Error {
                kind,
                ..failed(errno)
            });
        }
        Ok(Self {
            identity,
            descriptor,
            origin: Origin::Started,
            before_exec,
        })
    }

    /// The process that has this number now.
    ///
    /// # Errors
    /// There is none, it has ended, or it is a thread.
    pub fn find(pid: Pid) -> Result<Self> {
        let subject = || Subject::Process(pid);
        let errno = |errno| match errno {
            // The number of a thread, or none at all (pidfd_open(2); ENOENT since 6.18).
            Errno::EINVAL | Errno::ENOENT => {
                Error::from_kind(Operation::Watch, subject(), Kind::NoSuchProcess)
            }
            errno => Error::from_errno(Operation::Watch, subject(), errno),
        };
        let descriptor = pidfd_open(pid.0, 0).map_err(errno)?;
        let identity = Identity::of(pid).map_err(|error| Error {
            operation: Operation::Watch,
            ..error
        })?;
        if let Some(kind) = attach::unusable(pid).map_err(errno)? {
            return Err(Error::from_kind(Operation::Watch, subject(), kind));
        }
        Ok(Self {
            identity,
            descriptor,
            origin: Origin::Found,
            before_exec: 0,
        })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.identity.pid()
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Waits for the end of a process that was started, and lets go of its number.
    ///
    /// # Errors
    /// It was not started by this process, or was reaped before.
    pub fn reap(self) -> Result<Reaped> {
        let pid = self.pid();
        let failed = |errno| Error::from_errno(Operation::Wait, Subject::Process(pid), errno);
        watched::wait_for_end(self.descriptor.as_fd()).map_err(failed)?;
        // The account of a zombie stands still.
        let children = match procfs::faults_of_children(pid) {
            Ok(0) => WaitedFor::None,
            _ => WaitedFor::Some,
        };
        let (status, most_resident) = watched::reap(pid).map_err(failed)?;
        match decode(status) {
            Stop::Ended(end) => Ok(Reaped {
                end,
                most_resident,
                before_exec: self.before_exec,
                children,
            }),
            // wait4(2) tells of other changes to those only who ask for them.
            _ => Err(failed(Errno::ECHILD)),
        }
    }
}

impl AsFd for Untraced {
    /// Readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn::SignalMask;
    use std::path::PathBuf;

    fn launch(program: &str, arguments: &[&str]) -> Launch {
        Launch {
            program: PathBuf::from(program),
            arguments: arguments.iter().map(Into::into).collect(),
            environment: Vec::new(),
            blocked: SignalMask::of_this_thread(),
        }
    }

    #[test]
    fn a_started_program_tells_its_end_and_its_memory() {
        let process = Untraced::start(&launch("/bin/sh", &["sh", "-c", "exit 7"])).expect("a shell");
        assert_eq!(process.origin(), Origin::Started);
        let reaped = process.reap().expect("an own child");
        assert_eq!((reaped.end, reaped.children), (End::Exited(7), WaitedFor::None));
        // A copy of this process has less than this process.
        let own = procfs::most_resident(Pid(std::process::id().cast_signed())).expect("this process");
        assert!(reaped.most_resident > 4096 && reaped.before_exec < own + (512 << 10));
    }

    #[test]
    fn children_that_a_program_waited_for_are_told() {
        let process = Untraced::start(&launch("/bin/sh", &["sh", "-c", "(exit 3); exit 4"]));
        let reaped = process.expect("a shell").reap().expect("an own child");
        assert_eq!((reaped.end, reaped.children), (End::Exited(4), WaitedFor::Some));
    }

    #[test]
    fn what_cannot_be_executed_is_an_error_and_leaves_no_child() {
        let kind = |program| {
            Untraced::start(&launch(program, &["x"]))
                .map(|_| ())
                .map_err(|e| e.kind)
        };
        assert_eq!(kind("/nowhere/at/all"), Err(Kind::NotFound));
        assert_eq!(kind("/etc"), Err(Kind::NotExecutable));
    }

    #[test]
    fn a_number_that_nobody_has_is_no_process() {
        for pid in [Pid(4_194_305), Pid(0), Pid(-1)] {
            let found = Untraced::find(pid).map(|_| ()).map_err(|error| error.kind);
            assert_eq!(found, Err(Kind::NoSuchProcess), "{pid}");
        }
    }

    #[test]
    fn a_running_process_is_found() {
        let own = Pid(std::process::id().cast_signed());
        let found = Untraced::find(own).expect("this process runs");
        assert_eq!((found.pid(), found.origin()), (own, Origin::Found));
        assert!(found.identity().is_there());
    }
}
