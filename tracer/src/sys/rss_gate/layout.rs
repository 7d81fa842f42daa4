//! The memory that the kernel's program, the tracer and the profiled process share.
//!
//! Must not know: who writes what when (`program`).
//!
//! ```text
//! page 0         the control page
//!      0         line of the writer: generation, sizes     written at each change
//!      64        line of the reader: whom to watch         read at each change of any process
//! page 1         slot 0: its first 8 bytes are the dirty word, the rest is nobody's
//! page 1 + i     slot i
//! ```
//! Two lines of the cache: every process of the machine reads whom to watch, and would wait for the line that the
//! watched one writes.

use std::mem::{offset_of, size_of};

/// A page of x86-64.
pub(crate) const PAGE: usize = 4096;

/// What `rss_stat` calls a member, as a position among the sizes (<linux/mm_types_task.h>).
pub(crate) const MEMBERS: usize = 4;

/// A size that was never reported, nor seeded: the kernel's own are never negative (`percpu_counter_sum_positive`).
pub(crate) const UNREPORTED: i64 = -1;

/// The first page. Its fields are reached by their offsets alone: three parties write them.
#[repr(C)]
struct ControlPage {
    /// How many changes there were.
    generation: u64,
    /// The sizes in bytes, file pages, anonymous, swapped out, shared; [`UNREPORTED`] at first.
    sizes: [i64; MEMBERS],
    _rest_of_line: [u64; 3],
    /// The memory that is watched, as the tracepoint calls it; 0 as long as it is not known.
    mm_id: u32,
    /// The process whose memory is to be learned, as its own pid namespace numbers it; 0 for none.
    process: u32,
    /// The device, as the kernel numbers it, and the inode of that namespace.
    namespace_device: u64,
    namespace_inode: u64,
    /// How many slots are marked, from the first one on.
    slots_in_use: u32,
}

/// Offset of a u64: how many changes there were.
pub(crate) const GENERATION: usize = offset_of!(ControlPage, generation);
/// Offset of four i64: file pages, anonymous, swapped out, shared, in bytes.
pub(crate) const SIZES: usize = offset_of!(ControlPage, sizes);
/// Offset of a u32: the memory that is watched.
pub(crate) const MM_ID: usize = offset_of!(ControlPage, mm_id);
/// Offset of a u32: the process to learn it from.
pub(crate) const PROCESS: usize = offset_of!(ControlPage, process);
/// Offset of a u64: the device of its pid namespace.
pub(crate) const NAMESPACE_DEVICE: usize = offset_of!(ControlPage, namespace_device);
/// Offset of a u64: the inode of its pid namespace.
pub(crate) const NAMESPACE_INODE: usize = offset_of!(ControlPage, namespace_inode);
/// Offset of a u32: how many slots are in use.
pub(crate) const SLOTS_IN_USE: usize = offset_of!(ControlPage, slots_in_use);

// Generated code and the kernel's program are made with these.
const _: () = assert!(GENERATION == 0 && SIZES == 8 && MM_ID == 64 && PROCESS == 68);
const _: () = assert!(NAMESPACE_DEVICE == 72 && NAMESPACE_INODE == 80 && SLOTS_IN_USE == 88);
const _: () = assert!(size_of::<ControlPage>() <= PAGE);

/// Offset of a slot's dirty word, a u64.
pub(crate) const fn dirty_word(slot: u32) -> usize {
    (1 + slot as usize) * PAGE
}
