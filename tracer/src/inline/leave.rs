//! The way out of the copies, for all threads of a process.
//!
//! Must not know: why.
//!
//! ```text
//! hold every thread that runs ─► the original's bytes ─► each to where it would be ─► all they did is told of
//! ```
//! The copies stay mapped, and the blocks: a thread that sleeps in the kernel comes back behind a call of the original,
//! and one that was in the agent leaves by itself. Nobody enters any more.

use super::signals::Leaving;
use crate::ids::{SpaceId, Tid};
use crate::in_place::Whom;
use crate::session::Core;
use crate::sys::procfs::Mapping;
use crate::sys::{Answer, Kernel, gone_is_fine};
use crate::tracee::Role;
use nix::errno::Errno;

impl<K: Kernel> Core<K> {
    /// Ends the inline engine's part in the process in focus; what its threads have done is there to be taken.
    pub(crate) fn end_inline(&mut self) -> Answer<()> {
        let space = self.focus.space;
        if self.spaces[space].inlined.blocks.is_none() {
            return Ok(());
        }
        let stands = self.current.map(|(tid, _)| tid);
        let by = stands.unwrap_or(Tid(0));
        let left = self.while_held(by, Whom::Running, |core, held| {
            core.take_queued_traps(by, held)?;
            core.leave_all(space, stands, held)
        });
        gone_is_fine(left)
    }

    /// The way out of the copies for a stopped thread that woke, and came to one, while the others were led out.
    pub(crate) fn leave_copy_late(&mut self, tid: Tid) -> Answer<()> {
        let space = self.space_of(tid);
        let profiled = self.tracees.get(&tid).is_some_and(|t| t.role == Role::Profiled);
        if !profiled || self.spaces[space].inlined.blocks.is_none() {
            return Ok(());
        }
        self.leave_copy(tid, Leaving::ForGood)?;
        let mappings = self.kernel.mappings(tid)?;
        self.give_gs_back(tid, space, &mappings)
    }

    fn give_gs_back(&mut self, tid: Tid, space: SpaceId, mappings: &[Mapping]) -> Answer<()> {
        if self.returns_to_copy(tid, space, mappings)? {
            return Ok(());
        }
        self.forget_block(tid, space)
    }

    fn leave_all(&mut self, space: SpaceId, stands: Option<Tid>, held: &[Tid]) -> Answer<()> {
        // A kernel may let nobody write but by a thread that is stopped.
        let stopped = stands.iter().chain(held).copied();
        let mut restored = false;
        for by in stopped.chain(self.any_thread()) {
            match self.spaces[space].inlined.restore(&mut self.kernel, by) {
                Ok(left) if left.is_empty() => restored = true,
                Ok(_) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno),
            }
            if restored {
                break;
            }
        }
        if !restored {
            tracing::warn!("the way into the copies is open still: they go on, and what they count is lost");
            return Ok(());
        }
        // Once for all of them: with thousands of threads it is long.
        let mut by = stands.iter().chain(held).copied().chain(self.any_thread());
        let mappings = by
            .find_map(|tid| self.kernel.mappings(tid).ok())
            .unwrap_or_default();
        for tid in stands.iter().chain(held) {
            gone_is_fine(self.leave_copy(*tid, Leaving::ForGood))?;
            gone_is_fine(self.give_gs_back(*tid, space, &mappings))?;
        }
        self.note_sleepers(space, &mappings)?;
        let blocks = self.spaces[space].inlined.blocks.as_ref();
        for (_, thread) in blocks.map(super::blocks::Blocks::in_use).unwrap_or_default() {
            let role = self
                .tracees
                .get(&thread.tid)
                .filter(|t| t.id == thread)
                .map(|t| t.role);
            if let Some(role) = role {
                self.tell_block(thread, space, role);
            }
        }
        Ok(())
    }
}
