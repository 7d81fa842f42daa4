//! The processes of a scene: their memory, their threads and what these do when they run.
//!
//! Must not know: requests' names. ptrace(2), "Stopped tracees", is the source of every rule in here.
//!
//! A thread's life is a list of acts. `Visit` runs the instruction at an address as a processor would: from
//! memory, so a breakpoint there traps, and from the slot that the session has sent it to. Everything else
//! is a system call or a signal. The order in which stops are reported is the test's choice.

use super::refuse;
use crate::addr::RemoteAddr;
use crate::arch::{BREAKPOINT, Registers};
use crate::ids::{Pid, Tid};
use crate::sys::procfs::Seccomp;
use crate::sys::{Answer, Go, Origin, RawStatus, Signal, WaitFor};
use nix::errno::Errno;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Where the program's code begins.
pub(crate) const TEXT: u64 = 0x40_1000;
/// Where a thread is between two visits: an address of no site.
pub(crate) const IDLE: u64 = TEXT + 0xF00;
pub(super) const VDSO: u64 = 0x7F00_0000_0000;
pub(super) const SLOTS_BELOW: u64 = TEXT;
const STACK: u64 = 0x7FFE_0000_0000;
const TRAP_FLAG: u64 = 0x100;

/// The address of the program's `number`th instruction that tests visit.
pub(crate) fn site_at(number: u64) -> u64 {
    TEXT + 16 * number
}

/// What a thread does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Runs the instruction at this address.
    Visit(u64),
    /// A signal comes from outside, or by raise(3).
    Raise(i32),
    /// The program has an `int3` of its own here.
    OwnBreakpoint,
    /// Makes a thread.
    Thread(i32, Vec<Act>),
    /// Makes a process with a copy of the memory.
    Fork(i32, Vec<Act>),
    /// Makes a process that shares the memory, and sleeps until it execs or ends.
    Vfork(i32, Vec<Act>),
    /// Makes a process that shares the memory, without waiting for it.
    Share(i32, Vec<Act>),
    /// Becomes another program.
    Exec,
    /// Ends this thread.
    Exit,
    /// Ends the process.
    ExitGroup(i32),
    /// SIGCONT for the process with this leader.
    Continue(i32),
    /// Sleeps in a system call until it is woken.
    Sleep,
    /// Wakes a sleeping thread.
    Wake(i32),
    /// Leaves a signal handler.
    Return,
}

/// The order in which stops are reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they happened.
    AsHappened,
    /// The newest first: a child's first stop comes before its parent's event.
    NewestFirst,
    /// By the generator of this seed, which also lets threads run between any two requests.
    Random(u64),
}

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
    acts: VecDeque<Act>,
    status: i32,
    observed: bool,
    killed: bool,
    /// It has taken the number of a leader that had a life of its own.
    replaced: bool,
    interrupted: bool,
    pending: VecDeque<i32>,
    frames: Vec<(u64, u64)>,
    go: Go,
    in_call: bool,
    waits_for_child: Option<Tid>,
    /// The signal that its process is stopped by.
    group: Option<i32>,
    rounds: u32,
    code: Option<i32>,
}

/// A scene and, by [`crate::sys::Kernel`], the kernel it plays in.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) journal: Vec<String>,
    /// At this request (counted from 1) the process with this leader is killed.
    pub(crate) kill_at: Option<(usize, Pid)>,
    pub(crate) requests: usize,
    /// At this request this thread is sent this signal.
    pub(crate) signal_at: Option<(usize, Tid, i32)>,
    /// Whether threads run between requests: not while the test still sets the scene.
    pub(crate) begun: bool,
    /// Whether killed threads report that they are about to end.
    pub(crate) exit_stops: bool,
    /// Whether a thread that is asked to stop has run into the breakpoint before it.
    pub(crate) traps_before_pause: bool,
    /// Rounds of a repeated instruction.
    pub(crate) rounds: u32,
    memories: Vec<BTreeMap<u64, u8>>,
    /// Where the program has an `int3`.
    own_breakpoints: Vec<u64>,
    threads: BTreeMap<Tid, Player>,
    /// Threads that have gone, for the test to look at.
    pub(crate) history: Vec<(Tid, Player)>,
    reports: VecDeque<Tid>,
    execs: Vec<Tid>,
    /// What happens once nobody can do anything else.
    last_acts: VecDeque<Act>,
    order: Order,
    random: u64,
}

fn registers() -> Registers {
    // SAFETY: user_regs_struct is plain numbers, for which all zeros are a value.
    let mut regs = Registers(unsafe { std::mem::zeroed() });
    regs.set_pc(RemoteAddr(IDLE));
    regs.set_sp(RemoteAddr(STACK));
    regs.0.eflags = 0x246;
    regs
}

fn stop_status(event: i32, signal: i32) -> i32 {
    (event << 16) | (signal << 8) | 0x7F
}

impl Player {
    fn new(process: Pid, memory: usize, acts: Vec<Act>) -> Self {
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
            status: 0,
            observed: false,
            killed: false,
            replaced: false,
            interrupted: false,
            pending: VecDeque::new(),
            frames: Vec::new(),
            go: Go::On,
            in_call: false,
            waits_for_child: None,
            group: None,
            rounds: 0,
            code: None,
        }
    }
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
            kill_at: None,
            signal_at: None,
            begun: false,
            requests: 0,
            exit_stops: true,
            traps_before_pause: false,
            rounds: 1,
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
        put(&mut self.memories[0], site_at(number), &[BREAKPOINT]);
        self.own_breakpoints.push(site_at(number));
        self
    }

    pub(crate) fn handler(mut self, tid: i32, signal: i32, acts: Vec<Act>) -> Self {
        self.thread(Tid(tid)).handlers.insert(signal, acts);
        self
    }

    pub(crate) fn chance(&mut self, of: u64) -> u64 {
        // xorshift64 (Marsaglia, 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % of
    }

    fn is_random(&self) -> bool {
        matches!(self.order, Order::Random(_))
    }

    /// Every request passes here: the moment for what happens between two requests.
    pub(super) fn enter(&mut self) {
        self.requests += 1;
        if let Some((at, process)) = self.kill_at
            && at == self.requests
        {
            self.kill(process);
        }
        if let Some((at, tid, signal)) = self.signal_at
            && at == self.requests
        {
            self.signal(tid, signal);
        }
        if self.is_random() && self.begun && self.chance(3) == 0 {
            self.advance();
        }
    }

    /// A signal comes for a thread, whatever it is doing.
    pub(crate) fn signal(&mut self, tid: Tid, signal: i32) {
        if let Ok(thread) = self.thread_mut(tid) {
            thread.pending.push_back(signal);
            thread.sent.push(signal);
        }
    }

    /// Something that happens once nobody can do anything else.
    pub(crate) fn later(&mut self, act: Act) {
        self.last_acts.push_back(act);
    }

    /// Whether a living thread has this memory.
    pub(crate) fn is_lived_in(&self, memory: usize) -> bool {
        let lives = |t: &Player| t.memory == memory && t.life != Life::Zombie && !t.killed;
        self.threads.values().any(lives)
    }

    /// The tracer's thread ends: the kernel lets its tracees go, with the signals they stopped for.
    pub(crate) fn end_of_tracer(&mut self) {
        let tids: Vec<Tid> = self.threads.keys().copied().collect();
        for tid in tids {
            let thread = self.thread(tid);
            let stopped = thread.life == Life::Stopped;
            let (event, signal) = (thread.status >> 16, (thread.status >> 8) & 0x7F);
            if stopped && thread.traced {
                let passed_on = if event == 0 && thread.status >> 15 & 1 == 0 {
                    signal
                } else {
                    0
                };
                self.reports.retain(|t| *t != tid);
                let trap = passed_on == libc::SIGTRAP && self.thread(tid).origin == Origin::Breakpoint;
                let own = self.thread(tid).acts.front() != Some(&Act::OwnBreakpoint);
                let at_site = !self.thread(tid).is_idle();
                assert!(!(trap && own && at_site), "{tid} dies of our breakpoint");
                self.go_on(tid, Go::On, Signal(passed_on));
            }
            if let Ok(thread) = self.thread_mut(tid) {
                thread.traced = false;
                thread.interrupted = false;
            }
        }
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

    pub(crate) fn byte(&self, memory: usize, at: u64) -> Option<u8> {
        self.memories[memory].get(&at).copied()
    }

    /// Lets the scene go on without a tracer until nobody can do anything.
    pub(crate) fn play_on(&mut self) {
        while self.advance() {}
    }

    pub(super) fn read(&mut self, tid: Tid, at: u64, buffer: &mut [u8]) -> Answer<usize> {
        let thread = self.thread_mut(tid)?;
        if thread.life == Life::Zombie {
            return Err(Errno::ESRCH);
        }
        let memory = thread.memory;
        let memory = &self.memories[memory];
        let mut done = 0;
        for (byte, address) in buffer.iter_mut().zip(at..) {
            let Some(known) = memory.get(&address) else { break };
            *byte = *known;
            done += 1;
        }
        if done == 0 { Err(Errno::EIO) } else { Ok(done) }
    }

    pub(super) fn write(&mut self, tid: Tid, at: u64, bytes: &[u8]) -> Answer<()> {
        let thread = self.thread_mut(tid)?;
        if thread.life == Life::Zombie {
            return Err(Errno::ESRCH);
        }
        let in_text = (TEXT..TEXT + 0x1000).contains(&at);
        assert!(
            !in_text || bytes.len() == 1,
            "invariant 2: one byte of code at a time"
        );
        let memory = thread.memory;
        put(&mut self.memories[memory], at, bytes);
        Ok(())
    }

    /// The thread, when it may be asked: see the module.
    pub(super) fn in_stop(&mut self, tid: Tid) -> Answer<&mut Player> {
        let thread = self.thread_mut(tid)?;
        let stopped = matches!(thread.life, Life::Stopped) && thread.observed;
        // A number that has gone over to the thread that called exec: nothing has told the session yet.
        if !stopped && (thread.killed || thread.replaced) {
            return Err(Errno::ESRCH);
        }
        if !stopped || !thread.traced {
            let what = format!("is {:?}, observed {}", thread.life, thread.observed);
            return Err(refuse(tid, &what));
        }
        Ok(thread)
    }

    pub(super) fn ask_to_stop(&mut self, tid: Tid) -> Answer<()> {
        let thread = self.thread_mut(tid)?;
        if thread.life == Life::Zombie || !thread.traced {
            return Err(Errno::ESRCH);
        }
        assert!(
            thread.life != Life::Sleeping || thread.killed,
            "an interrupt would make the system call of {tid} fail with EINTR"
        );
        thread.interrupted = true;
        Ok(())
    }

    fn stop(&mut self, tid: Tid, event: i32, signal: i32, origin: Origin) {
        let traced = self.thread(tid).traced;
        if !traced {
            return self.untraced(tid, event, signal, origin);
        }
        let thread = self.thread(tid);
        thread.life = Life::Stopped;
        thread.status = stop_status(event, signal);
        thread.observed = false;
        thread.origin = origin;
        self.reports.push_back(tid);
    }

    /// What becomes of a stop that nobody traces: signals act, events are nothing.
    fn untraced(&mut self, tid: Tid, event: i32, signal: i32, origin: Origin) {
        if event == 0 && origin == Origin::Breakpoint {
            let at = self.thread(tid).regs.pc().0.wrapping_sub(1);
            let own_byte = self.own_breakpoints.contains(&at);
            let ours = !own_byte && self.thread(tid).acts.front() != Some(&Act::OwnBreakpoint);
            assert!(
                !ours,
                "thread {tid} is not traced and ran into a breakpoint of ours"
            );
        }
        if event == 0 {
            self.give(tid, signal);
        }
    }

    pub(super) fn take_stop(&mut self, who: WaitFor) -> Answer<Option<(Tid, RawStatus)>> {
        loop {
            let found = match who {
                WaitFor::Only(tid) => self.reports.iter().position(|t| *t == tid),
                WaitFor::Any | WaitFor::AnyNow if self.reports.is_empty() => None,
                WaitFor::Any | WaitFor::AnyNow => Some(match self.order {
                    Order::AsHappened => 0,
                    Order::NewestFirst => self.reports.len() - 1,
                    Order::Random(_) => {
                        let count = self.reports.len() as u64;
                        usize::try_from(self.chance(count)).expect("small")
                    }
                }),
            };
            if let Some(tid) = found.and_then(|at| self.reports.remove(at)) {
                return Ok(Some((tid, RawStatus(self.report(tid)))));
            }
            match who {
                WaitFor::AnyNow => return Ok(None),
                WaitFor::Only(tid) if !self.threads.contains_key(&tid) => return Err(Errno::ECHILD),
                WaitFor::Any if !self.threads.values().any(|t| t.traced) => return Err(Errno::ECHILD),
                WaitFor::Any | WaitFor::Only(_) => {}
            }
            assert!(
                self.advance(),
                "the tracer waits ({who:?}) and nobody will ever report"
            );
        }
    }

    pub(super) fn is_in_exec(&self, tid: Tid) -> bool {
        self.execs.contains(&tid)
    }

    fn report(&mut self, tid: Tid) -> i32 {
        let thread = self.thread(tid);
        let status = thread.status;
        thread.observed = true;
        if thread.life == Life::Zombie {
            self.bury(tid);
        }
        status
    }

    fn bury(&mut self, tid: Tid) {
        let thread = self.threads.remove(&tid).expect("a thread of the scene");
        let process = thread.process;
        self.history.push((tid, thread));
        // The leader's end is reported when all others are gone (ptrace(2)).
        let others = self.living(process);
        if others == [process.leader()] && self.thread(process.leader()).life == Life::Zombie {
            self.announce_end(process.leader());
        }
        self.finish_execs();
    }

    fn announce_end(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        let wait_status = match thread.code {
            Some(code) => code << 8,
            None if thread.killed => libc::SIGKILL,
            None => 0,
        };
        thread.status = wait_status;
        let child_of = self.threads.iter().find(|(_, t)| t.waits_for_child == Some(tid));
        if let Some(parent) = child_of.map(|(parent, _)| *parent) {
            self.wake(parent);
        }
        if self.thread(tid).traced {
            self.reports.push_back(tid);
        } else {
            self.bury(tid);
        }
    }

    fn end(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        thread.life = Life::Zombie;
        thread.observed = false;
        let process = thread.process;
        if tid != process.leader() || self.living(process).len() == 1 {
            self.announce_end(tid);
        }
        self.finish_execs();
    }

    fn wake(&mut self, tid: Tid) {
        let Ok(thread) = self.thread_mut(tid) else { return };
        thread.waits_for_child = None;
        if thread.life == Life::Sleeping {
            thread.life = Life::Running;
        }
    }

    /// SIGKILL for a whole process.
    pub(crate) fn kill(&mut self, process: Pid) {
        self.journal.push(format!("-- process {process} is killed"));
        for tid in self.living(process) {
            self.doom(tid);
        }
    }

    /// The thread leaves whatever stop it is in, and dies.
    fn doom(&mut self, tid: Tid) {
        let exit_stops = self.exit_stops;
        let thread = self.thread(tid);
        let exiting = stop_status(libc::PTRACE_EVENT_EXIT, libc::SIGTRAP);
        if thread.life == Life::Zombie || thread.life == Life::Stopped && thread.status == exiting {
            thread.killed = true;
            return;
        }
        thread.killed = true;
        self.reports.retain(|t| *t != tid);
        let thread = self.thread(tid);
        if exit_stops && thread.traced {
            self.stop(tid, libc::PTRACE_EVENT_EXIT, libc::SIGTRAP, Origin::Other);
        } else {
            self.end(tid);
        }
    }

    /// A stopped thread goes on.
    pub(super) fn go_on(&mut self, tid: Tid, go: Go, signal: Signal) {
        let thread = self.thread(tid);
        let status = thread.status;
        let (event, stopped_by) = (status >> 16, (status >> 8) & 0xFF);
        thread.go = go;
        thread.life = match go {
            Go::Listen => Life::Listening,
            _ if thread.waits_for_child.is_some() => Life::Sleeping,
            _ => Life::Running,
        };
        let pc = thread.regs.pc().0;
        if event == libc::PTRACE_EVENT_EXIT {
            return self.end(tid);
        }
        if thread.interrupted && go == Go::Listen {
            thread.interrupted = false;
            return self.stop(tid, libc::PTRACE_EVENT_STOP, stopped_by, Origin::Other);
        }
        if event == libc::PTRACE_EVENT_STOP && thread.trap_queued && thread.traced {
            thread.trap_queued = false;
            return self.stop(tid, 0, libc::SIGTRAP, Origin::Breakpoint);
        }
        assert!(
            !thread.trap_queued,
            "thread {tid} is let go with its trap still queued"
        );
        let late = self.is_late(tid, pc);
        assert!(
            !late,
            "invariant 7: thread {tid} goes on at {pc:#x}, one byte late"
        );
        if event == 0 && signal != Signal::NONE {
            assert_eq!(signal.0, stopped_by, "the signal it stopped for");
            self.give(tid, signal.0);
        } else {
            assert!(signal == Signal::NONE, "a signal made up: {} for {tid}", signal.0);
        }
    }

    /// Whether the thread would go on in the middle of the instruction it is to visit.
    fn is_late(&mut self, tid: Tid, pc: u64) -> bool {
        matches!(self.thread(tid).acts.front(), Some(Act::Visit(at)) if at + 1 == pc)
    }

    /// The program takes a signal.
    fn give(&mut self, tid: Tid, signal: i32) {
        let thread = self.thread(tid);
        let pc = thread.regs.pc().0;
        thread.given.push((signal, pc));
        assert!(!super::is_slot(pc), "thread {tid} sees itself in a slot");
        let process = thread.process;
        if signal == libc::SIGSTOP {
            return self.stop_group(process, signal);
        }
        let Some(acts) = thread.handlers.get(&signal).cloned() else {
            return;
        };
        let sp = thread.regs.sp();
        thread.frames.push((pc, sp.0));
        thread.regs.set_pc(RemoteAddr(IDLE));
        thread.regs.set_sp(sp.minus(0x400));
        thread.acts.push_front(Act::Return);
        for act in acts.into_iter().rev() {
            thread.acts.push_front(act);
        }
    }

    fn stop_group(&mut self, process: Pid, signal: i32) {
        for tid in self.living(process) {
            let thread = self.thread(tid);
            thread.group = Some(signal);
            if matches!(thread.life, Life::Running | Life::Sleeping) && thread.traced {
                self.stop(tid, libc::PTRACE_EVENT_STOP, signal, Origin::Other);
            }
        }
    }

    /// One thread does one thing; whether anybody could.
    pub(crate) fn advance(&mut self) -> bool {
        let can = |(tid, t): (&Tid, &Player)| {
            let able = t.life == Life::Running && !self.execs.contains(tid);
            (able && (t.is_busy() || t.interrupted)).then_some(*tid)
        };
        let able: Vec<Tid> = self.threads.iter().filter_map(can).collect();
        if able.is_empty() {
            let Some(act) = self.last_acts.pop_front() else {
                return false;
            };
            self.journal.push(format!("-- at last: {act:?}"));
            let by = *self.threads.keys().next().expect("somebody");
            // No thread's own act: nothing of it is taken away.
            self.thread(by).acts.push_front(act.clone());
            self.act(by, act);
            return true;
        }
        let number = if self.is_random() {
            usize::try_from(self.chance(able.len() as u64)).expect("small")
        } else {
            0
        };
        self.turn(able[number]);
        true
    }

    /// What a thread does when it runs: what came for it first, then its instruction, then its next act.
    fn turn(&mut self, tid: Tid) {
        let traps_first = self.traps_before_pause || self.is_random() && self.chance(2) == 0;
        let thread = self.thread(tid);
        let pc = thread.regs.pc().0;
        if thread.interrupted && thread.traced {
            thread.interrupted = false;
            let memory = thread.memory;
            let next = if let (IDLE, Some(Act::Visit(at))) = (pc, thread.acts.front()) {
                *at
            } else {
                pc
            };
            if traps_first && self.byte(memory, next) == Some(BREAKPOINT) {
                let thread = self.thread(tid);
                thread.regs.set_pc(RemoteAddr(next + 1));
                thread.trap_queued = true;
            }
            let group = self.thread(tid).group;
            return self.stop(
                tid,
                libc::PTRACE_EVENT_STOP,
                group.unwrap_or(libc::SIGTRAP),
                Origin::Other,
            );
        }
        let open = thread.mask == 0;
        if let Some(at) = thread.pending.iter().position(|s| open || *s == libc::SIGSTOP) {
            let signal = thread.pending.remove(at).expect("found");
            return self.stop(tid, 0, signal, Origin::Other);
        }
        if pc != IDLE {
            return self.run_instruction(tid);
        }
        match self.thread(tid).acts.front().cloned() {
            Some(Act::Visit(at)) => {
                let rounds = self.rounds;
                let thread = self.thread(tid);
                thread.regs.set_pc(RemoteAddr(at));
                thread.rounds = rounds;
            }
            Some(act) => {
                self.journal.push(format!("-- {tid}: {act:?}"));
                self.act(tid, act);
            }
            None => {}
        }
    }

    fn act(&mut self, tid: Tid, act: Act) {
        let thread = self.thread(tid);
        let (process, memory) = (thread.process, thread.memory);
        if act != Act::OwnBreakpoint {
            thread.acts.pop_front();
        }
        match act {
            Act::Visit(_) => {}
            Act::Raise(signal) => self.signal(tid, signal),
            Act::OwnBreakpoint => {
                self.thread(tid).sent.push(libc::SIGTRAP);
                self.stop(tid, 0, libc::SIGTRAP, Origin::Breakpoint);
                self.thread(tid).acts.pop_front();
            }
            Act::Thread(child, acts) => self.make(tid, child, Player::new(process, memory, acts)),
            Act::Share(child, acts) => self.make(tid, child, Player::new(Pid(child), memory, acts)),
            Act::Vfork(child, acts) => {
                self.thread(tid).waits_for_child = Some(Tid(child));
                self.make(tid, child, Player::new(Pid(child), memory, acts));
            }
            Act::Fork(child, acts) => {
                let copy = self.memories[memory].clone();
                self.memories.push(copy);
                let memory = self.memories.len() - 1;
                self.make(tid, child, Player::new(Pid(child), memory, acts));
            }
            Act::Exec => {
                self.execs.push(tid);
                for other in self.living(process) {
                    if other != tid {
                        self.doom(other);
                    }
                }
                self.finish_execs();
            }
            Act::Exit if self.thread(tid).traced => {
                self.stop(tid, libc::PTRACE_EVENT_EXIT, libc::SIGTRAP, Origin::Other);
            }
            Act::Exit => self.end(tid),
            Act::ExitGroup(code) => {
                for other in self.living(process) {
                    self.thread(other).code = Some(code);
                    self.doom(other);
                }
            }
            Act::Continue(leader) => {
                for other in self.living(Pid(leader)) {
                    self.thread(other).group = None;
                    if self.thread(other).life == Life::Listening {
                        self.stop(other, libc::PTRACE_EVENT_STOP, libc::SIGTRAP, Origin::Other);
                    }
                }
            }
            Act::Sleep => self.thread(tid).life = Life::Sleeping,
            Act::Wake(other) => self.wake(Tid(other)),
            Act::Return => {
                let thread = self.thread(tid);
                let (pc, sp) = thread.frames.pop().expect("a handler was entered");
                thread.regs.set_pc(RemoteAddr(pc));
                thread.regs.set_sp(RemoteAddr(sp));
            }
        }
    }

    fn make(&mut self, parent: Tid, child: i32, mut thread: Player) {
        let traced = self.thread(parent).traced;
        thread.traced = traced;
        thread.handlers = self.thread(parent).handlers.clone();
        thread.seccomp = self.thread(parent).seccomp;
        self.threads.insert(Tid(child), thread);
        if traced {
            self.thread(parent).message = u64::try_from(child).expect("a tid");
            // clone(2) gives any of three events for any flags: all are one to the decoder.
            self.stop(parent, libc::PTRACE_EVENT_CLONE, libc::SIGTRAP, Origin::Other);
            self.stop(Tid(child), libc::PTRACE_EVENT_STOP, libc::SIGTRAP, Origin::Other);
        }
    }

    /// An exec goes on when the other threads have gone; it is reported by the leader's number.
    fn finish_execs(&mut self) {
        for tid in self.execs.clone() {
            let Ok(thread) = self.thread_mut(tid) else {
                self.execs.retain(|t| *t != tid);
                continue;
            };
            let process = thread.process;
            let leader = process.leader();
            let left = |t: &Tid| *t != tid && !(*t == leader && self.threads[t].life == Life::Zombie);
            if self.living(process).iter().any(left) || self.threads[&tid].killed {
                continue;
            }
            self.execs.retain(|t| *t != tid);
            let mut thread = self.threads.remove(&tid).expect("found above");
            if tid != leader
                && let Some(old) = self.threads.remove(&leader)
            {
                self.history.push((leader, old));
                self.history.push((tid, thread.clone()));
                thread.visited.clear();
                thread.given.clear();
                thread.sent.clear();
                thread.replaced = true;
            }
            self.memories.push(BTreeMap::new());
            thread.memory = self.memories.len() - 1;
            thread.acts.clear();
            thread.regs = registers();
            thread.message = u64::try_from(tid.0).expect("a tid");
            self.threads.insert(leader, thread);
            let parent = self
                .threads
                .iter()
                .find(|(_, t)| t.waits_for_child == Some(leader));
            if let Some(parent) = parent.map(|(parent, _)| *parent) {
                self.wake(parent);
            }
            self.stop(leader, libc::PTRACE_EVENT_EXEC, libc::SIGTRAP, Origin::Other);
        }
    }

    /// The thread's processor runs what lies at its pc.
    fn run_instruction(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        let (pc, memory, go) = (thread.regs.pc().0, thread.memory, thread.go);
        let code: Vec<u8> = (pc..pc + 15).map_while(|at| self.byte(memory, at)).collect();
        let stepping = go == Go::Step;
        if self.own_breakpoints.contains(&pc) {
            self.visit_done(tid, pc);
            self.thread(tid).sent.push(libc::SIGTRAP);
        }
        if code.first() == Some(&BREAKPOINT) {
            self.thread(tid).regs.set_pc(RemoteAddr(pc + 1));
            return self.stop(tid, 0, libc::SIGTRAP, Origin::Breakpoint);
        }
        if pc == VDSO + 0x40 {
            return self.injected_call(tid);
        }
        let Some(Act::Visit(site)) = self.thread(tid).acts.front().cloned() else {
            return self.run_jump_back(tid, pc, &code);
        };
        if super::is_slot(pc) && code.starts_with(&[0xE9]) {
            return self.run_jump_back(tid, pc, &code);
        }
        if !super::is_slot(pc) && pc != site {
            return self.run_jump_back(tid, pc, &code);
        }
        match code.as_slice() {
            [0x0F, 0x05, ..] if go == Go::ToSystemCall => {
                // At the entry the pc is behind the instruction.
                self.thread(tid).regs.set_pc(RemoteAddr(IDLE));
                self.visit_done(tid, site);
                return self.stop(tid, 0, libc::SIGTRAP | 0x80, Origin::Other);
            }
            [0x9C, ..] => {
                let thread = self.thread(tid);
                let top = thread.regs.sp().minus(8);
                thread.regs.set_sp(top);
                let flags = thread.regs.0.eflags | if stepping { TRAP_FLAG } else { 0 };
                put(&mut self.memories[memory], top.0, &flags.to_le_bytes());
            }
            [0xF3, ..] if self.thread(tid).rounds > 1 => {
                self.thread(tid).rounds -= 1;
                if stepping {
                    self.stop(tid, 0, libc::SIGTRAP, Origin::Step);
                }
                return;
            }
            _ => {}
        }
        self.visit_done(tid, site);
        let length = crate::code::decode(&code)
            .first()
            .map_or(1, |i| u64::from(i.length));
        let next = if super::is_slot(pc) { pc + length } else { IDLE };
        self.thread(tid).regs.set_pc(RemoteAddr(next));
        if stepping {
            self.stop(tid, 0, libc::SIGTRAP, Origin::Step);
        }
    }

    fn visit_done(&mut self, tid: Tid, site: u64) {
        let thread = self.thread(tid);
        thread.visited.push(site);
        thread.acts.pop_front();
    }

    /// A slot's last instruction; or a thread that was put behind the instruction it had run in a slot.
    fn run_jump_back(&mut self, tid: Tid, pc: u64, code: &[u8]) {
        if super::is_slot(pc) {
            assert!(
                code.starts_with(&[0xE9]),
                "thread {tid} runs at {pc:#x}, in no slot"
            );
            let distance = i32::from_le_bytes(code[1..5].try_into().expect("four bytes"));
            let target = (pc + 5).wrapping_add_signed(i64::from(distance));
            let site = *self.thread(tid).visited.last().expect("it has just run");
            assert!(
                target > site && target <= site + 15,
                "{tid} goes from {pc:#x} to {target:#x}"
            );
        } else {
            let code_begins = (pc - TEXT).is_multiple_of(16);
            assert!(
                !code_begins,
                "thread {tid} runs at {pc:#x}, which it was not to visit"
            );
        }
        self.thread(tid).regs.set_pc(RemoteAddr(IDLE));
    }

    fn injected_call(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        if thread.go != Go::ToSystemCall {
            panic!("thread {tid} runs a system call that nobody watches");
        }
        if thread.in_call {
            thread.in_call = false;
            let (at, size, memory) = (thread.regs.0.rdi, thread.regs.0.rsi, thread.memory);
            assert_eq!(
                thread.regs.0.rax,
                libc::SYS_mmap.cast_unsigned(),
                "the only call injected"
            );
            thread.regs.0.rax = at;
            put(
                &mut self.memories[memory],
                at,
                &vec![0; usize::try_from(size).expect("small")],
            );
        } else {
            thread.in_call = true;
        }
        self.stop(tid, 0, libc::SIGTRAP | 0x80, Origin::Other);
    }
}

impl Player {
    /// Whether it was killed, so that what it was about to do was not done.
    pub(crate) fn was_killed(&self) -> bool {
        self.killed || self.replaced || !self.acts.is_empty()
    }

    fn is_idle(&self) -> bool {
        self.regs.pc().0 == IDLE
    }

    fn is_busy(&self) -> bool {
        !self.acts.is_empty() || !self.pending.is_empty() || self.regs.pc().0 != IDLE
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("journal of {:?}:\n{}", self.order, self.journal.join("\n"));
        }
    }
}

fn put(memory: &mut BTreeMap<u64, u8>, at: u64, bytes: &[u8]) {
    memory.extend((at..).zip(bytes.iter().copied()));
}
