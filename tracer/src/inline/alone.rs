//! Routines that run on whatever becomes of the tracer ([`Keeper::Nobody`]).
//!
//! Must not know: what is counted.
//!
//! ```text
//! no breakpoint, ever        every thread is stopped once, and the routines are copied there and then
//! a full trail               tells of itself by a signal that is ignored (`agent`)
//! a thread without a block   new threads have their maker's, children a copy: a door asks whose it is (`probes::admit`)
//! a handler within an event  finds nothing in the block that the event counts on (`copy`); while the agent runs, what a
//!                            handler does is not told
//! a saved pc within a door   is looked for on the stacks; where one is found the routine is left out
//! ```

use super::copy::Facts;
use super::doors::{self, Door};
use super::promote::Loaded;
use super::routine::NotInline;
use crate::addr::RemoteAddr;
use crate::address_space::may_inject;
use crate::agent::layout::IDENTITY;
use crate::decode::{Stop, decode};
use crate::ids::{SpaceId, Tid};
use crate::in_place::Whom;
use crate::options::Keeper;
use crate::session::Core;
use crate::sys::{Activity, Answer, Go, Kernel, Signal, gone_is_fine};
use crate::tracee::{State, Tracee};
use nix::errno::Errno;
use std::collections::HashSet;

/// Signals that do nothing where a program has said nothing (signal(7)), and that few programs use.
const IGNORED: [Signal; 2] = [Signal(libc::SIGURG), Signal(libc::SIGWINCH)];

impl<K: Kernel> Core<K> {
    /// Copies the routines that wait, at once: with every thread stopped for it, also those that sleep.
    ///
    /// # Errors
    /// ESRCH where no thread could be stopped.
    pub(crate) fn copy_routines(&mut self) -> Answer<()> {
        let space = self.focus.space;
        loop {
            let candidates = self.candidates(space);
            if candidates.is_empty() {
                return Err(Errno::ESRCH);
            }
            for tid in candidates {
                if !self.stop_for_copies(tid)? {
                    continue;
                }
                let copied = self.copy_by(tid, space);
                gone_is_fine(self.resume(tid, Go::On, Signal::NONE))?;
                if copied != Err(Errno::ESRCH) && copied != Err(Errno::EINTR) {
                    return copied;
                }
            }
        }
    }

    /// Threads that calls may be run in, those that run first.
    fn candidates(&mut self, space: SpaceId) -> Vec<Tid> {
        let running = |t: &&Tracee| t.space == space && t.state == State::Running;
        let found = self.tracees.values().filter(running);
        let found: Vec<_> = found.map(|t| (t.id.tid, t.process)).collect();
        let mut threads: Vec<(bool, Tid)> = Vec::new();
        for (tid, process) in found {
            if !self.may_wait_for_child(tid) {
                let runs = self.kernel.activity(process, tid) == Ok(Activity::Running);
                threads.push((!runs, tid));
            }
        }
        threads.sort_unstable();
        threads.into_iter().map(|(_, tid)| tid).collect()
    }

    /// Stops a thread that runs or sleeps; `false` where it has ended, or goes another way.
    fn stop_for_copies(&mut self, tid: Tid) -> Answer<bool> {
        match self.kernel.interrupt(tid) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(false),
            Err(errno) => return Err(errno),
        }
        // It has stopped by itself: the pause is reported as soon as it goes on.
        let mut others = Vec::new();
        while let Some((stopped, status)) = self.parked.next() {
            match decode(status) {
                Stop::Signal(signal) if stopped == tid && signal != Signal::TRAP => {
                    self.deliver(tid, signal)?;
                }
                _ => others.push((stopped, status)),
            }
        }
        for (stopped, status) in others {
            self.parked.push(stopped, status);
        }
        if self.parked.holds(tid) {
            return Ok(false);
        }
        loop {
            self.parked.let_ends_go(&mut self.kernel)?;
            let process = self.focus.process;
            let Some(status) = self.wait_beside(tid, tid, process)? else {
                return Ok(false);
            };
            match decode(status) {
                Stop::Pause => {
                    if let Some(tracee) = self.tracees.get_mut(&tid) {
                        tracee.state = State::Stopped;
                    }
                    return Ok(true);
                }
                // The pause is reported as soon as it goes on.
                Stop::Signal(signal) if signal != Signal::TRAP => self.deliver(tid, signal)?,
                Stop::Signal(_) | Stop::SystemCall | Stop::Group(_) | Stop::Child(_) => {
                    self.parked.push(tid, status);
                    return Ok(false);
                }
                Stop::Executed | Stop::Exiting | Stop::Ended(_) => {
                    self.parked.keep(&mut self.kernel, tid, status)?;
                    return Ok(false);
                }
            }
        }
    }

    /// *State*: `tid` is in a pause.
    fn copy_by(&mut self, tid: Tid, space: SpaceId) -> Answer<()> {
        // Calls that are run here would keep the kernel from making its own again.
        self.call_again(tid)?;
        if let Some(again) = self.kernel.registers(tid)?.before_restarted_call() {
            if self.kernel.signal_sets(tid)?.will_be_handled() {
                return Err(Errno::EINTR);
            }
            self.kernel.set_registers(tid, &again)?;
        }
        let waiting = self.spaces[space].inlined.waiting.clone();
        if !may_inject(&mut self.kernel, tid)? || self.kernel.has_shadow_stack(tid)? {
            self.spaces[space].inlined.waiting.clear();
            self.spaces[space].inlined.leave_out_of_reach(waiting);
            return Ok(());
        }
        self.while_held(tid, Whom::All, |core, held| {
            core.take_queued_traps(tid, held)?;
            let all = std::iter::once(tid).chain(held.iter().copied());
            let threads: Vec<Tid> = all.collect();
            for thread in &threads {
                if !core.has_identity(*thread)? {
                    let requests = waiting.into_iter();
                    let refused = requests.map(|request| (request, NotInline::NeedsTracer));
                    core.spaces[space].inlined.refused.extend(refused);
                    core.spaces[space].inlined.waiting.clear();
                    return Ok(());
                }
            }
            core.promote_held(tid, space, waiting, Loaded::Whole, held)?;
            core.spaces[space].inlined.waiting.clear();
            // Those that had stopped by themselves are in no list.
            let of_it = core.tracees.values().filter(|t| t.space == space);
            let stopped: Vec<Tid> = of_it
                .map(|t| t.id.tid)
                .filter(|t| core.parked.holds(*t))
                .collect();
            for thread in stopped {
                gone_is_fine(core.give_block(thread, space))?;
            }
            Ok(())
        })
    }

    /// Whether a thread can be told from others by what lies at the base of its `fs`: every one of a libc's can.
    fn has_identity(&mut self, tid: Tid) -> Answer<bool> {
        let (base, gs) = {
            let registers = self.kernel.registers(tid)?;
            (registers.fs_base(), registers.gs_base())
        };
        let mut word = [0; 8];
        let read = self.kernel.read_memory(tid, RemoteAddr(base), &mut word);
        let is_free = gs == 0 || self.is_of_session_before(tid, gs)?;
        Ok(is_free && base != 0 && read == Ok(8) && u64::from_ne_bytes(word) == base)
    }

    /// Takes note of whose a block is.
    pub(super) fn write_identity(&mut self, tid: Tid, block: RemoteAddr) -> Answer<()> {
        if self.keeper == Keeper::Tracer {
            return Ok(());
        }
        let base = self.kernel.registers(tid)?.fs_base();
        self.kernel
            .write_memory(tid, block.plus(IDENTITY), &base.to_ne_bytes())
    }

    /// The signal by which a full trail tells of itself, where that must not be a breakpoint; 0 where it may.
    ///
    /// # Errors
    /// ENOTSUP where the program handles all that would do.
    pub(super) fn signal_of_trail(&mut self, tid: Tid) -> Answer<u64> {
        if self.keeper == Keeper::Tracer {
            return Ok(0);
        }
        let caught = self.kernel.signal_sets(tid)?.caught;
        let free = IGNORED.into_iter().find(|signal| caught & signal.bit() == 0);
        free.map(|signal| signal.0 as u64).ok_or(Errno::ENOTSUP)
    }

    /// Leaves out routines that somebody may come back to the middle of a door of.
    pub(super) fn without_returns(
        &mut self,
        threads: &[Tid],
        space: SpaceId,
        routines: Vec<Facts>,
    ) -> Answer<Vec<Facts>> {
        if self.keeper == Keeper::Tracer {
            return Ok(routines);
        }
        let inside = |facts: &Facts| -> Vec<u64> {
            let doors = facts.doors.doors.iter();
            let guarded = doors.filter(|(_, door)| **door == Door::Guarded);
            let all = guarded.flat_map(|(at, _)| doors::inside(&facts.routine, *at));
            all.map(|at| at.0).collect()
        };
        let sought: HashSet<u64> = routines.iter().flat_map(inside).collect();
        let mut found = HashSet::new();
        let mappings = match threads.first() {
            Some(tid) => self.kernel.mappings(*tid)?,
            None => Vec::new(),
        };
        for tid in threads {
            let sp = self.kernel.registers(*tid)?.sp();
            let words = self.words_on_stack(*tid, sp, &mappings)?;
            found.extend(words.into_iter().filter(|word| sought.contains(word)));
        }
        let (left_out, kept): (Vec<_>, Vec<_>) = routines
            .into_iter()
            .partition(|facts| inside(facts).iter().any(|at| found.contains(at)));
        let left_out = left_out.into_iter();
        let refused = left_out.map(|facts| (facts.routine.request, NotInline::NeedsTracer));
        self.spaces[space].inlined.refused.extend(refused);
        Ok(kept)
    }
}
