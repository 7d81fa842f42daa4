//! What a client decides before a session begins.
//!
//! Must not know: how it is done.

use crate::address_space::Engine;
use crate::affinity::Pinning;

/// How a session does its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which engine runs the instructions under the sites.
    pub engine: Engine,
    /// What an inline engine reads in the process.
    pub gauge: Gauge,
    /// How an inline engine hears that memory has changed.
    pub gates: Gates,
    /// Who looks after what runs inline.
    pub keeper: Keeper,
    /// Whether hot threads are bound to the tracer's processor.
    pub pinning: Pinning,
    /// What becomes of processes that the process makes.
    pub children: Children,
}

/// What becomes of the processes that a traced one makes, and of what it becomes by exec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Children {
    /// They run on untraced, with clean code.
    #[default]
    RunFree,
    /// They are traced like the first one, and what they become by exec: [`crate::Event::Began`].
    Followed,
}

/// Who looks after the code of an inline engine, which stays in the process whatever becomes of the tracer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeper {
    /// The tracer: it serves breakpoints, gives new threads what they need, keeps handlers out of the middle of an event.
    #[default]
    Tracer,
    /// Nobody: all of that must go well also when the tracer has been killed. Routines for which it might not are left out.
    Nobody,
}

/// How code in the process hears that its memory may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gates {
    /// From the kernel where it tells, else it looks each time.
    #[default]
    Cheapest,
    /// It looks each time.
    Statm,
    /// It looks each time whether the kernel has told it: [`crate::Counts::gate_failed`].
    Verified,
}

/// What memory an inline engine reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gauge {
    /// Resident pages.
    #[default]
    Resident,
    /// Resident pages that no file backs.
    Anonymous,
}
