//! One thread of a scene.
//!
//! Must not know: other threads. State only; what it does is in `turns` and `processor`.

use super::act::Act;
use super::memory::{IDLE, STACK};
use crate::addr::RemoteAddr;
use crate::arch::Registers;
use crate::ids::{Pid, Tid};
use crate::sys::procfs::Seccomp;
use crate::sys::{Go, Origin, Signal};
use std::collections::{HashMap, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    Sleeping,
    Stopped,
    Listening,
    Zombie,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the kernel by itself; they occur in any combination"
)]
pub(crate) struct Player {
    pub(crate) process: Pid,
    pub(crate) memory: usize,
    pub(crate) regs: Registers,
    pub(crate) life: Life,
    pub(crate) traced: bool,
    pub(crate) seccomp: Seccomp,
    pub(crate) mask: u64,
    pub(crate) origin: Origin,
    pub(crate) message: u64,
    pub(crate) trap_queued: bool,
    /// The addresses whose instruction has run, in order.
    pub(crate) visited: Vec<u64>,
    /// The signals that the program was given, with its pc then.
    pub(crate) given: Vec<(i32, u64)>,
    /// The signals that came for it.
    pub(crate) sent: Vec<i32>,
    /// What the handler of a signal does.
    pub(crate) handlers: HashMap<i32, Vec<Act>>,
    pub(super) acts: VecDeque<Act>,
    /// What the program does that this one becomes by exec.
    pub(super) becomes: Vec<Act>,
    pub(super) status: i32,
    pub(super) observed: bool,
    pub(super) killed: bool,
    /// It has taken the number of a leader that had a life of its own.
    pub(super) replaced: bool,
    pub(super) interrupted: bool,
    pub(super) pending: VecDeque<i32>,
    pub(super) frames: Vec<(u64, u64)>,
    pub(super) go: Go,
    pub(super) in_call: bool,
    /// The request at which it fell asleep last.
    pub(super) asleep_since: usize,
    /// How often it was woken while it was awake.
    pub(super) wake_ups: u32,
    pub(super) waits_for_child: Option<Tid>,
    /// The signal that its process is stopped by.
    pub(super) group: Option<i32>,
    pub(super) rounds: u32,
    pub(super) code: Option<i32>,
}

/// The registers of a thread that has done nothing yet.
pub(crate) fn registers() -> Registers {
    // SAFETY: user_regs_struct is plain numbers, for which all zeros are a value.
    let mut regs = Registers(unsafe { std::mem::zeroed() });
    regs.set_pc(RemoteAddr(IDLE));
    regs.set_sp(RemoteAddr(STACK));
    regs.0.eflags = 0x246;
    regs
}

impl Player {
    pub(super) fn new(process: Pid, memory: usize, acts: Vec<Act>) -> Self {
        Self {
            process,
            memory,
            regs: registers(),
            life: Life::Running,
            traced: false,
            seccomp: Seccomp::Free,
            mask: 0,
            origin: Origin::Other,
            message: 0,
            trap_queued: false,
            visited: Vec::new(),
            given: Vec::new(),
            sent: Vec::new(),
            handlers: HashMap::new(),
            acts: acts.into(),
            becomes: Vec::new(),
            status: 0,
            observed: false,
            killed: false,
            replaced: false,
            interrupted: false,
            pending: VecDeque::new(),
            frames: Vec::new(),
            go: Go::On,
            in_call: false,
            asleep_since: 0,
            wake_ups: 0,
            waits_for_child: None,
            group: None,
            rounds: 0,
            code: None,
        }
    }

    /// Whether it was killed, so that what it was about to do was not done.
    pub(crate) fn was_killed(&self) -> bool {
        self.killed || self.replaced || !self.acts.is_empty()
    }

    /// Whether it was ended from outside, or by its own process.
    pub(crate) fn ended_early(&self) -> bool {
        self.was_killed() || !self.pending.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.regs.pc().0 == IDLE
    }

    /// The first of its pending signals that it does not block.
    pub(super) fn deliverable(&self) -> Option<usize> {
        let blocked = |signal: i32| self.mask & Signal(signal).bit() != 0;
        let mut pending = self.pending.iter();
        pending.position(|signal| *signal == libc::SIGSTOP || !blocked(*signal))
    }

    /// Whether there is anything for it to do.
    pub(crate) fn is_busy(&self) -> bool {
        !self.acts.is_empty() || self.deliverable().is_some() || self.regs.pc().0 != IDLE
    }
}
