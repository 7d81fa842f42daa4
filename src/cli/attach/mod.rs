//! `lineprof --pid PID`, in two processes: the front, which the user sees, and the engine, which traces.
//!
//! Must not know: how anything is measured.
//!
//! A tracer that is killed takes the traced program with it (measured: 0 of 100 survive). So what users, terminals and
//! the kernel's memory killer hit is not the tracer:
//!
//! ```text
//!   terminal ─ Ctrl-C, kill -9 ─► front ◄─ words: progress, the report ── engine ── ptrace ──► process
//!                                   └───── "stop", or end of file ──────────┘ (a session of its own)
//! ```
//! The words are `lineprof::own::Word`: a program that profiles itself (`own`) is a front, too.
//! The engine hears the end of file when the front is gone, however it went; then it gives the process back, keeps the
//! report on disk (`kept`) and ends.

mod engine;
mod front;
mod memory_killer;

pub(crate) use engine::{Front, run as run_engine};
pub(crate) use front::{BREAKPOINTS_LEFT, run as run_front};
