//! What a session tells its client.
//!
//! Must not know: lines, memory sizes. A hit is a thread at a site; what it means is the client's.

use crate::arch::Registers;
use crate::ids::{SiteId, SpaceId, TraceeId};
use crate::sys::Signal;

/// Something the client should see. The thread it is about stays stopped until the next event is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a hit is the common case; boxing it would allocate at every stop"
)]
pub enum Event {
    /// A thread has arrived at a site and has not yet run the instruction there.
    Hit(Hit),
    /// A thread is about to end; the memory of its process can still be read.
    ThreadEnding(TraceeId),
    /// A thread has no room left for what it has to tell: there are passages to take ([`crate::Session::take_passages`]).
    Passed,
    /// Every thread has stopped by this signal, until SIGCONT comes.
    Stopped(Signal),
    /// The process has become another program. It runs on untraced, or, where processes are followed, the next event
    /// is that the new program begins.
    Executed,
    /// A process that is followed stands before its first instruction ([`crate::Children::Followed`]).
    Began(Beginning),
    /// The process has ended. No event of it follows.
    Ended(End),
    /// Where processes are followed: nobody is traced any more. The last to end was none of them, but shared the
    /// memory of one.
    Over,
    /// A [`crate::StopHandle`] asked the session to stop; the process goes on, still traced.
    StopRequested,
    /// A [`crate::StopHandle`] has woken the session: there is nothing but what the client wants to do now. It is about
    /// the process of the event before.
    Woken,
}

/// What a process that is followed begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// A copy of this memory, with the same sites under the same numbers.
    Fork(SpaceId),
    /// A program of its own, without sites.
    Exec,
}

/// What tells code in the process that its memory may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateKind {
    /// The kernel, at its tracepoint `kmem:rss_stat`.
    RssStat,
    /// Nobody: it looks each time.
    Statm,
    /// The kernel, and it looks each time whether that is so.
    Verified,
}

impl std::fmt::Display for GateKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RssStat => "rss_stat",
            Self::Statm => "statm",
            Self::Verified => "rss_stat, verified",
        })
    }
}

/// One arrival at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The thread.
    pub thread: TraceeId,
    /// The site.
    pub site: SiteId,
    /// The registers as the thread has them at the site: the pc is the site's address.
    pub registers: Registers,
    /// How many threads of the process are alive.
    pub threads: usize,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(Signal),
}

/// What a session did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stops at a site.
    pub stops: u64,
    /// Sites that cost no stop.
    pub inline: usize,
    /// What tells those that memory has changed, when there are some.
    pub gate: Option<GateKind>,
    /// Changes of any process's memory that the kernel did not tell the gate of.
    pub gate_missed: u64,
    /// Events before which memory had changed unheard of, where that was looked for: [`crate::Gates::Verified`].
    pub gate_failed: u64,
    /// Sites whose instruction runs from a copy.
    pub displaced: usize,
    /// Sites whose instruction is stepped at its own place.
    pub in_place: usize,
    /// Pages of code in which a byte of ours was put: private to the process since then.
    pub code_pages: usize,
}
