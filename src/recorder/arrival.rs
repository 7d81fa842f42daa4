//! What the recorder is told when a thread arrives at a site.
//!
//! Must not know: what is made of it.
//!
//! Read on in `machine.rs`.

use crate::plan::{LineId, SiteIndex};
use crate::units::{Bytes, Change};

/// A thread, by a number that is never used for another one in the same recording.
///
/// The kernel uses thread ids again: a caller numbers its threads, or adds a serial number to the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadKey(pub u64);

/// A stack that a thread runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StackKey(pub u64);

impl StackKey {
    /// The one stack of a thread of which nothing more is known.
    pub const THREAD: StackKey = StackKey(0);
}

/// A value of the stack pointer. Stacks grow towards lower values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackPointer(pub u64);

/// Whether other threads could change the memory of the process meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Concurrency {
    /// The thread is the only one of its process.
    #[default]
    Alone,
    /// The process has more threads; what they do is in the reading too.
    Shared,
}

/// A thread is about to run the instruction of a site.
///
/// # What a caller supplies
///
/// - Arrivals of one thread in the order in which they happened, with the stack pointer *before* the instruction runs
///   and a reading of memory not older than the arrival before.
/// - [`Recorder::thread_started`](super::Recorder::thread_started) when a process gets another thread, and
///   [`Recorder::thread_ended`](super::Recorder::thread_ended) when one ends.
/// - `stack`: [`StackKey::THREAD`] will do for almost every program. A frame whose entry lies below the stack pointer
///   is then closed but remembered until its memory is used again; when a thread comes back into the middle of that
///   function, at the place on the stack where it was left, the frame goes on as though it had never been closed. So
///   coroutines, contexts of `ucontext` and handlers on a stack of their own need no key, whether their stack lies
///   above or below. A caller that knows the stack for certain (a runtime that moves stacks, the bounds given to
///   `sigaltstack`) names it by any number, and frames are then compared within it only.
/// - `entry_sp`: the stack pointer at the entry of the frame, where it is known (on x86-64 the CFA less 8). It only
///   matters at the first arrival in a frame whose entry was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Who arrives.
    pub thread: ThreadKey,
    /// On which of its stacks.
    pub stack: StackKey,
    /// Where.
    pub site: SiteIndex,
    /// The stack pointer.
    pub sp: StackPointer,
    /// The stack pointer at the frame's entry, where it is known.
    pub entry_sp: Option<StackPointer>,
    /// The process's memory now.
    pub memory: Bytes,
    /// Whether the process has other threads now.
    pub concurrency: Concurrency,
    /// Whether a frame that may end here does so.
    pub exits: Exits,
}

/// What an arrival was, for its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// The line that runs next: of several that begin at the site, the last.
    pub to: LineId,
    /// The line that has just run; `None` where the frame begins here, or is first seen here.
    pub ran: Option<Ran>,
}

/// One execution of a line: from the arrival of a frame to its next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// The line.
    pub line: LineId,
    /// What the memory of the process has changed by meanwhile, calls included.
    pub change: Change,
}

/// What an arrival says of the end of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Exits {
    /// What the plan says of the site.
    #[default]
    AsPlanned,
    /// Where the frame may end, nothing: it will be told.
    Later,
}

impl Arrival {
    /// An arrival of a thread that is alone in its process and has one stack.
    pub fn new(thread: ThreadKey, site: SiteIndex, sp: StackPointer, memory: Bytes) -> Arrival {
        Arrival {
            thread,
            stack: StackKey::THREAD,
            site,
            sp,
            entry_sp: None,
            memory,
            concurrency: Concurrency::Alone,
            exits: Exits::AsPlanned,
        }
    }
}
