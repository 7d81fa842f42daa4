//! The recorder itself: one arrival after the other.
//!
//! Must not know: anything but numbers; see the module's documentation.
//!
//! The steps of an arrival are those of "A line event" in the definition of what is measured: frames that are gone are
//! closed, the arrival's own frame is opened or found, the line that ran is charged, the step is counted, and at an
//! exit the frame is closed.

use super::arrival::{Arrival, Came, Exits, Ran, ThreadKey};
use super::calls::{CallLog, Moment};
use super::edges::{EdgeCounts, PackedPrevious};
use super::frames::{Bound, Frame};
use super::ledger::{FunctionTotal, Ledger, LineTotal};
use super::recording::{RecordedFunction, RecordedLine, Recording};
use super::sites::{Entry, Sites};
use super::threads::{Thread, Threads};
use crate::plan::{Exit, Plan};
use crate::units::Bytes;

/// Makes a [`Recording`] out of arrivals.
///
/// One recorder for each address space: threads share its memory, and a charge is a difference of readings of it.
#[derive(Debug, Clone)]
pub struct Recorder {
    pub(super) sites: Sites,
    pub(super) ledger: Ledger,
    pub(super) edges: EdgeCounts,
    pub(super) threads: Threads,
    pub(super) arrivals: u64,
}

impl Recorder {
    /// A recorder that knows the sites of `plan`.
    pub fn new(plan: &Plan) -> Recorder {
        let mut recorder = Recorder {
            sites: Sites::default(),
            ledger: Ledger::default(),
            edges: EdgeCounts::default(),
            threads: Threads::default(),
            arrivals: 0,
        };
        recorder.extend(plan);
        recorder
    }

    /// Learns what was added to the ends of the plan's vectors since it was last seen.
    pub fn extend(&mut self, plan: &Plan) {
        self.sites.extend(plan);
        self.edges.grow(self.sites.len());
        self.ledger
            .functions
            .resize_with(plan.functions.len(), FunctionTotal::default);
        self.ledger
            .lines
            .resize_with(plan.lines.len(), LineTotal::default);
    }

    /// Tells of calls one by one, of the first `most`.
    pub fn tell_calls(&mut self, most: usize) {
        self.ledger.calls = Some(CallLog::new(most));
    }

    /// What is told from here on happens at this moment.
    pub fn at(&mut self, moment: Moment) {
        if let Some(log) = &mut self.ledger.calls {
            log.now = moment;
        }
    }

    /// Takes an arrival in; what it says of its frame, if that is known.
    ///
    /// # Panics
    /// When the site is none of the plan's.
    pub fn arrive(&mut self, arrival: Arrival) -> Option<Came> {
        self.arrivals += 1;
        self.ledger.tick(arrival.concurrency);
        let (site, all_lines) = self.sites.site(arrival.site);
        let mut lines = all_lines;
        let Thread { stacks, tally } = self.threads.thread(arrival.thread);
        let stack = stacks.stack(arrival.stack);
        let books = &mut self.ledger.books(tally, arrival.memory);
        let sp = arrival.sp;
        let mut is_new = false;

        if site.entry == Entry::No {
            stack.close_below(sp, site.instance, books);
            if stack.find(sp, site.instance, site.exit, books).is_none() {
                let Some((&line, further)) = lines.split_first() else {
                    // A frame that was never seen ends here, or may.
                    return None;
                };
                let (entry_sp, bound) = match arrival.entry_sp {
                    Some(entry_sp) => (entry_sp, Bound::Exact),
                    None => (sp, Bound::Seen),
                };
                // It stands on the first line already: that line has not run, so there is nothing to charge.
                lines = further;
                is_new = true;
                books.open(site.function, line);
                let began = books.begins(stack.open.len());
                stack.open.push(Frame {
                    instance: site.instance,
                    function: site.function,
                    entry_sp,
                    last_sp: sp,
                    bound,
                    previous: PackedPrevious::ADOPTED,
                    line,
                    mark: arrival.memory,
                    began,
                });
            }
        } else {
            let looping = (site.entry == Entry::CallOrLoop).then_some(site.instance);
            stack.close_for_call(sp, looping, books);
            if stack.open.last().is_none_or(|frame| frame.entry_sp != sp) {
                books.open(site.function, site.declaration);
                books.called(site.function, 1);
                let began = books.begins(stack.open.len());
                stack.open.push(Frame {
                    instance: site.instance,
                    function: site.function,
                    entry_sp: sp,
                    last_sp: sp,
                    bound: Bound::Exact,
                    previous: PackedPrevious::ENTRY,
                    line: site.declaration,
                    mark: arrival.memory,
                    began,
                });
            }
        }

        let Some(frame) = stack.open.last_mut() else {
            unreachable!("an arrival has a frame: it was found or opened above");
        };
        books.event(site.function);
        frame.last_sp = sp;
        let ran = Ran {
            line: frame.line,
            change: arrival.memory.change_since(frame.mark),
        };
        frame.mark = arrival.memory;
        let ran = (frame.previous != PackedPrevious::ENTRY && !is_new).then_some(ran);
        self.edges.count(frame.previous, arrival.site, 1);
        if !all_lines.is_empty() {
            frame.previous = PackedPrevious::site(arrival.site);
        }
        for &line in lines {
            books.step(frame.line, line);
            frame.line = line;
        }
        let came = Came { to: frame.line, ran };
        let exit = match (arrival.exits, site.exit) {
            (Exits::Later, Exit::Conditional) => Exit::Never,
            (Exits::Later | Exits::AsPlanned, exit) => exit,
        };
        stack.end_innermost(exit, books);
        Some(came)
    }

    /// The process has another thread from now on: charges that span this moment are marked as shared.
    pub fn thread_started(&mut self) {
        self.ledger.last_shared = self.ledger.now;
    }

    /// A thread is gone; its frames end, innermost first.
    pub fn thread_ended(&mut self, thread: ThreadKey, memory: Bytes) {
        if let Some(thread) = self.threads.remove(thread) {
            self.ledger.now += 1;
            close_thread(thread, &mut self.ledger, memory);
        }
    }

    /// A recorder for a child process: `parent` called `fork`, and is the thread `child` there.
    ///
    /// The child is in the middle of the same frames. They are no calls of its own, and cost it what happens from here
    /// on. Nothing else is taken over.
    pub fn forked(&self, parent: ThreadKey, child: ThreadKey, memory: Bytes) -> Recorder {
        let mut recorder = Recorder {
            sites: self.sites.clone(),
            ledger: Ledger {
                now: 1,
                ..Ledger::default()
            },
            edges: EdgeCounts::default(),
            threads: Threads::default(),
            arrivals: 0,
        };
        recorder.edges.grow(self.sites.len());
        recorder
            .ledger
            .functions
            .resize_with(self.ledger.functions.len(), FunctionTotal::default);
        recorder
            .ledger
            .lines
            .resize_with(self.ledger.lines.len(), LineTotal::default);
        if let Some(parent) = self.threads.get(parent) {
            let Thread { stacks, tally } = recorder.threads.thread(child);
            let books = &mut recorder.ledger.books(tally, memory);
            for stack in parent.stacks.iter() {
                stacks.push(stack.forked(books));
            }
        }
        recorder
    }

    /// Ends all frames and adds up. A report in between is made from a clone.
    pub fn finish(mut self, memory: Bytes) -> Recording {
        self.ledger.now += 1;
        for thread in self.threads.into_all() {
            close_thread(thread, &mut self.ledger, memory);
        }
        let functions = self.ledger.functions.into_iter().map(|total| RecordedFunction {
            calls: total.calls,
            baseline: total.baseline,
            increment: total.increment,
            peak: total.peak.get(),
        });
        let lines = self.ledger.lines.into_iter().map(|total| RecordedLine {
            increment: total.increment,
            greatest: total.greatest,
            memory: total.memory.get(),
            shared: total.shared,
        });
        Recording {
            functions: functions.collect(),
            lines: lines.collect(),
            edges: self.edges,
            arrivals: self.arrivals,
            calls: self.ledger.calls.map(|log| log.calls),
        }
    }
}

fn close_thread(mut thread: Thread, ledger: &mut Ledger, memory: Bytes) {
    let books = &mut ledger.books(&mut thread.tally, memory);
    for stack in thread.stacks.iter_mut() {
        stack.close_all(books);
    }
}
