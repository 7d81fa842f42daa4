//! A scene: its threads, how a test writes it, and what a test may look at.
//!
//! Must not know: requests' names; what threads do when they run.

use super::act::{Act, Happening, Order};
use super::failure;
use super::memory::{VDSO, put, site_at};
use super::mutant::Mutant;
use super::player::{Life, Player};
use crate::arch::BREAKPOINT;
use crate::ids::{Pid, Tid};
use crate::sys::{Answer, Origin};
use nix::errno::Errno;
use std::collections::{BTreeMap, VecDeque};

/// Whether an interrupt may make a system call fail with EINTR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleepers {
    AreLeft,
    MayBeWoken,
}

/// Whether the processor keeps a second stack of return addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShadowStack {
    None,
    Kept,
}

/// So much of a journal is printed, its end.
const MOST_PRINTED: usize = 200;

/// A scene and, by [`crate::sys::Kernel`], the kernel it plays in.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) journal: Vec<String>,
    /// What was drawn so far: as `Order::Written` it plays the same again.
    pub(crate) choices: Vec<u64>,
    /// How the seam is broken, to see that it is noticed.
    pub(crate) mutant: Option<Mutant>,
    /// What happens at which request, counted from 1.
    pub(crate) happenings: Vec<(usize, Happening)>,
    /// At this request (counted from 1) the process with this leader is killed.
    pub(crate) kill_at: Option<(usize, Pid)>,
    pub(crate) requests: usize,
    pub(super) turns: usize,
    /// A session that makes as many requests comes to no end.
    pub(crate) most_requests: usize,
    /// At this request this thread is sent this signal.
    pub(crate) signal_at: Option<(usize, Tid, i32)>,
    /// At this request the tracer's child of this number ends.
    pub(crate) child_ends_at: Option<(usize, Tid)>,
    /// What kcmp(2) answers, where it is not there or forbidden.
    pub(crate) kcmp_refused: Option<Errno>,
    pub(crate) sleepers: Sleepers,
    /// Once it is asked to stop, this thread looks asleep until it does: it was on its way to sleep.
    pub(crate) on_its_way_to_sleep: Option<Tid>,
    pub(crate) shadow_stack: ShadowStack,
    /// Writes to this address are refused, so many times.
    pub(crate) refused_writes: Option<(u64, usize)>,
    /// Whether threads run between requests: not while the test still sets the scene.
    pub(crate) begun: bool,
    /// Whether killed threads report that they are about to end.
    pub(crate) exit_stops: bool,
    /// Whether a thread that is asked to stop has run into the breakpoint before it.
    pub(crate) traps_before_pause: bool,
    /// What the trap of a step looks like; in random scenes its cause may not be known in any case.
    pub(crate) origin_of_steps: Origin,
    /// Rounds of a repeated instruction.
    pub(crate) rounds: u32,
    /// The memories that were asked for, by thread: one that has called exec has another.
    pub(super) opened: BTreeMap<Tid, usize>,
    pub(super) memories: Vec<BTreeMap<u64, u8>>,
    /// The program's memory as it was before the session began.
    pub(super) program: BTreeMap<u64, u8>,
    /// Where the program has an `int3`.
    pub(super) own_breakpoints: Vec<u64>,
    pub(super) threads: BTreeMap<Tid, Player>,
    /// Threads that have gone, for the test to look at.
    pub(crate) history: Vec<(Tid, Player)>,
    pub(super) reports: VecDeque<Tid>,
    pub(super) execs: Vec<Tid>,
    /// What happens once nobody can do anything else.
    pub(super) last_acts: VecDeque<Act>,
    pub(super) order: Order,
    pub(super) random: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let mut memory = BTreeMap::new();
        // mov rbp,rsp wherever nothing else is put.
        for number in 0..0xF0 {
            put(&mut memory, site_at(number), &[0x48, 0x89, 0xE5]);
        }
        put(&mut memory, VDSO, &[0; 0x40]);
        put(&mut memory, VDSO + 0x40, &crate::arch::SYSCALL_INSTRUCTION);
        Self {
            journal: Vec::new(),
            choices: Vec::new(),
            mutant: None,
            happenings: Vec::new(),
            kill_at: None,
            signal_at: None,
            child_ends_at: None,
            refused_writes: None,
            kcmp_refused: None,
            sleepers: Sleepers::AreLeft,
            on_its_way_to_sleep: None,
            shadow_stack: ShadowStack::None,
            begun: false,
            requests: 0,
            turns: 0,
            most_requests: 300_000,
            exit_stops: true,
            traps_before_pause: false,
            origin_of_steps: Origin::Step,
            rounds: 1,
            program: memory.clone(),
            opened: BTreeMap::new(),
            memories: vec![memory],
            own_breakpoints: Vec::new(),
            threads: BTreeMap::new(),
            history: Vec::new(),
            reports: VecDeque::new(),
            execs: Vec::new(),
            last_acts: VecDeque::new(),
            order: Order::AsHappened,
            random: 0,
        }
    }

    /// A thread of process 100, which thread 100 leads.
    pub(crate) fn with(mut self, tid: i32, acts: Vec<Act>) -> Self {
        self.threads.insert(Tid(tid), Player::new(Pid(100), 0, acts));
        self
    }

    pub(crate) fn order(mut self, order: Order) -> Self {
        if let Order::Random(seed) = order {
            self.random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        }
        self.order = order;
        self
    }

    /// The program's `number`th instruction is an `int3`.
    pub(crate) fn own_breakpoint(mut self, number: u64) -> Self {
        self = self.instruction(number, &[BREAKPOINT]);
        self.own_breakpoints.push(site_at(number));
        self
    }

    /// The program's `number`th instruction is this one.
    pub(crate) fn instruction(mut self, number: u64, code: &[u8]) -> Self {
        put(&mut self.memories[0], site_at(number), code);
        self.program.clone_from(&self.memories[0]);
        self
    }

    /// The program puts other code in the place of its `number`th instruction.
    pub(crate) fn rewrite(&mut self, number: u64, code: &[u8]) {
        put(&mut self.memories[0], site_at(number), code);
    }

    pub(crate) fn handler(mut self, tid: i32, signal: i32, acts: Vec<Act>) -> Self {
        self.thread(Tid(tid)).handlers.insert(signal, acts);
        self
    }

    /// Something that happens once nobody can do anything else.
    pub(crate) fn later(&mut self, act: Act) {
        self.last_acts.push_back(act);
    }

    pub(crate) fn chance(&mut self, of: u64) -> u64 {
        let choice = match &self.order {
            Order::Written(choices) => choices.get(self.choices.len()).map_or(0, |choice| choice % of),
            Order::AsHappened | Order::NewestFirst | Order::FirstOfList | Order::Random(_) => {
                // xorshift64 (Marsaglia, 2003).
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                self.random % of
            }
        };
        self.choices.push(choice);
        choice
    }

    pub(super) fn is_random(&self) -> bool {
        matches!(self.order, Order::Random(_) | Order::Written(_))
    }

    /// Every request passes here: the moment for what happens between two requests.
    pub(super) fn enter(&mut self) {
        self.requests += 1;
        assert!(self.requests < self.most_requests, "no end");
        let now = |(at, _): &(usize, Happening)| *at == self.requests;
        let come: Vec<_> = self.happenings.iter().copied().filter(now).collect();
        for (_, happening) in come {
            self.happen(happening);
        }
        if let Some((at, process)) = self.kill_at
            && at == self.requests
        {
            self.kill_process(process);
        }
        if let Some((at, tid, signal)) = self.signal_at
            && at == self.requests
        {
            self.signal(tid, signal);
        }
        if let Some((at, child)) = self.child_ends_at
            && at == self.requests
        {
            self.end_child_of_tracer(child);
        }
        // Not at 0, which is what a written order ends with.
        if self.is_random() && self.begun && self.chance(3) == 2 && !self.able().is_empty() {
            self.advance();
        }
    }

    fn happen(&mut self, happening: Happening) {
        self.journal.push(format!("-- {happening:?}"));
        match happening {
            Happening::Signal(tid, signal) => self.signal(tid, signal),
            Happening::Kill(pid) => self.kill_process(pid),
            Happening::Ring(tid) => self.end_child_of_tracer(tid),
        }
    }

    /// Whether a living thread has this memory.
    pub(crate) fn is_lived_in(&self, memory: usize) -> bool {
        let lives = |t: &Player| t.memory == memory && t.life != Life::Zombie && !t.killed;
        self.threads.values().any(lives)
    }

    pub(crate) fn thread(&mut self, tid: Tid) -> &mut Player {
        self.threads.get_mut(&tid).expect("a thread of the scene")
    }

    pub(super) fn thread_mut(&mut self, tid: Tid) -> Answer<&mut Player> {
        self.threads.get_mut(&tid).ok_or(Errno::ESRCH)
    }

    pub(crate) fn living(&self, pid: Pid) -> Vec<Tid> {
        let of = |(tid, t): (&Tid, &Player)| (t.process == pid).then_some(*tid);
        self.threads.iter().filter_map(of).collect()
    }

    /// Everything that ran or runs, by tid.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Tid, &Player)> {
        let gone = self.history.iter().map(|(tid, t)| (*tid, t));
        gone.chain(self.threads.iter().map(|(tid, t)| (*tid, t)))
    }

    /// Everything that has not gone, by tid.
    pub(crate) fn present(&self) -> impl Iterator<Item = (Tid, &Player)> {
        self.threads.iter().map(|(tid, t)| (*tid, t))
    }

    /// Lets the scene go on without a tracer until nobody can do anything.
    pub(crate) fn play_on(&mut self) {
        while self.advance() {}
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            failure::failed(std::mem::take(&mut self.choices));
        }
        if std::thread::panicking() && !failure::is_quiet() {
            let first = self.journal.len().saturating_sub(MOST_PRINTED);
            eprintln!("journal of {:?}, from request to request:", self.order);
            eprintln!("{}", self.journal[first..].join("\n"));
        }
    }
}
