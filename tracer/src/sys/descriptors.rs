//! Descriptors that system calls without wrappers make.
//!
//! Must not know: what is behind a descriptor.

use super::Answer;
use libc::{c_int, c_long};
use nix::errno::Errno;
use std::os::fd::{FromRawFd, OwnedFd};

/// The descriptor that a system call has just made, or its errno.
pub(super) fn owned(result: c_long) -> Answer<OwnedFd> {
    let fd = c_int::try_from(Errno::result(result)?).or(Err(Errno::EBADF))?;
    // SAFETY: the kernel has just opened `fd` for the caller, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor of a process, or of a thread alone where the flags say so.
pub(super) fn pidfd_open(id: i32, flags: c_int) -> Answer<OwnedFd> {
    // SAFETY: pidfd_open takes numbers only.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, id, flags) })
}
