//! Descriptors of other processes: taken from one, sent to one.
//!
//! Must not know: what is behind a descriptor.

use super::Answer;
use crate::ids::Tid;
use libc::{c_int, c_long, cmsghdr, iovec, msghdr};
use nix::errno::Errno;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// The descriptor that a system call has just made, or its errno.
pub(super) fn owned(result: c_long) -> Answer<OwnedFd> {
    let fd = c_int::try_from(Errno::result(result)?).or(Err(Errno::EBADF))?;
    // SAFETY: the kernel has just opened `fd` for the caller, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor of a process, or of a thread alone where the flags say so.
pub(crate) fn pidfd_open(id: i32, flags: c_int) -> Answer<OwnedFd> {
    // SAFETY: pidfd_open takes numbers only.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, id, flags) })
}

/// A copy of descriptor `number` of a thread's.
///
/// Source: pidfd_getfd(2), since 5.6.
pub(super) fn take(tid: Tid, number: i32) -> Answer<OwnedFd> {
    // PIDFD_THREAD, <linux/pidfd.h>, since 6.9. Threads may have descriptors of their own (unshare(2), CLONE_FILES).
    const OF_THREAD: c_int = libc::O_EXCL;
    let thread = match pidfd_open(tid.0, OF_THREAD) {
        Err(Errno::EINVAL) => pidfd_open(super::procfs::process_of(tid)?.0, 0)?,
        opened => opened?,
    };
    // SAFETY: pidfd_getfd takes numbers only.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, thread.as_raw_fd(), number, 0) })
}

/// A control message with one descriptor: the header, and what it is about (cmsg(3)).
#[repr(C)]
struct OneDescriptor {
    header: cmsghdr,
    descriptor: c_int,
}

/// What `CMSG_LEN` says of one descriptor.
pub(crate) const MESSAGE_LENGTH: usize = size_of::<cmsghdr>() + size_of::<c_int>();

/// Sends a descriptor over a socket, with a byte to carry it.
///
/// Source: unix(7), `SCM_RIGHTS`.
pub(super) fn send(over: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> Answer<()> {
    let mut byte = 0_u8;
    let mut carried = iovec {
        iov_base: ptr::from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    let mut control = OneDescriptor {
        header: cmsghdr {
            cmsg_len: MESSAGE_LENGTH,
            cmsg_level: libc::SOL_SOCKET,
            cmsg_type: libc::SCM_RIGHTS,
        },
        descriptor: descriptor.as_raw_fd(),
    };
    let message = msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: &raw mut carried,
        msg_iovlen: 1,
        msg_control: ptr::from_mut(&mut control).cast(),
        msg_controllen: size_of::<OneDescriptor>(),
        msg_flags: 0,
    };
    // SAFETY: the message, the byte and the control message are readable for the lengths that stand in it, and outlive
    // the call.
    let sent = unsafe { libc::sendmsg(over.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    Errno::result(sent).map(drop)
}
