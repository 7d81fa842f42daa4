//! One traced thread.
//!
//! Must not know: sites' bytes, what is profiled. State only; what a stop means is decided in `session`.

use crate::affinity::Heat;
use crate::arch::Registers;
use crate::ids::{Pid, SiteId, SpaceId, Tid, TraceeId};
use crate::sys::Signal;

/// A thread this session traces.
#[derive(Debug)]
pub(crate) struct Tracee {
    pub(crate) id: TraceeId,
    pub(crate) process: Pid,
    /// The memory it has; for a copy that is not clean yet, the one it was made from.
    pub(crate) space: SpaceId,
    pub(crate) role: Role,
    pub(crate) state: State,
    /// Arrivals whose instruction did not run because a signal came first.
    pub(crate) retries: Retries,
    pub(crate) heat: Heat,
    /// What is known of its signals (`trap_setting`).
    pub(crate) signals: Signals,
    /// The thread that made it, which may be waiting for it in vfork(2): set for a passing process.
    pub(crate) made_by: Option<Tid>,
}

impl Tracee {
    /// Whether it is traced for this reason and has this memory.
    pub(crate) fn is_in(&self, space: SpaceId, role: Role) -> bool {
        self.space == space && self.role == role
    }
}

/// Why a thread is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It belongs to the profiled process.
    Profiled,
    /// It belongs to another process that shares the memory (vfork, `CLONE_VM`): our breakpoints hit it,
    /// so it must stay traced until it execs or ends, but its arrivals are not counted.
    Passing,
    /// It has a copy of the memory, with our breakpoints in it: cleaned and let go at its first stop.
    Copy,
}

/// What a tracee is doing, as far as this session has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its parent's event told of it; its own first stop is still to come.
    Unborn,
    /// It runs, or has stopped and not been waited for.
    Running,
    /// It is in a stop that was waited for.
    Stopped,
    /// It is in a group-stop and hears SIGCONT.
    Listening,
    /// It has reported that it ends. A leader may be in this state for as long as other threads live.
    Ending,
}

/// A thread's own part of the program's setting for SIGTRAP.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signals {
    /// The signals it blocks, as they were last seen or put right.
    pub(crate) blocked: Option<u64>,
    pub(crate) hits: u32,
}

/// How a stopped thread goes on when the client has seen its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Just on, with a signal or without.
    Go(Signal),
    /// Over the site it stands on, at its own place.
    Over(SiteId),
}

/// Arrivals that will be reported again by the processor but were one arrival.
///
/// A signal that is delivered while a thread stands in a slot, before its instruction ran, makes the
/// thread go back to the site; the handler returns there, and the breakpoint is hit a second time.
/// Handlers nest, so these are a stack. A handler that returns brings back every register; one that jumps out
/// leaves a thread that may come to the site again in the same frame, but hardly with the same numbers.
#[derive(Debug, Default)]
pub(crate) struct Retries(Vec<(SiteId, Registers)>);

impl Retries {
    /// The thread was sent back to `site` with these registers.
    pub(crate) fn push(&mut self, site: SiteId, registers: Registers) {
        self.0.push((site, registers));
    }

    /// Whether this arrival is one that was seen before.
    ///
    /// Entries of frames that are gone (a handler that jumped out) are dropped: the stack has shrunk past them.
    pub(crate) fn take(&mut self, site: SiteId, registers: &Registers) -> bool {
        while let Some((at, before)) = self.0.last() {
            if before.sp() > registers.sp() {
                return false;
            }
            let seen = *at == site && before.has_same_numbers(registers);
            self.0.pop();
            if seen {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::RemoteAddr;
    use crate::sys::scripted::registers;

    const SITE: SiteId = SiteId(1);
    const OTHER: SiteId = SiteId(2);

    fn with_sp(sp: u64) -> Registers {
        let mut registers = registers();
        registers.set_sp(RemoteAddr(sp));
        registers
    }

    #[test]
    fn an_arrival_that_was_cut_short_is_known_once() {
        let mut retries = Retries::default();
        assert!(!retries.take(SITE, &with_sp(0x1000)));
        retries.push(SITE, with_sp(0x1000));
        assert!(!retries.take(OTHER, &with_sp(0x800)), "the handler's own lines");
        assert!(
            !retries.take(SITE, &with_sp(0x800)),
            "the handler calls the same function"
        );
        assert!(retries.take(SITE, &with_sp(0x1000)));
        assert!(!retries.take(SITE, &with_sp(0x1000)), "the loop comes round");
    }

    #[test]
    fn a_handler_that_jumps_out_leaves_nothing_behind() {
        let mut retries = Retries::default();
        retries.push(SITE, with_sp(0x1000));
        assert!(!retries.take(OTHER, &with_sp(0x2000)));
        assert!(!retries.take(SITE, &with_sp(0x1000)));
    }

    #[test]
    fn an_arrival_with_other_numbers_is_another_one() {
        let mut retries = Retries::default();
        retries.push(SITE, with_sp(0x1000));
        let mut other = with_sp(0x1000);
        other.0.rdi = 7;
        assert!(!retries.take(SITE, &other), "the handler has jumped out");
        assert!(!retries.take(SITE, &with_sp(0x1000)), "and does not come back");
    }
}
