//! The moment at which routines become copies: a thread has come to the first of their breakpoints.
//!
//! Must not know: how the copies are written.
//!
//! ```text
//! hold every thread that runs ─► read the routines ─► map memory ─► write copies, then doors ─► a block for each thread
//! ```
//! A thread that sleeps in the kernel is not woken for it. It comes back behind a call, which is a door; and it meets
//! the copy without a block, faults at its first access, and gets one then (`threads`). But for one that blocks or
//! ignores `SIGSEGV`: that setting would be gone then, so it is stopped like those that run.

use super::blocks::Blocks;
use super::copy::{self, Facts};
use super::doors::{Door, Doors, Past, long_jump};
use super::routine::{NotInline, Routine, RoutineRequest};
use super::space::{Inline, Inlined, Patch, Region};
use crate::addr::{RemoteAddr, RemoteRange};
use crate::address_space::{Engine, may_inject};
use crate::agent::layout::{ANONYMOUS, PAGE, RESIDENT};
use crate::agent::{self};
use crate::arch::BREAKPOINT;
use crate::ids::{SiteId, SpaceId, Tid};
use crate::in_place::Whom;
use crate::options::{Gauge, Keeper};
use crate::scratch;
use crate::session::Core;
use crate::site::{SiteTable, Way};
use crate::sys::{Answer, Go, Kernel, Seize, Signal, gone_is_fine, procfs};
use nix::errno::Errno;
use std::collections::{BTreeMap, HashMap};

/// Whether the loader has put its addresses into the tables that routines jump by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// One of the routines runs.
    Whole,
    /// The loader's own breakpoint, or another one, was met.
    Perhaps,
}

/// What is to be written over the original.
struct New {
    /// Which of the patches.
    patches: std::ops::RangeFrom<usize>,
    /// Breakpoints that give way to the first byte of an instruction that is run at its place again.
    lifted: Vec<(RemoteAddr, u8)>,
}

impl<K: Kernel> Core<K> {
    /// Copies the routines that wait, where that is possible.
    ///
    /// *State*: `tid` is in the signal-delivery-stop of the hit of `site`, with its pc there.
    pub(crate) fn promote(&mut self, tid: Tid, space: SpaceId, site: SiteId) -> Answer<()> {
        if self.spaces[space].engine != Engine::Inline {
            return Ok(());
        }
        let inlined = &mut self.spaces[space].inlined;
        let is_in = |routine: &RoutineRequest| routine.sites.iter().any(|of_it| of_it.site == site);
        let loaded = match inlined.waiting.iter().chain(&inlined.unlinked).any(is_in) {
            true => Loaded::Whole,
            false => Loaded::Perhaps,
        };
        let mut waiting = std::mem::take(&mut inlined.waiting);
        if loaded == Loaded::Whole {
            waiting.append(&mut inlined.unlinked);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let possible = may_inject(&mut self.kernel, tid)?
            && !self.kernel.has_shadow_stack(tid)?
            && self.owns_gs(tid, space)?;
        if !possible {
            self.spaces[space].inlined.leave_out_of_reach(waiting);
            return Ok(());
        }
        self.while_held(tid, Whom::AlsoWithoutFaults, |core, held| {
            core.take_queued_traps(tid, held)?;
            core.promote_held(tid, space, waiting, loaded, held)
        })
    }

    /// Lets threads that have met a breakpoint, and not told of it yet, tell: their pc is one byte late (`detach`), and is
    /// no place in the code. They stand in that stop afterwards, parked, and are held no more.
    pub(super) fn take_queued_traps(&mut self, tid: Tid, held: &mut Vec<Tid>) -> Answer<()> {
        let mut at = 0;
        while let Some(other) = held.get(at).copied() {
            let sets = self.kernel.signal_sets(other);
            let queued = sets.is_ok_and(|sets| sets.pending & Signal::TRAP.bit() != 0);
            let process = self.tracees.get(&other).map(|t| t.process);
            let (true, Some(process)) = (queued, process) else {
                at += 1;
                continue;
            };
            held.swap_remove(at);
            if self.resume(other, Go::On, Signal::NONE) == Err(Errno::ESRCH) {
                continue;
            }
            if let Some(status) = self.wait_beside(tid, other, process)? {
                self.parked.keep(&mut self.kernel, other, status)?;
            }
        }
        Ok(())
    }

    /// Whether the register that blocks are found by is free, or has the thread's block already.
    fn owns_gs(&mut self, tid: Tid, space: SpaceId) -> Answer<bool> {
        let base = self.kernel.registers(tid)?.gs_base();
        let thread = self.tracees.get(&tid).map(|tracee| tracee.id);
        let block = thread.and_then(|thread| self.block_of(thread, space));
        let is_free = base == 0 || block.is_some_and(|(_, at)| at.0 == base);
        Ok(is_free || self.is_of_session_before(tid, base)?)
    }

    /// Copies routines, with every other thread in `held`.
    ///
    /// *State*: calls can be run in `tid`.
    pub(super) fn promote_held(
        &mut self,
        tid: Tid,
        space: SpaceId,
        waiting: Vec<RoutineRequest>,
        loaded: Loaded,
        held: &[Tid],
    ) -> Answer<()> {
        let process = self.tracees.get(&tid).map_or(self.process, |t| t.process);
        let before = procfs::sizes(process)?;
        // Where others run, one may be anywhere in a routine by now.
        let past = match self.fate {
            Seize::DiesWithTracer if self.spaces.users(space) == 1 => Past::None,
            Seize::DiesWithTracer | Seize::Outlives => Past::Some,
        };
        let mut routines = Vec::new();
        for request in waiting {
            match self.read_routine(tid, space, request.clone()) {
                Err(NotInline::UnknownJumps) if loaded == Loaded::Perhaps => {
                    self.spaces[space].inlined.unlinked.push(request);
                }
                Ok(routine) if loaded == Loaded::Perhaps && routine.jumps_by_tables() => {
                    self.spaces[space].inlined.unlinked.push(request);
                }
                Ok(routine) => routines.push(Facts::of(routine, past)),
                Err(reason) => self.spaces[space].inlined.refused.push((request, reason)),
            }
        }
        let threads: Vec<Tid> = std::iter::once(tid).chain(held.iter().copied()).collect();
        let routines = self.without_returns(&threads, space, routines)?;
        if routines.is_empty() {
            return Ok(());
        }
        let is_first = self.spaces[space].inlined.blocks.is_none();
        if is_first {
            match self.set_up(tid, space, process) {
                Ok(()) => {}
                Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                Err(errno) => {
                    tracing::debug!(%errno, "no memory for the inline engine");
                    let requests = routines.into_iter().map(|facts| facts.routine.request);
                    self.spaces[space].inlined.leave_out_of_reach(requests);
                    return Ok(());
                }
            }
        }
        let New { patches, lifted } = self.write_copies(tid, space, routines)?;
        self.step_out(&threads, space, patches.clone())?;
        for patch in &self.spaces[space].inlined.patches[patches] {
            self.kernel.write_memory(tid, patch.at, &patch.patched)?;
        }
        for (at, original) in lifted {
            self.kernel.write_memory(tid, at, &[original])?;
        }
        self.settle_memory(tid, space, process, before)?;
        for thread in threads {
            gone_is_fine(self.give_block(thread, space))?;
        }
        self.count_threads(space);
        Ok(())
    }

    fn read_routine(
        &mut self,
        tid: Tid,
        space: SpaceId,
        request: RoutineRequest,
    ) -> Result<Routine, NotInline> {
        let sites = &self.spaces[space].sites;
        let inlined = &self.spaces[space].inlined;
        let kernel = &mut self.kernel;
        let read = |at: RemoteAddr, bytes: &mut [u8]| {
            let whole = kernel.read_memory(tid, at, bytes) == Ok(bytes.len());
            sites.mask(at, bytes);
            inlined.mask(at, bytes);
            whole
        };
        let unplanted = request
            .sites
            .iter()
            .any(|site| sites.get(site.site).way != Way::Open);
        if unplanted {
            return Err(NotInline::SitesMissing);
        }
        Routine::decode(request, |site| sites.get(site).address, read)
    }

    /// Writes the copies, and plans what is put over the original: what there is new of that.
    fn write_copies(&mut self, tid: Tid, space: SpaceId, routines: Vec<Facts>) -> Answer<New> {
        let ranges = routines.iter().flat_map(|facts| &facts.routine.request.ranges);
        let start = ranges
            .clone()
            .map(|range| range.start)
            .min()
            .unwrap_or(RemoteAddr(0));
        let end = ranges.map(|range| range.end).max().unwrap_or(RemoteAddr(0));
        let code = RemoteRange { start, end };
        let mappings = self.kernel.mappings(tid)?;
        let mut caller = self.spaces[space].caller.clone();
        let mut numbers = std::mem::take(&mut self.spaces[space].inlined.numbers);
        let mut written = None;
        // The length is known only when it is written, and says where there is room.
        let guess = scratch::places(&mappings, code, PAGE)
            .first()
            .copied()
            .unwrap_or(start);
        let mut trial = numbers.clone();
        let length = copy::write(
            guess,
            agent::IMAGE,
            (self.gates, self.keeper),
            &routines,
            &mut trial,
        )
        .map_or(0, |w| w.bytes.len() as u64);
        let size = (length + PAGE).next_multiple_of(PAGE);
        for place in scratch::places(&mappings, code, size) {
            let mapped = crate::address_space::map_executable(
                &mut caller,
                &mut self.kernel,
                tid,
                place,
                size,
                &mut self.parked,
            );
            match mapped {
                Ok(at) => {
                    written = copy::write(
                        at,
                        agent::IMAGE,
                        (self.gates, self.keeper),
                        &routines,
                        &mut numbers,
                    )
                    .map(|w| (at, w));
                    break;
                }
                Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                Err(errno) => tracing::debug!(%place, %errno, "no region here"),
            }
        }
        let Some((at, written)) = written else {
            let inlined = &mut self.spaces[space].inlined;
            inlined.numbers = numbers;
            let requests = routines.into_iter().map(|facts| facts.routine.request);
            inlined.leave_out_of_reach(requests);
            return Ok(New {
                patches: inlined.patches.len()..,
                lifted: Vec::new(),
            });
        };
        self.kernel.write_memory(tid, at, &written.bytes)?;
        self.spaces[space].caller = caller;
        let inlined = &mut self.spaces[space].inlined;
        inlined.numbers = numbers;
        if let Some(blocks) = &mut inlined.blocks {
            blocks.publish(&inlined.numbers)?;
        }
        let range = RemoteRange {
            start: at,
            end: at.plus(size),
        };
        inlined.regions.push(Region {
            range,
            places: written.places,
        });
        let mut guarded = BTreeMap::new();
        for (facts, ins) in routines.iter().zip(&written.routines) {
            let Ok(ins) = ins else { continue };
            let doors = facts.doors.doors.iter();
            let of_it = doors.filter(|(_, door)| **door == Door::Guarded);
            guarded.extend(of_it.filter_map(|(at, _)| Some((*at, *ins.doors.get(at)?))));
        }
        let landings = self.write_landings(tid, space, &guarded)?;
        let keeper = self.keeper;
        let space = &mut self.spaces[space];
        let inlined = &mut space.inlined;
        let mut new = New {
            patches: inlined.patches.len()..,
            lifted: Vec::new(),
        };
        for (facts, ins) in routines.into_iter().zip(written.routines) {
            let routine = facts.routine;
            let stops = |(at, door): (&RemoteAddr, &Door)| match door {
                Door::Stop => true,
                Door::Guarded => !landings.contains_key(at),
                Door::Long | Door::Island(_) => false,
            };
            let ins = match ins {
                Ok(_) if keeper == Keeper::Nobody && facts.doors.doors.iter().any(stops) => {
                    Err(NotInline::NeedsTracer)
                }
                ins => ins,
            };
            match ins {
                Ok(ins) => {
                    plant_doors(inlined, &mut space.sites, &routine, &facts.doors, &ins, &landings)?;
                    // A call that stays may have had a breakpoint of a site on its first byte.
                    for call in &facts.doors.kept {
                        if let Some(site) = routine.sites.get(call) {
                            new.lifted.push((*call, space.sites.get(site.site).original[0]));
                        }
                    }
                    inlined.doors.extend(ins.doors.keys());
                    inlined.behind.extend(ins.behind);
                    inlined.routines.push(routine);
                }
                Err(reason) => inlined.refused.push((routine.request, reason)),
            }
        }
        Ok(new)
    }

    /// Has threads that stand within a place that is going to be overwritten run on behind it, an instruction at a time.
    fn step_out(&mut self, threads: &[Tid], space: SpaceId, new: std::ops::RangeFrom<usize>) -> Answer<()> {
        let within = |inlined: &Inlined, pc: RemoteAddr| {
            let inside = |patch: &Patch| patch.at < pc && pc.0 < patch.at.0 + patch.patched.len() as u64;
            inlined.patches[new.clone()].iter().any(inside)
        };
        for tid in threads {
            let pc = self.kernel.registers(*tid)?.pc();
            if within(&self.spaces[space].inlined, pc) {
                gone_is_fine(self.quietly(*tid, |core| core.run_while(*tid, within)))?;
            }
        }
        Ok(())
    }

    /// Touches every page that the agent will, and takes note of how much memory all of this is.
    fn settle_memory(
        &mut self,
        tid: Tid,
        space: SpaceId,
        process: crate::ids::Pid,
        before: procfs::Sizes,
    ) -> Answer<()> {
        let Some(pages) = self.spaces[space].inlined.blocks.as_ref().map(|blocks| {
            let numbers = &self.spaces[space].inlined.numbers;
            let base = blocks.base();
            let mut pages: Vec<RemoteAddr> = Blocks::static_pages(numbers)
                .into_iter()
                .map(|page| base.plus(page))
                .collect();
            for (slot, _) in blocks.in_use() {
                let block = blocks.address(slot);
                let own = Blocks::pages(numbers.steps.len(), numbers.routines.len());
                pages.extend(own.into_iter().map(|page| block.plus(page)));
            }
            pages
        }) else {
            return Ok(());
        };
        for page in pages {
            touch(&mut self.kernel, tid, page)?;
        }
        let after = procfs::sizes(process)?;
        let grown = self.gauge.of(&after).zip(self.gauge.of(&before));
        let inlined = &mut self.spaces[space].inlined;
        if let Some((after, before)) = grown {
            inlined.take_over(after.saturating_sub(before) / PAGE);
        }
        if let Some(gate) = &inlined.gate {
            gate.gate.seed(&after);
        }
        Ok(())
    }
}

/// Has a page of the process's mapped for it, as if it had been written to.
pub(super) fn touch<K: Kernel>(kernel: &mut K, tid: Tid, page: RemoteAddr) -> Answer<()> {
    let mut byte = [0];
    kernel.read_memory(tid, page, &mut byte)?;
    kernel.write_memory(tid, page, &byte)
}

/// Plans the bytes of a routine's doors, and where its breakpoints lead.
fn plant_doors(
    inlined: &mut Inlined,
    sites: &mut SiteTable,
    routine: &Routine,
    doors: &Doors,
    ins: &copy::Ins,
    landings: &HashMap<RemoteAddr, RemoteAddr>,
) -> Answer<()> {
    let original = |at: RemoteAddr, length: u64| -> Vec<u8> {
        let byte = |at: u64| {
            let (start, instruction) = routine.instructions.range(..=RemoteAddr(at)).next_back()?;
            instruction.bytes.get((at - start.0) as usize).copied()
        };
        (at.0..at.0 + length).filter_map(byte).collect()
    };
    let mut patches = Vec::new();
    for (at, door) in &doors.doors {
        let Some(to) = ins.doors.get(at).copied() else {
            continue;
        };
        match door {
            Door::Long => patches.push((*at, long_jump(*at, to)?)),
            Door::Guarded if landings.contains_key(at) => patches.push((*at, long_jump(*at, landings[at])?)),
            Door::Island(island) => {
                let short = island.0.wrapping_sub(at.0 + 2) as u8;
                patches.push((*island, long_jump(*island, to)?));
                patches.push((*at, vec![0xEB, short]));
            }
            // Without a landing one byte has to do.
            Door::Stop | Door::Guarded => {
                inlined.stops.insert(*at, to);
                patches.push((*at, vec![BREAKPOINT]));
            }
        }
    }
    let covered = |at: RemoteAddr| {
        let inside = |start: RemoteAddr, length: u64| start <= at && at.0 < start.0 + length;
        let by_patch = patches
            .iter()
            .any(|(start, bytes)| inside(*start, bytes.len() as u64));
        by_patch
            || doors
                .kept
                .iter()
                .any(|call| inside(*call, routine.behind(*call).0 - call.0))
    };
    for (at, to) in &ins.stops {
        inlined.stops.entry(*at).or_insert(*to);
    }
    for (at, site) in &routine.sites {
        let way = match inlined.keeper {
            Keeper::Tracer if !covered(*at) => Inline::Armed,
            Keeper::Tracer | Keeper::Nobody => Inline::Covered,
        };
        inlined.sites.insert(site.site, way);
        sites.all_mut()[site.site.index()].way = Way::Inline;
    }
    for (at, patched) in patches {
        inlined.patches.push(Patch {
            at,
            original: original(at, patched.len() as u64),
            patched,
        });
    }
    Ok(())
}

impl Gauge {
    /// The number that the agent knows it by.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Resident => RESIDENT,
            Self::Anonymous => ANONYMOUS,
        }
    }

    /// What it reads of all sizes, in bytes.
    pub(super) fn of(self, sizes: &procfs::Sizes) -> Option<u64> {
        match self {
            Self::Resident => sizes.resident(),
            Self::Anonymous => sizes.anonymous,
        }
    }
}
