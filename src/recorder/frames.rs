//! Frames: which activation of which function a thread is in, told by its stack pointer.
//!
//! Must not know: what lines cost (the ledger is told when frames end or go on).
//!
//! ```text
//! high   open[0]  main     entry_sp 0x7f00
//!        open[1]  parse    entry_sp 0x7e80
//!   sp ─►                                      a thread arrives here
//!        aside    lex      entry_sp 0x7d00     closed, remembered: it returned unseen, was jumped over,
//! low    aside    lex      entry_sp 0x7c40     or its stack is another one and the thread comes back to it
//! ```
//!
//! A frame below the stack pointer is gone, or is on another stack. Nothing at that moment tells which. So it is
//! closed and put aside under its entry stack pointer. An arrival in the middle of its function, where it was left,
//! brings it back with all that were put aside in the same moment further out; a call whose return address lies in its
//! memory proves that it is gone.

use std::ops::RangeInclusive;

use super::arrival::{StackKey, StackPointer};
use super::aside::Aside;
use super::calls::Beginning;
use super::edges::PackedPrevious;
use super::ledger::Books;
use crate::plan::{Exit, FunctionId, InstanceId, LineId};
use crate::units::Bytes;

/// One activation of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) instance: InstanceId,
    pub(super) function: FunctionId,
    /// Where the return address is; see `bound`.
    pub(super) entry_sp: StackPointer,
    /// The stack pointer at the frame's last arrival.
    pub(super) last_sp: StackPointer,
    pub(super) bound: Bound,
    /// The last site with a line.
    pub(super) previous: PackedPrevious,
    /// The line that runs now.
    pub(super) line: LineId,
    /// The memory at the frame's last arrival.
    pub(super) mark: Bytes,
    /// Where calls are told one by one: how it began.
    pub(super) began: Option<Beginning>,
}

impl Frame {
    /// Whether an arrival at `sp` is where this frame would go on. Activations of one function whose frames have the
    /// same size never agree in this, unless they began at the same place.
    fn was_left_at(&self, sp: StackPointer, exit: Exit) -> bool {
        match exit {
            Exit::Never => self.last_sp == sp && self.last_sp < self.entry_sp,
            Exit::Always | Exit::Conditional => self.last_sp == sp || self.entry_sp == sp,
        }
    }
}

/// How well the entry of a frame is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// `entry_sp` was seen, or told.
    Exact,
    /// The frame was first seen in its middle: `entry_sp` is the highest stack pointer seen.
    Seen,
}

/// The frames on one stack.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) key: StackKey,
    /// Outermost first: `entry_sp` falls.
    pub(super) open: Vec<Frame>,
    aside: Aside,
}

impl Stack {
    pub(super) fn new(key: StackKey) -> Stack {
        Stack {
            key,
            open: Vec::new(),
            aside: Aside::default(),
        }
    }

    /// Closes the frames that are below an arrival in the middle of `instance`, or at its exit.
    pub(super) fn close_below(&mut self, sp: StackPointer, instance: InstanceId, books: &mut Books<'_>) {
        while let Some(frame) = self.open.last()
            && frame.entry_sp < sp
        {
            let outer = self
                .open
                .len()
                .checked_sub(2)
                .map(|outer| self.open[outer].entry_sp);
            if frame.bound == Bound::Seen
                && frame.instance == instance
                && outer.is_none_or(|outer| sp < outer)
            {
                self.raise_innermost(sp);
                break;
            }
            self.put_innermost_aside(books);
        }
    }

    /// The stack pointer rises at the end of a function: the frame goes at least as far up as `sp`.
    fn raise_innermost(&mut self, sp: StackPointer) {
        if let Some(frame) = self.open.last_mut() {
            frame.entry_sp = sp;
        }
    }

    /// Closes the frames that a call with its return address at `sp` leaves no room for, except an activation of
    /// `looping` at exactly `sp`.
    pub(super) fn close_for_call(
        &mut self,
        sp: StackPointer,
        looping: Option<InstanceId>,
        books: &mut Books<'_>,
    ) {
        while let Some(frame) = self.open.last()
            && frame.entry_sp <= sp
        {
            if frame.entry_sp < sp {
                self.put_innermost_aside(books);
            } else if looping == Some(frame.instance) {
                break;
            } else {
                // Two frames have no return address in common: this one ended unseen.
                self.close_innermost(books);
            }
        }
        self.aside.overwrite(sp, books);
    }

    /// Ends the open frames that were entered at `highest` or below it for good.
    pub(super) fn close_up_to(&mut self, highest: StackPointer, books: &mut Books<'_>) {
        while let Some(frame) = self.open.last()
            && frame.entry_sp <= highest
        {
            self.close_innermost(books);
        }
    }

    /// The number of the innermost open frame of `instance`, of those that may have begun at `entry_sp` where that is known.
    pub(super) fn number_of(&self, instance: InstanceId, entry_sp: Option<StackPointer>) -> Option<usize> {
        let is_it = |frame: &&Frame| {
            let fits = |entry_sp| frame.entry_sp == entry_sp || frame.bound == Bound::Seen;
            frame.instance == instance && entry_sp.is_none_or(fits)
        };
        self.open.iter().rposition(|frame| is_it(&frame))
    }

    /// Ends the open frames further in than frame `number` for good.
    pub(super) fn close_inside(&mut self, number: usize, books: &mut Books<'_>) {
        while self.open.len() > number + 1 {
            self.close_innermost(books);
        }
    }

    /// Finds the activation of `instance` that an arrival at `sp` in its middle or at its exit belongs to, and makes it
    /// the innermost open frame; `None` when there is none.
    pub(super) fn find(
        &mut self,
        sp: StackPointer,
        instance: InstanceId,
        exit: Exit,
        books: &mut Books<'_>,
    ) -> Option<&mut Frame> {
        let innermost = self.open.last();
        let fits = innermost.is_some_and(|frame| frame.instance == instance);
        if let Some((frame, closing)) = self.aside.first_from(sp)
            && frame.instance == instance
            && innermost.is_none_or(|innermost| frame.entry_sp < innermost.entry_sp)
            // Where the open frame fits too, only the very place at which the other was left speaks for that one.
            && (!fits || frame.was_left_at(sp, exit))
        {
            let (entry_sp, batch) = (frame.entry_sp, closing.arrival());
            self.bring_back(entry_sp, batch, books);
            return self.open.last_mut();
        }
        if fits { self.open.last_mut() } else { None }
    }

    /// The innermost frame came to a site that ends it, or may.
    pub(super) fn end_innermost(&mut self, exit: Exit, books: &mut Books<'_>) {
        match exit {
            Exit::Never => {}
            Exit::Always => self.close_innermost(books),
            Exit::Conditional => self.put_innermost_aside(books),
        }
    }

    /// Ends the innermost frame for good.
    fn close_innermost(&mut self, books: &mut Books<'_>) {
        if let Some(frame) = self.open.pop() {
            books.close(frame.function, frame.line);
            books.ended(frame.function, frame.began, None);
        }
    }

    /// Ends the innermost frame until it is proved that it goes on.
    fn put_innermost_aside(&mut self, books: &mut Books<'_>) {
        if let Some(frame) = self.open.pop() {
            self.aside.put(frame, books);
        }
    }

    /// Ends all frames: the open ones, innermost first, and for good those put aside.
    pub(super) fn close_all(&mut self, books: &mut Books<'_>) {
        while !self.open.is_empty() {
            self.close_innermost(books);
        }
        self.aside.settle_all(books);
    }

    /// The open frames, as a child process has them after `fork`: they begin anew with its memory.
    pub(super) fn forked(&self, books: &mut Books<'_>) -> Stack {
        for frame in &self.open {
            books.open(frame.function, frame.line);
        }
        let mark = books.memory();
        Stack {
            key: self.key,
            open: self
                .open
                .iter()
                .map(|frame| Frame {
                    mark,
                    began: None,
                    ..*frame
                })
                .collect(),
            aside: Aside::default(),
        }
    }

    /// The memory in which frames that were put aside lie.
    pub(super) fn reach_of_aside(&self) -> Option<RangeInclusive<StackPointer>> {
        self.aside.reach()
    }

    /// Reopens the frame at `innermost`, and outside it those put aside in the same moment.
    fn bring_back(&mut self, innermost: StackPointer, batch: u64, books: &mut Books<'_>) {
        let limit = self.open.last().map(|frame| frame.entry_sp);
        for (frame, closing) in self.aside.take_batch(innermost, batch, limit) {
            books.reopen(frame.function, frame.line, closing);
            self.open.push(frame);
        }
    }
}
