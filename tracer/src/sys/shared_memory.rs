//! Memory that this process shares with another: mapped here, and to be mapped there.
//!
//! Must not know: what is kept in it. The other process may write to it at any time, so there are no references to
//! its bytes but atomic ones, and nothing read from it may be trusted.

use super::Answer;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A shared mapping, and the descriptor of what is mapped.
///
/// Its length never changes: a file that shrank would end whoever reads it (SIGBUS, mmap(2)).
#[derive(Debug)]
pub(crate) struct SharedMemory {
    descriptor: OwnedFd,
    base: NonNull<u8>,
    length: usize,
}

impl SharedMemory {
    /// New memory, all zeros, of `length` bytes.
    ///
    /// A file of no file system, which neither side can make longer or shorter.
    pub(crate) fn new(length: usize) -> Answer<Self> {
        // MFD_NOEXEC_SEAL, <linux/memfd.h>, since 6.3; a machine may demand it (vm.memfd_noexec).
        const NO_EXECUTION: MFdFlags = MFdFlags::from_bits_retain(8);
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let descriptor = match memfd_create(c"lineprof", flags | NO_EXECUTION) {
            Err(Errno::EINVAL) => memfd_create(c"lineprof", flags)?,
            made => made?,
        };
        let size = libc::off_t::try_from(length).or(Err(Errno::EFBIG))?;
        nix::unistd::ftruncate(&descriptor, size)?;
        let fixed = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&descriptor, FcntlArg::F_ADD_SEALS(fixed))?;
        Self::of(descriptor, length)
    }

    /// The first `length` bytes of what `descriptor` stands for, which has them and never has fewer.
    pub(super) fn of(descriptor: OwnedFd, length: usize) -> Answer<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fd = descriptor.as_raw_fd();
        // SAFETY: a new mapping, at an address of the kernel's choice, disturbs nothing that is there.
        let mapped = unsafe { libc::mmap(ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, 0) };
        if mapped == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let base = NonNull::new(mapped.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self {
            descriptor,
            base,
            length,
        })
    }

    /// What another process maps.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// In bytes.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Where `SIZE` bytes at `offset` are.
    ///
    /// # Panics
    /// They are not all inside, or `offset` is no multiple of `SIZE`: an offset is ours, or was checked.
    fn place<const SIZE: usize>(&self, offset: usize) -> NonNull<u8> {
        let inside = offset.checked_add(SIZE).is_some_and(|end| end <= self.length);
        assert!(inside, "{SIZE} bytes at {offset} are inside of {}", self.length);
        assert!(offset.is_multiple_of(SIZE), "{offset} is a multiple of {SIZE}");
        // SAFETY: `offset` is inside of the mapping, as was just seen.
        unsafe { self.base.add(offset) }
    }

    /// The eight bytes at `offset`.
    ///
    /// # Panics
    /// They are not all inside, or `offset` is no multiple of 8.
    pub(crate) fn u64_at(&self, offset: usize) -> &AtomicU64 {
        let place = self.place::<8>(offset).cast();
        // SAFETY: mapped readable and writable as long as `self`, aligned (`place`; a mapping begins at a page), and
        // reached by atomic references alone.
        unsafe { AtomicU64::from_ptr(place.as_ptr()) }
    }

    /// The four bytes at `offset`.
    ///
    /// # Panics
    /// They are not all inside, or `offset` is no multiple of 4.
    pub(crate) fn u32_at(&self, offset: usize) -> &AtomicU32 {
        let place = self.place::<4>(offset).cast();
        // SAFETY: as for `u64_at`.
        unsafe { AtomicU32::from_ptr(place.as_ptr()) }
    }

    /// The byte at `offset`.
    ///
    /// # Panics
    /// It is not inside.
    pub(crate) fn u8_at(&self, offset: usize) -> &AtomicU8 {
        let place = self.place::<1>(offset);
        // SAFETY: as for `u64_at`.
        unsafe { AtomicU8::from_ptr(place.as_ptr()) }
    }

    /// A copy of the bytes, each as it was at some moment of the call.
    ///
    /// # Panics
    /// They are not all inside.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests look that closely"))]
    pub(crate) fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        assert!(
            range.start <= range.end && range.end <= self.length,
            "{range:?} is inside of {}",
            self.length
        );
        let mut copy = Vec::with_capacity(range.len());
        let mut at = range.start;
        while at < range.end {
            if at.is_multiple_of(8) && range.end - at >= 8 {
                copy.extend(self.u64_at(at).load(Ordering::Relaxed).to_ne_bytes());
                at += 8;
            } else {
                copy.push(self.u8_at(at).load(Ordering::Relaxed));
                at += 1;
            }
        }
        copy
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's alone, and no reference to it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn what_is_written_through_one_mapping_is_read_through_another() {
        let here = SharedMemory::new(8192).expect("memory");
        let copy = here.descriptor().try_clone_to_owned().expect("a copy");
        let there = SharedMemory::of(copy, 8192).expect("mapped");
        here.u64_at(4096).store(0x0807_0605_0403_0201, Ordering::Relaxed);
        here.u32_at(4108).store(0x0c0b_0a09, Ordering::Relaxed);
        here.u8_at(8191).store(7, Ordering::Relaxed);
        assert_eq!(
            there.bytes(4094..4110),
            [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 9, 10]
        );
        assert_eq!(there.bytes(8190..8192), [0, 7]);
        assert_eq!(there.bytes(5..5), []);
        assert_eq!(there.length(), 8192);
    }

    #[test]
    fn nothing_outside_is_reached() {
        let memory = SharedMemory::new(4096).expect("memory");
        let memory = std::panic::AssertUnwindSafe(&memory);
        assert!(catch_unwind(|| memory.u64_at(4096).load(Ordering::Relaxed)).is_err());
        assert!(catch_unwind(|| memory.u64_at(4).load(Ordering::Relaxed)).is_err());
        assert!(catch_unwind(|| memory.u32_at(usize::MAX - 3).load(Ordering::Relaxed)).is_err());
        assert!(catch_unwind(|| memory.u8_at(4096).load(Ordering::Relaxed)).is_err());
        assert!(catch_unwind(|| memory.bytes(4000..4097)).is_err());
    }

    #[test]
    fn whoever_has_the_descriptor_cannot_make_it_shorter() {
        let memory = SharedMemory::new(4096).expect("memory");
        assert_eq!(nix::unistd::ftruncate(memory.descriptor(), 0), Err(Errno::EPERM));
        assert_eq!(
            nix::unistd::ftruncate(memory.descriptor(), 8192),
            Err(Errno::EPERM)
        );
    }
}
