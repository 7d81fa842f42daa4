//! lineprof tells which line of a native program makes its memory grow.
//!
//! It stops the program at every line of chosen functions, reads the process's memory at each stop, and charges what
//! came or went to the line that ran in between.
//!
//! | to profile | ask |
//! |---|---|
//! | a program, or a process that runs already | [`Profiler`] |
//! | functions of the program that asks, again and again | [`LineProfiler`] |
//! | one call of one function or closure, as a table or as data | [`show_results`], [`profile_call`] |
//! | memory over time, without tracing | [`memory_usage()`], [`MemoryUsageMonitor`] |
//!
//! What comes of it is plain data: a [`Profile`] has functions ([`profile::FunctionProfile`]) and these have lines
//! ([`profile::LineProfile`]: occurrences, the total, mean and greatest increment, memory). [`report::Table`] writes it for
//! people, [`report::write_json`] for tools.
//!
//! ```no_run
//! # fn main() -> Result<(), lineprof::Error> {
//! let profile = lineprof::Profiler::launch("./app").function("load").run()?;
//! let load = profile.function("load").expect("it was asked for");
//! println!("{} calls, {} bytes", load.calls, load.increment.0);
//! # Ok(()) }
//! ```
//!
//! The library never exits and never reads the environment, beyond handing it on to programs that it starts. It never
//! prints, but for [`show_results`] and [`LineProfiler::print_stats`], which are there to. The command line is a client of
//! it.
//!
//! ```text
//! select ─► planner ─► plan ──► recorder ──► occurrences ──► profile ──► report
//! which     rows,      what     charges       counts          plain       table, JSON
//!           edges        │
//!                        └─ profiler: session, image (where the file lies), metric (memory now) ─► arrivals
//!
//! untraced process ─► sample (who, when) ─► timeline (a file of readings) ─► plot (pictures)
//! ```
#![forbid(unsafe_code)]

pub mod image;
pub mod metric;
pub mod occurrences;
pub mod own;
pub mod plan;
pub mod planner;
pub mod plot;
pub mod profile;
pub mod profiler;
pub mod recorder;
pub mod regions;
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
pub mod unwind;

pub use lineprof_mark::{profile, region};

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod scripted;
