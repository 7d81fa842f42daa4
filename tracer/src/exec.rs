//! A process becomes another program.
//!
//! Must not know: what is profiled in either.
//!
//! ```text
//! exec ─► the other threads are gone, the one that called it leads ─┬─► let go             children run free
//!                                                                   └─► an empty memory    followed: Executed, Began
//! ```

use crate::event::{Beginning, Event};
use crate::ids::{SpaceId, Tid};
use crate::options::Children;
use crate::session::Core;
use crate::sys::{Answer, Kernel, Signal};
use crate::tracee::{Retries, Role};

impl<K: Kernel> Core<K> {
    /// A process has become another program: its memory is new and clean.
    ///
    /// The sites stay known: another process may have the old memory still.
    pub(crate) fn act_on_exec(&mut self, leader: Tid) -> Answer<Option<Event>> {
        let Some((process, role)) = self.tracees.get(&leader).map(|t| (t.process, t.role)) else {
            return Ok(None);
        };
        // The other threads are gone without a word, and so is the thread that called exec: it goes on
        // as the leader (ptrace(2), "execve(2) under ptrace").
        let former = self.thread_told_of(leader)?;
        self.affinity.executed(former, leader);
        self.end_blocks(process);
        self.forget_others(process, leader);
        if role == Role::Profiled {
            self.look_at(leader);
        }
        match self.children {
            Children::RunFree => self.let_go(leader, Signal::NONE)?,
            Children::Followed => self.begin_anew(leader)?,
        }
        if role == Role::Profiled {
            return Ok(Some(Event::Executed));
        }
        // It was nobody before.
        Ok(self.tell_of_beginning())
    }

    /// The event of a new program, where there is one to tell of.
    pub(crate) fn tell_of_beginning(&mut self) -> Option<Event> {
        let tid = self.begins.take()?;
        self.look_at(tid);
        self.stand_at(tid);
        Some(Event::Began(Beginning::Exec))
    }

    /// A process that is followed stands before the first instruction of another program.
    fn begin_anew(&mut self, leader: Tid) -> Answer<()> {
        self.kernel.turn_to_new_memory(leader);
        let space = self.spaces.add_empty();
        self.move_to(leader, space);
        if let Some(tracee) = self.tracees.get_mut(&leader) {
            tracee.retries = Retries::default();
            // Handlers are the default's again; what is ignored stays so (execve(2)).
            self.trap_actions.remove(&tracee.process);
        }
        self.begins = Some(leader);
        self.begin_trap_setting(leader)
    }

    /// A thread is on its own memory from now on, and belongs to a process that is profiled.
    pub(crate) fn move_to(&mut self, tid: Tid, space: SpaceId) {
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        let before = std::mem::replace(&mut tracee.space, space);
        tracee.role = Role::Profiled;
        tracee.made_by = None;
        self.spaces.enter(space);
        self.spaces.leave(before);
    }
}
