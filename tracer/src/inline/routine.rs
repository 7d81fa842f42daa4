//! A function as the inline engine needs it: its instructions, its sites, the places where control comes in from outside.
//!
//! Must not know: how it is copied. What cannot be copied is refused here, whole: its sites stay breakpoints.

use crate::addr::{RemoteAddr, RemoteRange};
use crate::arch::{Effects, Fixed, effects};
use crate::code::{CodeOffset, Flow};
use crate::ids::SiteId;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A table of jumps is no longer than so many entries.
const LONGEST_TABLE: u64 = 4096;

/// A copy of a function, all of whose sites are planted already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutineRequest {
    /// Where its code is; the parts do not overlap.
    pub ranges: Vec<RemoteRange>,
    /// Its sites, the entry among them.
    pub sites: Vec<RoutineSite>,
    /// Where an exception may enter it.
    pub landing_pads: Vec<RemoteAddr>,
    /// Whether a compiler may have agreed with its callers on more than the ABI does.
    pub conventions: Conventions,
    /// Why it cannot be copied, where that is known already.
    pub fixed: Option<NotInline>,
}

/// What holds of the registers at calls and returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conventions {
    /// What the ABI says, and every jump stays inside: unoptimised code.
    Standard,
    /// What the ABI says; a jump may be a call that does not come back.
    Optimised,
    /// A callee may be known to leave a register alone that it might overwrite (gcc's `-fipa-ra`).
    Agreed,
}

/// A site of a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutineSite {
    /// The site.
    pub site: SiteId,
    /// Whether a line begins there, so that it is where the frame stands from then on.
    pub line: BeginsLine,
    /// What calls or returns there.
    pub role: SiteRole,
}

/// Whether a line begins at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginsLine {
    /// One or more.
    Yes,
    /// It is only an entry or an exit.
    No,
}

/// What a site is to its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteRole {
    /// In the middle.
    Middle,
    /// Calls arrive.
    Entry,
    /// The frame ends with its instruction.
    Exit,
    /// The frame ends with its instruction when that jumps out of the routine.
    MayExit,
}

/// Why a routine's sites stay breakpoints. Normal, counted and shown; never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum NotInline {
    /// Something in it needs the tracer, which is not to be relied on ([`crate::Keeper::Nobody`]).
    #[error("it would not outlive lineprof")]
    NeedsTracer,
    /// Its bytes cannot all be decoded.
    #[error("its code cannot be read as instructions to the end")]
    Undecodable,
    /// A site, or a jump, leads into an instruction.
    #[error("a jump leads into the middle of an instruction")]
    Overlapping,
    /// The kernel remembers the address of a system call.
    #[error("it enters the kernel itself")]
    EntersKernel,
    /// A far or transactional branch, `loop`, or a trap of its own.
    #[error("one of its instructions runs only at its own place")]
    AddressMatters,
    /// Memory addressed by `gs`, or its base, is the program's own.
    #[error("it uses the register that the inline engine needs")]
    UsesGs,
    /// Its entry is its exit, or it has none.
    #[error("its entry is also its exit")]
    NoBody,
    /// Flags are in use where a line begins.
    #[error("flags are in use between its lines")]
    FlagsInUse,
    /// A jump table was not found.
    #[error("it jumps to places that are not known")]
    UnknownJumps,
    /// The file's tables do not tell where exceptions enter it.
    #[error("it is not known where exceptions enter it")]
    UnknownPads,
    /// The kernel knows a part of it by its addresses (rseq(2)).
    #[error("a part of it is restartable, which the kernel knows by its addresses")]
    Restartable,
    /// It has data among its code.
    #[error("it has data among its code")]
    HasData,
    /// An operand, or the code itself, is too far away.
    #[error("memory near it could not be had")]
    OutOfReach,
    /// Its sites were refused, or its code is not what its sites say.
    #[error("not all of its sites could be planted")]
    SitesMissing,
    /// It has more ways through it than are worth copying.
    #[error("it has too many ways from line to line")]
    TooLarge,
}

impl From<Fixed> for NotInline {
    fn from(fixed: Fixed) -> Self {
        match fixed {
            Fixed::EntersKernel => Self::EntersKernel,
            Fixed::AddressMatters => Self::AddressMatters,
            Fixed::UsesGs => Self::UsesGs,
        }
    }
}

/// A routine, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Routine {
    pub(crate) request: RoutineRequest,
    /// By address.
    pub(crate) instructions: BTreeMap<RemoteAddr, Effects>,
    /// By address.
    pub(crate) sites: BTreeMap<RemoteAddr, RoutineSite>,
    /// Addresses behind calls: where these return to.
    pub(crate) returns: BTreeSet<RemoteAddr>,
    /// Where jumps by tables lead.
    pub(crate) table_targets: BTreeSet<RemoteAddr>,
    pub(crate) entry: RemoteAddr,
}

/// Where a flow leads that is relative to `at`, the address of the instruction, whose offset was 0.
pub(crate) fn target(at: RemoteAddr, offset: CodeOffset) -> RemoteAddr {
    RemoteAddr(at.0.wrapping_add_signed(offset.0))
}

impl Routine {
    /// Decodes a routine; `code` reads its memory without our bytes, `tables` any memory.
    pub(crate) fn decode(
        request: RoutineRequest,
        address_of: impl Fn(SiteId) -> RemoteAddr,
        mut read: impl FnMut(RemoteAddr, &mut [u8]) -> bool,
    ) -> Result<Self, NotInline> {
        if let Some(fixed) = request.fixed {
            return Err(fixed);
        }
        let mut instructions = BTreeMap::new();
        let mut returns = BTreeSet::new();
        for range in &request.ranges {
            let length = usize::try_from(range.end.0 - range.start.0).or(Err(NotInline::Undecodable))?;
            let mut bytes = vec![0; length];
            if !read(range.start, &mut bytes) {
                return Err(NotInline::Undecodable);
            }
            let mut end = range.start;
            for (offset, mut effects) in effects(&bytes) {
                let address = target(range.start, offset);
                end = address.plus(effects.bytes.len() as u64);
                if let Some(fixed) = effects.fixed {
                    return Err(fixed.into());
                }
                make_relative(&mut effects, offset);
                if effects.flow == Flow::Call {
                    returns.insert(end);
                }
                instructions.insert(address, effects);
            }
            if end != range.end {
                return Err(NotInline::Undecodable);
            }
        }
        let sites: BTreeMap<_, _> = request
            .sites
            .iter()
            .map(|site| (address_of(site.site), *site))
            .collect();
        let entry = sites.iter().find(|(_, site)| site.role == SiteRole::Entry);
        let entry = *entry.ok_or(NotInline::NoBody)?.0;
        let mut routine = Self {
            request,
            instructions,
            sites,
            returns,
            table_targets: BTreeSet::new(),
            entry,
        };
        // What is behind the last call of a range belongs to another.
        let behind: Vec<_> = routine
            .returns
            .iter()
            .copied()
            .filter(|r| !routine.contains(*r))
            .collect();
        for address in behind {
            routine.returns.remove(&address);
        }
        routine.check()?;
        routine.find_tables(&mut read)?;
        Ok(routine)
    }

    /// Whether an address lies in the routine.
    pub(crate) fn contains(&self, address: RemoteAddr) -> bool {
        self.request.ranges.iter().any(|range| range.contains(address))
    }

    /// The part of its code that it begins in.
    pub(crate) fn range_of_entry(&self) -> Option<RemoteRange> {
        let mut ranges = self.request.ranges.iter();
        ranges.find(|range| range.contains(self.entry)).copied()
    }

    /// Where a jump from the instruction at `at` leads.
    pub(crate) fn jump_target(&self, at: RemoteAddr) -> Option<RemoteAddr> {
        match self.instructions.get(&at)?.flow {
            Flow::Jump(to) | Flow::Branch(to) => Some(target(at, to)),
            Flow::Next | Flow::Call | Flow::IndirectJump | Flow::Return | Flow::Trap => None,
        }
    }

    /// The address behind the instruction at `at`.
    pub(crate) fn behind(&self, at: RemoteAddr) -> RemoteAddr {
        at.plus(self.instructions.get(&at).map_or(0, |i| i.bytes.len() as u64))
    }

    /// Where control can go from the instruction at `at`, when calls come back.
    pub(crate) fn leads_to(&self, at: RemoteAddr) -> Vec<RemoteAddr> {
        let Some(instruction) = self.instructions.get(&at) else {
            return Vec::new();
        };
        let behind = self.behind(at);
        match instruction.flow {
            Flow::Next | Flow::Call => vec![behind],
            Flow::Branch(to) => vec![behind, target(at, to)],
            Flow::Jump(to) => vec![target(at, to)],
            Flow::IndirectJump => self.table_targets.iter().copied().collect(),
            Flow::Return | Flow::Trap => Vec::new(),
        }
    }

    fn check(&self) -> Result<(), NotInline> {
        let is_start = |address: &RemoteAddr| self.instructions.contains_key(address);
        let jumps = self.instructions.keys().filter_map(|at| self.jump_target(*at));
        let inside = jumps.filter(|to| self.contains(*to));
        let pads = self.request.landing_pads.iter().copied();
        let mut places = inside.chain(pads).chain(self.sites.keys().copied());
        if places.all(|place| is_start(&place)) {
            Ok(())
        } else {
            Err(NotInline::Overlapping)
        }
    }

    /// Whether control goes to places that only the running program knows.
    pub(crate) fn jumps_by_tables(&self) -> bool {
        self.instructions.values().any(|i| i.flow == Flow::IndirectJump)
    }

    /// Looks for the tables that indirect jumps may go by, at all places that the code names.
    ///
    /// A table holds distances from its own start (`lea`, `movslq`, `add`, `jmp`), from a label (the way of GCC's manual,
    /// "Labels as Values", for shared libraries), or addresses (a computed goto). What is taken for one too many costs
    /// a few bytes of copy.
    fn find_tables(&mut self, read: &mut impl FnMut(RemoteAddr, &mut [u8]) -> bool) -> Result<(), NotInline> {
        if !self.jumps_by_tables() {
            return Ok(());
        }
        let mut tables = BTreeSet::new();
        for (at, instruction) in &self.instructions {
            if let Some((_, place)) = instruction.displacement {
                tables.insert(target(*at, place));
            }
            // An absolute table: `jmp *table(,%rax,8)` and the like, an address of 32 bits.
            for word in instruction.bytes.windows(4).skip(1) {
                let mut four = [0; 4];
                four.copy_from_slice(word);
                let address = RemoteAddr(u64::from(u32::from_le_bytes(four)));
                if address.0 > 0x10000 && (address.0 >> 31) == 0 && self.entry.0 >> 32 == 0 {
                    tables.insert(address);
                }
            }
        }
        // Labels whose address is taken: perhaps where distances in a table begin.
        let mut targets: BTreeSet<RemoteAddr> =
            tables.iter().copied().filter(|at| self.contains(*at)).collect();
        let labels: Vec<RemoteAddr> = targets.iter().copied().collect();
        for table in tables {
            self.follow_addresses(table, read, &mut targets);
            for base in labels.iter().copied().chain([table]) {
                self.follow_distances(table, base, read, &mut targets);
            }
        }
        targets.retain(|address| self.instructions.contains_key(address));
        if targets.is_empty() && self.request.conventions == Conventions::Standard {
            return Err(NotInline::UnknownJumps);
        }
        self.table_targets = targets;
        Ok(())
    }

    fn follow_distances(
        &self,
        table: RemoteAddr,
        base: RemoteAddr,
        read: &mut impl FnMut(RemoteAddr, &mut [u8]) -> bool,
        targets: &mut BTreeSet<RemoteAddr>,
    ) {
        for number in 0..LONGEST_TABLE {
            let mut entry = [0; 4];
            if !read(table.plus(4 * number), &mut entry) {
                break;
            }
            let to = RemoteAddr(base.0.wrapping_add_signed(i64::from(i32::from_le_bytes(entry))));
            if !self.contains(to) {
                break;
            }
            targets.insert(to);
        }
    }

    fn follow_addresses(
        &self,
        table: RemoteAddr,
        read: &mut impl FnMut(RemoteAddr, &mut [u8]) -> bool,
        targets: &mut BTreeSet<RemoteAddr>,
    ) {
        for number in 0..LONGEST_TABLE {
            let mut entry = [0; 8];
            if !read(table.plus(8 * number), &mut entry) {
                break;
            }
            let to = RemoteAddr(u64::from_le_bytes(entry));
            if !self.contains(to) {
                break;
            }
            targets.insert(to);
        }
    }
}

/// Offsets relative to the instruction itself, not to the first byte of its range.
fn make_relative(effects: &mut Effects, offset: CodeOffset) {
    let relative = |to: CodeOffset| CodeOffset(to.0 - offset.0);
    effects.flow = match effects.flow {
        Flow::Jump(to) => Flow::Jump(relative(to)),
        Flow::Branch(to) => Flow::Branch(relative(to)),
        other @ (Flow::Next | Flow::Call | Flow::IndirectJump | Flow::Return | Flow::Trap) => other,
    };
    effects.calls = effects.calls.map(relative);
    effects.displacement = effects.displacement.map(|(at, place)| (at, relative(place)));
}
