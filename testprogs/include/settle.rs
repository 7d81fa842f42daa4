//! Makes what a test program grows by exact to the byte: the Rust side of settle.h.

use std::ffi::{c_int, c_long, c_ulong, c_void};

unsafe extern "C" {
    fn mmap(address: *mut c_void, bytes: usize, prot: c_int, flags: c_int, fd: c_int, offset: c_long) -> *mut u8;
    fn munmap(address: *mut u8, bytes: usize) -> c_int;
    fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int;
}

pub const PAGE: usize = 4096;
const READ_WRITE: c_int = 3;
const PRIVATE_ANONYMOUS: c_int = 0x22;
const SET_THP_DISABLE: c_int = 41;

pub struct Block {
    start: *mut u8,
    bytes: usize,
}

/// Reserves memory and writes to all of it.
#[inline(never)]
pub fn grow(bytes: usize) -> Block {
    let start = unsafe { mmap(std::ptr::null_mut(), bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0) };
    unsafe { std::ptr::write_bytes(start, 1, bytes) };
    Block { start, bytes }
}

impl Drop for Block {
    fn drop(&mut self) {
        unsafe { munmap(self.start, self.bytes) };
    }
}

/// Touches beforehand what would be touched by chance later, and turns transparent huge pages off.
#[inline(never)]
pub fn settle() {
    let stack = std::hint::black_box([1_u8; 256 << 10]);
    std::hint::black_box(&stack);
    unsafe { prctl(SET_THP_DISABLE, 1, 0, 0, 0) };
    drop(grow(PAGE));
}
