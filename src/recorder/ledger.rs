//! What lines and functions cost: adds up the memory that came and went while frames stood on them.
//!
//! Must not know: stack pointers, sites, the order of frames.
//!
//! A frame stands on one line at a time. Charging `memory - mark` at every arrival adds up to the difference between
//! the readings at which the frame came to the line and left it. Where several frames of a thread stand on one line
//! (a recursion: the callers wait on the line that calls), only the outermost is charged: the memory at which the
//! *first* frame came is kept, and the charge is made when the *last* one leaves. So it is one addition however deep the
//! recursion, and functions are treated alike, from the first activation to the last.
//!
//! ```text
//! frame 1   ├──────── stands on 7 ────────┤
//! frame 2        ├── stands on 7 ──┤                 line 7 is charged memory(b) - memory(a), once
//!           a                             b
//! ```
//!
//! Totals are for all threads, [`Tally`] is one thread's.

use super::paged::Paged;
use crate::plan::{FunctionId, LineId};
use crate::units::{Bytes, Change};

/// The totals, and the clock of the recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    pub(super) functions: Vec<FunctionTotal>,
    pub(super) lines: Vec<LineTotal>,
    /// Number of the present arrival, from 1.
    pub(super) now: u64,
    /// The latest arrival at or after which more than one thread ran.
    pub(super) last_shared: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FunctionTotal {
    pub(super) calls: u64,
    pub(super) baseline: Option<Bytes>,
    pub(super) increment: Change,
    pub(super) peak: Greatest,
}

#[derive(Debug, Clone, Default)]
pub(super) struct LineTotal {
    pub(super) increment: Change,
    pub(super) memory: Greatest,
    pub(super) shared: bool,
}

/// The greatest of the readings so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Greatest {
    value: Bytes,
    /// The arrival that raised it; 0 before the first.
    set_at: u64,
}

impl Greatest {
    pub(super) fn get(self) -> Option<Bytes> {
        (self.set_at != 0).then_some(self.value)
    }

    /// Takes a reading in; what it was before, if it grew.
    fn raise(&mut self, value: Bytes, now: u64) -> Option<Greatest> {
        if self.set_at != 0 && value <= self.value {
            return None;
        }
        Some(std::mem::replace(self, Greatest { value, set_at: now }))
    }
}

/// What one thread's frames stand on.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    lines: Paged<Standing>,
    functions: Paged<Standing>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    frames: u32,
    /// Memory when the first of the frames came.
    since: Bytes,
    /// The arrival at which it came.
    since_arrival: u64,
}

impl Standing {
    fn come(&mut self, memory: Bytes, arrival: u64) {
        if self.frames == 0 {
            self.since = memory;
            self.since_arrival = arrival;
        }
        self.frames += 1;
    }

    /// Whether this was the last frame: the charge is due.
    fn leave(&mut self) -> bool {
        assert!(self.frames > 0, "a frame leaves only what it stands on");
        self.frames -= 1;
        self.frames == 0
    }
}

/// A closing that may turn out to be none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    memory: Bytes,
    arrival: u64,
    line_before: Option<Greatest>,
    peak_before: Option<Greatest>,
}

impl Closing {
    /// The arrival at which the frame was closed; frames closed together share it.
    pub(super) fn arrival(&self) -> u64 {
        self.arrival
    }
}

/// The ledger as one thread writes in it at one arrival.
#[derive(Debug)]
pub(super) struct Books<'recorder> {
    pub(super) ledger: &'recorder mut Ledger,
    pub(super) tally: &'recorder mut Tally,
    pub(super) memory: Bytes,
}

impl Books<'_> {
    /// A frame of `function` begins, standing on `line`.
    pub(super) fn open(&mut self, function: FunctionId, line: LineId) {
        let now = self.ledger.now;
        self.ledger.functions[function.index()]
            .baseline
            .get_or_insert(self.memory);
        self.tally.functions.slot(function.index()).come(self.memory, now);
        self.tally.lines.slot(line.index()).come(self.memory, now);
    }

    pub(super) fn called(&mut self, function: FunctionId) {
        self.ledger.functions[function.index()].calls += 1;
    }

    /// Something happens in `function`.
    pub(super) fn event(&mut self, function: FunctionId) {
        self.ledger.functions[function.index()]
            .peak
            .raise(self.memory, self.ledger.now);
    }

    /// A frame that stood on `from` comes to `to`.
    pub(super) fn step(&mut self, from: LineId, to: LineId) {
        if from == to {
            // The frame goes on standing where it is: what it has cost so far is charged with the rest.
            self.ledger.lines[from.index()]
                .memory
                .raise(self.memory, self.ledger.now);
        } else {
            self.leave_line(from);
            self.tally
                .lines
                .slot(to.index())
                .come(self.memory, self.ledger.now);
        }
    }

    /// A frame of `function` that stands on `line` ends.
    pub(super) fn close(&mut self, function: FunctionId, line: LineId) -> Closing {
        let line_before = self.leave_line(line);
        let standing = self.tally.functions.slot(function.index());
        let total = &mut self.ledger.functions[function.index()];
        if standing.leave() {
            total.increment += self.memory.change_since(standing.since);
        }
        let peak_before = total.peak.raise(self.memory, self.ledger.now);
        Closing {
            memory: self.memory,
            arrival: self.ledger.now,
            line_before,
            peak_before,
        }
    }

    /// A frame that was closed goes on as if it had not been.
    pub(super) fn reopen(&mut self, function: FunctionId, line: LineId, closing: Closing) {
        self.tally
            .functions
            .slot(function.index())
            .come(closing.memory, closing.arrival);
        self.tally
            .lines
            .slot(line.index())
            .come(closing.memory, closing.arrival);
        let restore = |greatest: &mut Greatest, before: Option<Greatest>| {
            if let Some(before) = before
                && greatest.set_at == closing.arrival
            {
                *greatest = before;
            }
        };
        restore(&mut self.ledger.lines[line.index()].memory, closing.line_before);
        restore(
            &mut self.ledger.functions[function.index()].peak,
            closing.peak_before,
        );
    }

    fn leave_line(&mut self, line: LineId) -> Option<Greatest> {
        let standing = self.tally.lines.slot(line.index());
        let total = &mut self.ledger.lines[line.index()];
        if standing.leave() {
            total.increment += self.memory.change_since(standing.since);
            total.shared |= self.ledger.last_shared >= standing.since_arrival;
        }
        total.memory.raise(self.memory, self.ledger.now)
    }
}
