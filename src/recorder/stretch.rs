//! Many arrivals at once: what a thread did while memory stayed as it was.
//!
//! Must not know: who counted the steps.
//!
//! A caller that follows the frames of a thread itself need not tell of every arrival. As long as readings of memory
//! are the same, it counts steps, and tells in the end which of the recorder's frames are gone, which is the one that
//! went on, and which are new:
//!
//! ```text
//! before   main ── parse ── lex
//! stretch           │        └ ended                          charged with what it cost until now
//!                   └ resumed ── lex ── skip                  begun, at this memory
//!                         lex, skip, lex: begun and ended     nothing stays but steps and readings: they cost nothing
//! ```
//!
//! Nothing can be charged to a line that a frame came to and left within the stretch. So it does not matter in which
//! order the steps were made, and the lines that frames stand on at its two ends say all that is to be charged.
//!
//! Read on in `machine.rs`, whose single arrivals come to the same, and in `outline.rs` for what a caller needs to know
//! of the recorder's frames.

#[cfg(test)]
mod random;
#[cfg(test)]
mod teller;
#[cfg(test)]
mod tests;

use super::arrival::{Concurrency, StackKey, StackPointer, ThreadKey};
use super::frames::{Bound, Frame, Stack};
use super::ledger::Books;
use super::machine::Recorder;
use super::sites::Sites;
use super::threads::Thread;
use crate::plan::{Exit, SiteIndex};
use crate::units::Bytes;

/// What one thread did on one stack since it was last told of, all of it at one reading of memory.
///
/// The recording is the one that single [`Arrival`](super::Arrival)s give, told one after the other in the place of the
/// stretch. Only where single arrivals leave room for a mistake may it differ: nobody tells the recorder then that a
/// conditional jump was taken, and it may take the frame that ended there for another one later.
///
/// # What a caller supplies
///
/// - The stretch begins with the frames that [`Recorder::open_frames`] has. It is told before anything else of its
///   thread, the thread's end and its `fork` included, and before [`Recorder::thread_started`] or another
///   `concurrency`. Stretches of several threads are told in the order of their readings, as the baseline of a function
///   is the first one told; in any order where the first entry of each function is told as an arrival.
/// - What happened in it is calls, steps within the innermost frame, and exits. Whatever needs a decision is told as an
///   arrival, after the stretch before it:
///   an arrival in the middle of a function that is not in the innermost frame, or is above its entry;
///   one at an entry that is not below the entry of the innermost frame, unless it is a jump there of the frame itself,
///   and not out of a conditional exit;
///   and any whose stack pointer is in [`Recorder::aside`].
/// - A frame whose latest arrival is at a conditional exit has ended when the jump was taken, and stands there when it
///   was not. Once that is told, the recorder has it closed for now, and its next arrival is told as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch<'steps> {
    /// Who was on the way.
    pub thread: ThreadKey,
    /// On which of its stacks.
    pub stack: StackKey,
    /// The process's memory at all of the arrivals.
    pub memory: Bytes,
    /// Whether the process had other threads.
    pub concurrency: Concurrency,
    /// How often it stepped from where to where.
    ///
    /// Shape: each step once, in any order; counts are 1 or more.
    pub steps: &'steps [(Step, u64)],
    /// Frames of before that have ended: the open ones whose entry is at or below this address.
    pub ended: Option<StackPointer>,
    /// The innermost of the other frames of before that the caller follows, and where it stands, when it has moved or may
    /// have. Frames further in that the caller does not follow have ended if it has.
    pub resumed: Option<Resumed>,
    /// Frames that have begun and not ended, outermost first.
    pub begun: &'steps [Begun],
}

/// One arrival, or one end that is none, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A frame began: the arrival at the entry site of its instance.
    Call {
        /// The entry site.
        entry: SiteIndex,
    },
    /// A frame that had begun came to another site, or to the same one again. That may be its entry, where code of the
    /// instance jumps there: the stack pointer is then the one with which the frame began.
    Within {
        /// The last site with a line that the frame had passed; `None` when there was none.
        previous: Option<SiteIndex>,
        /// Where it came to.
        site: SiteIndex,
    },
    /// A frame that came to a conditional exit in this stretch ended there: the jump was taken. This is no arrival.
    Out {
        /// The last site with a line: the exit itself where it has one.
        previous: Option<SiteIndex>,
        /// The exit.
        site: SiteIndex,
    },
}

/// Where a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The last site with a line; `None` when the frame passed none, and stands on the declaration.
    pub previous: Option<SiteIndex>,
    /// The site of its latest arrival, with or without a line.
    ///
    /// A caller that tells of the end of each frame names the instance's entry where this is a conditional exit: the
    /// frame then stays open until it has ended by a step out, or goes on.
    pub latest: SiteIndex,
    /// The stack pointer at that arrival.
    pub sp: StackPointer,
}

/// A frame of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// The stack pointer at its entry; `None` where the caller knows only that it is the innermost of its instance.
    pub entry_sp: Option<StackPointer>,
    /// Where it stands.
    pub place: Place,
}

/// A frame that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The stack pointer at its entry.
    pub entry_sp: StackPointer,
    /// Where it stands.
    pub place: Place,
}

impl Recorder {
    /// Takes a stretch in.
    ///
    /// A `resumed` is ignored where the frame is not open.
    ///
    /// # Panics
    /// When a site is none of the plan's.
    pub fn passed(&mut self, stretch: &Stretch<'_>) {
        self.ledger.tick(stretch.concurrency);
        let Thread { stacks, tally } = self.threads.thread(stretch.thread);
        let stack = stacks.stack(stretch.stack);
        let books = &mut self.ledger.books(tally, stretch.memory);
        move_frames(stretch, &self.sites, stack, books);
        for &(step, times) in stretch.steps {
            let (previous, at) = match step {
                Step::Call { entry } => (None, entry),
                Step::Within { previous, site } => (previous, site),
                Step::Out { previous, site } => {
                    let (site, _) = self.sites.site(site);
                    books.pass_end(self.sites.line_after(previous, site.declaration));
                    continue;
                }
            };
            let (site, lines) = self.sites.site(at);
            self.arrivals += times;
            self.edges.count(previous.into(), at, times);
            if let Step::Call { .. } = step {
                books.called(site.function, times);
            }
            books.event(site.function);
            let mut line = self.sites.line_after(previous, site.declaration);
            for &next in lines {
                books.pass(line, next);
                line = next;
            }
            match site.exit {
                Exit::Always => books.pass_end(line),
                // Where the jump is taken there is a step out.
                Exit::Never | Exit::Conditional => {}
            }
        }
    }
}

/// Brings the frames of `stack` to where they are at the end of the stretch.
fn move_frames(stretch: &Stretch<'_>, sites: &Sites, stack: &mut Stack, books: &mut Books<'_>) {
    let stand = |exit, stack: &mut Stack, books: &mut Books<'_>| {
        if exit == Exit::Conditional {
            // Frames that were put aside in the same moment would come back together.
            books.tick(stretch.concurrency);
        }
        stack.end_innermost(exit, books);
    };
    if let Some(highest) = stretch.ended {
        stack.close_up_to(highest, books);
    }
    if let Some(Resumed { entry_sp, place }) = stretch.resumed {
        let (site, _) = sites.site(place.latest);
        let line = sites.line_after(place.previous, site.declaration);
        let previous = place.previous.into();
        if let Some(number) = stack.number_of(site.instance, entry_sp)
            && (number + 1 == stack.open.len() || stack.open[number].previous != previous)
        {
            stack.close_inside(number, books);
            if let Some(frame) = stack.open.last_mut() {
                if frame.line != line {
                    books.step(frame.line, line);
                    frame.line = line;
                }
                frame.previous = previous;
                frame.last_sp = place.sp;
                frame.mark = stretch.memory;
            }
            stand(site.exit, stack, books);
        }
    }
    for &Begun { entry_sp, place } in stretch.begun {
        let (site, _) = sites.site(place.latest);
        let line = sites.line_after(place.previous, site.declaration);
        stack.close_for_call(entry_sp, None, books);
        books.open(site.function, line);
        let began = books.begins(stack.open.len());
        stack.open.push(Frame {
            instance: site.instance,
            function: site.function,
            entry_sp,
            last_sp: place.sp,
            bound: Bound::Exact,
            previous: place.previous.into(),
            line,
            mark: stretch.memory,
            began,
        });
        stand(site.exit, stack, books);
    }
}
