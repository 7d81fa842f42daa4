//! Where memory crossed a limit, as plain data.
//!
//! Must not know: what was done about it.
//!
//! Read on in `profiler::Trigger`, which sets the limits.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Change};

/// A thread came to a line and a limit was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// Which limit.
    pub limit: Limit,
    /// The memory of the process when the thread came to the line.
    pub memory: Bytes,
    /// The file of the line.
    pub file: String,
    /// The line, which had not run then.
    pub line: u32,
    /// The function that it is in.
    pub function: String,
    /// The thread, by the kernel's number.
    pub thread: u32,
    /// The line that had just run in the same activation of the function; `None` where the function was just entered.
    pub ran: Option<RanLine>,
    /// Who called whom, innermost first; empty where that cannot be told.
    #[serde(default)]
    pub backtrace: Vec<BacktraceFrame>,
}

/// A frame of the thread's stack, or a function that was inlined into the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacktraceFrame {
    /// Where the frame goes on, in the process.
    pub address: u64,
    /// The function's readable name.
    pub function: Option<String>,
    /// The file of the line.
    pub file: Option<String>,
    /// The line that the frame stands on.
    pub line: Option<u32>,
    /// Whether it was inlined into the next one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inlined: bool,
    /// The program or library whose code it is.
    pub module: Option<String>,
}

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "bytes", rename_all = "lowercase")]
pub enum Limit {
    /// The memory is as much as this, or more.
    Memory(Bytes),
    /// One execution of a line has added as much as this, or more.
    Increment(Bytes),
}

/// One execution of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanLine {
    /// Its file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// What the memory of the process changed by meanwhile, calls included.
    pub increment: Change,
}
