//! The way out: every byte the original, every thread where it would be, nobody woken or stopped.
//!
//! Must not know: why the session ends.
//!
//! ```text
//! 1. original bytes back, while threads run
//! 2. threads that run are stopped one by one: a breakpoint they have hit is undone, a trap still queued is
//!    taken first; then they are let go
//! 3. threads asleep in the kernel are left asleep: the end of the tracer's thread lets them go; but for one, where
//!    the kernel let nobody write without a stopped thread, and none ran
//! ```
//! A thread in a pause can still have the trap of our breakpoint queued, with its pc one byte late
//! (measured: 0.13 to 1.44 % of pauses): let go like that it dies. Waking a thread that sleeps in
//! `epoll_wait` and others makes the call fail with EINTR (measured).

use crate::addr::RemoteAddr;
use crate::arch::undo_breakpoint;
use crate::decode::{Stop, decode};
use crate::error::{Error, Kind, Operation, Result, Subject};
use crate::ids::{SpaceId, Tid};
use crate::session::Core;
use crate::site::Way;
use crate::sys::{Activity, Answer, Go, Kernel, Origin, RawStatus, Seize, Signal, WaitFor, gone_is_fine};
use crate::tracee::{Role, State, Tracee};
use crate::trap_setting::Allowed;
use std::collections::{BTreeMap, BTreeSet};

/// How the process of the last event is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It goes on.
    Running,
    /// It stands where the event was, stopped by SIGSTOP; it goes on by SIGCONT.
    ///
    /// The signal takes effect before the thread runs an instruction of the program (`ptrace_signal`, `do_signal_stop`,
    /// kernel/signal.c), and stops the others wherever they are by then.
    Stopped,
}

impl<K: Kernel> Core<K> {
    /// Gives the process back. What remains attached afterwards sleeps, and is let go by the end of this thread.
    ///
    /// # Errors
    /// Breakpoints are left, or the kernel refused anything else; all threads are let go in any case.
    pub(crate) fn detach(&mut self) -> Result<()> {
        self.give_back(Left::Running)
    }

    /// The same, with the thread of the last event, and so its process, left stopped.
    ///
    /// # Errors
    /// As for [`Self::detach`].
    pub(crate) fn give_back(&mut self, left: Left) -> Result<()> {
        let subject = Subject::Process(self.process);
        self.affinity.release_all();
        self.left = self.restore_code();
        let settled = self.let_all_go(left);
        let mut left = self.left.values().flatten();
        if let Some(first) = left.next().copied() {
            let sites = 1 + left.count();
            let kind = Kind::BreakpointsLeft { sites, first };
            return Err(Error::from_kind(Operation::Detach, subject, kind));
        }
        settled.map_err(|errno| Error::from_errno(Operation::Detach, subject, errno))
    }

    /// Kills the profiled process, a child of this one, and waits for its end, where that was not told yet.
    pub(crate) fn kill(&mut self) -> Answer<()> {
        if !self.tracees.values().any(|t| t.role == Role::Profiled) {
            return Ok(());
        }
        // For those who share the memory and live on.
        self.left = self.restore_code();
        self.kernel.kill(self.process)?;
        self.current = None;
        loop {
            let (tid, status) = match self.parked.next() {
                Some(parked) => parked,
                None => match self.kernel.wait(WaitFor::Any)? {
                    Some(stop) => stop,
                    None => continue,
                },
            };
            gone_is_fine(self.settle(tid, status))?;
            if tid == self.process.leader() && matches!(decode(status), Stop::Ended(_)) {
                return Ok(());
            }
        }
    }

    /// Lets go of every thread that runs or stands in a stop; the first refusal, after all others.
    fn let_all_go(&mut self, left: Left) -> Answer<()> {
        // First stops that came before the parent's event: nobody waits for these threads any more.
        for (tid, status) in std::mem::take(&mut self.early) {
            self.parked.push(tid, status);
        }
        if let Some(tid) = self.begins.take() {
            self.stand_at(tid);
        }
        // The thread of the last event stands at a site or behind it; no byte of ours is there any more.
        let mut settled = match self.current {
            Some((tid, _)) => gone_is_fine(self.restore_again(tid)).and(self.forget_current(left)),
            None => Ok(()),
        };
        let mut woken = false;
        // Threads that were asked to stop, until they report.
        let mut asked = BTreeSet::new();
        // Threads made meanwhile by those that still run are seen by the next round.
        loop {
            // A call run in one thread parks the stops of others.
            while let Some((tid, status)) = match self.parked.next() {
                None => self.kernel.wait(WaitFor::AnyNow).unwrap_or(None),
                parked => parked,
            } {
                asked.remove(&tid);
                settled = settled.and(gone_is_fine(self.settle(tid, status)));
            }
            let next = match self.next_to_stop(&asked) {
                // EINTR is less than the death of a breakpoint that only a stopped thread can take away.
                None if !woken && !self.left.is_empty() => {
                    woken = true;
                    self.one_that_sleeps()
                }
                next => next,
            };
            let Some(tid) = next else {
                return settled;
            };
            if self.kernel.interrupt(tid).is_err() {
                self.forget(tid);
                continue;
            }
            asked.insert(tid);
            // Not for this one alone: it may be in an exec that waits for another to end.
            match self.kernel.wait(WaitFor::Any).unwrap_or(None) {
                Some((tid, status)) => {
                    asked.remove(&tid);
                    settled = settled.and(gone_is_fine(self.settle(tid, status)));
                }
                None => {
                    self.forget(tid);
                }
            }
        }
    }

    /// Puts the original bytes back, by threads that still have the memory; where one of ours is left.
    ///
    /// One of the profiled process will do. Each of the others may have gone into an exec that is not told
    /// yet, and have another memory: so all of them are used.
    fn restore_code(&mut self) -> BTreeMap<SpaceId, Vec<RemoteAddr>> {
        let spaces: Vec<SpaceId> = self.spaces.lived_in().collect();
        let left = spaces.into_iter().map(|space| (space, self.restore_space(space)));
        left.filter(|(_, left)| !left.is_empty()).collect()
    }

    fn restore_space(&mut self, space: SpaceId) -> Vec<RemoteAddr> {
        let mut by = Vec::new();
        if space == self.focus.space {
            by.extend(self.any_thread());
        }
        let of = |role| move |t: &&Tracee| t.is_in(space, role);
        let all = || self.tracees.values();
        by.extend(all().filter(of(Role::Profiled)).map(|t| t.id.tid));
        let passing: Vec<_> = all().filter(of(Role::Passing)).map(|t| t.id.tid).collect();
        let mut left = Vec::new();
        for tid in by {
            if let Ok(there) = self.spaces[space].restore(&mut self.kernel, tid) {
                left = there;
                break;
            }
        }
        for tid in passing {
            // After an exec unseen it has nothing of ours, and that says nothing about the others.
            match self.spaces[space].restore(&mut self.kernel, tid) {
                Ok(there) if !there.is_empty() => left = there,
                Ok(_) | Err(_) => {}
            }
        }
        left
    }

    /// Takes away what is left, by a thread that is stopped: some kernels let code be written only then (`sys::linux`).
    fn restore_again(&mut self, tid: Tid) -> Answer<()> {
        let space = self.space_of(tid);
        if self.left.contains_key(&space) {
            let left = self.spaces[space].restore(&mut self.kernel, tid)?;
            if left.is_empty() {
                self.left.remove(&space);
            } else {
                self.left.insert(space, left);
            }
        }
        Ok(())
    }

    /// A thread that runs: one that can still be about to trap, or to make another thread.
    ///
    /// One that was `asked` may look asleep: it was on its way there, and its call ends with EINTR all the same. It is
    /// waited for, so that the call is made again.
    fn next_to_stop(&mut self, asked: &BTreeSet<Tid>) -> Option<Tid> {
        // EINTR is less than the death that the end of this thread would be (PTRACE_O_EXITKILL).
        let dies = self.fate == Seize::DiesWithTracer;
        let candidates: Vec<_> = self
            .tracees
            .values()
            .filter(|t| t.state == State::Running || t.state == State::Unborn)
            .filter(|t| !self.may_wait_for_child(t.id.tid))
            .map(|t| (t.id.tid, t.process))
            .collect();
        candidates
            .into_iter()
            .find(|(tid, process)| {
                dies || asked.contains(tid) || self.kernel.activity(*process, *tid) != Ok(Activity::Sleeping)
            })
            .map(|(tid, _)| tid)
    }

    /// A thread of the profiled process that would be left asleep.
    fn one_that_sleeps(&self) -> Option<Tid> {
        let mut profiled = self.tracees.values().filter(|t| t.role == Role::Profiled);
        let found = profiled.find(|t| t.state != State::Ending && !self.may_wait_for_child(t.id.tid));
        found.map(|t| t.id.tid)
    }

    /// Acts on one stop of a session that is ending: the thread is let go, as it would be without us.
    fn settle(&mut self, tid: Tid, status: RawStatus) -> Answer<()> {
        let stop = decode(status);
        if let Stop::Ended(_) = stop {
            self.forget(tid);
            return Ok(());
        }
        self.restore_again(tid)?;
        match stop {
            Stop::Ended(_) => Ok(()),
            Stop::Signal(signal) if self.undo_inline(tid, signal)? => self.let_go(tid, Signal::NONE),
            Stop::Signal(Signal::TRAP) if self.undo_hit(tid)? => self.let_go(tid, Signal::NONE),
            Stop::Signal(Signal::SEGV) if self.lacks_block(tid)? => {
                self.leave_copy_late(tid)?;
                self.let_go(tid, Signal::NONE)
            }
            Stop::Signal(signal) => {
                self.call_again_at_ignored(tid, signal)?;
                self.leave_scratch(tid)?;
                self.leave_copy_late(tid)?;
                self.let_go(tid, signal)
            }
            Stop::Pause => {
                if self.kernel.breakpoint_is_queued(tid)? {
                    // It is delivered as soon as the thread goes on, and settled then.
                    return self.resume(tid, Go::On, Signal::NONE);
                }
                // A copy of the memory that was made before the bytes were back; nobody may have told of it yet.
                match self.tracees.get(&tid).map(|t| (t.role, t.space)) {
                    Some((Role::Copy, space)) => drop(self.spaces[space].restore(&mut self.kernel, tid)?),
                    None => {
                        let space = self.space_copied(tid);
                        self.spaces[space].restore(&mut self.kernel, tid)?;
                    }
                    Some((Role::Profiled | Role::Passing, _)) => {}
                }
                self.call_again(tid)?;
                self.leave_scratch(tid)?;
                self.leave_copy_late(tid)?;
                self.let_go(tid, Signal::NONE)
            }
            Stop::Child(_) => {
                let child = self.thread_told_of(tid)?;
                let process = self.kernel.process_of(child).unwrap_or(self.process);
                // Whether it shares the memory cannot be seen any more where kcmp(2) is refused, and it is let go in
                // either case, with its code restored.
                self.adopt_in(self.space_of(tid), child, process, Role::Copy, State::Unborn);
                self.let_go(tid, Signal::NONE)
            }
            Stop::Exiting if self.parked.had_let_go(tid) => Ok(()),
            // PTRACE_DETACH leaves a group-stop as it is: the thread stays stopped.
            Stop::Group(_) | Stop::SystemCall | Stop::Executed | Stop::Exiting => {
                self.let_go(tid, Signal::NONE)
            }
        }
    }

    /// Whether the trap was our breakpoint; then the thread stands before the instruction again.
    fn undo_hit(&mut self, tid: Tid) -> Answer<bool> {
        if self.kernel.origin(tid)? != Origin::Breakpoint {
            return Ok(false);
        }
        let address = undo_breakpoint(self.kernel.registers(tid)?.pc());
        let sites = &self.spaces[self.space_of(tid)].sites;
        let site = sites.at(address).map(|site| sites.get(site).way);
        if matches!(site, None | Some(Way::Own)) {
            return Ok(false);
        }
        self.kernel.set_pc(tid, address)?;
        self.keep_trap_setting(tid, Allowed::Calls)?;
        Ok(true)
    }
}
