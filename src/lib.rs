//! lineprof tells which line of a native program makes its memory grow.
//!
//! It stops the program at every line of chosen functions, reads the process's memory at each stop, and charges what
//! came or went to the line that ran in between.
//!
//! The library never prints, never exits and never reads the environment; the command line is a client of it.
//!
//! ```text
//! plan ──► recorder ──► occurrences ──► profile ──► report
//! what     charges       counts          plain       table, JSON
//! ```
#![forbid(unsafe_code)]

pub mod occurrences;
pub mod plan;
pub mod profile;
pub mod recorder;
pub mod report;
pub mod source;
pub mod units;

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod scripted;
