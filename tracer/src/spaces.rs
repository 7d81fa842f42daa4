//! The memories of a session: one, or one for each process and program that is followed.
//!
//! Must not know: processes, threads' states. It is told how many threads each has.
//!
//! ```text
//! SpaceId ──► AddressSpace, its threads       vfork, CLONE_VM: the same one    fork: a copy    exec: an empty one
//! ```
//! A number is never used again, so it names one memory for the whole session. What a memory held is kept for a while
//! when its last thread has gone: a child may be heard of later than the end of its parent.

use crate::address_space::{AddressSpace, Engine};
use crate::ids::SpaceId;
use crate::options::Keeper;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

/// How many memories that nobody lives in are kept.
const KEPT: usize = 64;

/// The memories, by their numbers.
#[derive(Debug)]
pub(crate) struct Spaces {
    engine: Engine,
    keeper: Keeper,
    all: Vec<Lived>,
    /// Those that the last thread has left, the latest last.
    empty: VecDeque<SpaceId>,
}

#[derive(Debug)]
struct Lived {
    space: AddressSpace,
    threads: usize,
}

impl Spaces {
    /// With the first, which nobody lives in yet.
    pub(crate) fn new(engine: Engine, keeper: Keeper) -> Self {
        let mut spaces = Self {
            engine,
            keeper,
            all: Vec::new(),
            empty: VecDeque::new(),
        };
        spaces.add_empty();
        spaces
    }

    pub(crate) fn add(&mut self, space: AddressSpace) -> SpaceId {
        // As many forks take more than a year.
        let id = SpaceId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(Lived { space, threads: 0 });
        id
    }

    pub(crate) fn add_empty(&mut self) -> SpaceId {
        self.add(AddressSpace::new(self.engine, self.keeper))
    }

    /// A thread lives in it.
    pub(crate) fn enter(&mut self, id: SpaceId) {
        self.all[id.index()].threads += 1;
    }

    /// A thread lives in it no more.
    pub(crate) fn leave(&mut self, id: SpaceId) {
        let lived = &mut self.all[id.index()];
        lived.threads -= 1;
        if lived.threads == 0 {
            self.empty.push_back(id);
        }
    }

    /// How many traced threads live in it.
    pub(crate) fn users(&self, id: SpaceId) -> usize {
        self.all[id.index()].threads
    }

    /// Drops what nobody has lived in for long.
    ///
    /// The first is kept: its process is heard of even when it is traced no more.
    pub(crate) fn clear_empty(&mut self) {
        while self.empty.len() > KEPT
            && let Some(id) = self.empty.pop_front()
        {
            let lived = &mut self.all[id.index()];
            if lived.threads == 0 && id != SpaceId::FIRST {
                lived.space = AddressSpace::new(self.engine, self.keeper);
            }
        }
    }

    /// Those of which a process may have a copy: those that are kept, and those where somebody lives.
    pub(crate) fn copied_from(&self) -> Vec<SpaceId> {
        let empty = self.empty.iter().copied().filter(|id| self.users(*id) == 0);
        empty.chain(self.lived_in()).collect()
    }

    /// Those where somebody lives.
    pub(crate) fn lived_in(&self) -> impl Iterator<Item = SpaceId> {
        let numbered = (0..).map(SpaceId).zip(&self.all);
        numbered.filter(|(_, lived)| lived.threads > 0).map(|(id, _)| id)
    }
}

impl Index<SpaceId> for Spaces {
    type Output = AddressSpace;

    fn index(&self, id: SpaceId) -> &AddressSpace {
        &self.all[id.index()].space
    }
}

impl IndexMut<SpaceId> for Spaces {
    fn index_mut(&mut self, id: SpaceId) -> &mut AddressSpace {
        &mut self.all[id.index()].space
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_memory_held_is_kept_for_a_while() {
        let mut spaces = Spaces::new(Engine::Displaced, Keeper::Tracer);
        let leave_one = |spaces: &mut Spaces| {
            let one = spaces.add_empty();
            spaces.enter(one);
            spaces[one].stops = 3;
            spaces.leave(one);
            spaces.clear_empty();
            one
        };
        let one = leave_one(&mut spaces);
        for _ in 1..KEPT {
            leave_one(&mut spaces);
        }
        assert_eq!((spaces[one].stops, spaces.lived_in().count()), (3, 0));
        assert_eq!(spaces.copied_from().len(), KEPT);
        assert_ne!(leave_one(&mut spaces), one, "a number names one memory only");
        assert_eq!(spaces[one].stops, 0);
        assert!(!spaces.copied_from().contains(&one));
    }
}
