//! `lineprof top`: a profile while it grows, in the terminal.
//!
//! Must not know: how anything is measured.
//!
//! ```text
//!  terminal ─ keys ──► front ── "look", "stop" ──► engine ── ptrace ──► process
//!     ▲                 │ ▲◄──── the profile so far ──┘                   │
//!     └─ screen ◄─ draw ┘ └──── what the program writes (output) ◄────────┘
//!                 state
//! ```
//! The engine is that of `attach`, and starts the program, too: whatever becomes of it, this process is there to put the
//! terminal back. The front asks again when the last answer has come and some time has passed, so a profile that takes
//! long to make is asked for rarely.
//!
//! | file | holds |
//! |---|---|
//! | `front` | the loop: waits for something to happen, has it taken in, draws |
//! | `state` | what is shown, and what keys and news do to it; no input, no output |
//! | `rows` | the lines and functions that are shown, in their order |
//! | `keys` | which key means what |
//! | `draw` | the screen |
//! | `screen` | the terminal, and how it is put back |
//! | `output` | what the program writes |
//! | `engine` | how the engine is started |

mod draw;
mod engine;
mod front;
mod keys;
mod output;
mod rows;
#[cfg(test)]
mod samples;
mod screen;
mod state;

pub(crate) use engine::run as run_engine;
pub(crate) use front::run;
