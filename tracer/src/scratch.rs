//! Memory near the code, for the copies of displaced instructions.
//!
//! Must not know: how memory is mapped or written in a tracee (`remote_call`, `sys`). Pure: it finds
//! the place and lays out the copies.
//!
//! ```text
//!            ┌─ 64 MiB ─┐
//! [ slots ]              [ program: r-x  r--  rw- ][ heap → ]           [ libraries ]     [ stack ]
//! ```
//! Below the program and not above it: the heap grows upwards from the program's end, and a mapping
//! in its way would change what malloc does (measured).

use crate::addr::{RemoteAddr, RemoteRange};
use crate::arch::{NotRelocatable, Position, Relocated, SLOT_SIZE, relocate};
use crate::code::Flow;
use crate::ids::{SiteId, Tid};
use crate::site::{SiteTable, Way};
use crate::sys::procfs::Mapping;
use crate::sys::{Answer, Kernel};
use nix::errno::Errno;

pub(crate) const PAGE: u64 = 4096;
/// Kept between the slots and what lies above them.
const DISTANCE: u64 = 64 << 20;
/// No lower: `vm.mmap_min_addr` is 64 KiB on every distribution looked at.
const LOWEST: u64 = 64 << 10;
/// Reach of a 32-bit displacement, less room for the image and the slots themselves.
const REACH: u64 = (2 << 30) - (256 << 20);

/// A mapping in the tracee that holds copies.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    start: RemoteAddr,
    slots: Vec<Slot>,
    /// What is written at `start`.
    code: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Slot {
    site: SiteId,
    positions: Vec<(u8, Position)>,
}

/// How a call is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// By a push of its own return address and a jump.
    Pushed,
    /// As it stands: where the processor notes return addresses down, it must see the call (Intel SDM volume 1, 17.2).
    AtTheirPlace,
}

/// Where a thread found in the scratch stands, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Before the instruction of this site; a call's return address may have to be taken off the stack.
    Before {
        /// The site.
        site: SiteId,
        /// Bytes to add to the stack pointer.
        pop: u64,
    },
    /// At this address of the program.
    At(RemoteAddr),
    /// Somewhere that has no counterpart: it is left to run on.
    Between,
}

/// How much memory the copies of `sites` instructions need, in whole pages.
pub(crate) fn size_for(sites: usize) -> u64 {
    (sites as u64 * SLOT_SIZE).next_multiple_of(PAGE).max(PAGE)
}

/// Free places for `size` bytes within reach of `code`, the best first.
pub(crate) fn places(mappings: &[Mapping], code: RemoteRange, size: u64) -> Vec<RemoteAddr> {
    let lowest = code.end.0.saturating_sub(REACH).max(LOWEST);
    let highest = code.start.0.saturating_add(REACH);
    let mut gaps = Vec::new();
    let mut behind = LOWEST;
    for range in mappings.iter().map(|m| m.range) {
        gaps.push((behind.max(lowest), range.start.0.min(highest)));
        behind = range.end.0;
    }
    gaps.push((behind.max(lowest), highest));
    gaps.retain(|(start, end)| end.saturating_sub(*start) >= size + 2 * PAGE);
    // Below the code first, nearest first; above it only when nothing is left.
    gaps.sort_by_key(|(start, _)| (*start >= code.start.0, start.abs_diff(code.start.0)));
    gaps.iter()
        .map(|(start, end)| {
            let distance = DISTANCE.min((end - start - size) / 2).next_multiple_of(PAGE);
            RemoteAddr((end - size - distance) & !(PAGE - 1))
        })
        .collect()
}

/// The copies of `sites` for a mapping at `start`.
///
/// A site whose instruction cannot run from a copy gets no slot: its way is in place.
pub(crate) fn lay_out(
    table: &mut SiteTable,
    sites: &[SiteId],
    start: RemoteAddr,
    calls: Calls,
) -> (Scratch, Vec<(SiteId, NotRelocatable)>) {
    let mut scratch = Scratch {
        start,
        slots: Vec::with_capacity(sites.len()),
        code: Vec::with_capacity(sites.len() * SLOT_SIZE as usize),
    };
    let mut refused = Vec::new();
    for id in sites {
        let slot = start.plus(scratch.slots.len() as u64 * SLOT_SIZE);
        let site = &mut table.all_mut()[id.index()];
        let relocated = match calls {
            Calls::AtTheirPlace if is_call(&site.original) => Err(NotRelocatable::ShadowStack),
            Calls::AtTheirPlace | Calls::Pushed => relocate(&site.original, site.address, slot),
        };
        match relocated {
            Ok(Relocated {
                bytes: code,
                positions,
            }) => {
                scratch.code.extend(&code);
                // Behind the code only traps: nobody runs on into the next slot.
                let end = (scratch.slots.len() + 1) * SLOT_SIZE as usize;
                scratch.code.resize(end, crate::arch::BREAKPOINT);
                scratch.slots.push(Slot { site: *id, positions });
                site.way = Way::Displaced(slot);
            }
            Err(reason) => {
                site.way = Way::InPlace;
                refused.push((*id, reason));
            }
        }
    }
    (scratch, refused)
}

fn is_call(instruction: &[u8]) -> bool {
    let decoded = crate::code::decode(instruction);
    decoded.first().is_some_and(|i| i.flow == Flow::Call)
}

impl Scratch {
    /// The sites that have a copy here.
    pub(crate) fn sites(&self) -> impl Iterator<Item = SiteId> {
        self.slots.iter().map(|slot| slot.site)
    }

    /// What is written there.
    pub(crate) fn code(&self) -> &[u8] {
        &self.code
    }

    /// Whether the memory of `by` has this scratch, written whole.
    ///
    /// # Errors
    /// ESRCH when `by` has no memory any more.
    pub(crate) fn is_there<K: Kernel>(&self, kernel: &mut K, by: Tid) -> Answer<bool> {
        let mut bytes = vec![0; self.code.len()];
        match kernel.read_memory(by, self.start, &mut bytes) {
            Ok(read) => Ok(read == bytes.len() && bytes == self.code),
            Err(Errno::ESRCH) => Err(Errno::ESRCH),
            // Nothing is mapped there.
            Err(_) => Ok(false),
        }
    }

    /// Where a thread with its pc at `pc` stands; `None` when that is not in here.
    pub(crate) fn find(&self, pc: RemoteAddr) -> Option<Found> {
        let offset = pc.0.checked_sub(self.start.0)?;
        let slot = self.slots.get(usize::try_from(offset / SLOT_SIZE).ok()?)?;
        let within = offset % SLOT_SIZE;
        let position = slot.positions.iter().find(|(at, _)| u64::from(*at) == within);
        Some(match position {
            Some((_, Position::Before)) => Found::Before {
                site: slot.site,
                pop: 0,
            },
            Some((_, Position::CallPushed)) => Found::Before {
                site: slot.site,
                pop: 8,
            },
            Some((_, Position::Behind(address))) => Found::At(*address),
            None => Found::Between,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> RemoteRange {
        RemoteRange {
            start: RemoteAddr(start),
            end: RemoteAddr(end),
        }
    }

    #[test]
    fn a_pie_gets_its_slots_below_it_and_at_a_distance() {
        let image = 0x5555_5555_4000;
        let maps = [
            Mapping::of_test(image, image + 0x5000),
            Mapping::of_test(0x7FFF_F7C0_0000, 0x7FFF_F7E0_0000),
        ];
        let place = places(&maps, range(image + 0x1000, image + 0x2000), 8192)[0];
        assert!(place.0 + 8192 + DISTANCE <= image);
        assert!(image + 0x2000 - place.0 < REACH);
    }

    #[test]
    fn a_fixed_program_gets_them_in_the_little_room_below_it() {
        let maps = [
            Mapping::of_test(0x40_0000, 0x40_5000),
            Mapping::of_test(0x40_5000, 0x42_6000),
        ];
        let place = places(&maps, range(0x40_1000, 0x40_2000), 8192)[0];
        assert!(place.0 >= LOWEST && place.0 + 8192 < 0x40_0000);
    }

    #[test]
    fn a_library_among_libraries_gets_the_nearest_gap() {
        let maps = [
            Mapping::of_test(0x7F00_0000_0000, 0x7F00_0010_0000),
            Mapping::of_test(0x7F00_0020_0000, 0x7F00_0030_0000),
        ];
        let place = places(&maps, range(0x7F00_0020_1000, 0x7F00_0020_2000), 4096)[0];
        assert!(
            place.0 >= 0x7F00_0010_0000 && place.0 + 4096 <= 0x7F00_0020_0000,
            "{place}"
        );
    }

    #[test]
    fn no_gap_in_reach_is_no_place() {
        let all = [Mapping::of_test(0, 0x7FFF_FFFF_F000)];
        assert_eq!(places(&all, range(0x40_1000, 0x40_2000), 4096), []);
    }

    #[test]
    fn a_thread_in_a_slot_is_told_where_it_would_stand() {
        let mut table = SiteTable::default();
        let push = table.add(RemoteAddr(0x40_1000), vec![0x55], Way::Open);
        let call = table.add(RemoteAddr(0x40_1001), vec![0xFF, 0xD0], Way::Open);
        let kernel = table.add(RemoteAddr(0x40_1003), vec![0x0F, 0x05], Way::Open);
        let start = RemoteAddr(0x30_0000);
        let (scratch, refused) = lay_out(&mut table, &[push, call, kernel], start, Calls::Pushed);
        let bytes = scratch.code();
        assert_eq!(bytes.len(), 64);
        assert_eq!(refused, [(kernel, NotRelocatable::EntersKernel)]);
        assert_eq!(scratch.find(start), Some(Found::Before { site: push, pop: 0 }));
        assert_eq!(
            scratch.find(start.plus(1)),
            Some(Found::At(RemoteAddr(0x40_1001)))
        );
        assert_eq!(
            scratch.find(start.plus(SLOT_SIZE)),
            Some(Found::Before { site: call, pop: 0 })
        );
        assert_eq!(
            scratch.find(start.plus(SLOT_SIZE + 6)),
            Some(Found::Before { site: call, pop: 8 })
        );
        assert_eq!(scratch.find(start.plus(2)), Some(Found::Between));
        assert_eq!(scratch.find(start.plus(2 * SLOT_SIZE)), None);
        assert_eq!(scratch.find(RemoteAddr(0x40_1000)), None);
    }

    #[test]
    fn c041_with_a_shadow_stack_calls_alone_stay_at_their_place() {
        let mut table = SiteTable::default();
        let [push, direct, indirect, back] = [
            (0x40_1000, vec![0x55]),
            (0x40_1001, vec![0xE8, 0, 0, 0, 0]),
            (0x40_1006, vec![0xFF, 0xD0]),
            (0x40_1008, vec![0xC3]),
        ]
        .map(|(at, code)| table.add(RemoteAddr(at), code, Way::Open));
        let sites = [push, direct, indirect, back];
        let (_, refused) = lay_out(&mut table, &sites, RemoteAddr(0x30_0000), Calls::AtTheirPlace);
        let reason = NotRelocatable::ShadowStack;
        assert_eq!(refused, [(direct, reason), (indirect, reason)]);
        let in_place = sites.map(|id| table.get(id).way == Way::InPlace);
        assert_eq!(in_place, [false, true, true, false]);
    }
}
