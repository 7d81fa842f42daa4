//! Numbers that generated code, the agent and the tracer know things by.
//!
//! Must not know: where code is.

use crate::addr::RemoteAddr;
use crate::agent::layout::Descriptor;
use crate::ids::SiteId;
use crate::passage::Step;
use std::collections::HashSet;

/// A call that a frame may stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallPoint {
    /// The site passed last; none when no line has begun.
    pub(crate) passed: Option<SiteId>,
    /// What the stack pointer has moved since.
    pub(crate) moved: i64,
}

/// Numbers that are given once in a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) descriptors: Vec<Descriptor>,
    /// Where a thread in an event's code is let run to, one for each descriptor.
    pub(crate) ends: Vec<RemoteAddr>,
    /// What each counter counts.
    pub(crate) steps: Vec<Step>,
    /// The first is none.
    pub(crate) call_points: Vec<CallPoint>,
    /// The first counter of each routine, and the one behind its last.
    pub(crate) routines: Vec<(u32, u32)>,
    /// The entry of each routine.
    pub(crate) entries: Vec<SiteId>,
    /// Sites whose instruction may jump out of the routine.
    pub(crate) may_exit: HashSet<SiteId>,
    /// Sites where no line begins.
    pub(crate) lineless: HashSet<SiteId>,
}

impl Numbers {
    pub(super) fn lengths(&self) -> [usize; 4] {
        [
            self.descriptors.len(),
            self.ends.len(),
            self.steps.len(),
            self.call_points.len(),
        ]
    }

    pub(super) fn cut(&mut self, [descriptors, ends, steps, call_points]: [usize; 4]) {
        self.descriptors.truncate(descriptors);
        self.ends.truncate(ends);
        self.steps.truncate(steps);
        self.call_points.truncate(call_points);
    }
}
