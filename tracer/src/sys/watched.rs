//! The end of a process that is not traced.
//!
//! Must not know: who waits for it, and why.

use super::{Answer, RawStatus};
use crate::ids::Pid;
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

/// Waits until the child behind a descriptor has ended, and leaves it there as a zombie.
pub(crate) fn wait_for_end(process: BorrowedFd<'_>) -> Answer<()> {
    loop {
        match waitid(Id::PIDFd(process), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// Reaps a child: its status, and the most resident memory of it and its children in bytes.
///
/// Source: wait4(2); getrusage(2), `ru_maxrss` is in kibibytes.
pub(crate) fn reap(pid: Pid) -> Answer<(RawStatus, u64)> {
    let mut status = 0;
    loop {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both are writable, and of the types that the call fills.
        let reaped = unsafe { libc::wait4(pid.0, &raw mut status, 0, usage.as_mut_ptr()) };
        match Errno::result(reaped) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => {
                // SAFETY: the kernel has filled it, and zeros were a value of it before.
                let usage = unsafe { usage.assume_init() };
                return Ok((RawStatus(status), usage.ru_maxrss.cast_unsigned() * 1024));
            }
        }
    }
}
