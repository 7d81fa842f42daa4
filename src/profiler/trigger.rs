//! The trigger: whether memory has crossed a limit where a thread has come to, and what is done then.
//!
//! Must not know: processes. It decides.

use crate::profile::Limit;
use crate::recorder::Came;
use crate::units::{Bytes, Change};

/// Limits of memory, and what is done at the first line that is come to when one is crossed.
///
/// Each limit is told of once; a process that is left or killed tells of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trigger {
    /// The memory of the process is as much.
    pub at: Option<Bytes>,
    /// One execution of a line has added as much.
    pub increment: Option<Bytes>,
    /// What is done.
    pub then: Then,
}

/// What is done when a limit is crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// It is told, and profiled on.
    #[default]
    GoOn,
    /// The process is given back, stopped on the line by SIGSTOP.
    LeaveStopped,
    /// The process is killed.
    Kill,
}

impl Trigger {
    /// Whether any limit is set.
    pub fn is_set(&self) -> bool {
        self.at.is_some() || self.increment.is_some()
    }

    /// The limit that is crossed at an arrival with this memory; it is not told of again.
    ///
    /// Where both are, it is the memory's.
    pub(super) fn fire(&mut self, memory: Bytes, came: Came) -> Option<Limit> {
        let reached = |limit: &mut Bytes| memory >= *limit;
        if let Some(limit) = self.at.take_if(reached) {
            return Some(Limit::Memory(limit));
        }
        let added = came.ran.map_or(Change(0), |ran| ran.change);
        let added = u64::try_from(added.0).unwrap_or(0);
        let limit = self.increment.take_if(|limit| added >= limit.0)?;
        Some(Limit::Increment(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::LineId;
    use crate::recorder::Ran;

    fn came(change: i64) -> Came {
        let ran = Ran {
            line: LineId(0),
            change: Change(change),
        };
        Came {
            to: LineId(1),
            ran: Some(ran),
        }
    }

    #[test]
    fn memory_crosses_at_the_limit_and_once() {
        let limit = Bytes(100);
        let mut trigger = Trigger {
            at: Some(limit),
            ..Trigger::default()
        };
        assert_eq!(trigger.fire(Bytes(99), came(99)), None);
        assert_eq!(trigger.fire(Bytes(100), came(1)), Some(Limit::Memory(limit)));
        assert_eq!(trigger.fire(Bytes(101), came(1)), None);
    }

    #[test]
    fn a_line_crosses_by_what_it_adds() {
        let limit = Bytes(10);
        let mut trigger = Trigger {
            increment: Some(limit),
            ..Trigger::default()
        };
        let entered = Came {
            to: LineId(1),
            ran: None,
        };
        assert_eq!(trigger.fire(Bytes(500), entered), None);
        assert_eq!(trigger.fire(Bytes(500), came(9)), None);
        assert_eq!(trigger.fire(Bytes(500), came(-10)), None);
        assert_eq!(trigger.fire(Bytes(500), came(10)), Some(Limit::Increment(limit)));
        assert_eq!(trigger.fire(Bytes(500), came(10)), None);
    }

    #[test]
    fn without_limits_nothing_crosses() {
        assert!(!Trigger::default().is_set());
        assert_eq!(Trigger::default().fire(Bytes(u64::MAX), came(i64::MAX)), None);
    }
}
