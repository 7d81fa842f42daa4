//! Calls one by one: when each began and ended, and at how much memory.
//!
//! Must not know: clocks. A caller that wants them told says what time it is.
//!
//! Of more calls than are wanted those that begin first are kept: an outer call begins before the inner ones, and is never
//! crowded out by them.

use crate::plan::FunctionId;
use crate::units::Bytes;

/// A moment, in nanoseconds from one that the caller chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

/// Memory at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// The memory.
    pub memory: Bytes,
    /// The moment.
    pub at: Moment,
}

/// One activation of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedCall {
    /// The function.
    pub function: FunctionId,
    /// How many activations of profiled functions it lies in.
    pub depth: u32,
    /// Where it began, or was first seen.
    pub begin: Level,
    /// Where it ended, or was last seen.
    pub end: Level,
}

/// The calls of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// In the order of their ends.
    pub calls: Vec<RecordedCall>,
    /// How many more there were.
    pub left_out: u64,
}

/// What a frame keeps of its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    depth: u32,
    level: Level,
}

/// Calls as they come and go.
#[derive(Debug, Clone)]
pub(super) struct CallLog {
    /// What time it is.
    pub(super) now: Moment,
    /// How many may still begin.
    room: usize,
    pub(super) calls: Calls,
}

impl CallLog {
    pub(super) fn new(most: usize) -> CallLog {
        CallLog {
            now: Moment::default(),
            room: most,
            calls: Calls::default(),
        }
    }

    /// A call begins, further in than `depth` others; `None` where it is left out.
    pub(super) fn begin(&mut self, depth: usize, memory: Bytes) -> Option<Beginning> {
        match self.room.checked_sub(1) {
            Some(room) => {
                self.room = room;
                Some(Beginning {
                    depth: u32::try_from(depth).unwrap_or(u32::MAX),
                    level: Level { memory, at: self.now },
                })
            }
            None => {
                self.calls.left_out += 1;
                None
            }
        }
    }

    /// The call that began so has ended.
    pub(super) fn end(&mut self, function: FunctionId, beginning: Beginning, end: Level) {
        self.calls.calls.push(RecordedCall {
            function,
            depth: beginning.depth,
            begin: beginning.level,
            end,
        });
    }
}
