//! A descriptor whose closing takes long is closed by a process of its own.
//!
//! Must not know: what the descriptor is. Between fork and exit only async-signal-safe calls are made (fork(2),
//! signal-safety(7)).
//!
//! The last close of a tracepoint's event waits until no processor can be in its program any more: 70 to 100 ms
//! (measured, 6.18; `tracepoint_synchronize_unregister`, include/linux/tracepoint.h). A profiler that has printed its
//! report has nothing to wait for.

use super::spawn::{exit_now, keep_only};
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

/// A descriptor that is closed late.
#[derive(Debug)]
pub(super) struct LateClose(OwnedFd);

impl LateClose {
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl AsFd for LateClose {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for LateClose {
    fn drop(&mut self) {
        // Forked twice: nobody has to wait for the one that closes, by its end. Where a fork fails, the close is this process's.
        // SAFETY: the child calls only async-signal-safe functions until it exits.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: as above.
                if unsafe { libc::fork() } == 0 {
                    keep_only(self.0.as_raw_fd());
                }
                exit_now(0);
            }
            pid if pid > 0 => loop {
                // SAFETY: no status is asked for, nor a resource usage.
                let reaped = unsafe { libc::wait4(pid, ptr::null_mut(), libc::__WALL, ptr::null_mut()) };
                if Errno::result(reaped) != Err(Errno::EINTR) {
                    return;
                }
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, pipe};

    #[test]
    fn the_descriptor_is_closed_in_the_end_and_no_child_is_left() {
        let (mut read, write) = pipe().expect("a pipe");
        drop(LateClose::new(write.into()));
        let mut rest = Vec::new();
        assert_eq!(read.read_to_end(&mut rest).expect("an own pipe"), 0);
        // SAFETY: no status is asked for, nor a resource usage.
        let left = unsafe { libc::wait4(-1, ptr::null_mut(), libc::__WNOTHREAD, ptr::null_mut()) };
        assert_eq!(Errno::result(left), Err(Errno::ECHILD));
    }
}
