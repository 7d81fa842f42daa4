//! What a process's memory has of the inline engine: regions of copies, patches of the original, blocks, a gate.
//!
//! Must not know: threads' states, when any of it is used.

use super::blocks::Blocks;
use super::copy::Place;
use super::numbers::Numbers;
use super::routine::{NotInline, Routine, RoutineRequest};
use super::ways::State;
use crate::addr::{RemoteAddr, RemoteRange};
use crate::agent;
use crate::agent::layout::{Control, PAGE};
use crate::ids::{SiteId, Tid};
use crate::options::Keeper;
use crate::passage::Passage;
use crate::sys::rss_gate::RssGate;
use crate::sys::{Answer, Kernel};
use nix::errno::Errno;
use std::collections::{HashMap, HashSet};
use std::mem::offset_of;

/// Bytes of the original that were overwritten.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) at: RemoteAddr,
    pub(crate) original: Vec<u8>,
    pub(crate) patched: Vec<u8>,
}

/// Memory with copies.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) range: RemoteRange,
    pub(crate) places: Vec<(RemoteAddr, Place, State)>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Inlined {
    /// Who looks after all of it.
    pub(crate) keeper: Keeper,
    /// Routines that are still to be copied.
    pub(crate) waiting: Vec<RoutineRequest>,
    /// Those of them that may jump by tables which are not filled in yet.
    pub(crate) unlinked: Vec<RoutineRequest>,
    /// Pages that were lineprof's before there were blocks.
    pub(crate) pages_before: u64,
    /// Those that are not, and why.
    pub(crate) refused: Vec<(RoutineRequest, NotInline)>,
    pub(crate) numbers: Numbers,
    pub(crate) regions: Vec<Region>,
    /// Pages of landings.
    pub(crate) landings: Vec<RemoteRange>,
    pub(crate) patches: Vec<Patch>,
    /// Those that are copied.
    pub(crate) routines: Vec<Routine>,
    /// Where the instruction of a site is in the copy, behind its event.
    pub(crate) behind: HashMap<SiteId, RemoteAddr>,
    /// Where the original leads into a copy.
    pub(crate) doors: HashSet<RemoteAddr>,
    /// Where threads go that come to a breakpoint of a routine.
    pub(crate) stops: HashMap<RemoteAddr, RemoteAddr>,
    /// Sites that cost no stop.
    pub(crate) sites: HashMap<SiteId, Inline>,
    pub(crate) blocks: Option<Blocks>,
    pub(crate) gate: Option<Gate>,
    /// What the client has not taken yet.
    pub(crate) passages: Vec<Passage>,
}

/// How a site of a routine is arrived at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inline {
    /// Its breakpoint is still there, for threads that stray.
    Armed,
    /// A patch or a call lies where its breakpoint was.
    Covered,
}

/// The gate, and where the process has its map.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) gate: RssGate,
    pub(crate) at: RemoteAddr,
    /// Slots whose word the process has in its block.
    pub(crate) slots: u32,
}

impl Inlined {
    /// Sites of routines that wait to be copied.
    pub(crate) fn sites_waiting(&self) -> HashSet<SiteId> {
        let sites = self
            .waiting
            .iter()
            .chain(&self.unlinked)
            .flat_map(|routine| &routine.sites);
        sites.map(|site| site.site).collect()
    }

    /// No memory near these can be had.
    pub(crate) fn leave_out_of_reach(&mut self, requests: impl IntoIterator<Item = RoutineRequest>) {
        let requests = requests.into_iter();
        self.refused
            .extend(requests.map(|request| (request, NotInline::OutOfReach)));
    }

    /// The region with this address.
    fn region(&self, pc: RemoteAddr) -> Option<&Region> {
        self.regions.iter().find(|region| region.range.contains(pc))
    }

    /// Memory of the process that is lineprof's, in bytes.
    pub(crate) fn own_memory(&self) -> u64 {
        PAGE * match &self.blocks {
            Some(blocks) => blocks.control(offset_of!(Control, own_pages)),
            None => self.pages_before,
        }
    }

    /// Pages of the process are lineprof's from now on.
    pub(crate) fn take_over(&mut self, pages: u64) {
        match &self.blocks {
            Some(blocks) => {
                let own = blocks.control(offset_of!(Control, own_pages));
                blocks.set_control(offset_of!(Control, own_pages), own + pages);
            }
            None => self.pages_before += pages,
        }
    }

    /// Whether any copy has this address.
    pub(crate) fn contains(&self, pc: RemoteAddr) -> bool {
        self.region(pc).is_some()
    }

    /// Where a thread at `pc` stands, seen from outside; `None` outside of the copies, and in the agent.
    pub(crate) fn find(&self, pc: RemoteAddr) -> Option<(Place, State)> {
        let places = &self.region(pc)?.places;
        let behind = places.partition_point(|(at, _, _)| *at <= pc);
        let (_, place, state) = *places.get(behind.checked_sub(1)?)?;
        Some((place, state))
    }

    /// Whether a thread may be sent to this instruction of the original: as far as it can get from there before it comes
    /// to a breakpoint or a door, nothing was overwritten.
    pub(crate) fn is_intact(&self, from: RemoteAddr) -> bool {
        let Some(routine) = self.routines.iter().find(|routine| routine.contains(from)) else {
            return false;
        };
        let mut seen = HashSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if at != from && (self.is_door(at) || !routine.contains(at)) {
                continue;
            }
            match routine.sites.get(&at).map(|site| self.sites.get(&site.site)) {
                Some(Some(Inline::Armed)) => continue,
                Some(_) => return false,
                None => {}
            }
            if !seen.insert(at) {
                continue;
            }
            let behind = routine.behind(at);
            if behind == at || self.is_patched(at, behind) {
                return false;
            }
            open.extend(routine.leads_to(at));
        }
        true
    }

    fn is_door(&self, at: RemoteAddr) -> bool {
        self.doors.contains(&at)
    }

    fn is_patched(&self, start: RemoteAddr, end: RemoteAddr) -> bool {
        let overlaps = |patch: &Patch| patch.at < end && start.0 < patch.at.0 + patch.patched.len() as u64;
        self.patches.iter().any(overlaps)
    }

    /// Whether the trap is the agent's, which has no room left for what it tells.
    pub(crate) fn is_full(&self, trap: RemoteAddr) -> bool {
        self.regions
            .iter()
            .any(|region| region.range.start.plus(agent::TRAP) == trap)
    }

    /// Puts the original bytes back where ours still stand.
    ///
    /// # Errors
    /// ESRCH when `by` has no memory any more.
    pub(crate) fn restore<K: Kernel>(&self, kernel: &mut K, by: Tid) -> Answer<Vec<RemoteAddr>> {
        let mut left = Vec::new();
        for patch in &self.patches {
            if !is_there(kernel, by, patch)? {
                continue;
            }
            if kernel.write_memory(by, patch.at, &patch.original) == Err(Errno::ESRCH) {
                return Err(Errno::ESRCH);
            }
            if is_there(kernel, by, patch)? {
                left.push(patch.at);
            }
        }
        Ok(left)
    }

    /// Puts the original bytes into `bytes`, which were read at `start`.
    pub(crate) fn mask(&self, start: RemoteAddr, bytes: &mut [u8]) {
        let end = start.plus(bytes.len() as u64);
        for patch in &self.patches {
            for (original, at) in patch.original.iter().zip(patch.at.0..) {
                if (start.0..end.0).contains(&at) {
                    bytes[(at - start.0) as usize] = *original;
                }
            }
        }
    }
}

fn is_there<K: Kernel>(kernel: &mut K, by: Tid, patch: &Patch) -> Answer<bool> {
    let mut bytes = vec![0; patch.patched.len()];
    match kernel.read_memory(by, patch.at, &mut bytes) {
        Ok(read) => Ok(read == bytes.len() && bytes == patch.patched),
        Err(Errno::ESRCH) => Err(Errno::ESRCH),
        // Unmapped meanwhile.
        Err(_) => Ok(false),
    }
}
