//! Children of traced threads: threads, processes with a copy of the memory, processes that share it.
//!
//! Must not know: sites' bytes, what an event means to the client.
//!
//! ```text
//! parent's event ──┐                  same process        Profiled
//!                  ├─► what it is ──► shares the memory   Passing: traced until it execs or ends
//! child's stop ────┘   (either first) has a copy          Copy: cleaned and let go at its first stop
//! ```
//! A child is traced from its birth (`PTRACE_O_TRACECLONE` and its kin), and the kernel promises no order between
//! its first stop and its parent's event (ptrace(2)).

use crate::ids::Tid;
use crate::session::Core;
use crate::sys::{Answer, Go, Kernel, RawStatus, Signal};
use crate::tracee::{Role, State};
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
        let by = self.any_thread();
        let shared = by.is_some_and(|by| self.kernel.same_memory(by, tid) == Ok(true));
        let role = if shared { Role::Passing } else { Role::Copy };
        self.adopt(tid, process, role, State::Unborn);
        self.met.insert(tid);
        self.parked.push_first(tid, status);
        Ok(())
    }

    /// A tracee has made a child, which is traced already.
    pub(crate) fn act_on_child(&mut self, parent: Tid) -> Answer<()> {
        let message = self.kernel.event_message(parent)?;
        let child = Tid(i32::try_from(message).or(Err(Errno::EIO))?);
        let (process, role) = match self.tracees.get(&parent) {
            Some(tracee) => (tracee.process, tracee.role),
            None => return Err(Errno::ESRCH),
        };
        self.affinity.child(parent, child);
        if self.met.remove(&child) {
            return self.resume(parent, Go::On, Signal::NONE);
        }
        // By what it is and not by the event's name: clone(2) gives any of the three for any flags (measured).
        match self.kernel.process_of(child) {
            Ok(of) if of == process => {
                self.adopt(child, of, role, State::Unborn);
                self.inherit_trap_setting(parent, child);
            }
            Ok(of) => {
                let shared = self.kernel.same_memory(parent, child).unwrap_or(false);
                let role = if shared { Role::Passing } else { Role::Copy };
                self.adopt(child, of, role, State::Unborn);
                self.inherit_trap_setting(parent, child);
                if role == Role::Passing
                    && let Some(tracee) = self.tracees.get_mut(&child)
                {
                    tracee.made_by = Some(parent);
                }
            }
            // Killed at birth: nothing more will be heard of it.
            Err(_) => {}
        }
        if let Some(status) = self.early.remove(&child) {
            self.parked.push(child, status);
        }
        self.resume(parent, Go::On, Signal::NONE)
    }

    /// The first stop of a child.
    pub(crate) fn begin(&mut self, tid: Tid) -> Answer<()> {
        let role = self.tracees.get(&tid).map_or(Role::Passing, |t| t.role);
        match role {
            Role::Profiled | Role::Passing => {
                self.learn_at_birth(tid)?;
                self.resume(tid, Go::On, Signal::NONE)
            }
            Role::Copy => {
                self.space.restore(&mut self.kernel, tid)?;
                self.let_go(tid, Signal::NONE)
            }
        }
    }
}
