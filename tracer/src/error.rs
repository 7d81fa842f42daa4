//! What can fail at this crate's boundary: an operation on a thread, a process or a file of it.
//!
//! Must not know: how to help. The command line turns an operation and its kind into a hint.
//!
//! Death of a tracee is not in here: it is an event. A site that cannot be planted is not
//! in here either: it is refused, with a reason, and counted.

use crate::addr::RemoteAddr;
use crate::ids::{Pid, Tid};
use nix::errno::Errno;
use std::path::PathBuf;
use thiserror::Error;

/// An operation that failed, on what, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
#[error("cannot {operation} {subject}: {kind}")]
pub struct Error {
    /// What was tried.
    pub operation: Operation,
    /// On what.
    pub subject: Subject,
    /// Why it did not work.
    pub kind: Kind,
    /// What the kernel said, where it was the kernel.
    #[source]
    pub source: Option<Errno>,
}

/// What a session does to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Operation {
    /// Start a program under trace.
    #[error("run")]
    Run,
    /// Become the tracer of a running thread.
    #[error("attach to")]
    Attach,
    /// Look at a process without tracing it.
    #[error("watch")]
    Watch,
    /// Wait for the next stop.
    #[error("wait for")]
    Wait,
    /// Read registers, signal information or memory.
    #[error("read from")]
    Read,
    /// Change registers or memory.
    #[error("write to")]
    Write,
    /// Let a stopped thread go on.
    #[error("resume")]
    Resume,
    /// Give a thread back.
    #[error("detach from")]
    Detach,
    /// End a process.
    #[error("kill")]
    Kill,
    /// Run a system call in a stopped thread.
    #[error("run a system call in")]
    RemoteCall,
    /// Prepare a session's own means: pipes, a child.
    #[error("set up")]
    SetUp,
}

/// What an operation was done to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Subject {
    /// One thread.
    #[error("thread {0}")]
    Thread(Tid),
    /// A whole process.
    #[error("process {0}")]
    Process(Pid),
    /// A program that is not a process yet.
    #[error("{}", .0.display())]
    Program(PathBuf),
    /// The session itself.
    #[error("the tracing session")]
    Session,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Kind {
    /// There is no such process (any more).
    #[error("no such process")]
    NoSuchProcess,
    /// The process has ended and waits to be reaped by its parent.
    #[error("it is a zombie: it has ended and its parent has not reaped it")]
    Zombie,
    /// The process is a thread of the kernel.
    #[error("it is a thread of the kernel")]
    KernelThread,
    /// The process is this process, or one it depends on.
    #[error("it is this process itself")]
    Own,
    /// Somebody else traces the process.
    #[error("it is traced already, by process {by} ({name})")]
    AlreadyTraced {
        /// The tracer's pid.
        by: Pid,
        /// The tracer's command name, as the kernel tells it: untrusted bytes.
        name: String,
    },
    /// Another process has the same memory and cannot be traced as well.
    #[error("process {process} has the same memory and cannot be traced: it would die of a breakpoint")]
    SharerNotTraced {
        /// The other one.
        process: Pid,
    },
    /// The kernel does not permit it.
    #[error("the kernel does not permit it")]
    NotPermitted,
    /// Its code is for another processor or word size.
    #[error("it runs code for another processor")]
    OtherProcessor,
    /// The program was not found.
    #[error("no such file")]
    NotFound,
    /// The kernel cannot run the file.
    #[error("the kernel cannot run it")]
    NotExecutable,
    /// The kernel did not let bytes of ours be taken out of its code: it dies where it comes by one.
    #[error("breakpoints are left in its code: {sites}, the first at {first}")]
    BreakpointsLeft {
        /// How many.
        sites: usize,
        /// Where one of them is.
        first: RemoteAddr,
    },
    /// Any other answer of the kernel.
    #[error("the kernel refused")]
    Refused,
}

impl Error {
    /// An error with what the kernel said.
    #[must_use]
    pub fn from_errno(operation: Operation, subject: Subject, errno: Errno) -> Self {
        let kind = match errno {
            Errno::ESRCH => Kind::NoSuchProcess,
            Errno::EPERM | Errno::EACCES => Kind::NotPermitted,
            Errno::ENOENT => Kind::NotFound,
            Errno::ENOEXEC => Kind::NotExecutable,
            _ => Kind::Refused,
        };
        Self {
            operation,
            subject,
            kind,
            source: Some(errno),
        }
    }

    /// An error that this crate found by itself.
    #[must_use]
    pub fn from_kind(operation: Operation, subject: Subject, kind: Kind) -> Self {
        Self {
            operation,
            subject,
            kind,
            source: None,
        }
    }
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
