//! The inline engine: sites that cost no stop.
//!
//! Must not know: lines, what memory is charged to. It counts steps from site to site, exactly, and tells of each
//! arrival at which memory has changed.
//!
//! ```text
//! original        copy                                     agent              trail ─► tracer ─► client
//!   entry ──jmp──► step counted, gate looked at ──changed──► memory now, frames, steps since
//!   call  ◄─jmp──  the call runs at its own place: its return address is the original one
//!   behind ─jmp──► the frame is still ours? then on in the copy
//! ```
//! A routine is copied whole. Each instruction is there once for each *state*: the site that its frame passed last.
//! So a step from one site to another is a place in the copy, and to count it is one instruction that looks at nothing.
//!
//! | file | holds |
//! |---|---|
//! | `routine` | a function as it was: instructions, sites, tables; why it stays as it is |
//! | `liveness` | registers and flags that nobody needs |
//! | `doors`, `guards` | where the original leads into the copy |
//! | `copy`, `probes`, `borrowed`, `jumps`, `numbers` | the copy |
//! | `slow` | the way to the agent and back |
//! | `trail` | what the agent tells |
//! | `blocks`, `space` | what a process has of all this |
//! | `promote`, `sharing`, `threads`, `signals`, `leave`, `remains` | when it comes, how it goes, and what stays |
//! | `alone` | what is different where nobody looks after it |
//! | `../agent` | what the process runs itself, and the layout of the memory that is shared with it |

mod alone;
mod blocks;
mod borrowed;
mod copy;
mod doors;
mod guards;
mod jumps;
mod leave;
mod liveness;
mod numbers;
mod probes;
mod promote;
mod remains;
mod routine;
mod sharing;
mod signals;
mod slow;
mod space;
mod stops;
mod threads;
mod trail;
mod ways;

pub(crate) use signals::Leaving;
pub(crate) use space::Inlined;

pub use routine::{BeginsLine, Conventions, NotInline, RoutineRequest, RoutineSite, SiteRole};
