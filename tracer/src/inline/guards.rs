//! Jumps that cannot be run from their middle: for doors that lie over instructions which somebody may come back to.
//!
//! Must not know: who comes back (a handler's saved pc, most often, which nobody can see), what the copy does.
//!
//! ```text
//! door:   e9 cc cc cc cc ──► landing: e9 .. .. .. .. ──► the copy
//!            └──┴──┴──┴── an instruction that began here is none any more: the thread stops, and goes on in the copy
//! ```
//! The distance of such a jump is given by the bytes that stop, so the landings lie as far from each other as the doors do:
//! pages of them mirror the code. The idea is LiteInst's (Chamith et al., PLDI 2017).

use super::doors::{JUMP, LONG, long_jump};
use super::space::Region;
use crate::addr::{RemoteAddr, RemoteRange};
use crate::address_space::map_executable;
use crate::arch::BREAKPOINT;
use crate::ids::{SpaceId, Tid};
use crate::scratch::PAGE;
use crate::session::Core;
use crate::sys::procfs::Mapping;
use crate::sys::{Answer, Kernel};
use nix::errno::Errno;
use std::collections::{BTreeMap, HashMap};

/// The highest bytes of a distance. The first is a breakpoint like the others, and leads 819 MiB down. Where there is
/// nothing below the code, up: as far as possible first, for the heap's sake (`scratch`). These are no instruction in
/// 64-bit mode (Intel SDM volume 2, table A-2).
const HIGHEST: [u8; 14] = [
    BREAKPOINT, 0x61, 0x60, 0x3F, 0x37, 0x2F, 0x27, 0x1F, 0x1E, 0x17, 0x16, 0x0E, 0x07, 0x06,
];

/// Doors that lie no further apart have one mapping for their landings.
const GAP: u64 = 1 << 20;
/// Kept between landings and what lies around them: a stack grows.
const MARGIN: u64 = 1 << 20;

/// Where the jump at `door` leads whose distance ends in this byte.
fn landing(door: RemoteAddr, highest: u8) -> RemoteAddr {
    let distance = i32::from_le_bytes([BREAKPOINT, BREAKPOINT, BREAKPOINT, highest]);
    RemoteAddr(door.0.wrapping_add(LONG).wrapping_add_signed(distance.into()))
}

/// Doors, in their order, by the mappings that their landings get.
fn groups(doors: &[RemoteAddr]) -> impl Iterator<Item = &[RemoteAddr]> {
    doors.chunk_by(|one, next| next.0 - one.0 <= GAP)
}

/// The pages of the landings of a group, where nothing is there yet but pages of landings in `own`.
fn pages(
    mappings: &[Mapping],
    own: &[RemoteRange],
    group: &[RemoteAddr],
    highest: u8,
) -> Option<RemoteRange> {
    let (first, last) = (*group.first()?, *group.last()?);
    let start = landing(first, highest).0 & !(PAGE - 1);
    let end = (landing(last, highest).0.checked_add(LONG)?).next_multiple_of(PAGE);
    // Below the code a distance may lead around the end of all addresses.
    let is_address = start >= MARGIN && end < (1 << 47) && start < end;
    let is_taken = |mapping: &Mapping| {
        let near = mapping.range.start.0 < end + MARGIN && start < mapping.range.end.0.saturating_add(MARGIN);
        near && !own.iter().any(|range| range.contains(mapping.range.start))
    };
    (is_address && !mappings.iter().any(is_taken)).then_some(RemoteRange {
        start: RemoteAddr(start),
        end: RemoteAddr(end),
    })
}

/// More is not looked at to find out what it is.
const LONGEST_LEFT: u64 = 16 << 20;

/// Whether memory holds landings and nothing else: jumps, and zeros between them.
fn are_landings(bytes: &[u8]) -> bool {
    let (mut at, mut jumps) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            0 => at += 1,
            JUMP => {
                jumps += 1;
                at += LONG as usize;
            }
            _ => return false,
        }
    }
    jumps > 0
}

/// The pages of `range` that are in none of `own`, as few ranges as can be.
fn missing(range: RemoteRange, own: &[RemoteRange]) -> Vec<RemoteRange> {
    let mut found: Vec<RemoteRange> = Vec::new();
    for page in (range.start.0..range.end.0)
        .step_by(PAGE as usize)
        .map(RemoteAddr)
    {
        if own.iter().any(|range| range.contains(page)) {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.end == page => last.end = page.plus(PAGE),
            _ => found.push(RemoteRange {
                start: page,
                end: page.plus(PAGE),
            }),
        }
    }
    found
}

impl<K: Kernel> Core<K> {
    /// Writes the landings of `doors`, each with where in the copy it leads: the landing of each that can have one.
    ///
    /// *State*: `tid` is stopped where calls can be run in it.
    pub(super) fn write_landings(
        &mut self,
        tid: Tid,
        space: SpaceId,
        doors: &BTreeMap<RemoteAddr, RemoteAddr>,
    ) -> Answer<HashMap<RemoteAddr, RemoteAddr>> {
        let at: Vec<RemoteAddr> = doors.keys().copied().collect();
        let mut landings = HashMap::new();
        // What is mapped here meanwhile are landings, which are known.
        let mappings = self.kernel.mappings(tid)?;
        for group in groups(&at) {
            for highest in HIGHEST {
                if let (Some(first), Some(last)) = (group.first(), group.last()) {
                    let ends = (landing(*first, highest), landing(*last, highest));
                    self.adopt_landings(tid, space, &mappings, ends)?;
                }
                let own = &self.spaces[space].inlined.landings;
                let Some(range) = pages(&mappings, own, group, highest) else {
                    continue;
                };
                if !self.map_landings(tid, space, range)? {
                    continue;
                }
                let of_door = |door: &RemoteAddr| Some((*door, landing(*door, highest), *doors.get(door)?));
                let all: Vec<_> = group.iter().filter_map(of_door).collect();
                let mut places = Vec::new();
                for (door, landing, to) in all {
                    let Ok(jump) = long_jump(landing, to) else {
                        continue;
                    };
                    self.kernel.write_memory(tid, landing, &jump)?;
                    let inlined = &self.spaces[space].inlined;
                    places.extend(inlined.find(to).map(|(place, state)| (landing, place, state)));
                    landings.insert(door, landing);
                }
                self.spaces[space].inlined.regions.push(Region { range, places });
                break;
            }
        }
        Ok(landings)
    }

    /// Takes over the pages that a session before has left for these landings: else there were no room after some sessions.
    fn adopt_landings(
        &mut self,
        tid: Tid,
        space: SpaceId,
        mappings: &[Mapping],
        (first, last): (RemoteAddr, RemoteAddr),
    ) -> Answer<()> {
        for there in mappings {
            let range = there.range;
            let near = range.start.0 < last.0 + LONG + MARGIN && first.0 < range.end.0.saturating_add(MARGIN);
            let may_be = there.executable && !there.writable && !there.shared && there.inode == 0;
            let length = range.end.0 - range.start.0;
            let own = &self.spaces[space].inlined.landings;
            let is_known = own.iter().any(|known| known.contains(range.start));
            if !near || !may_be || is_known || length > LONGEST_LEFT {
                continue;
            }
            let mut bytes = vec![0; length as usize];
            let read = self.kernel.read_memory(tid, range.start, &mut bytes)?;
            if read == bytes.len() && are_landings(&bytes) {
                self.spaces[space].inlined.landings.push(range);
            }
        }
        Ok(())
    }

    /// Maps what is not there yet of the pages of landings: whether all are there then.
    fn map_landings(&mut self, tid: Tid, space: SpaceId, range: RemoteRange) -> Answer<bool> {
        let mut caller = self.spaces[space].caller.clone();
        let mut all = true;
        for part in missing(range, &self.spaces[space].inlined.landings) {
            let size = part.end.0 - part.start.0;
            let mapped = map_executable(
                &mut caller,
                &mut self.kernel,
                tid,
                part.start,
                size,
                &mut self.parked,
            );
            match mapped {
                Ok(_) => self.spaces[space].inlined.landings.push(part),
                Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                Err(errno) => {
                    tracing::debug!(start = %part.start, %errno, "no landings here");
                    all = false;
                }
            }
        }
        self.spaces[space].caller = caller;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_the_jump_to_a_landing_stops() {
        let door = RemoteAddr(0x5555_5555_1234);
        for highest in HIGHEST {
            let distance = crate::arch::distance(door.plus(LONG), landing(door, highest));
            let bytes = distance.expect("in reach").to_le_bytes();
            assert_eq!(bytes, [BREAKPOINT, BREAKPOINT, BREAKPOINT, highest]);
            let decoded = crate::code::decode(&[&[highest], [0x90; 14].as_slice()].concat());
            assert!(
                highest == BREAKPOINT || decoded.is_empty(),
                "{highest:x}: {decoded:?}"
            );
        }
    }

    #[test]
    fn landings_lie_where_nothing_is() {
        let doors = [RemoteAddr(0x5555_5555_1000), RemoteAddr(0x5555_5555_1FFE)];
        let found = pages(&[], &[], &doors, BREAKPOINT).expect("room");
        assert_eq!(found.start.0, landing(doors[0], BREAKPOINT).0 & !0xFFF);
        assert!(found.end.0 >= landing(doors[1], BREAKPOINT).0 + LONG);
        let above = Mapping::of_test(found.end.0 + MARGIN, found.end.0 + 2 * MARGIN);
        let below = Mapping::of_test(0x1000, found.start.0 - MARGIN);
        assert!(pages(&[below, above], &[], &doors, BREAKPOINT).is_some());
        let too_near = Mapping::of_test(found.end.0 + MARGIN - PAGE, found.end.0 + MARGIN);
        let mappings = [too_near];
        assert_eq!(pages(&mappings, &[], &doors, BREAKPOINT), None);
        let own = [mappings[0].range];
        assert_eq!(pages(&mappings, &own, &doors, BREAKPOINT), Some(found));
    }

    #[test]
    fn pages_that_are_there_are_not_mapped_again() {
        let range = |start, end| RemoteRange {
            start: RemoteAddr(start),
            end: RemoteAddr(end),
        };
        let whole = range(0x1000, 0x5000);
        assert_eq!(missing(whole, &[]), [whole]);
        let parts = [range(0x1000, 0x2000), range(0x3000, 0x5000)];
        assert_eq!(missing(whole, &[range(0x2000, 0x3000)]), parts);
        assert_eq!(missing(whole, &[range(0, 0x9000)]), []);
    }

    #[test]
    fn below_code_at_low_addresses_there_is_no_room() {
        let low = [RemoteAddr(0x40_1000)];
        assert_eq!(pages(&[], &[], &low, BREAKPOINT), None);
        assert!(pages(&[], &[], &low, 0x61).is_some());
    }

    #[test]
    fn landings_are_known_by_what_is_in_them() {
        let jump = [JUMP, 1, 2, 3, 4];
        assert!(are_landings(&[[0; 7].as_slice(), &jump, &[0; 3], &jump].concat()));
        assert!(!are_landings(&[0; 64]), "anybody's");
        assert!(!are_landings(&[&jump, [0x90].as_slice()].concat()), "code");
    }

    #[test]
    fn doors_far_apart_have_mappings_of_their_own() {
        let doors = [0x1000, 0x2000, 0x2000 + GAP, 0x3001 + 2 * GAP].map(RemoteAddr);
        let lengths: Vec<usize> = groups(&doors).map(<[RemoteAddr]>::len).collect();
        assert_eq!(lengths, [3, 1]);
    }
}
