//! The recorder: turns arrivals at sites into charges of memory to lines.
//!
//! Must not know: processes, files, source text, how a site is planted, where a reading of memory comes from.
//!
//! ```text
//! arrive(thread, stack, site, sp, memory)
//!   │ frames below sp are gone ........ frames   (which activation is this?)
//!   │ memory - mark to the old line ... ledger   (what did its line cost?)
//!   ▼ previous site -> this site ...... edges    (how often? counted at the end by `occurrences`)
//! Recording
//! ```
//!
//! What a thread did at one reading of memory is taken in at once, as a [`Stretch`], where a caller has counted the steps.
//!
//! A frame is known by the stack pointer at its entry, where the return address is. What a caller must supply, and how
//! stacks are told apart, is said at [`Arrival`]; how recursion and overlapping frames are charged, in `ledger.rs`.
//! Nothing is allocated, and nothing but one small array searched, at an arrival like one seen before.

mod arrival;
mod aside;
mod calls;
mod edges;
mod frames;
mod ledger;
mod machine;
mod outline;
mod paged;
mod recording;
mod sites;
mod stretch;
mod threads;

#[cfg(test)]
mod tests;

pub use arrival::{Arrival, Came, Concurrency, Exits, Ran, StackKey, StackPointer, ThreadKey};
pub use calls::{Calls, Level, Moment, RecordedCall};
pub use edges::{EdgeCounts, Previous};
pub use machine::Recorder;
pub use outline::OpenFrame;
pub use recording::{RecordedFunction, RecordedLine, Recording};
pub use stretch::{Begun, Place, Resumed, Step, Stretch};
