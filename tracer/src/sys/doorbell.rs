//! What wakes a session that waits: a child whose end is a request.
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

/// A child of the tracing thread that ends when the last copy of a pipe's write end is closed.
///
/// wait4(2) can sleep on nothing but children. So what should wake a session (a request to stop, the
/// death of a front end) closes the pipe, the child ends, and the wait returns: no signal handler,
/// no polling, no lost wake-up.
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
            0 => wait_for_end_of_file(fd),
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

fn wait_for_end_of_file(fd: i32) -> ! {
    // SAFETY: prctl with a signal number takes no memory. The doorbell must not outlive the thread that forked it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    keep_only(fd);
    let mut byte = 0_u8;
    loop {
        // SAFETY: `byte` is writable; read is async-signal-safe.
        let got = unsafe { libc::read(fd, ptr::from_mut(&mut byte).cast(), 1) };
        if got >= 0 || Errno::last_raw() != libc::EINTR {
            exit_now(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;
    use crate::sys::linux::Linux;
    use crate::sys::{Kernel, WaitFor, procfs};

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
