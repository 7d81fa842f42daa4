//! The memory that breakpoints live in: its sites, its scratch, and the one place that writes code.
//!
//! Must not know: threads' states, events. Sites belong to an address space, not to a thread or a
//! process: vfork and `CLONE_VM` share it, fork copies it, exec replaces it (rr, `AddressSpace`).

use crate::addr::{RemoteAddr, RemoteRange};
use crate::arch::{BREAKPOINT, MAX_INSTRUCTION};
use crate::ids::{SiteId, Tid};
use crate::inline::Inlined;
use crate::options::Keeper;
use crate::parked::Parked;
use crate::remote_call::RemoteCaller;
use crate::scratch::{self, Calls, Found, Scratch};
use crate::site::{BreakpointSite, Memory, Refused, SiteRequest, SiteTable, Way};
use crate::sys::procfs::{Mapping, Seccomp};
use crate::sys::{Answer, Kernel};
use nix::errno::Errno;
use std::collections::HashSet;

/// Which engine runs the instructions under the sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The cheapest that each site allows.
    #[default]
    Auto,
    /// From a copy wherever the instruction can be moved, else in place.
    Displaced,
    /// In place, always: the reference.
    InPlace,
    /// Inline wherever a routine can be copied, else displaced.
    Inline,
}

/// Whether a site could be lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifted {
    Lifted,
    /// Its program has put other code there since it was hit.
    Rewritten,
}

/// Two sites further apart than this get slots of their own.
const CLUSTER: u64 = 1 << 30;

/// The sites of one memory.
#[derive(Debug)]
pub(crate) struct AddressSpace {
    pub(crate) sites: SiteTable,
    scratches: Vec<Scratch>,
    pub(crate) engine: Engine,
    pub(crate) inlined: Inlined,
    pub(crate) caller: RemoteCaller,
    /// Stops at its sites.
    pub(crate) stops: u64,
}

impl AddressSpace {
    pub(crate) fn new(engine: Engine, keeper: Keeper) -> Self {
        Self {
            sites: SiteTable::default(),
            scratches: Vec::new(),
            engine,
            inlined: Inlined {
                keeper,
                ..Inlined::default()
            },
            caller: RemoteCaller::default(),
            stops: 0,
        }
    }

    /// Plants one site an address; the answers come in the order of the requests.
    ///
    /// *State*: threads may run: each write is one byte, at an instruction boundary.
    pub(crate) fn plant<K: Kernel>(
        &mut self,
        kernel: &mut K,
        by: Tid,
        mappings: &[Mapping],
        requests: &[SiteRequest],
    ) -> Vec<Result<SiteId, Refused>> {
        let code: Vec<&Mapping> = mappings
            .iter()
            .filter(|m| m.executable && !m.shared && m.inode != 0)
            .collect();
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let there = code.iter().find(|m| m.range.contains(request.address));
            answers.push(match there {
                // The program may write other operands there: a copy would not have them.
                Some(mapping) if mapping.writable => self.plant_one(kernel, by, request, Way::InPlace),
                Some(_) => self.plant_one(kernel, by, request, Way::Open),
                None => Err(Refused::NotCode),
            });
        }
        answers
    }

    fn plant_one<K: Kernel>(
        &mut self,
        kernel: &mut K,
        by: Tid,
        request: &SiteRequest,
        way: Way,
    ) -> Result<SiteId, Refused> {
        if let Some(id) = self.sites.at(request.address) {
            return Ok(id);
        }
        let length = request.instruction.len();
        if length == 0 || length > MAX_INSTRUCTION {
            return Err(Refused::Undecodable);
        }
        let mut memory = [0; MAX_INSTRUCTION];
        let memory = &mut memory[..length];
        match kernel.read_memory(by, request.address, memory) {
            Ok(read) if read == length => {}
            Ok(_) | Err(_) => return Err(Refused::NotCode),
        }
        // A site of ours may lie inside this instruction only if the rows overlap; it is masked all the same.
        self.sites.mask(request.address, memory);
        if *memory != *request.instruction {
            return Err(if memory[0] == BREAKPOINT {
                Refused::ForeignBreakpoint
            } else {
                Refused::Changed
            });
        }
        let original = request.instruction.clone();
        // The program's own breakpoint traps by itself.
        if memory[0] == BREAKPOINT {
            return Ok(self.sites.add(request.address, original, Way::Own));
        }
        match self.inlined.keeper {
            // It is copied before anybody comes there.
            Keeper::Nobody => {}
            Keeper::Tracer => {
                let written = kernel.write_memory(by, request.address, &[BREAKPOINT]);
                written.or(Err(Refused::WriteRefused))?;
            }
        }
        Ok(self.sites.add(request.address, original, way))
    }

    /// Puts the original bytes back wherever ours still stand; `by` is a thread with this memory or a copy of it.
    ///
    /// A byte that is not ours any more is left: the program has put other code there, or has unmapped it.
    ///
    /// Shape: the answer is where a byte of ours stands still, which is read again to know it.
    ///
    /// # Errors
    /// ESRCH when `by` has no memory any more.
    pub(crate) fn restore<K: Kernel>(&self, kernel: &mut K, by: Tid) -> Answer<Vec<RemoteAddr>> {
        let mut left = self.inlined.restore(kernel, by)?;
        for site in self.sites.armed() {
            if self.holds_breakpoint(kernel, by, site)? {
                match kernel.write_memory(by, site.address, &site.original[..1]) {
                    Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                    Err(errno) => {
                        tracing::warn!(site = %site.address, %errno, "not restored yet");
                    }
                    Ok(()) => {}
                }
            }
        }
        for site in self.sites.armed() {
            if self.holds_breakpoint(kernel, by, site)? {
                left.push(site.address);
            }
        }
        Ok(left)
    }

    /// The sites and scratches of a copy of this memory, made by fork(2); `by` has it and has not run yet.
    ///
    /// The copy is as the memory was at the fork: what was changed between that and now is changed in it as well, but
    /// for a scratch that is not mapped there.
    ///
    /// # Errors
    /// ESRCH when `by` has no memory any more.
    pub(crate) fn copy<K: Kernel>(&self, kernel: &mut K, by: Tid) -> Answer<Self> {
        let mut copy = Self {
            sites: self.sites.clone(),
            scratches: Vec::new(),
            engine: self.engine,
            inlined: Inlined::default(),
            caller: self.caller.clone(),
            stops: 0,
        };
        for scratch in &self.scratches {
            if scratch.is_there(kernel, by)? {
                copy.scratches.push(scratch.clone());
            } else {
                for id in scratch.sites() {
                    copy.sites.all_mut()[id.index()].way = Way::Open;
                }
            }
        }
        for site in copy.sites.armed() {
            // Lifted for a step, or planted after the fork.
            let mut byte = [0];
            let there = kernel.read_memory(by, site.address, &mut byte);
            if there == Err(Errno::ESRCH) {
                return Err(Errno::ESRCH);
            }
            if there == Ok(1) && byte[0] == site.original[0] {
                kernel.write_memory(by, site.address, &[BREAKPOINT])?;
            }
        }
        Ok(copy)
    }

    /// How many sites and scratches of this memory are in that of `by` too.
    pub(crate) fn likeness<K: Kernel>(&self, kernel: &mut K, by: Tid) -> Answer<usize> {
        let mut alike = 0;
        for site in self.sites.armed() {
            alike += usize::from(self.holds_breakpoint(kernel, by, site)?);
        }
        for scratch in &self.scratches {
            alike += usize::from(scratch.is_there(kernel, by)?);
        }
        Ok(alike)
    }

    /// Whether two threads have one memory: a site that is lifted in one is lifted in the other.
    ///
    /// A thread that passes in this moment passes unseen, so this is for where nothing else tells.
    pub(crate) fn is_shared<K: Kernel>(&self, kernel: &mut K, one: Tid, other: Tid) -> Answer<bool> {
        let mut ours = None;
        for site in self.sites.armed() {
            if self.holds_breakpoint(kernel, other, site)? {
                ours = Some(site);
                break;
            }
        }
        let Some(site) = ours else {
            return Ok(false);
        };
        kernel.write_memory(other, site.address, &site.original[..1])?;
        let (mut lifted, mut planted) = ([0], [0]);
        let read = kernel.read_memory(one, site.address, &mut lifted);
        kernel.write_memory(other, site.address, &[BREAKPOINT])?;
        read?;
        // One that has gone into an exec unseen has other code there, which stays as it is.
        kernel.read_memory(one, site.address, &mut planted)?;
        Ok(lifted[0] != BREAKPOINT && planted[0] == BREAKPOINT)
    }

    /// Whether our byte stands at a site still.
    ///
    /// The program may have put other operands behind it, but nothing but breakpoints in the place of an instruction
    /// of several bytes is a filling of its own.
    fn holds_breakpoint<K: Kernel>(&self, kernel: &mut K, by: Tid, site: &BreakpointSite) -> Answer<bool> {
        let mut bytes = [0; MAX_INSTRUCTION];
        let bytes = &mut bytes[..site.original.len()];
        let read = match kernel.read_memory(by, site.address, bytes) {
            Ok(read) => read,
            Err(Errno::ESRCH) => return Err(Errno::ESRCH),
            // Unmapped meanwhile.
            Err(_) => return Ok(false),
        };
        let Some((first, rest)) = bytes[..read].split_first_mut() else {
            return Ok(false);
        };
        self.sites.mask(site.address.plus(1), rest);
        let filled = !rest.is_empty() && rest.iter().all(|byte| *byte == BREAKPOINT);
        Ok(*first == BREAKPOINT && !filled)
    }

    /// Lifts one site for a step.
    pub(crate) fn lift<K: Kernel>(&self, kernel: &mut K, by: Tid, id: SiteId) -> Answer<Lifted> {
        let site = self.sites.get(id);
        if !self.holds_breakpoint(kernel, by, site)? {
            return Ok(Lifted::Rewritten);
        }
        kernel.write_memory(by, site.address, &site.original[..1])?;
        Ok(Lifted::Lifted)
    }

    /// Plants a lifted site again, unless the program has put other code there meanwhile.
    pub(crate) fn plant_again<K: Kernel>(&self, kernel: &mut K, by: Tid, id: SiteId) -> Answer<()> {
        let site = self.sites.get(id);
        let mut byte = [0];
        kernel.read_memory(by, site.address, &mut byte)?;
        if byte[0] != site.original[0] {
            return Ok(());
        }
        kernel.write_memory(by, site.address, &[BREAKPOINT])
    }

    /// How the instruction under `id` is run. The first hit decides for all sites planted so far, but for those that wait
    /// to be copied with their routine.
    ///
    /// *State*: `tid` is in the signal-delivery-stop of its hit, with its pc at the site.
    pub(crate) fn way<K: Kernel>(
        &mut self,
        kernel: &mut K,
        tid: Tid,
        id: SiteId,
        parked: &mut Parked,
    ) -> Answer<Way> {
        if self.sites.get(id).way == Way::Open {
            self.choose_ways(kernel, tid, parked)?;
        }
        Ok(self.sites.get(id).way)
    }

    fn choose_ways<K: Kernel>(&mut self, kernel: &mut K, tid: Tid, parked: &mut Parked) -> Answer<()> {
        let later = match self.engine {
            Engine::Inline => self.inlined.sites_waiting(),
            Engine::Displaced | Engine::InPlace | Engine::Auto => HashSet::new(),
        };
        let open = |sites: &SiteTable| -> Vec<SiteId> {
            let is_open =
                |(_, site): &(usize, &BreakpointSite)| site.way == Way::Open && site.memory == Memory::Mapped;
            let ids = sites.all().iter().enumerate().filter(is_open);
            let mut ids: Vec<SiteId> = ids
                .filter_map(|(n, _)| u32::try_from(n).ok().map(SiteId))
                .filter(|id| !later.contains(id))
                .collect();
            ids.sort_by_key(|id| sites.get(*id).address);
            ids
        };
        if self.engine != Engine::InPlace && may_inject(kernel, tid)? {
            let ids = open(&self.sites);
            let apart = |a: &SiteId, b: &SiteId| {
                self.sites.get(*b).address.0 - self.sites.get(*a).address.0 < CLUSTER
            };
            let clusters: Vec<Vec<SiteId>> = ids.chunk_by(apart).map(<[SiteId]>::to_vec).collect();
            for cluster in clusters {
                self.displace(kernel, tid, &cluster, parked)?;
            }
        }
        for id in open(&self.sites) {
            self.sites.all_mut()[id.index()].way = Way::InPlace;
        }
        Ok(())
    }

    /// Maps a scratch near `sites` and writes their copies; leaves their ways open where no memory can be had.
    fn displace<K: Kernel>(
        &mut self,
        kernel: &mut K,
        tid: Tid,
        sites: &[SiteId],
        parked: &mut Parked,
    ) -> Answer<()> {
        let (Some(first), Some(last)) = (sites.first(), sites.last()) else {
            return Ok(());
        };
        let code = RemoteRange {
            start: self.sites.get(*first).address,
            end: self.sites.get(*last).address.plus(1),
        };
        let size = scratch::size_for(sites.len());
        let calls = if kernel.has_shadow_stack(tid)? {
            Calls::AtTheirPlace
        } else {
            Calls::Pushed
        };
        let mappings = kernel.mappings(tid)?;
        for place in scratch::places(&mappings, code, size) {
            match map_executable(&mut self.caller, kernel, tid, place, size, parked) {
                Ok(start) => {
                    let (scratch, refused) = scratch::lay_out(&mut self.sites, sites, start, calls);
                    for (id, reason) in refused {
                        let address = self.sites.get(id).address;
                        tracing::debug!(site = %address, %reason, "steps in place");
                    }
                    // Others may share this memory and live on when this thread is killed here: nobody is sent to a slot
                    // that was not written.
                    if let Err(errno) = kernel.write_memory(tid, start, scratch.code()) {
                        for id in sites {
                            self.sites.all_mut()[id.index()].way = Way::Open;
                        }
                        return Err(errno);
                    }
                    self.inlined
                        .take_over((scratch.code().len() as u64).div_ceil(scratch::PAGE));
                    self.scratches.push(scratch);
                    return Ok(());
                }
                Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                Err(errno) => tracing::debug!(%place, %errno, "no scratch here"),
            }
        }
        Ok(())
    }

    /// Where a thread with its pc in a scratch stands, seen from outside.
    pub(crate) fn find_in_scratch(&self, pc: RemoteAddr) -> Option<Found> {
        self.scratches.iter().find_map(|scratch| scratch.find(pc))
    }

    /// Whether any thread can be in a scratch.
    pub(crate) fn has_scratch(&self) -> bool {
        !self.scratches.is_empty()
    }
}

pub(crate) fn map_executable<K: Kernel>(
    caller: &mut RemoteCaller,
    kernel: &mut K,
    tid: Tid,
    at: RemoteAddr,
    size: u64,
    parked: &mut Parked,
) -> Answer<RemoteAddr> {
    let protection = libc::PROT_READ | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let arguments = [
        at.0,
        size,
        u64::from(protection.cast_unsigned()),
        u64::from(flags.cast_unsigned()),
        u64::MAX,
        0,
    ];
    caller
        .call(kernel, tid, libc::SYS_mmap, arguments, parked)
        .map(RemoteAddr)
}

/// Whether a system call may be run in the tracee at all.
///
/// A seccomp filter may kill the program for a call it never makes. Filters that this process lives under
/// itself (a container's) are known to allow what it does; any beyond those are the program's own.
pub(crate) fn may_inject<K: Kernel>(kernel: &mut K, tid: Tid) -> Answer<bool> {
    Ok(match kernel.seccomp(tid)? {
        Seccomp::Free => true,
        Seccomp::Strict => false,
        Seccomp::Filters(theirs) => match kernel.seccomp(crate::sys::pin::own_tid())? {
            Seccomp::Filters(ours) => theirs <= ours,
            Seccomp::Free | Seccomp::Strict => false,
        },
    })
}
