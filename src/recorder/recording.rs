//! What a recording comes to.
//!
//! Must not know: how it was made.
//!
//! Read on in `profile`, which makes a report's functions out of it.

use super::calls::Calls;
use super::edges::EdgeCounts;
use crate::plan::{FunctionId, LineId};
use crate::units::{Bytes, Change};

/// The sums over all threads.
#[derive(Debug, Clone)]
pub struct Recording {
    /// In step with the plan's functions.
    pub functions: Vec<RecordedFunction>,
    /// In step with the plan's lines.
    pub lines: Vec<RecordedLine>,
    /// How often control went from site to site.
    pub edges: EdgeCounts,
    /// How many arrivals there were.
    pub arrivals: u64,
    /// Calls one by one, where they were wanted.
    pub calls: Option<Calls>,
}

/// What is known of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordedFunction {
    /// How often it was entered; an activation first seen in its middle does not count.
    pub calls: u64,
    /// Memory where it was first entered or seen; `None` when it never ran.
    pub baseline: Option<Bytes>,
    /// What its outermost activations added, from entry to exit.
    pub increment: Change,
    /// The greatest memory at any of its events, its end included; `None` when it never ran.
    pub peak: Option<Bytes>,
}

/// What is known of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordedLine {
    /// The sum of its charges.
    pub increment: Change,
    /// The greatest charge; 0 when none added anything.
    pub greatest: Change,
    /// The greatest memory seen just after it ran; `None` when it never did.
    pub memory: Option<Bytes>,
    /// Whether part of the charges was made while more than one thread of the process ran.
    pub shared: bool,
}

impl Recording {
    /// What is known of the function `id`.
    pub fn function(&self, id: FunctionId) -> &RecordedFunction {
        &self.functions[id.index()]
    }

    /// What is known of the line `id`.
    pub fn line(&self, id: LineId) -> &RecordedLine {
        &self.lines[id.index()]
    }
}
