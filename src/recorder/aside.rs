//! Frames that were closed and may go on: a thread may come back to them.
//!
//! Must not know: which frames are open, what an arrival is.
//!
//! ```text
//! entry_sp ─► ┌───────┐
//!             │ frame │  reach: a call whose return address lies here proves that the frame is gone
//! last_sp  ─► └───────┘
//! ```
//!
//! What a frame has seen last is taken into the books when it is gone for good.
//!
//! Read on in `frames.rs`, which puts them here and brings them back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::arrival::StackPointer;
use super::frames::Frame;
use super::ledger::{Books, Closing};

/// The frames put aside on one stack, by their entry.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    frames: BTreeMap<StackPointer, (Frame, Closing)>,
    /// No frame here was left below.
    lowest: StackPointer,
}

impl Default for Aside {
    fn default() -> Aside {
        Aside {
            frames: BTreeMap::new(),
            lowest: StackPointer(u64::MAX),
        }
    }
}

impl Aside {
    /// Closes `frame` for now.
    pub(super) fn put(&mut self, frame: Frame, books: &mut Books<'_>) {
        let closing = books.close_for_now(frame.function, frame.line);
        if self.frames.is_empty() {
            self.lowest = frame.last_sp;
        }
        self.lowest = self.lowest.min(frame.last_sp);
        let gone = self.frames.insert(frame.entry_sp, (frame, closing));
        settle(gone, books);
    }

    /// A call has its return address at `sp`: the frame whose memory that is does not go on.
    pub(super) fn overwrite(&mut self, sp: StackPointer, books: &mut Books<'_>) {
        if let Some((frame, _)) = self.first_from(sp)
            && frame.last_sp <= sp
        {
            let entry_sp = frame.entry_sp;
            settle(self.frames.remove(&entry_sp), books);
        }
    }

    /// The innermost frame that was entered at `sp` or above.
    pub(super) fn first_from(&self, sp: StackPointer) -> Option<&(Frame, Closing)> {
        if self.frames.is_empty() {
            return None;
        }
        self.frames.range(sp..).next().map(|(_, frame)| frame)
    }

    /// Takes the frame at `innermost` out, and outside it those put here in the same moment, up to `limit`; outermost
    /// first.
    pub(super) fn take_batch(
        &mut self,
        innermost: StackPointer,
        batch: u64,
        limit: Option<StackPointer>,
    ) -> impl Iterator<Item = (Frame, Closing)> {
        let together: Vec<StackPointer> = self
            .frames
            .range(innermost..)
            .take_while(|&(&entry_sp, (_, closing))| {
                closing.arrival() == batch && limit.is_none_or(|limit| entry_sp < limit)
            })
            .map(|(&entry_sp, _)| entry_sp)
            .collect();
        together
            .into_iter()
            .rev()
            .filter_map(|entry_sp| self.frames.remove(&entry_sp))
    }

    /// None of the frames goes on.
    pub(super) fn settle_all(&mut self, books: &mut Books<'_>) {
        for (_, gone) in std::mem::take(&mut self.frames) {
            settle(Some(gone), books);
        }
    }

    /// The memory that all the frames lie in, or somewhat more below; `None` when there are none.
    pub(super) fn reach(&self) -> Option<RangeInclusive<StackPointer>> {
        let (&highest, _) = self.frames.last_key_value()?;
        Some(self.lowest..=highest)
    }
}

fn settle(gone: Option<(Frame, Closing)>, books: &mut Books<'_>) {
    if let Some((frame, closing)) = gone {
        books.settle(frame.function, frame.line, closing);
        books.ended(frame.function, frame.began, Some(closing));
    }
}
