//! The memories of a scene: where its code lies, and reads and writes of it.
//!
//! Must not know: threads' lives. Only addresses that were put there exist.

use super::player::{Life, Player};
use super::scene::Scene;
use crate::arch::BREAKPOINT;
use crate::ids::Tid;
use crate::sys::Answer;
use nix::errno::Errno;
use std::collections::BTreeMap;

/// Where the program's code begins.
pub(crate) const TEXT: u64 = 0x40_1000;
/// Where a thread is between two visits: an address of no site.
pub(crate) const IDLE: u64 = TEXT + 0xF00;
pub(super) const VDSO: u64 = 0x7F00_0000_0000;
pub(super) const SLOTS_BELOW: u64 = TEXT;
pub(super) const STACK: u64 = 0x7FFE_0000_0000;

/// The address of the program's `number`th instruction that tests visit.
pub(crate) fn site_at(number: u64) -> u64 {
    TEXT + 16 * number
}

/// Whether an address lies in what a session has mapped for its slots.
pub(crate) fn is_slot(pc: u64) -> bool {
    (0x1_0000..SLOTS_BELOW).contains(&pc)
}

/// Whether an address lies in the program's code.
pub(super) fn is_text(at: u64) -> bool {
    (TEXT..TEXT + 0x1000).contains(&at)
}

pub(super) fn put(memory: &mut BTreeMap<u64, u8>, at: u64, bytes: &[u8]) {
    memory.extend((at..).zip(bytes.iter().copied()));
}

impl Scene {
    pub(crate) fn byte(&self, memory: usize, at: u64) -> Option<u8> {
        self.memories[memory].get(&at).copied()
    }

    /// Where a memory's code is not the program's.
    pub(crate) fn changed_code(&self, memory: usize) -> Vec<u64> {
        let there = &self.memories[memory];
        let text = there.iter().filter(|(at, _)| is_text(**at));
        let changed = text.filter(|(at, byte)| self.program.get(at) != Some(byte));
        changed.map(|(at, _)| *at).collect()
    }

    pub(super) fn read(&mut self, tid: Tid, at: u64, buffer: &mut [u8]) -> Answer<usize> {
        let thread = self.thread_mut(tid)?;
        if thread.life == Life::Zombie {
            return Err(Errno::ESRCH);
        }
        let memory = self.opened_by(tid)?;
        let memory = &self.memories[memory];
        let mut done = 0;
        for (byte, address) in buffer.iter_mut().zip(at..) {
            let Some(known) = memory.get(&address) else { break };
            *byte = *known;
            done += 1;
        }
        if done == 0 { Err(Errno::EIO) } else { Ok(done) }
    }

    /// The memory of a thread as it was first asked for, which may have nobody in it by now (mem_rw, fs/proc/base.c).
    fn opened_by(&mut self, tid: Tid) -> Answer<usize> {
        let now = self.thread_mut(tid)?.memory;
        let memory = *self.opened.entry(tid).or_insert(now);
        let lives = |t: &Player| t.memory == memory && t.life != Life::Zombie;
        if memory == now || self.threads.values().any(lives) {
            return Ok(memory);
        }
        Err(Errno::ESRCH)
    }

    pub(super) fn write(&mut self, tid: Tid, at: u64, bytes: &[u8]) -> Answer<()> {
        let thread = self.thread_mut(tid)?;
        if thread.life == Life::Zombie {
            return Err(Errno::ESRCH);
        }
        let memory = self.opened_by(tid)?;
        if is_text(at) {
            assert_eq!(bytes.len(), 1, "invariant 2: one byte of code at a time");
            let original = self.program.get(&at).copied();
            assert!(
                (at - TEXT).is_multiple_of(16) && (bytes == [BREAKPOINT] || original == Some(bytes[0])),
                "invariant 2: {bytes:x?} is written at {at:#x}"
            );
        } else if is_slot(at) {
            let end = at + bytes.len() as u64;
            let inside = |t: &&Player| t.memory == memory && (at..end).contains(&t.regs.pc().0);
            let inside = self.threads.values().find(inside);
            assert!(
                inside.is_none(),
                "invariant 2: slots are written under {inside:?}"
            );
        }
        if let Some((address, times)) = &mut self.refused_writes
            && *address == at
            && *times > 0
        {
            *times -= 1;
            return Err(Errno::EIO);
        }
        put(&mut self.memories[memory], at, bytes);
        Ok(())
    }
}
