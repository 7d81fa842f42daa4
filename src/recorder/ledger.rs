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

use super::arrival::Concurrency;
use super::calls::{Beginning, CallLog, Level};
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
    /// Calls one by one, where they are wanted.
    pub(super) calls: Option<CallLog>,
}

impl Ledger {
    /// Something happens next.
    pub(super) fn tick(&mut self, concurrency: Concurrency) {
        self.now += 1;
        if concurrency == Concurrency::Shared {
            self.last_shared = self.now;
        }
    }

    /// The books of the thread with `tally`, who finds `memory`.
    pub(super) fn books<'recorder>(
        &'recorder mut self,
        tally: &'recorder mut Tally,
        memory: Bytes,
    ) -> Books<'recorder> {
        Books {
            ledger: self,
            tally,
            memory,
        }
    }
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
    /// The greatest of the charges that are none of less than nothing.
    pub(super) greatest: Change,
    pub(super) memory: Greatest,
    pub(super) shared: bool,
}

/// The greatest of the readings so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Greatest(Option<Bytes>);

impl Greatest {
    pub(super) fn get(self) -> Option<Bytes> {
        self.0
    }

    fn raise(&mut self, value: Bytes) {
        self.0 = self.0.max(Some(value));
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

/// A closing that may turn out to be none: its charges are made, its reading counts for nothing yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    level: Level,
    arrival: u64,
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
    ledger: &'recorder mut Ledger,
    tally: &'recorder mut Tally,
    memory: Bytes,
}

impl Books<'_> {
    /// The reading at which the books are kept.
    pub(super) fn memory(&self) -> Bytes {
        self.memory
    }

    /// Something more happens at this memory.
    pub(super) fn tick(&mut self, concurrency: Concurrency) {
        self.ledger.tick(concurrency);
    }

    /// A frame of `function` begins, standing on `line`.
    pub(super) fn open(&mut self, function: FunctionId, line: LineId) {
        let now = self.ledger.now;
        self.ledger.functions[function.index()]
            .baseline
            .get_or_insert(self.memory);
        self.tally.functions.slot(function.index()).come(self.memory, now);
        self.tally.lines.slot(line.index()).come(self.memory, now);
    }

    /// Frames of `function` are calls.
    pub(super) fn called(&mut self, function: FunctionId, times: u64) {
        let total = &mut self.ledger.functions[function.index()];
        total.calls += times;
        total.baseline.get_or_insert(self.memory);
    }

    /// A frame begins that is further in than `depth` others.
    pub(super) fn begins(&mut self, depth: usize) -> Option<Beginning> {
        self.ledger.calls.as_mut()?.begin(depth, self.memory)
    }

    /// A frame of `function` that began so has ended for good: now, or where it was closed.
    pub(super) fn ended(&mut self, function: FunctionId, began: Option<Beginning>, closing: Option<Closing>) {
        let end = closing.map_or(self.level(), |closing| closing.level);
        if let (Some(log), Some(began)) = (&mut self.ledger.calls, began) {
            log.end(function, began, end);
        }
    }

    fn level(&self) -> Level {
        Level {
            memory: self.memory,
            at: self.ledger.calls.as_ref().map(|log| log.now).unwrap_or_default(),
        }
    }

    /// Something happens in `function`.
    pub(super) fn event(&mut self, function: FunctionId) {
        self.ledger.functions[function.index()].peak.raise(self.memory);
    }

    /// A frame that stood on `from` comes to `to`.
    pub(super) fn step(&mut self, from: LineId, to: LineId) {
        self.read(from, self.memory);
        // Where it is the same line, what the frame has cost so far is charged with the rest.
        if from != to {
            self.charge_line(from);
            self.tally
                .lines
                .slot(to.index())
                .come(self.memory, self.ledger.now);
        }
    }

    /// Frames came from `from` to `to`, and have moved on since, all at this memory.
    pub(super) fn pass(&mut self, from: LineId, to: LineId) {
        self.read(from, self.memory);
        if from != to {
            self.share(from, self.ledger.now);
        }
    }

    /// Frames that came to `line` at this memory have ended there.
    pub(super) fn pass_end(&mut self, line: LineId) {
        self.read(line, self.memory);
        self.share(line, self.ledger.now);
    }

    /// A frame of `function` that stands on `line` ends.
    pub(super) fn close(&mut self, function: FunctionId, line: LineId) {
        let closing = self.close_for_now(function, line);
        self.settle(function, line, closing);
    }

    /// A frame of `function` that stands on `line` ends, or goes on later as if it had not.
    pub(super) fn close_for_now(&mut self, function: FunctionId, line: LineId) -> Closing {
        self.charge_line(line);
        let standing = self.tally.functions.slot(function.index());
        if standing.leave() {
            self.ledger.functions[function.index()].increment += self.memory.change_since(standing.since);
        }
        Closing {
            level: self.level(),
            arrival: self.ledger.now,
        }
    }

    /// A frame that was closed for now goes on.
    pub(super) fn reopen(&mut self, function: FunctionId, line: LineId, closing: Closing) {
        self.tally
            .functions
            .slot(function.index())
            .come(closing.level.memory, closing.arrival);
        self.tally
            .lines
            .slot(line.index())
            .come(closing.level.memory, closing.arrival);
    }

    /// A frame that was closed for now does not go on.
    pub(super) fn settle(&mut self, function: FunctionId, line: LineId, closing: Closing) {
        self.read(line, closing.level.memory);
        self.ledger.functions[function.index()]
            .peak
            .raise(closing.level.memory);
    }

    /// `line` has just run.
    fn read(&mut self, line: LineId, memory: Bytes) {
        self.ledger.lines[line.index()].memory.raise(memory);
    }

    /// A charge since the arrival `since` is made to `line`.
    fn share(&mut self, line: LineId, since: u64) {
        self.ledger.lines[line.index()].shared |= self.ledger.last_shared >= since;
    }

    fn charge_line(&mut self, line: LineId) {
        let standing = self.tally.lines.slot(line.index());
        if standing.leave() {
            let since_arrival = standing.since_arrival;
            let change = self.memory.change_since(standing.since);
            let total = &mut self.ledger.lines[line.index()];
            total.increment += change;
            total.greatest = total.greatest.max(change);
            self.share(line, since_arrival);
        }
    }
}
