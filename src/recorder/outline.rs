//! What the recorder has of a stack, for a caller that follows the frames itself.
//!
//! Must not know: what the caller makes of it.
//!
//! Read on at [`Stretch`](super::Stretch), which tells the recorder of many arrivals at once.

use std::ops::RangeInclusive;

use super::arrival::{StackKey, StackPointer, ThreadKey};
use super::edges::Previous;
use super::frames::Stack;
use super::machine::Recorder;
use crate::plan::{InstanceId, SiteIndex};

/// A frame that the recorder has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFrame {
    /// The code it runs.
    pub instance: InstanceId,
    /// The stack pointer at its entry; for a frame first seen in its middle the highest one seen.
    pub entry_sp: StackPointer,
    /// The stack pointer at its latest arrival.
    pub sp: StackPointer,
    /// The last site with a line; `None` when it passed none.
    pub previous: Option<SiteIndex>,
}

impl Recorder {
    /// The open frames of a stack, outermost first.
    pub fn open_frames(&self, thread: ThreadKey, stack: StackKey) -> impl Iterator<Item = OpenFrame> {
        let open = self.stack(thread, stack).map_or(&[][..], |stack| &stack.open);
        open.iter().map(|frame| OpenFrame {
            instance: frame.instance,
            entry_sp: frame.entry_sp,
            sp: frame.last_sp,
            previous: match frame.previous.unpack() {
                Previous::Site(site) => Some(site),
                // An adopted frame has passed the site at which it was first seen.
                Previous::Entry | Previous::Adopted => None,
            },
        })
    }

    /// The stack pointers with which an arrival may be one of a frame that was closed and goes on, or proves that such
    /// a frame is gone; `None` when there are no such frames.
    pub fn aside(&self, thread: ThreadKey, stack: StackKey) -> Option<RangeInclusive<StackPointer>> {
        self.stack(thread, stack)?.reach_of_aside()
    }

    fn stack(&self, thread: ThreadKey, key: StackKey) -> Option<&Stack> {
        let thread = self.threads.get(thread)?;
        thread.stacks.iter().find(|stack| stack.key == key)
    }
}
