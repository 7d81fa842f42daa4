//! The threads of a recording.
//!
//! Must not know: what happens at an arrival.
//!
//! The same thread mostly arrives again: it is tried first. Otherwise it is looked for among sorted keys, ten
//! comparisons with a thousand threads.

use super::arrival::{StackKey, ThreadKey};
use super::frames::Stack;
use super::ledger::Tally;

/// One thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Thread {
    pub(super) stacks: Stacks,
    pub(super) tally: Tally,
}

/// The stacks of one thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Stacks {
    all: Vec<Stack>,
    latest: usize,
}

impl Stacks {
    pub(super) fn stack(&mut self, key: StackKey) -> &mut Stack {
        if self.all.get(self.latest).is_none_or(|stack| stack.key != key) {
            self.latest = match self.all.iter().position(|stack| stack.key == key) {
                Some(known) => known,
                None => {
                    self.all.push(Stack::new(key));
                    self.all.len() - 1
                }
            };
        }
        &mut self.all[self.latest]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stack> {
        self.all.iter()
    }

    pub(super) fn push(&mut self, stack: Stack) {
        self.all.push(stack);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stack> {
        self.all.iter_mut()
    }
}

/// All threads that have not ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Threads {
    /// Sorted, in step with `threads`.
    keys: Vec<ThreadKey>,
    threads: Vec<Thread>,
    latest: usize,
}

impl Threads {
    /// The thread `key`; new if it was not known.
    pub(super) fn thread(&mut self, key: ThreadKey) -> &mut Thread {
        if self.keys.get(self.latest) != Some(&key) {
            self.latest = match self.keys.binary_search(&key) {
                Ok(known) => known,
                Err(place) => {
                    self.keys.insert(place, key);
                    self.threads.insert(place, Thread::default());
                    place
                }
            };
        }
        &mut self.threads[self.latest]
    }

    pub(super) fn get(&self, key: ThreadKey) -> Option<&Thread> {
        self.keys
            .binary_search(&key)
            .ok()
            .map(|place| &self.threads[place])
    }

    pub(super) fn remove(&mut self, key: ThreadKey) -> Option<Thread> {
        let place = self.keys.binary_search(&key).ok()?;
        self.keys.remove(place);
        Some(self.threads.remove(place))
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = Thread> {
        self.threads.into_iter()
    }
}
