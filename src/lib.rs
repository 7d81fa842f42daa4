//! lineprof tells which line of a native program makes its memory grow.
//!
//! It stops the program at every line of chosen functions, reads the process's memory at each stop, and charges what
//! came or went to the line that ran in between.
//!
//! The library never prints, never exits and never reads the environment; the command line is a client of it.
//!
//! ```text
//! select ─► planner ─► plan ──► recorder ──► occurrences ──► profile ──► report
//! which     rows,      what     charges       counts          plain       table, JSON
//!           edges        │
//!                        └─ profiler: session, image (where the file lies), metric (memory now) ─► arrivals
//!
//! untraced process ─► sample (who, when) ─► timeline (a file of readings)
//! ```
#![forbid(unsafe_code)]

pub mod image;
pub mod metric;
pub mod occurrences;
pub mod own;
pub mod plan;
pub mod planner;
pub mod profile;
pub mod profiler;
pub mod recorder;
pub mod report;
pub mod sample;
pub mod select;
pub mod source;
pub mod timeline;
pub mod units;
pub mod usage;

pub use own::{LineProfiler, profile_call, show_results};
pub use profile::Profile;
pub use profiler::{Error, Profiler};
pub use usage::{MemoryUsage, MemoryUsageMonitor, memory_usage};

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod scripted;
