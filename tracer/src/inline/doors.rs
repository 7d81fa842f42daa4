//! Where the original code leads into the copy: a jump of five bytes, one of two to an island, or a breakpoint.
//!
//! Must not know: what the copy does.
//!
//! ```text
//! original:  e8 .. .. .. ..          a call that is run here, for the return address that it pushes
//!            e9 .. .. .. ..          door: the place behind it, so that its return leads into the copy
//!            c9 c3                   nobody comes here any more: but for sites' breakpoints left as it was
//! ```
//! Only doors are ever run, and calls at their place. Everything else of a routine is out of use from then on, but for
//! threads that come back to it from a signal's handler; so nothing is overwritten that is not needed.

use super::routine::Routine;
use crate::addr::{RemoteAddr, RemoteRange};
use crate::arch::distance;
use crate::code::Flow;
use crate::sys::Answer;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of `jmp rel32`.
pub(crate) const LONG: u64 = 5;
/// The first of them.
pub(crate) const JUMP: u8 = 0xE9;
/// Bytes of `jmp rel8`.
const SHORT: u64 = 2;

/// What a door is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// A long jump into the copy.
    Long,
    /// A long jump over instructions that somebody may come back to (`guards`).
    Guarded,
    /// A short jump to a long one at this address.
    Island(RemoteAddr),
    /// A breakpoint.
    Stop,
}

/// Whether code may be run that was left behind: by threads that were in it when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// Nobody has ever run it.
    None,
    /// Somebody may come back to any instruction.
    Some,
}

/// The doors of a routine, and the calls that stay at their place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doors {
    pub(crate) doors: BTreeMap<RemoteAddr, Door>,
    /// Addresses of calls whose bytes stay.
    pub(crate) kept: BTreeSet<RemoteAddr>,
}

impl Doors {
    /// Whether the instruction at `at` begins where a long jump lies.
    pub(crate) fn is_covered(&self, at: RemoteAddr) -> bool {
        let nearest = self.doors.range(..=at).next_back();
        nearest.is_some_and(|(door, what)| matches!(what, Door::Long | Door::Guarded) && at < door.plus(LONG))
    }
}

/// Plans the doors of `routine`.
pub(crate) fn plan(routine: &Routine, past: Past) -> Doors {
    let mut wanted: BTreeSet<RemoteAddr> = routine.returns.clone();
    wanted.insert(routine.entry);
    wanted.extend(&routine.request.landing_pads);
    let mut closed = wanted.clone();
    closed.extend(&routine.table_targets);
    let range_end = |at: RemoteAddr| {
        let range = routine.request.ranges.iter().find(|range| range.contains(at));
        range.map_or(at, |range| range.end)
    };
    let free = |at: RemoteAddr, length: u64| {
        let end = at.plus(length);
        let others = closed.range(at.plus(1)..end).next();
        end <= range_end(at) && others.is_none()
    };
    let mut plan = Doors::default();
    let mut taken: Vec<RemoteRange> = Vec::new();
    let mut left = Vec::new();
    for at in wanted {
        if free(at, LONG) {
            let door = match past {
                Past::Some if inside(routine, at).next().is_some() => Door::Guarded,
                Past::Some | Past::None => Door::Long,
            };
            plan.doors.insert(at, door);
            taken.push(RemoteRange {
                start: at,
                end: at.plus(LONG),
            });
        } else if free(at, SHORT) {
            left.push(at);
        } else {
            plan.doors.insert(at, Door::Stop);
            taken.push(RemoteRange {
                start: at,
                end: at.plus(1),
            });
        }
    }
    // A short door may lie in front of a call that can still stay.
    for at in &left {
        taken.push(RemoteRange {
            start: *at,
            end: at.plus(SHORT),
        });
    }
    for (at, instruction) in &routine.instructions {
        let end = at.plus(instruction.bytes.len() as u64);
        if instruction.flow == Flow::Call && !overlaps(&taken, *at, end) {
            plan.kept.insert(*at);
            taken.push(RemoteRange { start: *at, end });
        }
    }
    taken.sort();
    for at in left {
        let island = match past {
            Past::None => island(routine, &closed, &taken, at),
            Past::Some => None,
        };
        match island {
            Some(island) => {
                let range = RemoteRange {
                    start: island,
                    end: island.plus(LONG),
                };
                let place = taken.partition_point(|other| *other < range);
                taken.insert(place, range);
                plan.doors.insert(at, Door::Island(island));
            }
            None => {
                plan.doors.insert(at, Door::Stop);
            }
        }
    }
    plan
}

/// The bytes of a long jump.
///
/// # Errors
/// ERANGE where it does not reach.
pub(crate) fn long_jump(from: RemoteAddr, to: RemoteAddr) -> Answer<Vec<u8>> {
    let distance = distance(from.plus(LONG), to).or(Err(Errno::ERANGE))?;
    Ok([&[JUMP], distance.to_le_bytes().as_slice()].concat())
}

/// The instructions that begin within a long jump at `at`.
pub(crate) fn inside(routine: &Routine, at: RemoteAddr) -> impl Iterator<Item = RemoteAddr> {
    let within = routine.instructions.range(at.plus(1)..at.plus(LONG));
    within.map(|(inside, _)| *inside)
}

fn overlaps(taken: &[RemoteRange], start: RemoteAddr, end: RemoteAddr) -> bool {
    taken.iter().any(|range| range.start < end && start < range.end)
}

/// The nearest five bytes that nobody needs, within reach of a short jump at `at`.
fn island(
    routine: &Routine,
    closed: &BTreeSet<RemoteAddr>,
    taken: &[RemoteRange],
    at: RemoteAddr,
) -> Option<RemoteAddr> {
    let from = at.plus(SHORT);
    let range = *routine.request.ranges.iter().find(|range| range.contains(at))?;
    let lowest = RemoteAddr(from.0.saturating_sub(128).max(range.start.0));
    let highest = RemoteAddr((from.0 + 127).min(range.end.0.saturating_sub(LONG)));
    let near: Vec<_> = taken
        .iter()
        .filter(|range| range.end > lowest && range.start < highest.plus(LONG))
        .copied()
        .collect();
    let mut candidates: Vec<u64> = (lowest.0..=highest.0).collect();
    candidates.sort_by_key(|candidate| candidate.abs_diff(from.0));
    candidates.into_iter().map(RemoteAddr).find(|start| {
        let end = start.plus(LONG);
        closed.range(*start..end).next().is_none() && !overlaps(&near, *start, end)
    })
}
