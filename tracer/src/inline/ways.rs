//! The ways through a routine: which instruction is reached in which state.
//!
//! Must not know: what is written for them.

use super::routine::{BeginsLine, Routine};
use crate::addr::RemoteAddr;
use crate::code::Flow;
use crate::ids::SiteId;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// What a frame's thread has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum State {
    /// The entry, and no line yet.
    Entered,
    /// This site, last of those with a line.
    Passed(SiteId),
    /// Not known.
    Astray,
    /// Of no concern: the block is another thread's. It is on its way back to the original.
    Unwatched,
}

impl State {
    /// The state behind a site.
    pub(super) fn behind(self, routine: &Routine, at: RemoteAddr) -> Self {
        if self == Self::Unwatched {
            return self;
        }
        match routine.sites.get(&at) {
            Some(site) if site.line == BeginsLine::Yes => Self::Passed(site.site),
            Some(_) | None => self,
        }
    }

    /// The site, where one with a line was passed.
    pub(super) fn passed(self) -> Option<SiteId> {
        match self {
            Self::Passed(site) => Some(site),
            Self::Entered | Self::Astray | Self::Unwatched => None,
        }
    }
}

/// The ways through a routine.
#[derive(Debug, Default)]
pub(super) struct WaysThrough {
    /// What the stack pointer has moved since the last site, before an instruction in a state; at a site, before its event
    /// where the state is that before it.
    moved: HashMap<(RemoteAddr, State, Side), i64>,
    /// The states that calls are made in, by where they return to.
    pub(super) calls: BTreeMap<RemoteAddr, Vec<State>>,
}

/// Before or behind the event of an instruction's site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Before,
    Behind,
}

impl WaysThrough {
    /// From the entry, and from each site.
    pub(super) fn of(routine: &Routine) -> Self {
        let mut ways = Self::default();
        let mut open = Vec::new();
        ways.arrive(routine, routine.entry, State::Entered, 0, &mut open);
        for (at, site) in &routine.sites {
            if site.line == BeginsLine::Yes {
                ways.arrive(routine, *at, State::Passed(site.site), 0, &mut open);
            }
        }
        while let Some((at, state)) = open.pop() {
            let Some(instruction) = routine.instructions.get(&at) else {
                continue;
            };
            let moved = ways.moved(at, state, Side::Behind);
            let after = instruction.moves_sp.map_or(0, |by| moved + by);
            if instruction.flow == Flow::Call {
                let states = ways.calls.entry(routine.behind(at)).or_default();
                if !states.contains(&state) {
                    states.push(state);
                }
            }
            for to in routine.leads_to(at) {
                if routine.contains(to) {
                    ways.arrive(routine, to, state, after, &mut open);
                }
            }
        }
        ways
    }

    fn arrive(
        &mut self,
        routine: &Routine,
        at: RemoteAddr,
        state: State,
        moved: i64,
        open: &mut Vec<(RemoteAddr, State)>,
    ) {
        self.moved.entry((at, state, Side::Before)).or_insert(moved);
        let is_site = routine.sites.contains_key(&at);
        let behind = state.behind(routine, at);
        let key = (at, behind, Side::Behind);
        if let Entry::Vacant(place) = self.moved.entry(key) {
            place.insert(if is_site { 0 } else { moved });
            open.push((at, behind));
        }
    }

    fn moved(&self, at: RemoteAddr, state: State, side: Side) -> i64 {
        self.moved.get(&(at, state, side)).copied().unwrap_or(0)
    }

    /// What the stack pointer has moved since the last site, before the event at `at`.
    pub(super) fn moved_before(&self, at: RemoteAddr, state: State) -> i64 {
        self.moved(at, state, Side::Before)
    }

    /// The same before the instruction at `at`.
    pub(super) fn moved_at(&self, at: RemoteAddr, state: State) -> i64 {
        self.moved(at, state, Side::Behind)
    }
}
