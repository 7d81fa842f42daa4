//! What the client is told of threads that did not stop: steps, frames, and arrivals at which memory had changed.
//!
//! Must not know: how it was found out (`inline`).

use crate::addr::RemoteAddr;
use crate::ids::{SiteId, TraceeId};

/// What an inline engine counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A frame came to a site.
    Into {
        /// The last site with a line that it passed before; `None` when it had just been entered.
        previous: Option<SiteId>,
        /// The site.
        site: SiteId,
    },
    /// A frame ended at a site by a jump that is not always taken.
    Out {
        /// The last site with a line that it passed: this one, where it has a line.
        previous: Option<SiteId>,
        /// The site.
        site: SiteId,
    },
}

/// What a thread did since it was last told of, without a stop: all of it at one reading of memory, and then perhaps an
/// arrival at another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The thread.
    pub thread: TraceeId,
    /// The memory that held throughout, in bytes.
    pub memory: u64,
    /// Whether the process had more threads.
    pub shared: bool,
    /// Frames of before have ended: those whose entry is at this stack pointer or below.
    pub ended: Option<RemoteAddr>,
    /// Where the innermost frame of those that were known stands now, if one is left.
    pub resumed: Option<Resumed>,
    /// Frames that have begun and not ended, outermost first.
    pub begun: Vec<Begun>,
    /// How often it stepped from where to where.
    pub steps: Vec<(Step, u64)>,
    /// What came after all that.
    pub arrived: Option<Arrived>,
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The site at its routine's entry.
    pub entry: SiteId,
    /// The last site with a line that it passed; `None` before the first.
    pub passed: Option<SiteId>,
    /// The stack pointer at its last arrival.
    pub sp: RemoteAddr,
}

/// A frame that began before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The stack pointer at its entry; `None` where that was not seen.
    pub entry_sp: Option<RemoteAddr>,
    /// Where it stands now.
    pub stands: Standing,
}

/// A frame that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The stack pointer at its entry.
    pub entry_sp: RemoteAddr,
    /// Where it stands.
    pub stands: Standing,
}

/// An arrival that was told of without a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The site.
    pub site: SiteId,
    /// The stack pointer.
    pub sp: RemoteAddr,
    /// The register that many functions address their frame by.
    pub base_pointer: u64,
    /// Memory now, in bytes.
    pub memory: u64,
    /// Whether the frame's end is told with the arrival.
    pub exits: Exits,
}

/// What an arrival at a site says of its frame's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exits {
    /// What the site says.
    AsPlanned,
    /// Nothing: a jump that may leave the routine is still to be made, and if it leaves, that is told by itself.
    Later,
}
