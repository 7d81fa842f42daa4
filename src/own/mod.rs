//! Profiling the process that asks for it.
//!
//! Must not know: how anything is measured.
//!
//! A process cannot trace itself. It starts `lineprof engine`, which attaches to it as it would to any other process,
//! tells when every line is watched, and gives its report when it has let go:
//!
//! ```text
//!   this process ── "stop", or end of file ──► lineprof engine
//!        ▲  ▲────── words: running, report ─────────┘   │
//!        └──────────────── ptrace ──────────────────────┘
//! ```
//! One process can trace another at a time: a program under a debugger, or under `lineprof`, cannot profile itself.
//!
//! | file | holds |
//! |---|---|
//! | `line_profiler` | functions of this process, watched again and again |
//! | `call` | one call of one function |
//! | `helper` | the process that traces |
//! | `word` | what it tells |

mod call;
mod helper;
mod line_profiler;
mod word;

pub use call::{profile_call, show_results};
pub use line_profiler::LineProfiler;
pub use word::{Failure, SO_FAR, STOP, Word};
