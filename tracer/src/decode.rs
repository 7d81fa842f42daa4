//! What a wait status means: one word from the kernel becomes one [`Stop`].
//!
//! Must not know: which tracee it is about, or what to do. Pure.
//! Source: ptrace(2), "Stopped tracees"; wait4(2).

use crate::event::End;
use crate::sys::{RawStatus, Signal};

/// A change of a tracee's state, as the kernel reports it to a tracer that used `PTRACE_SEIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is about to take this signal.
    Signal(Signal),
    /// It has entered or is about to leave a system call.
    SystemCall,
    /// It stopped because it was new, because it was asked to, or because its group-stop has ended.
    Pause,
    /// Its whole process is stopped by this signal.
    Group(Signal),
    /// It has made a child: a process or a thread.
    Child(Birth),
    /// Its process has become another program.
    Executed,
    /// It is about to end; its memory is still there.
    Exiting,
    /// It has ended and is reaped.
    Ended(End),
}

/// What the name of an event tells of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// The parent sleeps until the child execs or ends; it most often lends its memory.
    Vfork,
    /// Nothing: clone(2) gives either of two names for any other flags (measured).
    Other,
}

/// Decodes a status word.
pub(crate) fn decode(RawStatus(status): RawStatus) -> Stop {
    if libc::WIFEXITED(status) {
        return Stop::Ended(End::Exited(libc::WEXITSTATUS(status)));
    }
    if libc::WIFSIGNALED(status) {
        return Stop::Ended(End::Killed(Signal(libc::WTERMSIG(status))));
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        libc::PTRACE_EVENT_VFORK => Stop::Child(Birth::Vfork),
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_CLONE => Stop::Child(Birth::Other),
        libc::PTRACE_EVENT_EXEC => Stop::Executed,
        libc::PTRACE_EVENT_EXIT => Stop::Exiting,
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Pause,
        libc::PTRACE_EVENT_STOP => Stop::Group(Signal(signal)),
        // PTRACE_O_TRACESYSGOOD sets bit 7 of the signal at a system call.
        _ if signal == libc::SIGTRAP | 0x80 => Stop::SystemCall,
        _ => Stop::Signal(Signal(signal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(event: i32, signal: i32) -> Stop {
        decode(RawStatus((event << 16) | (signal << 8) | 0x7F))
    }

    #[test]
    fn every_kind_of_status_has_its_meaning() {
        assert_eq!(decode(RawStatus(7 << 8)), Stop::Ended(End::Exited(7)));
        assert_eq!(
            decode(RawStatus(libc::SIGKILL)),
            Stop::Ended(End::Killed(Signal(libc::SIGKILL)))
        );
        assert_eq!(
            decode(RawStatus(libc::SIGSEGV | 0x80)),
            Stop::Ended(End::Killed(Signal(libc::SIGSEGV))),
            "with a core"
        );
        assert_eq!(stopped(0, libc::SIGTRAP), Stop::Signal(Signal::TRAP));
        assert_eq!(stopped(0, libc::SIGTRAP | 0x80), Stop::SystemCall);
        assert_eq!(stopped(libc::PTRACE_EVENT_STOP, libc::SIGTRAP), Stop::Pause);
        assert_eq!(
            stopped(libc::PTRACE_EVENT_STOP, libc::SIGTSTP),
            Stop::Group(Signal(libc::SIGTSTP))
        );
        for (child, birth) in [
            (libc::PTRACE_EVENT_FORK, Birth::Other),
            (libc::PTRACE_EVENT_VFORK, Birth::Vfork),
            (libc::PTRACE_EVENT_CLONE, Birth::Other),
        ] {
            assert_eq!(stopped(child, libc::SIGTRAP), Stop::Child(birth));
        }
        assert_eq!(stopped(libc::PTRACE_EVENT_EXEC, libc::SIGTRAP), Stop::Executed);
        assert_eq!(stopped(libc::PTRACE_EVENT_EXIT, libc::SIGTRAP), Stop::Exiting);
    }
}
