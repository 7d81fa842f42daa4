//! What is shared with a process, mapped there: control, gate, and blocks as threads need them.
//!
//! Must not know: what is counted, where copies are.

use super::blocks::{self, Blocks, Slot};
use super::space::Gate;
use crate::address_space::AddressSpace;
use crate::agent::layout::{CONTROL_SIZE, Control, IDENTITY, PAGE};
use crate::ids::{Pid, SpaceId, Tid};
use crate::options::{Gates, Keeper};
use crate::pass_descriptor::Recipient;
use crate::session::Core;
use crate::sys::rss_gate::RssGate;
use crate::sys::{Answer, Kernel};
use std::mem::offset_of;

/// Slots of the gate: threads beyond these read their memory at each event.
const GATED: u32 = 128;

/// Threads that may be born before there have to be more blocks.
const SPARE_BLOCKS: usize = 8;

impl<K: Kernel> Core<K> {
    fn recipient(&mut self, tid: Tid, space: SpaceId) -> Recipient<'_, K> {
        Recipient {
            kernel: &mut self.kernel,
            caller: &mut self.spaces[space].caller,
            tid,
            parked: &mut self.parked,
        }
    }

    /// Shared memory and, where it can be had, a gate.
    pub(super) fn set_up(&mut self, tid: Tid, space: SpaceId, process: Pid) -> Answer<()> {
        let signal = self.signal_of_trail(tid)?;
        self.take_remains_away(tid, space)?;
        let control = blocks::memory(CONTROL_SIZE)?;
        let mut recipient = self.recipient(tid, space);
        let shared = recipient.give(control.descriptor())?;
        let base = recipient.map_anywhere(shared, CONTROL_SIZE)?;
        let blocks = Blocks::new(control, base);
        blocks.set_control(offset_of!(Control, gauge), self.gauge.number());
        blocks.set_control(offset_of!(Control, statm), u64::MAX);
        blocks.set_control(offset_of!(Control, signal), signal);
        let gate = match self.gates {
            Gates::Statm => None,
            Gates::Cheapest | Gates::Verified => match RssGate::open(GATED) {
                Ok(gate) => self.pass_gate(tid, space, process, gate)?,
                Err(refused) => {
                    tracing::debug!(%refused, "no gate");
                    None
                }
            },
        };
        let verify = self.gates == Gates::Verified;
        blocks.set_control(offset_of!(Control, verify), u64::from(verify));
        if let Some(gate) = &gate {
            blocks.set_control(offset_of!(Control, gate), gate.at.0);
            blocks.set_control(offset_of!(Control, gate_sizes), RssGate::SIZES);
        }
        let inlined = &mut self.spaces[space].inlined;
        blocks.set_control(offset_of!(Control, own_pages), inlined.pages_before);
        inlined.blocks = Some(blocks);
        inlined.gate = gate;
        self.have_blocks(tid, space)
    }

    /// Sees to it that every thread can have a block, and some more.
    ///
    /// *State*: every thread of the process that runs is held.
    pub(super) fn have_blocks(&mut self, tid: Tid, space: SpaceId) -> Answer<()> {
        loop {
            let threads = self.spaces.users(space);
            let inlined = &self.spaces[space].inlined;
            let Some(blocks) = &inlined.blocks else {
                return Ok(());
            };
            let without = threads.saturating_sub(blocks.in_use().len());
            if blocks.free() >= without + SPARE_BLOCKS {
                return Ok(());
            }
            self.map_blocks(tid, space)?;
        }
    }

    fn map_blocks(&mut self, tid: Tid, space: SpaceId) -> Answer<()> {
        let AddressSpace { caller, inlined, .. } = &mut self.spaces[space];
        let Some(blocks) = &mut inlined.blocks else {
            return Ok(());
        };
        let mut recipient = Recipient {
            kernel: &mut self.kernel,
            caller,
            tid,
            parked: &mut self.parked,
        };
        let (_, bytes) = blocks.next_mapping();
        let memory = blocks::memory(bytes)?;
        let shared = recipient.give(memory.descriptor())?;
        let at = recipient.map_anywhere(shared, bytes)?;
        let slots = blocks.add(memory, at);
        if inlined.keeper == Keeper::Nobody {
            for slot in slots.clone() {
                recipient.map_forgotten(blocks.address(Slot(slot)).plus(IDENTITY), PAGE)?;
            }
        }
        if let Some(gate) = &inlined.gate
            && slots.start < gate.slots
        {
            let descriptor = recipient.give(gate.gate.map())?;
            for slot in slots.start..slots.end.min(gate.slots) {
                let page = blocks.address(Slot(slot));
                recipient.map_part(descriptor, Some(page), PAGE * (1 + u64::from(slot)), PAGE)?;
            }
            recipient.close(descriptor)?;
        }
        Ok(())
    }

    /// Maps the gate's control page; `None` where it cannot be made to work.
    fn pass_gate(&mut self, tid: Tid, space: SpaceId, process: Pid, gate: RssGate) -> Answer<Option<Gate>> {
        gate.learn_from(process)?;
        let mut recipient = self.recipient(tid, space);
        let descriptor = recipient.give(gate.map())?;
        // The first of these mappings changes the memory: so it is learned.
        let at = recipient.map_part(descriptor, None, 0, PAGE)?;
        recipient.close(descriptor)?;
        if gate.learned().is_none() {
            return Ok(None);
        }
        Ok(Some(Gate {
            gate,
            at,
            slots: GATED,
        }))
    }
}
