//! Which processor runs what, and the clock: the few facts about the machine that pinning needs.
//!
//! Must not know: when pinning pays (`affinity`).

use super::Answer;
use crate::ids::Tid;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid as NixPid;

/// A set of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuMask(CpuSet);

impl CpuMask {
    /// One processor alone; `None` where its number is beyond what a mask holds.
    pub(crate) fn only(cpu: usize) -> Option<Self> {
        let mut set = CpuSet::new();
        set.set(cpu).ok()?;
        Some(Self(set))
    }

    /// Whether the processor is in the set.
    pub(crate) fn contains(&self, cpu: usize) -> bool {
        self.0.is_set(cpu).unwrap_or(false)
    }

    /// Whether there is more than one processor in the set.
    pub(crate) fn is_choice(&self) -> bool {
        (0..CpuSet::count())
            .filter(|cpu| self.contains(*cpu))
            .nth(1)
            .is_some()
    }
}

/// The processors a thread may run on; 0 is the calling thread.
pub(crate) fn cpus(tid: Tid) -> Answer<CpuMask> {
    sched_getaffinity(NixPid::from_raw(tid.0)).map(CpuMask)
}

/// Sets the processors a thread may run on; 0 is the calling thread.
pub(crate) fn set_cpus(tid: Tid, cpus: &CpuMask) -> Answer<()> {
    sched_setaffinity(NixPid::from_raw(tid.0), &cpus.0)
}

/// The processor that runs the calling thread now.
pub(crate) fn current_cpu() -> Answer<usize> {
    sched_getcpu()
}

/// Nanoseconds of a clock that never goes back.
pub(crate) fn now_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| {
        u64::try_from(t.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(t.tv_nsec()).unwrap_or(0)
    })
}

/// The calling thread.
pub(crate) fn own_tid() -> Tid {
    Tid(nix::unistd::gettid().as_raw())
}
