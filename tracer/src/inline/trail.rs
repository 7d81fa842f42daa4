//! What the agent tells: words become passages.
//!
//! Must not know: where the words come from, what a site is for. What the program may have written over is checked: a
//! number that names nothing is no passage.

use super::numbers::{CallPoint, Numbers};
use crate::addr::RemoteAddr;
use crate::agent::layout::{
    ARRIVAL_WORDS, BEGUN_WORDS, END_OF_STEPS, RESUMED, RESUMED_AT_SITE, SHARED, STRAY, STRAY_EXIT,
};
use crate::ids::{SiteId, TraceeId};
use crate::passage::{Arrived, Begun, Exits, Passage, Resumed, Standing};

/// Words of one thread, of which the last entry may not be whole yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    words: Vec<u64>,
}

impl Trail {
    pub(crate) fn push(&mut self, words: impl Iterator<Item = u64>) {
        self.words.extend(words);
    }

    /// Takes the passages that are whole.
    pub(crate) fn take(&mut self, thread: TraceeId, numbers: &Numbers, into: &mut Vec<Passage>) {
        let mut at = 0;
        while let Some((passage, length)) = read(&self.words[at..], thread, numbers) {
            into.push(passage);
            at += length;
        }
        self.words.drain(..at);
    }
}

/// Where a frame of a routine stands by a word of a trail; `None` when there is no such routine.
pub(crate) fn standing(routine: u64, place: u64, sp: u64, numbers: &Numbers) -> Option<Standing> {
    let entry = numbers.entry_of(routine)?;
    let place = place & !RESUMED;
    if place & RESUMED_AT_SITE != 0 {
        let site = (place & !RESUMED_AT_SITE) as u32;
        return Some(Standing {
            entry,
            passed: site.checked_sub(1).map(SiteId),
            sp: RemoteAddr(sp),
        });
    }
    let none = CallPoint {
        passed: None,
        moved: 0,
    };
    let point = usize::try_from(place)
        .ok()
        .and_then(|n| numbers.call_points.get(n))
        .unwrap_or(&none);
    Some(Standing {
        entry,
        passed: point.passed,
        sp: RemoteAddr(sp.wrapping_sub(point.moved.cast_unsigned())),
    })
}

fn read(words: &[u64], thread: TraceeId, numbers: &Numbers) -> Option<(Passage, usize)> {
    let head = words.get(..ARRIVAL_WORDS)?;
    let begun_count = (head[1] as u32) as usize;
    let known = head[1] >> 32;
    let mut at = ARRIVAL_WORDS;
    let mut begun = Vec::with_capacity(begun_count.min(words.len()));
    for _ in 0..begun_count {
        let frame = words.get(at..at + BEGUN_WORDS)?;
        at += BEGUN_WORDS;
        if let Some(stands) = standing(frame[1], frame[2], frame[3], numbers) {
            begun.push(Begun {
                entry_sp: RemoteAddr(frame[0]),
                stands,
            });
        }
    }
    let mut steps = Vec::new();
    loop {
        let word = *words.get(at)?;
        at += 1;
        if word == END_OF_STEPS {
            break;
        }
        let (counter, times) = (word as u32, word >> 32);
        if let Some(step) = numbers.steps.get(counter as usize) {
            steps.push((*step, times));
        }
    }
    let kind = (head[0] & 0xFF) as u32;
    let site = SiteId((head[0] >> 32) as u32);
    let may_exit = numbers.may_exit.contains(&site);
    // A site without a line leaves a thread astray, and what becomes of its frame is not seen.
    let astray = matches!(kind, STRAY | STRAY_EXIT) && numbers.lineless.contains(&site);
    let passage = Passage {
        thread,
        memory: head[2],
        shared: head[0] & SHARED != 0,
        ended: (head[6] != 0).then_some(RemoteAddr(head[6])),
        resumed: match head[7] & RESUMED {
            0 => None,
            _ => standing(known, head[7], head[8], numbers).map(|stands| Resumed {
                entry_sp: (head[9] != 0).then_some(RemoteAddr(head[9])),
                stands,
            }),
        },
        begun,
        steps,
        arrived: Some(Arrived {
            site,
            sp: RemoteAddr(head[4]),
            base_pointer: head[5],
            memory: head[3],
            exits: if may_exit && !astray {
                Exits::Later
            } else {
                Exits::AsPlanned
            },
        }),
    };
    Some((passage, at))
}

impl Numbers {
    fn entry_of(&self, routine: u64) -> Option<SiteId> {
        usize::try_from(routine)
            .ok()
            .and_then(|n| self.entries.get(n))
            .copied()
    }
}
