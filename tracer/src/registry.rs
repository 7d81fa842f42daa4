//! Who is traced, in which memory, and whose process the client is looking at.
//!
//! Must not know: stops, events.

use crate::addr::RemoteAddr;
use crate::agent::layout::Control;
use crate::error::{Error, Operation, Result, Subject};
use crate::event::{Counts, GateKind};
use crate::ids::{Pid, SiteId, SpaceId, Tid, TraceeId};
use crate::options::Gates;
use crate::scratch::PAGE;
use crate::session::Core;
use crate::site::{Refused, SiteRequest, Way};
use crate::sys::procfs::Mapping;
use crate::sys::{Answer, Kernel};
use crate::tracee::{Retries, Role, Signals, State, Tracee};
use nix::errno::Errno;
use std::collections::HashSet;
use std::mem::offset_of;

/// A process and its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Focus {
    pub(crate) process: Pid,
    pub(crate) space: SpaceId,
}

impl Focus {
    pub(crate) fn of(tracee: &Tracee) -> Self {
        Self {
            process: tracee.process,
            space: tracee.space,
        }
    }
}

impl<K: Kernel> Core<K> {
    /// Takes note of a thread of the first memory that is traced from now on.
    pub(crate) fn adopt(&mut self, tid: Tid, process: Pid, role: Role, state: State) {
        self.adopt_in(SpaceId::FIRST, tid, process, role, state);
    }

    /// Takes note of a thread that is traced from now on.
    pub(crate) fn adopt_in(&mut self, space: SpaceId, tid: Tid, process: Pid, role: Role, state: State) {
        // Its number may be that of one whose end was never told.
        self.forget(tid);
        self.spaces.enter(space);
        let id = TraceeId {
            tid,
            serial: self.serial,
        };
        self.serial += 1;
        let heat = crate::affinity::Heat::default();
        self.tracees.insert(
            tid,
            Tracee {
                id,
                process,
                space,
                role,
                state,
                retries: Retries::default(),
                heat,
                signals: Signals::default(),
                made_by: None,
            },
        );
    }

    /// Whether nobody is traced any more.
    pub(crate) fn is_over(&self) -> bool {
        self.tracees.is_empty() && self.early.is_empty()
    }

    /// Takes note that a thread is not traced any more.
    pub(crate) fn forget(&mut self, tid: Tid) {
        if let Some(tracee) = self.tracees.remove(&tid) {
            self.affinity.leave(tid);
            self.spaces.leave(tracee.space);
        }
    }

    /// The thread that a thread's event is about: a child, or what it was before an exec (ptrace(2), `PTRACE_GETEVENTMSG`).
    pub(crate) fn thread_told_of(&mut self, tid: Tid) -> Answer<Tid> {
        let message = self.kernel.event_message(tid)?;
        i32::try_from(message).map(Tid).or(Err(Errno::EIO))
    }

    /// Takes note that of a process `leader` alone is left, or has been.
    pub(crate) fn forget_others(&mut self, process: Pid, leader: Tid) {
        let is_gone = |(tid, t): (&Tid, &Tracee)| (t.process == process && *tid != leader).then_some(*tid);
        let gone: Vec<Tid> = self.tracees.iter().filter_map(is_gone).collect();
        for tid in gone {
            self.forget(tid);
        }
    }

    /// The memory of a thread; of one that is not known, the one that was looked at last.
    pub(crate) fn space_of(&self, tid: Tid) -> SpaceId {
        self.tracees.get(&tid).map_or(self.focus.space, |t| t.space)
    }

    pub(crate) fn space_of_process(&self, process: Pid) -> SpaceId {
        let mut its = self.tracees.values().filter(|t| t.process == process);
        its.next().map_or(SpaceId::FIRST, |t| t.space)
    }

    /// The next event is about this thread's process.
    pub(crate) fn look_at(&mut self, tid: Tid) {
        if let Some(tracee) = self.tracees.get(&tid) {
            self.focus = Focus::of(tracee);
        }
    }

    /// The client turns to the process with this memory.
    pub(crate) fn look_at_space(&mut self, space: SpaceId) -> bool {
        let mut tracees = self.tracees.values();
        let Some(found) = tracees.find(|t| t.is_in(space, Role::Profiled)) else {
            return false;
        };
        self.focus = Focus::of(found);
        true
    }

    /// Whether a thread may be waiting for its child in vfork(2), where no interrupt reaches it.
    ///
    /// It stops only when the child execs or ends; who waits for it while the child is stopped waits for ever.
    pub(crate) fn may_wait_for_child(&self, tid: Tid) -> bool {
        self.tracees.values().any(|t| t.made_by == Some(tid))
    }

    /// A thread of the process in focus that is there to read and write its memory by.
    ///
    /// One that ends is the last choice: its memory is there until its end is looked at, and no longer. One that has
    /// ended and is not told of yet has none: the kernel is asked. The leader mostly outlives the others.
    pub(crate) fn any_thread(&mut self) -> Option<Tid> {
        let kernel = &mut self.kernel;
        let mut has_memory = |t: &&Tracee| {
            // Nothing is mapped there: another answer than ESRCH means that there is memory.
            kernel.read_memory(t.id.tid, RemoteAddr(0), &mut [0]) != Err(Errno::ESRCH)
        };
        let parked = &self.parked;
        let space = self.focus.space;
        let alive = |t: &&Tracee| t.is_in(space, Role::Profiled) && t.state != State::Unborn;
        let ends = |t: &&Tracee| t.state == State::Ending || parked.has_let_go(t.id.tid);
        let leader = self.tracees.get(&self.focus.process.leader());
        let found = leader
            .filter(alive)
            .filter(|t| !ends(t) && has_memory(t))
            .or_else(|| {
                let mut living = self.tracees.values().filter(alive).filter(|t| !ends(t));
                living.find(&mut has_memory)
            })
            .or_else(|| {
                let mut ending = self.tracees.values().filter(alive).filter(ends);
                ending.find(&mut has_memory)
            });
        found.map(|t| t.id.tid)
    }

    /// The mappings of the process in focus.
    pub(crate) fn mappings(&mut self) -> Answer<Vec<Mapping>> {
        // Not by `any_thread`: a thread that has ended since has no mappings, though its memory may still be open here.
        let Focus { process, space } = self.focus;
        let leader = process.leader();
        let tracees = self.tracees.values();
        let profiled = tracees.filter(|t| t.is_in(space, Role::Profiled));
        for tid in std::iter::once(leader).chain(profiled.map(|t| t.id.tid)) {
            match self.kernel.mappings(tid) {
                Err(Errno::ESRCH) => {}
                answer => return answer,
            }
        }
        Err(Errno::ESRCH)
    }

    pub(crate) fn counts(&self) -> Counts {
        let space = &self.spaces[self.focus.space];
        // Nothing was put over a breakpoint of the program's own.
        let written = space.sites.all().iter().filter(|s| s.way != Way::Own);
        let pages: HashSet<u64> = written.map(|s| s.address.0 / PAGE).collect();
        let mut counts = Counts {
            stops: space.stops,
            code_pages: pages.len(),
            ..Counts::default()
        };
        if let Some(blocks) = &space.inlined.blocks {
            counts.gate = Some(match (&space.inlined.gate, self.gates) {
                (Some(_), Gates::Verified) => GateKind::Verified,
                (Some(_), Gates::Cheapest | Gates::Statm) => GateKind::RssStat,
                (None, _) => GateKind::Statm,
            });
            counts.gate_failed = blocks.control(offset_of!(Control, missed));
        }
        let missed = space
            .inlined
            .gate
            .as_ref()
            .and_then(|gate| gate.gate.missed().ok()?);
        counts.gate_missed = missed.unwrap_or(0);
        for site in space.sites.all() {
            match site.way {
                Way::Displaced(_) => counts.displaced += 1,
                Way::InPlace => counts.in_place += 1,
                Way::Inline => counts.inline += 1,
                Way::Open | Way::Own => {}
            }
        }
        counts
    }

    pub(crate) fn plant(
        &mut self,
        requests: &[SiteRequest],
    ) -> Result<Vec<std::result::Result<SiteId, Refused>>> {
        let subject = Subject::Process(self.focus.process);
        let failed = |errno| Error::from_errno(Operation::Write, subject.clone(), errno);
        let by = self.any_thread().ok_or_else(|| failed(Errno::ESRCH))?;
        let mappings = self.mappings().map_err(failed)?;
        let space = &mut self.spaces[self.focus.space];
        let mut planted = space.plant(&mut self.kernel, by, &mappings, requests);
        self.plant_refused(&mappings, requests, &mut planted)
            .map_err(failed)?;
        Ok(planted)
    }
}
