//! Threads and their blocks: who gets one when, and what becomes of it.
//!
//! Must not know: copies.

use super::blocks::{Blocks, Slot};
use super::numbers::Numbers;
use super::promote::touch;
use crate::addr::RemoteAddr;
use crate::agent::layout::{Control, Header, PAGE};
use crate::ids::{Pid, SpaceId, Tid, TraceeId};
use crate::in_place::Whom;
use crate::passage::Passage;
use crate::session::Core;
use crate::sys::{Answer, Kernel, procfs};
use crate::tracee::Role;
use nix::errno::Errno;
use std::mem::offset_of;

impl<K: Kernel> Core<K> {
    /// A thread gets a block, where there are copies and it has none.
    ///
    /// *State*: the thread is stopped, in user mode.
    pub(crate) fn give_block(&mut self, tid: Tid, space: SpaceId) -> Answer<()> {
        let Some((id, role, process)) = self.tracees.get(&tid).map(|t| (t.id, t.role, t.process)) else {
            return Ok(());
        };
        let inlined = &mut self.spaces[space].inlined;
        let Some(blocks) = &mut inlined.blocks else {
            return Ok(());
        };
        if blocks.of(id).is_some() {
            return Ok(());
        }
        let sizes = procfs::sizes(process)?;
        if blocks.free() == 0 {
            self.while_held(tid, Whom::Running, |core, _| core.have_blocks(tid, space))?;
        }
        let inlined = &mut self.spaces[space].inlined;
        let own = inlined.own_memory();
        let memory = self.gauge.of(&sizes).unwrap_or(0).saturating_sub(own);
        let Some(blocks) = &mut inlined.blocks else {
            return Ok(());
        };
        let gates = inlined.gate.as_ref().map_or(0, |gate| gate.slots);
        let slot = blocks.take(id, memory, gates).ok_or(Errno::ENOMEM)?;
        if let Some(gate) = inlined.gate.as_ref().filter(|_| slot.0 < gates) {
            let in_use = blocks.in_use().into_iter().map(|(Slot(slot), _)| slot + 1).max();
            gate.gate.set_slots_in_use(in_use.unwrap_or(0).min(gates));
        }
        let address = blocks.address(slot);
        let pages = Blocks::pages(inlined.numbers.steps.len(), inlined.numbers.routines.len());
        for page in &pages {
            touch(&mut self.kernel, tid, address.plus(*page))?;
        }
        // The gate's own page was there before.
        let after = procfs::sizes(process)?;
        let grown = self.gauge.of(&after).zip(self.gauge.of(&sizes));
        inlined.take_over(grown.map_or(0, |(after, before)| after.saturating_sub(before)) / PAGE);
        self.write_identity(tid, address)?;
        let mut registers = self.kernel.registers(tid)?;
        registers.set_gs_base(address.0);
        self.kernel.set_registers(tid, &registers)?;
        tracing::debug!(%tid, ?role, ?slot, "block");
        Ok(())
    }

    /// A copy of the process has no use for the block of the thread that made it.
    pub(crate) fn forget_block(&mut self, tid: Tid, space: SpaceId) -> Answer<()> {
        if self.spaces[space].inlined.blocks.is_none() {
            return Ok(());
        }
        let mut registers = self.kernel.registers(tid)?;
        // One that is in a copy still needs it.
        if self.spaces[space].inlined.contains(registers.pc()) {
            return Ok(());
        }
        registers.set_gs_base(0);
        self.kernel.set_registers(tid, &registers)
    }

    /// How many threads there are, for the agent.
    pub(crate) fn count_threads(&mut self, space: SpaceId) {
        let threads = self.spaces.users(space) as u64;
        if let Some(blocks) = &self.spaces[space].inlined.blocks {
            blocks.set_control(offset_of!(Control, threads), threads);
        }
    }

    /// Has something told of a thread's block; what that is counts for a profiled thread.
    fn tell(
        &mut self,
        thread: TraceeId,
        space: SpaceId,
        role: Role,
        how: impl FnOnce(&mut Blocks, Slot, &Numbers, &mut Vec<Passage>),
    ) {
        let inlined = &mut self.spaces[space].inlined;
        let Some(blocks) = &mut inlined.blocks else { return };
        let Some(slot) = blocks.of(thread) else { return };
        let mut passages = Vec::new();
        how(blocks, slot, &inlined.numbers, &mut passages);
        if role == Role::Profiled {
            inlined.passages.append(&mut passages);
        }
    }

    /// All that a thread has done is told of, and its block is free.
    pub(crate) fn end_block(&mut self, thread: TraceeId, space: SpaceId, role: Role) {
        self.tell(thread, space, role, |blocks, slot, numbers, into| {
            blocks.since_told(slot, numbers, into);
            blocks.give_back(slot);
        });
    }

    /// The memory of a process is another one: all that its threads have done is told of.
    pub(crate) fn end_blocks(&mut self, process: Pid) {
        let of_it = self.tracees.values().filter(|t| t.process == process);
        let threads: Vec<_> = of_it.map(|t| (t.id, t.space, t.role)).collect();
        for (id, space, role) in threads {
            self.end_block(id, space, role);
        }
    }

    /// All that a stopped thread has done is told of.
    pub(crate) fn tell_block(&mut self, thread: TraceeId, space: SpaceId, role: Role) {
        self.tell(thread, space, role, Blocks::since_told);
    }

    /// The trail of a thread is full: what is in it is taken. It is read later (`read_trail`).
    pub(crate) fn take_trail(&mut self, thread: TraceeId, space: SpaceId) {
        if let Some(blocks) = &mut self.spaces[space].inlined.blocks
            && let Some(slot) = blocks.of(thread)
        {
            blocks.collect(slot);
        }
    }

    /// Reads what was taken from a thread's trail.
    pub(crate) fn read_trail(&mut self, thread: TraceeId, space: SpaceId, role: Role) {
        self.tell(thread, space, role, Blocks::read);
    }

    /// What the threads of the process in focus have done while they ran; see [`crate::Session::look_in`].
    pub(crate) fn look_in(&mut self) -> Vec<Passage> {
        let space = self.focus.space;
        let of_it = self.tracees.values().filter(|t| t.space == space);
        let profiled: Vec<_> = of_it.filter(|t| t.role == Role::Profiled).map(|t| t.id).collect();
        let mut counted = Vec::new();
        for thread in profiled {
            self.tell(thread, space, Role::Profiled, |blocks, slot, numbers, into| {
                // A step that it takes between is in the next look, and never in two.
                let now = blocks.counted(slot, numbers);
                let told = into.len();
                blocks.collect(slot);
                blocks.read(slot, numbers, into);
                // It has told of what was counted.
                counted.extend(now.filter(|_| into.len() == told));
            });
        }
        counted
    }

    /// The client has read this memory at a hit of the thread.
    pub(crate) fn arrived_at(&mut self, thread: TraceeId, memory: u64) {
        let space = self.space_of(thread.tid);
        if let Some(blocks) = &self.spaces[space].inlined.blocks
            && let Some(slot) = blocks.of(thread)
        {
            blocks.set_header(slot, offset_of!(Header, memory), memory);
        }
    }

    /// The address of a thread's block.
    pub(crate) fn block_of(&self, thread: TraceeId, space: SpaceId) -> Option<(Slot, RemoteAddr)> {
        let blocks = self.spaces[space].inlined.blocks.as_ref()?;
        let slot = blocks.of(thread)?;
        Some((slot, blocks.address(slot)))
    }
}
