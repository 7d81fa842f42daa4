//! The loop: waits for a stop, finds out what it means, does what follows, tells the client.
//!
//! Must not know: lines, functions, files. It owns everything that a traced process needs.
//!
//! ```text
//!            ┌──────────────── next_event ─────────────────┐
//!   wait ──► decode ──► observe (registers, origin) ──► act ──► Event ──► client ──► resume
//!            (pure)                                     │
//!                 parked: stops that came while one thread was waited for
//!                 early:  a child's first stop that came before its parent told of it
//! ```
//!
//! The thread of an event stays stopped until the next event is asked for, so the client can read
//! memory at leisure. All of a session happens on one thread: ptrace(2) knows the tracer as a thread.

use crate::addr::RemoteAddr;
use crate::affinity::Affinity;
use crate::arch::{Registers, undo_breakpoint};
use crate::decode::{Stop, decode};
use crate::detach::Left;
use crate::error::{Error, Operation, Result, Subject};
use crate::event::{Event, Hit};
use crate::ids::{Pid, SiteId, SpaceId, Tid};
use crate::inline::Leaving;
use crate::options::{Children, Gates, Gauge, Keeper, Options};
use crate::parked::Parked;
use crate::recent::Recent;
use crate::registry::Focus;
use crate::scratch::Found;
use crate::site::Way;
use crate::spaces::Spaces;
use crate::sys::doorbell::Doorbell;
use crate::sys::{Answer, Go, Kernel, Origin, RawStatus, Seize, Signal, gone_is_fine};
use crate::tracee::{Onward, Role, State, Tracee};
use crate::trap_setting::{Allowed, TrapAction};
use nix::errno::Errno;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A session over some kernel, real or scripted.
#[derive(Debug)]
pub(crate) struct Core<K: Kernel> {
    pub(crate) kernel: K,
    /// The process that the session began with.
    pub(crate) process: Pid,
    pub(crate) children: Children,
    pub(crate) gauge: Gauge,
    pub(crate) gates: Gates,
    pub(crate) keeper: Keeper,
    pub(crate) spaces: Spaces,
    /// What the last event is about, and the client's requests.
    pub(crate) focus: Focus,
    /// In order, so that what a session does follows from what it was told and from nothing else.
    pub(crate) tracees: BTreeMap<Tid, Tracee>,
    /// Stops that were reaped while another thread was waited for.
    pub(crate) parked: Parked,
    pub(crate) early: BTreeMap<Tid, RawStatus>,
    /// Threads held while another steps: none between two steps.
    pub(crate) held: Vec<Tid>,
    /// Processes whose first stop was acted on before their parent told of them.
    pub(crate) met: HashSet<Tid>,
    /// The thread whose event the client is looking at.
    pub(crate) current: Option<(Tid, Onward)>,
    pub(crate) affinity: Affinity,
    /// What each process does with SIGTRAP, where that is known and not the default.
    pub(crate) trap_actions: HashMap<Pid, TrapAction>,
    /// What becomes of the threads that are still traced when the tracer's thread ends.
    pub(crate) fate: Seize,
    /// Where a byte of ours could not be taken away, once the session ends.
    pub(crate) left: BTreeMap<SpaceId, Vec<RemoteAddr>>,
    doorbell: Option<Doorbell>,
    pub(crate) serial: u32,
    /// A thread that stands before the first instruction of a new program, which is still to be told of.
    pub(crate) begins: Option<Tid>,
    /// Answers of wait4(2) since all stops were taken in.
    pub(crate) waits_since_round: usize,
    /// The threads that hit last; nobody, when none of them has stopped in time.
    pub(crate) recent: Recent,
}

impl<K: Kernel> Core<K> {
    pub(crate) fn new(kernel: K, process: Pid, options: Options, doorbell: Option<Doorbell>) -> Self {
        Self {
            kernel,
            process,
            children: options.children,
            gauge: options.gauge,
            gates: options.gates,
            keeper: options.keeper,
            spaces: Spaces::new(options.engine, options.keeper),
            focus: Focus {
                process,
                space: SpaceId::FIRST,
            },
            tracees: BTreeMap::new(),
            parked: Parked::default(),
            early: BTreeMap::new(),
            held: Vec::new(),
            met: HashSet::new(),
            current: None,
            affinity: Affinity::new(options.pinning),
            trap_actions: HashMap::new(),
            fate: Seize::Outlives,
            left: BTreeMap::new(),
            doorbell,
            serial: 0,
            begins: None,
            waits_since_round: 0,
            recent: Recent::default(),
        }
    }

    /// The session begins with this thread stopped, as if the client had just been told of it.
    pub(crate) fn stand_at(&mut self, tid: Tid) {
        self.current = Some((tid, Onward::Go(Signal::NONE)));
    }

    /// Lets the thread of the last event go on and waits for the next event.
    pub(crate) fn next_event(&mut self) -> Result<Event> {
        self.finish_current()?;
        self.spaces.clear_empty();
        if let Some(event) = self.tell_of_beginning() {
            return Ok(event);
        }
        loop {
            if self.children == Children::Followed && self.is_over() {
                return Ok(Event::Over);
            }
            let (tid, status) = self
                .next_stop()
                .map_err(|errno| Error::from_errno(Operation::Wait, Subject::Session, errno))?;
            if self.doorbell.as_ref().is_some_and(|bell| bell.is(tid)) {
                if matches!(decode(status), Stop::Ended(_)) {
                    self.doorbell = None;
                    return Ok(Event::StopRequested);
                }
                // It listens on.
                let resumed = gone_is_fine(self.kernel.resume(tid, Go::On, Signal::NONE));
                resumed.map_err(|errno| Error::from_errno(Operation::Resume, Subject::Session, errno))?;
                return Ok(Event::Woken);
            }
            let acted = self.act(tid, status);
            if let Some(event) = self.or_gone(tid, Operation::Resume, acted)?.flatten() {
                return Ok(event);
            }
        }
    }

    /// Lets the thread of the last event go on.
    pub(crate) fn finish_current(&mut self) -> Result<()> {
        if let Some((tid, onward)) = self.current.take() {
            let gone_on = self.go_onward(tid, onward);
            self.or_gone(tid, Operation::Resume, gone_on)?;
        }
        Ok(())
    }

    /// Gives the thread of the last event back; its instruction runs wherever its pc was put, or at its site once the
    /// thread is continued.
    pub(crate) fn forget_current(&mut self, left: Left) -> Answer<()> {
        let Some((tid, onward)) = self.current.take() else {
            return Ok(());
        };
        let signal = match (onward, left) {
            (Onward::Go(signal), Left::Running) => signal,
            (Onward::Over(_), Left::Running) => Signal::NONE,
            (Onward::Go(_) | Onward::Over(_), Left::Stopped) => Signal::STOP,
        };
        let kept = match (onward, left) {
            // The program's own breakpoint, which it comes to again.
            (Onward::Go(Signal::TRAP), Left::Stopped) => self.stand_before_trap(tid),
            (Onward::Go(_), _) => Ok(()),
            (Onward::Over(_), _) => self.keep_trap_setting(tid, Allowed::Calls),
        };
        let left = kept
            .and_then(|()| self.leave_scratch(tid))
            .and_then(|()| self.let_go(tid, signal));
        gone_is_fine(left)
    }

    fn stand_before_trap(&mut self, tid: Tid) -> Answer<()> {
        let behind = self.kernel.registers(tid)?.pc();
        self.kernel.set_pc(tid, undo_breakpoint(behind))
    }

    /// ESRCH after an observed stop means that the thread was killed: its end will be reported.
    fn or_gone<T>(&mut self, tid: Tid, operation: Operation, answer: Answer<T>) -> Result<Option<T>> {
        match answer {
            Ok(value) => Ok(Some(value)),
            Err(Errno::ESRCH) => {
                tracing::debug!(%tid, "killed while stopped");
                if let Some(tracee) = self.tracees.get_mut(&tid)
                    && tracee.state != State::Ending
                {
                    tracee.state = State::Running;
                }
                Ok(None)
            }
            Err(errno) => Err(Error::from_errno(operation, Subject::Thread(tid), errno)),
        }
    }

    pub(crate) fn resume(&mut self, tid: Tid, go: Go, signal: Signal) -> Answer<()> {
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.state = match go {
                Go::Listen => State::Listening,
                _ if tracee.state == State::Ending => State::Ending,
                Go::On | Go::Step | Go::ToSystemCall => State::Running,
            };
        }
        self.kernel.resume(tid, go, signal)
    }

    fn go_onward(&mut self, tid: Tid, onward: Onward) -> Answer<()> {
        match onward {
            Onward::Go(Signal::TRAP) => self.deliver_trap(tid),
            Onward::Go(signal) => self.resume(tid, Go::On, signal),
            Onward::Over(site) => self.step_over(tid, site),
        }
    }

    /// Acts on one stop; the event it is for the client, if it is one.
    fn act(&mut self, tid: Tid, status: RawStatus) -> Answer<Option<Event>> {
        let stop = decode(status);
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return self.act_on_stranger(tid, status, stop);
        };
        let (id, process, role) = (tracee.id, tracee.process, tracee.role);
        let unborn = tracee.state == State::Unborn;
        let listened = tracee.state == State::Listening;
        tracee.state = if stop == Stop::Exiting {
            State::Ending
        } else {
            State::Stopped
        };
        match stop {
            Stop::Signal(signal) => self.act_on_signal(tid, signal),
            Stop::SystemCall => self.resume(tid, Go::On, Signal::NONE).map(|()| None),
            Stop::Pause if unborn => self.begin(tid),
            // At the end of a group-stop calls end with EINTR without us as well.
            Stop::Pause if listened => self.resume(tid, Go::On, Signal::NONE).map(|()| None),
            Stop::Pause => {
                self.call_again(tid)?;
                self.resume(tid, Go::On, Signal::NONE).map(|()| None)
            }
            // A child may be stopped by a signal to its group before its own first stop is seen.
            Stop::Group(_) if unborn && role == Role::Copy => self.begin(tid),
            Stop::Group(signal) => {
                self.resume(tid, Go::Listen, Signal::NONE)?;
                // The others' shells know of them.
                let first = |t: &&Tracee| t.role == Role::Profiled && t.process == self.process;
                let mut threads = self.tracees.values().filter(first);
                let all = threads.all(|t| matches!(t.state, State::Listening | State::Ending));
                let of_it = role == Role::Profiled && process == self.process;
                Ok((all && of_it).then_some(Event::Stopped(signal)))
            }
            Stop::Child(birth) => self.act_on_child(tid, birth).map(|()| None),
            Stop::Executed => self.act_on_exec(tid),
            // It was let go before this could be told (`in_place`).
            Stop::Exiting if self.parked.had_let_go(tid) => {
                let space = self.space_of(tid);
                self.end_block(id, space, role);
                self.look_at(tid);
                Ok((role == Role::Profiled).then_some(Event::ThreadEnding(id)))
            }
            Stop::Exiting => match role {
                Role::Profiled => {
                    let space = self.space_of(tid);
                    self.end_block(id, space, role);
                    self.look_at(tid);
                    self.stand_at(tid);
                    Ok(Some(Event::ThreadEnding(id)))
                }
                Role::Passing | Role::Copy => self.resume(tid, Go::On, Signal::NONE).map(|()| None),
            },
            Stop::Ended(how) => {
                if role == Role::Profiled {
                    self.look_at(tid);
                }
                let space = self.space_of(tid);
                self.end_block(id, space, role);
                self.forget(tid);
                self.count_threads(space);
                // The leader's end is reported last, after all other threads are reaped (ptrace(2)): those that are known
                // still have gone into an exec, whose process was killed before it was told of.
                if tid == process.leader() {
                    self.forget_others(process, tid);
                }
                // A leader that had ended before the session began is never reported to it.
                let none_left = self.tracees.values().all(|t| t.process != process);
                Ok((role == Role::Profiled && none_left).then_some(Event::Ended(how)))
            }
        }
    }

    /// A thread nobody told of yet, or one that was let go and is a child of this process all the same.
    fn act_on_stranger(&mut self, tid: Tid, status: RawStatus, stop: Stop) -> Answer<Option<Event>> {
        match stop {
            Stop::Ended(how) => {
                self.early.remove(&tid);
                let first = tid == self.process.leader();
                if first {
                    self.focus.process = self.process;
                }
                Ok(first.then_some(Event::Ended(how)))
            }
            // Killed with its parent, which will tell nothing any more.
            Stop::Exiting => {
                self.early.remove(&tid);
                self.kernel.resume(tid, Go::On, Signal::NONE).map(|()| None)
            }
            // The leader had ended before the session began, and another thread has become the leader by exec.
            Stop::Executed if tid == self.process.leader() => {
                let space = self.space_of_process(self.process);
                self.adopt_in(space, tid, self.process, Role::Profiled, State::Stopped);
                self.act_on_exec(tid)
            }
            Stop::Signal(_)
            | Stop::SystemCall
            | Stop::Pause
            | Stop::Group(_)
            | Stop::Child(_)
            | Stop::Executed => self.meet(tid, status).map(|()| None),
        }
    }

    pub(crate) fn let_go(&mut self, tid: Tid, signal: Signal) -> Answer<()> {
        self.forget(tid);
        self.kernel.detach(tid, signal)
    }

    fn act_on_signal(&mut self, tid: Tid, signal: Signal) -> Answer<Option<Event>> {
        if signal == Signal::SEGV && self.act_on_fault(tid)? {
            return Ok(None);
        }
        if let Some(event) = self.act_on_inline(tid, signal)? {
            return Ok(event);
        }
        if signal == Signal::TRAP {
            let registers = self.kernel.registers(tid)?;
            let address = undo_breakpoint(registers.pc());
            let sites = &self.spaces[self.space_of(tid)].sites;
            if let Some(site) = sites.at(address)
                && (sites.get(site).only_we_stop_behind() || self.kernel.origin(tid)? == Origin::Breakpoint)
            {
                return self.act_on_hit(tid, site, registers);
            }
        }
        self.deliver(tid, signal).map(|()| None)
    }

    fn act_on_hit(&mut self, tid: Tid, site: SiteId, mut registers: Registers) -> Answer<Option<Event>> {
        let space = self.space_of(tid);
        let address = self.spaces[space].sites.get(site).address;
        // First of all the pc: a tracer that dies before that leaves a thread in the middle of an instruction.
        let way = match self.spaces[space].sites.get(site).way {
            Way::Open => {
                self.kernel.set_pc(tid, address)?;
                self.promote(tid, space, site)?;
                if let Some(to) = self.spaces[space].inlined.stops.get(&address).copied() {
                    self.spaces[space].stops += 1;
                    self.kernel.set_pc(tid, to)?;
                    self.keep_trap_setting(tid, Allowed::Calls)?;
                    self.resume(tid, Go::On, Signal::NONE)?;
                    return Ok(None);
                }
                self.spaces[space].way(&mut self.kernel, tid, site, &mut self.parked)?
            }
            known => known,
        };
        let onward = match way {
            Way::Displaced(slot) => {
                self.kernel.set_pc(tid, slot)?;
                Onward::Go(Signal::NONE)
            }
            Way::InPlace | Way::Open | Way::Inline => {
                self.kernel.set_pc(tid, address)?;
                Onward::Over(site)
            }
            // Its pc is where the program's handler will see it: behind the breakpoint.
            Way::Own => Onward::Go(Signal::TRAP),
        };
        registers.set_pc(address);
        // A step in place traps, and that signal is forced as well: there it is put right after the step.
        if matches!(way, Way::Displaced(_)) {
            self.keep_trap_setting(tid, Allowed::Calls)?;
        }
        self.spaces[space].stops += 1;
        self.recent.hit(tid);
        let threads = self.spaces.users(space);
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return Err(Errno::ESRCH);
        };
        self.affinity.hit(tid, &mut tracee.heat);
        if tracee.role != Role::Profiled || tracee.retries.take(site, &registers) {
            self.go_onward(tid, onward)?;
            return Ok(None);
        }
        let id = tracee.id;
        self.focus = Focus::of(tracee);
        self.tell_block(id, space, Role::Profiled);
        self.current = Some((tid, onward));
        Ok(Some(Event::Hit(Hit {
            thread: id,
            site,
            registers,
            threads,
        })))
    }

    /// Hands a signal that is not ours to the program, which sees itself at addresses of its own.
    pub(crate) fn deliver(&mut self, tid: Tid, signal: Signal) -> Answer<()> {
        self.call_again_at_ignored(tid, signal)?;
        self.leave_scratch(tid)?;
        self.leave_copy(tid, Leaving::ForHandler)?;
        if signal == Signal::TRAP {
            return self.deliver_trap(tid);
        }
        self.resume(tid, Go::On, signal)
    }

    /// Moves a stopped thread that stands in a scratch to where it would stand without one.
    ///
    /// A handler, a core dump and a debugger look at the pc; a fault handler may decode what is there.
    pub(crate) fn leave_scratch(&mut self, tid: Tid) -> Answer<()> {
        let space = &self.spaces[self.space_of(tid)];
        if !space.has_scratch() {
            return Ok(());
        }
        let mut registers = self.kernel.registers(tid)?;
        match space.find_in_scratch(registers.pc()) {
            None | Some(Found::Between) => Ok(()),
            Some(Found::At(address)) => self.kernel.set_pc(tid, address),
            Some(Found::Before { site, pop }) => {
                registers.set_pc(space.sites.get(site).address);
                registers.set_sp(registers.sp().plus(pop));
                self.kernel.set_registers(tid, &registers)?;
                if let Some(tracee) = self.tracees.get_mut(&tid) {
                    tracee.retries.push(site, registers);
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
