//! How much memory something takes over its time: a process, a command, a call.
//!
//! Must not know: lines, functions; how memory is read. It puts `sample` to use.
//!
//! ```text
//! memory_usage(pid | Command | Call(closure), MemoryUsage{..}) ─► Usage{samples, peak, result}
//! MemoryUsageMonitor: start ─ sample ─ sample ─ stop ─► timeline, peak
//! ```
//! The names are memory_profiler's `memory_usage` and its words. Nothing is traced and no debug information is needed.

mod measured;
mod memory_usage;
mod monitor;

pub use measured::{Call, Measured};
pub use memory_usage::{Error, MemoryUsage, Reading, Usage, memory_usage};
pub use monitor::MemoryUsageMonitor;
