//! Children of traced threads: threads, processes with a copy of the memory, processes that share it.
//!
//! Must not know: sites' bytes, what an event means to the client.
//!
//! ```text
//! parent's event ──┐                  same process        Profiled
//!                  ├─► what it is ──► shares the memory   Passing: traced until it execs or ends
//! child's stop ────┘   (either first) has a copy          Copy: cleaned and let go at its first stop,
//!                                                          or Profiled where children are followed
//! ```
//! A child is traced from its birth (`PTRACE_O_TRACECLONE` and its kin), and the kernel promises no order between
//! its first stop and its parent's event (ptrace(2)).

use crate::decode::Birth;
use crate::event::{Beginning, Event};
use crate::ids::{SpaceId, Tid};
use crate::options::Children;
use crate::session::Core;
use crate::sys::{Answer, Go, Kernel, RawStatus, Signal};
use crate::tracee::{Role, State, Tracee};
use nix::errno::Errno;

impl<K: Kernel> Core<K> {
    /// The first stop of a child that its parent has not told of.
    ///
    /// A thread can wait for its parent: they can be killed only together. A process cannot: its parent may
    /// be killed before it tells, and nobody else would ever let the child go.
    pub(crate) fn meet(&mut self, tid: Tid, status: RawStatus) -> Answer<()> {
        let process = self.kernel.process_of(tid)?;
        if self.tracees.values().any(|t| t.process == process) {
            self.early.insert(tid, status);
            return Ok(());
        }
        let (role, space) = self.role_of_process(tid, None);
        self.adopt_in(space, tid, process, role, State::Unborn);
        self.met.insert(tid);
        self.parked.push_first(tid, status);
        Ok(())
    }

    /// A tracee has made a child, which is traced already.
    pub(crate) fn act_on_child(&mut self, parent: Tid, birth: Birth) -> Answer<()> {
        let child = self.thread_told_of(parent)?;
        let (process, role, space) = match self.tracees.get(&parent) {
            Some(tracee) => (tracee.process, tracee.role, tracee.space),
            None => return Err(Errno::ESRCH),
        };
        self.affinity.child(parent, child);
        if self.met.remove(&child) {
            self.is_child_of(child, parent);
            return self.resume(parent, Go::On, Signal::NONE);
        }
        match self.kernel.process_of(child) {
            Ok(of) if of == process => {
                self.adopt_in(space, child, of, role, State::Unborn);
                self.inherit_trap_setting(parent, child);
            }
            Ok(of) => {
                let (role, space) = self.role_of_process(child, Some((parent, birth)));
                self.adopt_in(space, child, of, role, State::Unborn);
                self.is_child_of(child, parent);
            }
            // Killed at birth: nothing more will be heard of it.
            Err(_) => {}
        }
        if let Some(status) = self.early.remove(&child) {
            self.parked.push(child, status);
        }
        self.resume(parent, Go::On, Signal::NONE)
    }

    fn is_child_of(&mut self, child: Tid, parent: Tid) {
        self.inherit_trap_setting(parent, child);
        if let Some(tracee) = self.tracees.get_mut(&child)
            && tracee.role == Role::Passing
        {
            tracee.made_by = Some(parent);
        }
    }

    /// What a new process is, and the memory it has or is a copy of: by its memory and not by the event's name.
    ///
    /// Its parent knows, while it stands at its event; else whoever has the memory still, for some may have ended or
    /// gone into an exec unseen.
    pub(crate) fn role_of_process(&mut self, child: Tid, made_by: Option<(Tid, Birth)>) -> (Role, SpaceId) {
        let has_memory = |(tid, t): (&Tid, &Tracee)| (t.role != Role::Copy && *tid != child).then_some(*tid);
        let mut known: Vec<Tid> = self.tracees.iter().filter_map(has_memory).collect();
        let birth = made_by.map_or(Birth::Other, |(_, birth)| birth);
        if let Some((parent, _)) = made_by {
            match self.shares_memory(parent, child, birth) {
                Ok(true) => return (Role::Passing, self.space_of(parent)),
                // One that was killed has no memory any more, and compares as different.
                Ok(false) if self.kernel.registers(parent).is_ok() => {
                    return (Role::Copy, self.space_of(parent));
                }
                Ok(false) | Err(_) => known.retain(|tid| *tid != parent),
            }
        }
        let shared = |by: &Tid| self.shares_memory(*by, child, birth) == Ok(true);
        match known.into_iter().find(shared) {
            Some(by) => (Role::Passing, self.space_of(by)),
            None => (Role::Copy, self.space_copied(child)),
        }
    }

    /// The memory that a process has a copy of whose parent is not known: the one it has most of.
    pub(crate) fn space_copied(&mut self, child: Tid) -> SpaceId {
        let mut all = self.spaces.copied_from();
        if let [] | [_] = all.as_slice() {
            return all.pop().unwrap_or(self.focus.space);
        }
        let likeness = |id: &SpaceId| self.spaces[*id].likeness(&mut self.kernel, child).unwrap_or(0);
        let found = all.into_iter().max_by_key(likeness);
        found.unwrap_or(self.focus.space)
    }

    fn shares_memory(&mut self, one: Tid, child: Tid, birth: Birth) -> Answer<bool> {
        match self.kernel.same_memory(one, child) {
            Ok(same) => Ok(same),
            Err(Errno::ESRCH) => Err(Errno::ESRCH),
            // kcmp(2) may not be there, or be forbidden by a filter. Then the name of vfork is believed, and else a byte
            // tells.
            Err(_) if birth == Birth::Vfork => Ok(true),
            Err(_) => self.spaces[self.space_of(one)].is_shared(&mut self.kernel, one, child),
        }
    }

    /// The first stop of a child.
    pub(crate) fn begin(&mut self, tid: Tid) -> Answer<Option<Event>> {
        let role = self.tracees.get(&tid).map_or(Role::Passing, |t| t.role);
        let space = self.space_of(tid);
        match role {
            Role::Profiled | Role::Passing => {
                self.learn_at_birth(tid)?;
                self.give_block(tid, space)?;
                self.count_threads(space);
                self.resume(tid, Go::On, Signal::NONE)?;
            }
            Role::Copy if self.children == Children::Followed => {
                let copy = self.spaces[space].copy(&mut self.kernel, tid)?;
                let own = self.spaces.add(copy);
                self.move_to(tid, own);
                self.learn_at_birth(tid)?;
                self.look_at(tid);
                self.stand_at(tid);
                return Ok(Some(Event::Began(Beginning::Fork(space))));
            }
            Role::Copy => {
                if self.spaces[space].restore(&mut self.kernel, tid)?.is_empty() {
                    self.forget_block(tid, space)?;
                    self.let_go(tid, Signal::NONE)?;
                    return Ok(None);
                }
                // Let go it would die of the first breakpoint that is left.
                if let Some(tracee) = self.tracees.get_mut(&tid) {
                    tracee.role = Role::Passing;
                }
                self.resume(tid, Go::On, Signal::NONE)?;
            }
        }
        Ok(None)
    }
}
