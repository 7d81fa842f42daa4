//! What a session leaves in a process, and what the next one does about it.
//!
//! Must not know: copies of functions, what is counted.
//!
//! ```text
//! at the end    a thread that stands or runs has its `gs` given back; one that sleeps keeps a block, which nobody reads
//!               one with a place in a copy on its stack (a handler came there) goes back to it: its block is marked
//! next session  blocks of one before are taken away: who still has one faults at its first event, and gets one of ours
//! ```
//! Not where one of them is marked: such a process has breakpoints in the next session, for as long as it lives.

use super::space::Inlined;
use crate::addr::{RemoteAddr, RemoteRange};
use crate::agent::layout::{HEADER, Header, PAGE};
use crate::ids::{Pid, SpaceId, Tid};
use crate::session::Core;
use crate::sys::procfs::{self, Mapping};
use crate::sys::{Answer, Kernel, gone_is_fine};
use crate::tracee::State;
use nix::errno::Errno;
use std::mem::offset_of;

/// How much of a stack is looked at.
const LONGEST_STACK: u64 = 64 << 20;
/// What lies below the stack pointer may be in use (System V ABI for AMD64, 3.2.2).
const RED_ZONE: u64 = 128;

/// Whether a mapping is one of the blocks, or of the gate's pages among them.
fn is_ours(mapping: &Mapping) -> bool {
    let path = mapping.path.to_string_lossy();
    path.starts_with("/memfd:lineprof") || path.contains("bpf-map")
}

/// Whether it may be the page that tells whose a block is.
fn may_be_identity(mapping: &Mapping) -> bool {
    mapping.range.end.0 - mapping.range.start.0 == PAGE && mapping.inode == 0 && !mapping.shared
}

/// The mappings of sessions before, put together where they touch; a gate's page alone may be the program's own.
fn of_sessions_before(mappings: &[Mapping]) -> Vec<RemoteRange> {
    let touching = |one: &&Mapping, next: &&Mapping| one.range.end == next.range.start;
    let near = |mapping: &&Mapping| is_ours(mapping) || may_be_identity(mapping);
    let near: Vec<&Mapping> = mappings.iter().filter(near).collect();
    let together = near.chunk_by(touching).filter_map(|parts| {
        let is_block = |part: &&Mapping| part.path.to_string_lossy().contains("memfd:lineprof");
        let blocks = parts.iter().any(is_block);
        let mut ours = parts.iter().filter(|part| is_ours(part));
        let first = ours.next()?;
        let range = RemoteRange {
            start: first.range.start,
            end: ours.next_back().unwrap_or(first).range.end,
        };
        blocks.then_some(range)
    });
    together.collect()
}

impl<K: Kernel> Core<K> {
    /// Whether a stopped thread has, or may go back to, a place in a copy; then its block is marked.
    pub(super) fn returns_to_copy(&mut self, tid: Tid, space: SpaceId, mappings: &[Mapping]) -> Answer<bool> {
        let registers = self.kernel.registers(tid)?;
        self.look_for_copies(tid, space, mappings, (registers.sp(), registers.pc()))
    }

    /// The same for all threads that sleep, as the kernel tells where.
    pub(super) fn note_sleepers(&mut self, space: SpaceId, mappings: &[Mapping]) -> Answer<()> {
        let all = self.tracees.values();
        let running = all.filter(|t| t.space == space && t.state == State::Running);
        let threads: Vec<(Tid, Pid)> = running.map(|t| (t.id.tid, t.process)).collect();
        for (tid, process) in threads {
            if let Some(stands) = procfs::sleeps_at(process, tid) {
                gone_is_fine(self.look_for_copies(tid, space, mappings, stands).map(drop))?;
            }
        }
        Ok(())
    }

    fn look_for_copies(
        &mut self,
        tid: Tid,
        space: SpaceId,
        mappings: &[Mapping],
        (sp, pc): (RemoteAddr, RemoteAddr),
    ) -> Answer<bool> {
        let thread = self.tracees.get(&tid).map(|t| t.id);
        let Some((slot, _)) = thread.and_then(|thread| self.block_of(thread, space)) else {
            return Ok(false);
        };
        let words = self.words_on_stack(tid, sp, mappings)?;
        let inlined = &self.spaces[space].inlined;
        let is_in = |word: u64| Inlined::contains(inlined, RemoteAddr(word));
        let returns = is_in(pc.0) || words.into_iter().any(is_in);
        if returns && let Some(blocks) = &inlined.blocks {
            blocks.set_header(slot, offset_of!(Header, returned_to), 1);
        }
        Ok(returns)
    }

    /// What lies on the stack of a thread that does not run, from just below its pointer to its end.
    pub(super) fn words_on_stack(
        &mut self,
        tid: Tid,
        sp: RemoteAddr,
        mappings: &[Mapping],
    ) -> Answer<Vec<u64>> {
        let Some(stack) = mappings.iter().find(|m| m.range.contains(sp)) else {
            return Ok(Vec::new());
        };
        let start = RemoteAddr(sp.0.saturating_sub(RED_ZONE).max(stack.range.start.0) & !7);
        let length = (stack.range.end.0 - start.0).min(LONGEST_STACK);
        let mut bytes = vec![0; length as usize];
        let read = self.kernel.read_memory(tid, start, &mut bytes)?;
        let (words, _) = bytes[..read].as_chunks::<8>();
        Ok(words.iter().map(|word| u64::from_ne_bytes(*word)).collect())
    }

    /// Whether the base of a thread's `gs` is a block of a session before, which nobody reads any more.
    pub(super) fn is_of_session_before(&mut self, tid: Tid, base: u64) -> Answer<bool> {
        let ranges = of_sessions_before(&self.kernel.mappings(tid)?);
        Ok(ranges.iter().any(|range| range.contains(RemoteAddr(base))))
    }

    /// Takes the blocks of sessions before away.
    ///
    /// *State*: there are none of this session yet; calls can be run in `tid`.
    ///
    /// # Errors
    /// ENOTSUP where a thread may still go back to where it needs one of them.
    pub(super) fn take_remains_away(&mut self, tid: Tid, space: SpaceId) -> Answer<()> {
        let ranges = of_sessions_before(&self.kernel.mappings(tid)?);
        for range in &ranges {
            for block in self.blocks_in(tid, *range)? {
                let mark = block.plus(HEADER + offset_of!(Header, returned_to) as u64);
                let mut word = [0; 8];
                self.kernel.read_memory(tid, mark, &mut word)?;
                if word != [0; 8] {
                    return Err(Errno::ENOTSUP);
                }
            }
        }
        let mut caller = self.spaces[space].caller.clone();
        for range in ranges {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
            let arguments = [
                range.start.0,
                range.end.0 - range.start.0,
                u64::from(libc::PROT_NONE.cast_unsigned()),
                u64::from(flags.cast_unsigned()),
                u64::MAX,
                0,
            ];
            caller.call(&mut self.kernel, tid, libc::SYS_mmap, arguments, &mut self.parked)?;
        }
        self.spaces[space].caller = caller;
        Ok(())
    }

    /// Where blocks begin in a range of sessions before: a block's header has its address in the first word.
    fn blocks_in(&mut self, tid: Tid, range: RemoteRange) -> Answer<Vec<RemoteAddr>> {
        let mut found = Vec::new();
        for block in (range.start.0..range.end.0).step_by(crate::agent::layout::BLOCK_SIZE as usize) {
            if block + HEADER + PAGE > range.end.0 {
                break;
            }
            let mut word = [0; 8];
            let at = RemoteAddr(block + HEADER + offset_of!(Header, this) as u64);
            self.kernel.read_memory(tid, at, &mut word)?;
            if u64::from_ne_bytes(word) == block {
                found.push(RemoteAddr(block));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, end: u64, path: &str) -> Mapping {
        Mapping {
            executable: false,
            writable: true,
            shared: true,
            inode: 7,
            path: path.into(),
            ..Mapping::of_test(start, end)
        }
    }

    #[test]
    fn blocks_and_the_gates_pages_among_them_are_one_range() {
        let block = "/memfd:lineprof (deleted)";
        let gate = "anon_inode:bpf-map";
        let mappings = [
            mapping(0x1000, 0x2000, gate),
            mapping(0x2000, 0x5000, block),
            mapping(0x5000, 0x6000, gate),
            mapping(0x6000, 0x9000, block),
            mapping(0xA000, 0xB000, gate),
            mapping(0xC000, 0xD000, "/memfd:another (deleted)"),
        ];
        let page = |start| Mapping {
            shared: false,
            inode: 0,
            ..mapping(start, start + PAGE, "")
        };
        let with_identity = [
            mapping(0x1000, 0x3000, block),
            page(0x3000),
            mapping(0x4000, 0x9000, block),
            page(0x9000),
        ];
        let found = of_sessions_before(&mappings);
        let range = RemoteRange {
            start: RemoteAddr(0x1000),
            end: RemoteAddr(0x9000),
        };
        assert_eq!(of_sessions_before(&with_identity), [range]);
        assert_eq!(found, [range], "a map alone may be the program's own");
    }
}
