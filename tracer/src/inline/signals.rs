//! A thread that is in a copy when a signal comes, or when it is given back.
//!
//! Must not know: what is counted.
//!
//! ```text
//! within an event    it is let run to the event's end, with every signal held: nobody sees half of one
//! at a call, a return, a jump by a table    as well, a few instructions
//! before an instruction of the copy    it stands before the same one of the original, as handlers, unwinders and core
//!                    dumps see it, if that is still there; it comes back by a breakpoint or a door
//! ```

use super::copy::Place;
use super::space::Inlined;
use super::ways::State;
use crate::addr::RemoteAddr;
use crate::agent::layout::{HEADER, Header, RESUMED_AT_SITE, STACK, STACK_SIZE};
use crate::decode::{Stop, decode};
use crate::ids::{SpaceId, Tid};
use crate::options::Keeper;
use crate::session::Core;
use crate::sys::{Answer, Go, Kernel, Signal};
use nix::errno::Errno;
use std::mem::offset_of;

/// Why a thread has to be out of the copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// A handler is going to run, and comes back.
    ForHandler,
    /// The original is what it was: it stays there.
    ForGood,
}

impl<K: Kernel> Core<K> {
    /// Moves a stopped thread that stands in a copy to where it would stand without one.
    ///
    /// *State*: the thread is in a signal-delivery-stop, whose signal is the same afterwards, or in another stop.
    pub(crate) fn leave_copy(&mut self, tid: Tid, leaving: Leaving) -> Answer<()> {
        let space = self.space_of(tid);
        let inlined = &self.spaces[space].inlined;
        // To have it run a little further takes a trap of the processor's, which must not be left to it by a tracer that is
        // killed: so a handler begins where its thread happens to be (`alone`).
        let stays = leaving == Leaving::ForHandler && inlined.keeper == Keeper::Nobody;
        if inlined.blocks.is_none() || stays {
            return Ok(());
        }
        let registers = self.kernel.registers(tid)?;
        // It has slept until now, and is about to fault (`threads`).
        let thread = self.tracees.get(&tid).map(|t| t.id);
        let lacks_block = thread.is_some_and(|thread| self.block_of(thread, space).is_none());
        if lacks_block && self.spaces[space].inlined.contains(registers.pc()) {
            self.give_block(tid, space)?;
        }
        let is_brief = |inlined: &Inlined, pc| matches!(inlined.find(pc), Some((Place::Brief, _)));
        if let Some(end) = self.event_end(tid, space, registers.pc())? {
            self.quietly(tid, |core| core.run_to(tid, end))?;
        } else if is_brief(&self.spaces[space].inlined, registers.pc()) {
            self.quietly(tid, |core| core.run_while(tid, is_brief))?;
        }
        self.leave_instruction(tid, space, leaving)
    }

    /// Does something to a stopped thread while all its signals are held; the one it was stopped for is there afterwards.
    pub(super) fn quietly(&mut self, tid: Tid, act: impl FnOnce(&mut Self) -> Answer<()>) -> Answer<()> {
        let info = self.kernel.signal_info(tid).ok();
        let mask = self.kernel.signal_mask(tid)?;
        self.kernel.set_signal_mask(tid, !Signal::TRAP.bit())?;
        let acted = act(self);
        if acted == Err(Errno::ESRCH) {
            return acted;
        }
        self.kernel.set_signal_mask(tid, mask)?;
        if let Some(info) = info {
            self.kernel.set_signal_info(tid, &info)?;
        }
        acted
    }

    /// Where the event ends that a thread with this pc is in.
    fn event_end(&mut self, tid: Tid, space: SpaceId, pc: RemoteAddr) -> Answer<Option<RemoteAddr>> {
        match self.spaces[space].inlined.find(pc) {
            Some((Place::Within(end), _)) => return Ok(Some(end)),
            // A handler that came while the agent ran has one of its own.
            Some((Place::At(_) | Place::Pushed(_) | Place::Brief, _)) => return Ok(None),
            None => {}
        }
        let Some(block) = self.tracees.get(&tid).and_then(|t| self.block_of(t.id, space)) else {
            return Ok(None);
        };
        let inlined = &self.spaces[space].inlined;
        let busy = inlined
            .blocks
            .as_ref()
            .is_some_and(|blocks| blocks.header(block.0, offset_of!(Header, busy)) != 0);
        // The agent, and the kernel on its behalf: on a stack that begins with the event's number.
        if !busy || !(inlined.contains(pc)) {
            return Ok(None);
        }
        let mut number = [0; 8];
        let at = block.1.plus(STACK + STACK_SIZE - 8);
        self.kernel.read_memory(tid, at, &mut number)?;
        let number = u64::from_ne_bytes(number);
        let ends = &self.spaces[space].inlined.numbers.ends;
        Ok(usize::try_from(number).ok().and_then(|n| ends.get(n)).copied())
    }

    fn leave_instruction(&mut self, tid: Tid, space: SpaceId, leaving: Leaving) -> Answer<()> {
        let mut registers = self.kernel.registers(tid)?;
        let inlined = &self.spaces[space].inlined;
        let Some((place, state)) = inlined.find(registers.pc()) else {
            return Ok(());
        };
        let (at, pop) = match place {
            Place::At(at) => (at, 0),
            Place::Pushed(at) => (at, 8),
            Place::Within(_) | Place::Brief => return Ok(()),
        };
        if let (State::Passed(site), Some(id)) = (state, self.tracees.get(&tid).map(|t| t.id))
            && let Some((slot, _)) = self.block_of(id, space)
            && let Some(blocks) = &self.spaces[space].inlined.blocks
        {
            let sp = registers.sp().plus(pop);
            blocks.stands_at(slot, RESUMED_AT_SITE | u64::from(site.0 + 1), sp.0);
        }
        let inlined = &self.spaces[space].inlined;
        let routine = inlined.routines.iter().find(|routine| routine.contains(at));
        let passed = match state {
            State::Passed(site) => routine
                .and_then(|routine| routine.sites.get(&at))
                .is_some_and(|here| here.site == site),
            State::Entered | State::Astray | State::Unwatched => false,
        };
        match leaving {
            Leaving::ForGood => {}
            // Its event is counted: it does not come to its breakpoint once more.
            Leaving::ForHandler if passed => return Ok(()),
            Leaving::ForHandler if !inlined.is_intact(at) => return Ok(()),
            Leaving::ForHandler => {}
        }
        registers.set_pc(at);
        registers.set_sp(registers.sp().plus(pop));
        self.kernel.set_registers(tid, &registers)
    }

    fn run_to(&mut self, tid: Tid, end: RemoteAddr) -> Answer<()> {
        let by_processor = self.kernel.stop_before(tid, Some(end));
        let ran = self.run_until(tid, end, by_processor.map_or(Go::Step, |()| Go::On));
        if ran == Err(Errno::ESRCH) {
            return ran;
        }
        if by_processor.is_ok() {
            self.kernel.stop_before(tid, None)?;
        }
        ran
    }

    /// Lets a stopped thread whose signals are held run, an instruction at a time, as long as it stands where `stays` says.
    pub(super) fn run_while(&mut self, tid: Tid, stays: impl Fn(&Inlined, RemoteAddr) -> bool) -> Answer<()> {
        loop {
            self.kernel.resume(tid, Go::Step, Signal::NONE)?;
            let status = self.parked.wait_for(&mut self.kernel, tid)?;
            if matches!(decode(status), Stop::Executed | Stop::Exiting | Stop::Ended(_)) {
                self.parked.push(tid, status);
                return Err(Errno::ESRCH);
            }
            let pc = self.kernel.registers(tid)?.pc();
            if !stays(&self.spaces[self.space_of(tid)].inlined, pc) {
                return Ok(());
            }
        }
    }

    fn run_until(&mut self, tid: Tid, end: RemoteAddr, go: Go) -> Answer<()> {
        loop {
            self.kernel.resume(tid, go, Signal::NONE)?;
            let status = self.parked.wait_for(&mut self.kernel, tid)?;
            match decode(status) {
                Stop::Signal(Signal::TRAP) => {
                    let pc = self.kernel.registers(tid)?.pc();
                    if pc == end {
                        return Ok(());
                    }
                    let trap = crate::arch::undo_breakpoint(pc);
                    let space = self.space_of(tid);
                    if self.spaces[space].inlined.is_full(trap)
                        && let Some((id, role)) = self.tracees.get(&tid).map(|t| (t.id, t.role))
                    {
                        self.take_trail(id, space);
                        self.read_trail(id, space, role);
                    }
                }
                // A stop of its whole process: no mask holds it. It is told of again when the thread goes on.
                Stop::Signal(_) | Stop::Group(_) | Stop::Pause | Stop::SystemCall | Stop::Child(_) => {}
                Stop::Executed | Stop::Exiting | Stop::Ended(_) => {
                    self.parked.push(tid, status);
                    return Err(Errno::ESRCH);
                }
            }
        }
    }

    /// A thread that came to a copy without a block gets one: whether that was its fault.
    pub(crate) fn act_on_fault(&mut self, tid: Tid) -> Answer<bool> {
        let of_ours = self.lacks_block(tid)?;
        if of_ours {
            self.give_block(tid, self.space_of(tid))?;
            self.resume(tid, Go::On, Signal::NONE)?;
        }
        Ok(of_ours)
    }

    /// Whether a thread that has faulted did so because it has no block.
    pub(crate) fn lacks_block(&mut self, tid: Tid) -> Answer<bool> {
        let inlined = &self.spaces[self.space_of(tid)].inlined;
        if inlined.blocks.is_none() {
            return Ok(false);
        }
        let pc = self.kernel.registers(tid)?.pc();
        let within = matches!(inlined.find(pc), Some((Place::Within(_) | Place::Brief, _)));
        let thread = self.tracees.get(&tid).map(|t| t.id);
        let block = thread.and_then(|thread| self.block_of(thread, self.space_of(tid)));
        Ok(within && block.is_none())
    }
}

const _: () = assert!(HEADER > 0);
