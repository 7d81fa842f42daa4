//! The threads that hit last: among many threads they are looked at before all others.
//!
//! Must not know: stops, what a hit means.
//!
//! A wait for any looks at each tracee (do_wait, kernel/exit.c): 26 us for 2,000, against 11 for a whole hit. A wait for
//! one costs the same however many there are. A thread that has not hit for [`LENGTH`] hits is none of them any more.

use crate::ids::Tid;

/// So many hits back; no more threads than that.
const LENGTH: usize = 8;

/// The threads of the last hits, the one that waits longest for its turn first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent([Option<Tid>; LENGTH]);

impl Recent {
    /// A thread has hit.
    pub(crate) fn hit(&mut self, tid: Tid) {
        self.0.rotate_left(1);
        self.0[LENGTH - 1] = Some(tid);
    }

    /// Those of them that `may_stop`.
    pub(crate) fn among(&self, mut may_stop: impl FnMut(Tid) -> bool) -> Self {
        Self(self.0.map(|tid| tid.filter(|tid| may_stop(*tid))))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Each of them once, in the order of their last hits.
    pub(crate) fn threads(&self) -> impl Iterator<Item = Tid> {
        let again = |number: usize, tid: Tid| self.0[number + 1..].contains(&Some(tid));
        let known = self.0.iter().enumerate();
        known.filter_map(move |(number, tid)| tid.filter(|tid| !again(number, *tid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(hits: &[i32]) -> Vec<i32> {
        let mut recent = Recent::default();
        for tid in hits {
            recent.hit(Tid(*tid));
        }
        recent.threads().map(|tid| tid.0).collect()
    }

    #[test]
    fn each_thread_is_named_once_and_the_last_to_hit_last() {
        assert_eq!(after(&[]), [0; 0]);
        assert_eq!(after(&[1, 2, 1, 3, 3]), [2, 1, 3]);
    }

    #[test]
    fn a_thread_that_hits_no_more_is_forgotten() {
        assert_eq!(after(&[1, 2, 2, 2, 2, 2, 2, 2]), [1, 2]);
        assert_eq!(after(&[1, 2, 2, 2, 2, 2, 2, 2, 2]), [2]);
        assert_eq!(after(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn those_that_cannot_stop_are_left_out() {
        let mut recent = Recent::default();
        recent.hit(Tid(1));
        recent.hit(Tid(2));
        let running = recent.among(|tid| tid == Tid(2));
        assert_eq!(running.threads().collect::<Vec<_>>(), [Tid(2)]);
        assert!(recent.among(|_| false).is_empty());
    }
}
