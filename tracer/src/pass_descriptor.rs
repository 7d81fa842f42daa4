//! A descriptor of the tracer's, given to a stopped tracee; and memory behind one, mapped there.
//!
//! Must not know: what is behind the descriptor, what the memory is for.
//!
//! ```text
//! tracee (injected calls)                 tracer
//! socketpair ─────────── one end ───────► pidfd_getfd
//!                                         sendmsg(SCM_RIGHTS)
//! recvmsg ◄───────────────────────────────┘
//! close, close                            close
//! ```
//! No path leads from one to the other that a sandbox could forbid: a container has its own files, and
//! /proc/PID/fd of the tracer may not be there for it. Of all this the program keeps the descriptor alone.

use crate::addr::{RemoteAddr, RemoteRange};
use crate::address_space::may_inject;
use crate::ids::Tid;
use crate::parked::Parked;
use crate::remote_call::{Page, RemoteCaller};
use crate::sys::descriptors::MESSAGE_LENGTH;
use crate::sys::{Answer, Kernel};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// A descriptor of a tracee's, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RemoteDescriptor(pub(crate) i32);

impl RemoteDescriptor {
    /// As an argument of a system call.
    fn argument(self) -> u64 {
        u64::from(self.0.cast_unsigned())
    }
}

/// A stopped tracee that is given things.
///
/// *State*: as for [`RemoteCaller::call`]; the other threads of its process are stopped, too, or may see a socket
/// of ours among their descriptors.
#[derive(Debug)]
pub(crate) struct Recipient<'a, K> {
    /// Who asks.
    pub(crate) kernel: &'a mut K,
    /// Where it runs system calls.
    pub(crate) caller: &'a mut RemoteCaller,
    /// The tracee.
    pub(crate) tid: Tid,
    /// Stops that come meanwhile.
    pub(crate) parked: &'a mut Parked,
}

impl<K: Kernel> Recipient<'_, K> {
    /// Gives it `descriptor`; the number there, closed on exec.
    ///
    /// # Errors
    /// EPERM where a seccomp filter of the program's own may forbid a call; nothing was done then. Otherwise what the
    /// kernel says, such as EMFILE; then nothing is left of it.
    pub(crate) fn give(&mut self, descriptor: BorrowedFd<'_>) -> Answer<RemoteDescriptor> {
        if !may_inject(self.kernel, self.tid)? {
            return Err(Errno::EPERM);
        }
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        self.caller.with_page(self.kernel, self.tid, self.parked, |page| {
            let [family, kind] = [libc::AF_UNIX, kind].map(|n| u64::from(n.cast_unsigned()));
            let arguments = [family, kind, 0, page.address.0, 0, 0];
            page.call(libc::SYS_socketpair, arguments)?;
            let [pair] = page.read()?;
            let (ours, theirs) = halves(pair);
            let (ours, theirs) = (RemoteDescriptor(ours), RemoteDescriptor(theirs));
            let received = hand_over(page, ours, theirs, descriptor);
            // It is gone: there is nothing to close any more.
            if matches!(received, Err(Errno::ESRCH)) {
                return received;
            }
            for end in [ours, theirs] {
                page.call(libc::SYS_close, [end.argument(), 0, 0, 0, 0, 0])?;
            }
            received
        })
    }

    /// Maps what `descriptor` stands for at `range`, from `offset` on, to be read and written, and closes it.
    ///
    /// All its pages are there from the begin: no access of ours faults and counts as the program's.
    ///
    /// # Errors
    /// EEXIST where something is mapped in `range` already. The descriptor is closed all the same.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests look that closely"))]
    pub(crate) fn map(
        &mut self,
        descriptor: RemoteDescriptor,
        range: RemoteRange,
        offset: u64,
    ) -> Answer<()> {
        let length = range.end.0.wrapping_sub(range.start.0);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE | libc::MAP_POPULATE;
        let [protection, flags] = [protection, flags].map(|n| u64::from(n.cast_unsigned()));
        let fd = descriptor.argument();
        let arguments = [range.start.0, length, protection, flags, fd, offset];
        let mapped = self.call(libc::SYS_mmap, arguments);
        if matches!(mapped, Err(Errno::ESRCH)) {
            return mapped.map(drop);
        }
        self.close(descriptor)?;
        let at = RemoteAddr(mapped?);
        if at == range.start {
            return Ok(());
        }
        // A kernel before 4.17 takes the address for a wish.
        self.call(libc::SYS_munmap, [at.0, length, 0, 0, 0, 0])?;
        Err(Errno::EEXIST)
    }

    /// Maps `length` bytes of what `descriptor` stands for wherever there is room, no page of it yet, and closes it.
    pub(crate) fn map_anywhere(&mut self, descriptor: RemoteDescriptor, length: u64) -> Answer<RemoteAddr> {
        let protection = u64::from((libc::PROT_READ | libc::PROT_WRITE).cast_unsigned());
        let flags = u64::from((libc::MAP_SHARED | libc::MAP_NORESERVE).cast_unsigned());
        let arguments = [0, length, protection, flags, descriptor.argument(), 0];
        let mapped = self.call(libc::SYS_mmap, arguments);
        if !matches!(mapped, Err(Errno::ESRCH)) {
            self.close(descriptor)?;
        }
        mapped.map(RemoteAddr)
    }

    /// Maps a part of what `descriptor` stands for, with its pages, over what is mapped at `at`, or anywhere.
    pub(crate) fn map_part(
        &mut self,
        descriptor: RemoteDescriptor,
        at: Option<RemoteAddr>,
        offset: u64,
        length: u64,
    ) -> Answer<RemoteAddr> {
        let protection = u64::from((libc::PROT_READ | libc::PROT_WRITE).cast_unsigned());
        let fixed = if at.is_some() { libc::MAP_FIXED } else { 0 };
        let flags = u64::from((libc::MAP_SHARED | libc::MAP_POPULATE | fixed).cast_unsigned());
        let start = at.map_or(0, |at| at.0);
        let arguments = [start, length, protection, flags, descriptor.argument(), offset];
        self.call(libc::SYS_mmap, arguments).map(RemoteAddr)
    }

    /// Maps memory at `at`, over what is there, that a child made by fork(2) has with zeros (`MADV_WIPEONFORK`, 4.14).
    pub(crate) fn map_forgotten(&mut self, at: RemoteAddr, length: u64) -> Answer<()> {
        let protection = u64::from((libc::PROT_READ | libc::PROT_WRITE).cast_unsigned());
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_POPULATE;
        let flags = u64::from(flags.cast_unsigned());
        self.call(libc::SYS_mmap, [at.0, length, protection, flags, u64::MAX, 0])?;
        let advice = u64::from(libc::MADV_WIPEONFORK.cast_unsigned());
        self.call(libc::SYS_madvise, [at.0, length, advice, 0, 0, 0])
            .map(drop)
    }

    /// Closes a descriptor that was given.
    pub(crate) fn close(&mut self, descriptor: RemoteDescriptor) -> Answer<()> {
        self.call(libc::SYS_close, [descriptor.argument(), 0, 0, 0, 0, 0])
            .map(drop)
    }

    fn call(&mut self, number: i64, arguments: [u64; 6]) -> Answer<u64> {
        self.caller
            .call(self.kernel, self.tid, number, arguments, self.parked)
    }
}

/// Sends `descriptor` from one end of the tracee's pair of sockets, and receives it at the other.
fn hand_over<K: Kernel>(
    page: &mut Page<'_, K>,
    ours: RemoteDescriptor,
    theirs: RemoteDescriptor,
    descriptor: BorrowedFd<'_>,
) -> Answer<RemoteDescriptor> {
    let (kernel, tid) = page.tracee();
    let over = kernel.take_descriptor(tid, ours.0)?;
    kernel.send_descriptor(over.as_fd(), descriptor)?;
    page.write(&room_for_message(page.address))?;
    // The message is there already.
    let flags = u64::from((libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT).cast_unsigned());
    let arguments = [theirs.argument(), page.address.0, flags, 0, 0, 0];
    page.call(libc::SYS_recvmsg, arguments)?;
    descriptor_in(&page.read()?)
}

/// Words of a message with a byte and one descriptor.
const WORDS: usize = 13;

/// Positions of words in it.
const FLAGS: usize = 6;
const CONTROL_LENGTH: usize = 10;
const CONTROL_KIND: usize = 11;
const CONTROL: usize = 12;

/// What recvmsg(2) is to fill, laid out at `page`.
///
/// ```text
/// 0   name, its length, vector, its count, control, its length, flags     struct msghdr
/// 7   address, length                                                     struct iovec
/// 9   the byte
/// 10  length, level and type, descriptor                                  struct cmsghdr and what follows it
/// ```
fn room_for_message(page: RemoteAddr) -> [u64; WORDS] {
    let at = |word: u64| page.plus(8 * word).0;
    const CONTROL_BYTES: u64 = 24;
    [0, 0, at(7), 1, at(10), CONTROL_BYTES, 0, at(9), 1, 0, 0, 0, 0]
}

/// The descriptor in a message that was received; an error when the kernel left it out.
fn descriptor_in(words: &[u64; WORDS]) -> Answer<RemoteDescriptor> {
    let (flags, _) = halves(words[FLAGS]);
    // The limit of descriptors was met, or a security module forbids this one (unix(7)).
    if flags & libc::MSG_CTRUNC != 0 || words[CONTROL_LENGTH] != MESSAGE_LENGTH as u64 {
        return Err(Errno::EMFILE);
    }
    let (level, kind) = halves(words[CONTROL_KIND]);
    if (level, kind) != (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
        return Err(Errno::EBADMSG);
    }
    let (descriptor, _) = halves(words[CONTROL]);
    Ok(RemoteDescriptor(descriptor))
}

/// The two ints in a word, the first first.
fn halves(word: u64) -> (i32, i32) {
    ((word as u32).cast_signed(), ((word >> 32) as u32).cast_signed())
}

#[cfg(test)]
mod tests;
