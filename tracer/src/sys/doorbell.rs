//! What wakes a session that waits: a child whose stops and whose end are requests.
//!
//! Must not know: who asks, and what for. Between fork and exit the child makes only async-signal-safe calls (fork(2),
//! signal-safety(7)).

use super::Answer;
use super::descriptors::pidfd_open;
use super::procfs::errno_of;
use super::spawn::{exit_now, keep_only};
use crate::ids::Tid;
use libc::c_void;
use nix::errno::Errno;
use std::io::{PipeWriter, pipe};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

/// A child of the tracing thread that stops when a pipe is written to, and ends when its last write end is closed.
///
/// wait4(2) can sleep on nothing but children. So what should wake a session (a request to stop, the
/// death of a front end) closes the pipe, the child ends, and the wait returns: no signal handler,
/// no polling, no lost wake-up. A byte in the pipe wakes it too: the child has itself traced and stops, and is there still
/// when it was let go on. However many bytes wait, it stops once.
///
/// It is ended and reaped with the session; by a descriptor, since its number may be another's once it was
/// reaped by a wait (pidfd_open(2)).
#[derive(Debug)]
pub(crate) struct Doorbell {
    tid: Tid,
    /// `None` on a kernel before 5.3, where the end of the session's thread ends it.
    process: Option<OwnedFd>,
}

impl Doorbell {
    /// Starts the child, which keeps no descriptor but the pipe's read end.
    pub(crate) fn hang_up() -> Answer<(Self, PipeWriter)> {
        let (read, write) = pipe().map_err(|e| errno_of(&e))?;
        let fd = read.as_raw_fd();
        // SAFETY: the child calls only async-signal-safe functions until it exits.
        let forked = unsafe { libc::fork() };
        match Errno::result(forked)? {
            0 => answer(fd),
            pid => {
                let bell = Self {
                    tid: Tid(pid),
                    // Not reaped yet: the number is its own.
                    process: pidfd_open(pid, 0).ok(),
                };
                Ok((bell, write))
            }
        }
    }

    /// A doorbell that is the child of a scene.
    #[cfg(test)]
    pub(crate) fn scripted(tid: Tid) -> Self {
        Self { tid, process: None }
    }

    /// Whether a wait's answer is about the doorbell.
    pub(crate) fn is(&self, tid: Tid) -> bool {
        self.tid == tid
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            end_and_reap(process);
        }
    }
}

fn end_and_reap(process: &OwnedFd) {
    let fd = process.as_raw_fd();
    // ESRCH from one that was reaped already, and ECHILD below: then there is nothing to do.
    // SAFETY: without a siginfo pidfd_send_signal takes numbers only.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            libc::SIGKILL,
            ptr::null::<c_void>(),
            0,
        )
    };
    let Ok(id) = libc::id_t::try_from(fd) else { return };
    let mut ended = MaybeUninit::<libc::siginfo_t>::uninit();
    loop {
        // SAFETY: `ended` is writable for the call.
        let result = unsafe { libc::waitid(libc::P_PIDFD, id, ended.as_mut_ptr(), libc::WEXITED) };
        if Errno::result(result) != Err(Errno::EINTR) {
            return;
        }
    }
}

/// The child's life.
fn answer(fd: i32) -> ! {
    // SAFETY: prctl with a signal number takes no memory. The doorbell must not outlive the thread that forked it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    keep_only(fd);
    let mut bytes = [0_u8; 64];
    let mut is_traced = false;
    loop {
        // SAFETY: `bytes` is writable for its length; read is async-signal-safe.
        let got = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
        if got > 0 {
            is_traced = is_traced || has_itself_traced();
            if is_traced {
                // SAFETY: raise takes a number and is async-signal-safe.
                unsafe { libc::raise(libc::SIGSTOP) };
            }
        } else if got == 0 || Errno::last_raw() != libc::EINTR {
            exit_now(0);
        }
    }
}

/// Only a traced child's stops are told of by a wait without WUNTRACED (wait4(2)). The parent is the tracer: the thread
/// that forked.
fn has_itself_traced() -> bool {
    // SAFETY: PTRACE_TRACEME takes no memory; a bare system call.
    let asked = unsafe {
        libc::ptrace(
            libc::PTRACE_TRACEME,
            0,
            ptr::null_mut::<c_void>(),
            ptr::null_mut::<c_void>(),
        )
    };
    asked == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Stop, decode};
    use crate::event::End;
    use crate::ids::Pid;
    use crate::sys::linux::Linux;
    use crate::sys::{Go, Kernel, Signal, WaitFor, procfs};
    use std::io::Write;

    #[test]
    fn a_doorbell_that_is_rung_stops_once_and_ends_when_it_is_hung_up() {
        let (bell, mut writer) = Doorbell::hang_up().expect("a child");
        let tid = bell.tid;
        let mut kernel = Linux::default();
        for rings in [&b"1"[..], b"22"] {
            writer.write_all(rings).expect("the child reads");
            let (stopped, status) = kernel
                .wait(WaitFor::Only(tid))
                .expect("a child")
                .expect("it stops");
            assert!(bell.is(stopped));
            assert_eq!(decode(status), Stop::Signal(Signal::STOP));
            kernel.resume(tid, Go::On, Signal::NONE).expect("it stands");
        }
        drop(writer);
        let (_, status) = kernel
            .wait(WaitFor::Only(tid))
            .expect("a child")
            .expect("it ends");
        assert_eq!(decode(status), Stop::Ended(End::Exited(0)));
    }

    #[test]
    fn a_doorbell_leaves_no_process_behind_whether_it_was_rung_or_not() {
        for rung in [true, false] {
            let (bell, writer) = Doorbell::hang_up().expect("a child");
            let tid = bell.tid;
            assert_eq!(procfs::process_of(tid), Ok(Pid(tid.0)));
            if rung {
                drop(writer);
                let ended = Linux::default().wait(WaitFor::Only(tid)).expect("a child");
                assert!(bell.is(ended.expect("it ends").0));
            }
            drop(bell);
            assert_eq!(procfs::process_of(tid), Err(Errno::ESRCH), "rung: {rung}");
        }
    }
}
