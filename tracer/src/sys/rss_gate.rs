//! The gate: memory that says whether a process's resident memory has changed, without a system call.
//!
//! Must not know: sites, engines, ptrace. It watches one memory, of whatever process it is told to learn from.
//!
//! ```text
//! any thread that changes the memory ─► kmem:rss_stat ─► program ─► control page: sizes, generation
//!                                                           └─────► slot 0, 1, …: dirty = 1
//! profiled process:  cmp dirty, 0 ─ jne ─► dirty = 0, then read the sizes        (maps the same pages)
//! ```
//! Whoever consumes a mark clears it first and reads then: a change in between marks again. Every change is seen,
//! also by other processes and by the kernel: the tracepoint is where the kernel counts (`add_mm_counter`,
//! <linux/mm.h>), and the program compares the memory, not the running process. Two limits:
//! - The sizes may be stored in the wrong order when two threads change the memory at once: with more than one
//!   thread /proc/PID/statm tells the size, and the gate only that it changed.
//! - The kernel runs no program of a tracepoint while another one runs on the same processor, also one that was
//!   preempted: [`RssGate::missed`] tells.
//!
//! Read on in `layout` (what is where), `program` (who writes it).

mod assembler;
mod bpf;
pub(crate) mod layout;
mod program;
#[cfg(test)]
pub(crate) mod tests;
mod tracepoint;

use super::Answer;
use super::late_close::LateClose;
use super::procfs::{self, Sizes};
use super::shared_memory::SharedMemory;
use crate::ids::Pid;
use layout::{MEMBERS, PAGE, UNREPORTED, dirty_word};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;
use tracepoint::Tracepoint;

/// More slots than this are refused by old kernels: 4 MiB was the longest element.
const MOST_SLOTS: u32 = 1022;

/// Why there is no gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum GateRefused {
    /// This process lacks a capability.
    #[error("cannot {step} without {}", .step.needs())]
    NotPermitted {
        /// What was tried.
        step: Step,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The kernel is older than 5.5, or made without tracepoints.
    #[error("the kernel has no tracepoint kmem:rss_stat")]
    NoTracepoint,
    /// The kernel's tracepoint is another than the one that is known.
    #[error("the tracepoint kmem:rss_stat has no field {name} of {length} bytes")]
    NoField {
        /// Its name.
        name: &'static str,
        /// Its length in bytes.
        length: u8,
    },
    /// Any other answer of the kernel.
    #[error("cannot {step}: {source}")]
    Kernel {
        /// What was tried.
        step: Step,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
}

/// The way to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum Step {
    /// bpf(2), `BPF_MAP_CREATE`.
    #[error("make a map that processes can share")]
    MakeMap,
    /// mmap(2) of it.
    #[error("map memory of the kernel's")]
    MapMemory,
    /// Looking into tracefs.
    #[error("read the format of kmem:rss_stat in tracefs")]
    ReadTracepoint,
    /// bpf(2), `BPF_PROG_LOAD`.
    #[error("load a program into the kernel")]
    LoadProgram,
    /// perf_event_open(2).
    #[error("open the tracepoint kmem:rss_stat")]
    OpenEvent,
    /// `PERF_EVENT_IOC_SET_BPF`.
    #[error("attach a program to kmem:rss_stat")]
    Attach,
}

impl Step {
    fn needs(self) -> &'static str {
        match self {
            Self::ReadTracepoint => "the right to read tracefs, which root has (CAP_SYS_ADMIN)",
            Self::MakeMap | Self::MapMemory | Self::LoadProgram | Self::OpenEvent | Self::Attach => {
                "the capabilities CAP_BPF and CAP_PERFMON"
            }
        }
    }
}

impl GateRefused {
    fn from_errno(step: Step, source: Errno) -> Self {
        match source {
            Errno::EPERM | Errno::EACCES => Self::NotPermitted { step, source },
            _ => Self::Kernel { step, source },
        }
    }
}

/// A memory as the tracepoint calls it: the hash of a kernel's address. Two have the same with a chance of 2^-32, and
/// one that comes after this one has ended may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MmId(pub(crate) u32);

/// The gate: as long as it lives, or another process has its [`Self::event`].
#[derive(Debug)]
pub(crate) struct RssGate {
    memory: SharedMemory,
    program: OwnedFd,
    event: LateClose,
    slots: u32,
}

/// Whether the kernel tells this process of changes of memory, as a gate needs it ([`crate::Gates::Cheapest`]).
///
/// # Errors
/// Why it does not, in words.
pub fn hears_of_memory() -> Result<(), String> {
    RssGate::open(1).map(drop).map_err(|refused| refused.to_string())
}

impl RssGate {
    /// Where in the control page the four sizes are.
    pub(crate) const SIZES: u64 = layout::SIZES as u64;

    /// A gate that watches nothing yet.
    ///
    /// # Errors
    /// The reason why this kernel, or this user, has none.
    ///
    /// # Panics
    /// `slots` is beyond 1022.
    pub(crate) fn open(slots: u32) -> Result<Self, GateRefused> {
        assert!(slots <= MOST_SLOTS, "{slots} slots fit in a map");
        let at = |step| move |errno| GateRefused::from_errno(step, errno);
        let length = dirty_word(slots);
        let map = bpf::make_map(length as u32).map_err(at(Step::MakeMap))?;
        let tracepoint = Tracepoint::look_up()?;
        let instructions = program::program(&tracepoint.fields, &map, slots);
        let program = bpf::load_program(&instructions).map_err(at(Step::LoadProgram))?;
        let memory = SharedMemory::of(map, length).map_err(at(Step::MapMemory))?;
        let gate = Self {
            memory,
            program,
            event: LateClose::new(bpf::open_event(tracepoint.id).map_err(at(Step::OpenEvent))?),
            slots,
        };
        gate.forget();
        bpf::attach(gate.event.as_fd(), gate.program.as_fd()).map_err(at(Step::Attach))?;
        Ok(gate)
    }

    /// What the profiled process maps, readable and writable: the control page, and behind it a page a slot.
    pub(crate) fn map(&self) -> BorrowedFd<'_> {
        self.memory.descriptor()
    }

    /// What keeps the program attached: a process that has a copy keeps its gate when this process ends.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "for a process that outlives its tracer, which is not built yet"
        )
    )]
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// The length of the map in bytes; a whole number of pages.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests look that closely"))]
    pub(crate) fn length(&self) -> usize {
        self.memory.length()
    }

    /// The next change that a thread of `pid` makes to its own memory tells which one to watch.
    ///
    /// *State*: nothing is watched: the gate is new, or [`Self::forget`] was called. No thread of the process is in
    /// an exec.
    ///
    /// # Errors
    /// The process is gone.
    pub(crate) fn learn_from(&self, pid: Pid) -> Answer<()> {
        let namespace = procfs::pid_namespace(pid)?;
        let device = self.memory.u64_at(layout::NAMESPACE_DEVICE);
        device.store(namespace.device, Ordering::Relaxed);
        let inode = self.memory.u64_at(layout::NAMESPACE_INODE);
        inode.store(namespace.inode, Ordering::Relaxed);
        // The program looks at this one first.
        let process = self.memory.u32_at(layout::PROCESS);
        process.store(namespace.pid_in_it.0.cast_unsigned(), Ordering::Release);
        Ok(())
    }

    /// The memory that is watched, once it is known.
    pub(crate) fn learned(&self) -> Option<MmId> {
        match self.memory.u32_at(layout::MM_ID).load(Ordering::Acquire) {
            0 => None,
            known => Some(MmId(known)),
        }
    }

    /// Watches nothing any more: after an exec the memory is another.
    ///
    /// *State*: the process is stopped behind its exec; no other process changes the memory it had.
    pub(crate) fn forget(&self) {
        self.memory.u32_at(layout::PROCESS).store(0, Ordering::Relaxed);
        self.memory.u32_at(layout::MM_ID).store(0, Ordering::Release);
        for member in 0..MEMBERS {
            self.size_word(member)
                .store(UNREPORTED.cast_unsigned(), Ordering::Relaxed);
        }
    }

    /// How many changes were seen, of whatever was watched.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests look that closely"))]
    pub(crate) fn generation(&self) -> u64 {
        self.memory.u64_at(layout::GENERATION).load(Ordering::Acquire)
    }

    /// The sizes as they were last reported, or seeded.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests look that closely"))]
    pub(crate) fn sizes(&self) -> Sizes {
        let size = |member| {
            let bytes = self.size_word(member).load(Ordering::Relaxed);
            (bytes != UNREPORTED.cast_unsigned()).then_some(bytes)
        };
        Sizes {
            file: size(0),
            anonymous: size(1),
            swapped: size(2),
            shared: size(3),
        }
    }

    /// Fills in the parts that were not reported yet; what was reported is newer.
    ///
    /// *State*: the memory has been learned before `sizes` were read ([`procfs::sizes`]), so that a change after that
    /// is reported.
    pub(crate) fn seed(&self, sizes: &Sizes) {
        let members = [sizes.file, sizes.anonymous, sizes.swapped, sizes.shared];
        for (member, size) in members.into_iter().enumerate() {
            let Some(size) = size else { continue };
            let word = self.size_word(member);
            let unreported = UNREPORTED.cast_unsigned();
            // One that is there already stays.
            let _reported = word.compare_exchange(unreported, size, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Which slots are marked: the first `slots`.
    ///
    /// # Panics
    /// The gate has fewer.
    pub(crate) fn set_slots_in_use(&self, slots: u32) {
        assert!(slots <= self.slots, "{slots} slots are among {}", self.slots);
        self.memory
            .u32_at(layout::SLOTS_IN_USE)
            .store(slots, Ordering::Release);
    }

    /// Whether there was a change since the last call, or since the profiled process cleared the mark.
    ///
    /// # Panics
    /// The gate has no such slot.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests look that closely"))]
    pub(crate) fn take_mark(&self, slot: u32) -> bool {
        assert!(slot < self.slots, "slot {slot} is among {}", self.slots);
        // A full barrier: the sizes are read after it.
        self.memory.u64_at(dirty_word(slot)).swap(0, Ordering::SeqCst) != 0
    }

    /// How many changes of any process the kernel did not report to this gate, since another program ran; `None`
    /// where the kernel does not say (before 6.7).
    pub(crate) fn missed(&self) -> Answer<Option<u64>> {
        bpf::missed_runs(self.program.as_fd())
    }

    fn size_word(&self, member: usize) -> &AtomicU64 {
        self.memory.u64_at(layout::SIZES + 8 * member)
    }
}

// The map's length is a u32 of bpf(2).
const _: () = assert!(dirty_word(MOST_SLOTS) == 1023 * PAGE);
