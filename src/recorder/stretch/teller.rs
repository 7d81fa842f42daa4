//! A caller of `passed` as one has to be: follows the frames of threads, and tells of an arrival by itself only where
//! it must.
//!
//! Must not know: how the arrivals came about.
//!
//! Read on in `random.rs`, which compares it with a caller that tells of every arrival.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Begun, Place, Resumed, Step, Stretch};
use crate::plan::{Exit, InstanceId, Plan, SiteIndex};
use crate::recorder::{Arrival, Concurrency, OpenFrame, Recorder, StackKey, StackPointer, ThreadKey};
use crate::units::Bytes;

/// Stretches of all threads of a process.
pub(super) struct Teller {
    plan: Plan,
    pub(super) recorder: Recorder,
    threads: BTreeMap<ThreadKey, Told>,
    readings: Readings,
    entered: Vec<bool>,
    /// How many stretches and arrivals were told, and how many arrivals there were.
    pub(super) told: u64,
    pub(super) arrivals: u64,
}

/// In which order stretches of several threads are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readings {
    /// In the order of their readings.
    InOrder,
    /// When their thread is heard of again: the first entry of a function is told by itself.
    Late,
}

/// What was told of a thread, and what has not been.
struct Told {
    thread: ThreadKey,
    stack: StackKey,
    memory: Bytes,
    concurrency: Concurrency,
    frames: Vec<Followed>,
    aside: Option<RangeInclusive<StackPointer>>,
    steps: Vec<(Step, u64)>,
    ended: Option<StackPointer>,
}

#[derive(Clone, Copy)]
struct Followed {
    instance: InstanceId,
    entry_sp: StackPointer,
    sp: StackPointer,
    previous: Option<SiteIndex>,
    /// Unknown in a frame that only the recorder has followed.
    latest: Option<SiteIndex>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The recorder has it as it is.
    Known,
    /// The recorder has it, but it has moved.
    Moved,
    Begun,
}

impl Teller {
    pub(super) fn new(plan: &Plan, readings: Readings) -> Teller {
        Teller {
            plan: plan.clone(),
            recorder: Recorder::new(plan),
            threads: BTreeMap::new(),
            readings,
            entered: vec![false; plan.functions.len()],
            told: 0,
            arrivals: 0,
        }
    }

    pub(super) fn arrive(&mut self, arrival: Arrival) {
        self.arrivals += 1;
        let told = self.threads.entry(arrival.thread).or_insert_with(|| Told {
            thread: arrival.thread,
            stack: arrival.stack,
            memory: arrival.memory,
            concurrency: arrival.concurrency,
            frames: Vec::new(),
            aside: None,
            steps: Vec::new(),
            ended: None,
        });
        if told.stack != arrival.stack {
            self.told += told.tell(&self.plan, &mut self.recorder);
            told.stack = arrival.stack;
            told.learn(&self.recorder);
        }
        let site = self.plan.site(arrival.site);
        let entered = &mut self.entered[self.plan.instance(site.instance).function.index()];
        let entered_first = site.entry && !std::mem::replace(entered, true);
        let by_itself = entered_first && self.readings == Readings::Late;
        if told.steps.is_empty() && arrival.sp.0.is_multiple_of(32) {
            // A stretch may begin with a new reading as well as with an arrival.
            told.memory = arrival.memory;
            told.concurrency = arrival.concurrency;
        }
        let same = told.memory == arrival.memory && told.concurrency == arrival.concurrency;
        if !same || by_itself || !told.follow(&self.plan, &arrival) {
            self.told += 1 + told.tell(&self.plan, &mut self.recorder);
            self.recorder.arrive(arrival);
            told.memory = arrival.memory;
            told.concurrency = arrival.concurrency;
            told.learn(&self.recorder);
        }
    }

    /// The jump at a conditional exit was taken out of the frame entered at `entry_sp`.
    pub(super) fn jumped_out(&mut self, thread: ThreadKey, entry_sp: StackPointer) {
        if let Some(told) = self.threads.get_mut(&thread)
            && let Some(frame) = told.frames.last()
            && frame.entry_sp == entry_sp
            && let Some(site) = frame.latest
        {
            let previous = frame.previous;
            told.count(Step::Out { previous, site });
            told.end_innermost();
        }
    }

    pub(super) fn tell_all(&mut self) {
        for told in self.threads.values_mut() {
            self.told += told.tell(&self.plan, &mut self.recorder);
        }
    }

    pub(super) fn end(&mut self, thread: ThreadKey, memory: Bytes) {
        self.threads.remove(&thread);
        self.recorder.thread_ended(thread, memory);
    }
}

impl Told {
    /// Takes the arrival into the stretch, unless it needs a decision.
    fn follow(&mut self, plan: &Plan, arrival: &Arrival) -> bool {
        let site = plan.site(arrival.site);
        let sp = arrival.sp;
        if self.aside.as_ref().is_some_and(|aside| aside.contains(&sp)) {
            return false;
        }
        let innermost = self.frames.last();
        let waits = innermost
            .and_then(|frame| frame.latest)
            .is_some_and(|latest| plan.site(latest).exit == Exit::Conditional);
        let here = innermost.is_some_and(|frame| frame.instance == site.instance);
        let loops = here
            && !waits
            && plan.instance(site.instance).entry_reached_by_jump
            && innermost.is_some_and(|frame| frame.entry_sp == sp);
        let step = if site.entry && !loops {
            if innermost.is_some_and(|frame| frame.entry_sp <= sp) {
                return false;
            }
            self.frames.push(Followed {
                instance: site.instance,
                entry_sp: sp,
                sp,
                previous: None,
                latest: None,
                state: State::Begun,
            });
            Step::Call { entry: arrival.site }
        } else {
            match innermost {
                Some(innermost) if here && sp <= innermost.entry_sp => Step::Within {
                    previous: innermost.previous,
                    site: arrival.site,
                },
                _ => return false,
            }
        };
        self.count(step);
        if let Some(frame) = self.frames.last_mut() {
            frame.sp = sp;
            frame.latest = Some(arrival.site);
            if !site.lines.is_empty() {
                frame.previous = Some(arrival.site);
            }
            if frame.state == State::Known {
                frame.state = State::Moved;
            }
        }
        if site.exit == Exit::Always {
            self.end_innermost();
        }
        true
    }

    fn count(&mut self, step: Step) {
        match self.steps.iter_mut().find(|(known, _)| *known == step) {
            Some((_, times)) => *times += 1,
            None => self.steps.push((step, 1)),
        }
    }

    fn end_innermost(&mut self) {
        if let Some(frame) = self.frames.pop()
            && frame.state != State::Begun
        {
            self.ended = Some(frame.entry_sp);
        }
    }

    /// Tells of the stretch, and what became of the frames; how much was told.
    fn tell(&mut self, plan: &Plan, recorder: &mut Recorder) -> u64 {
        if self.steps.is_empty() && self.ended.is_none() {
            return 0;
        }
        let place = |frame: &Followed| {
            frame.latest.map(|latest| Place {
                previous: frame.previous,
                latest,
                sp: frame.sp,
            })
        };
        let begun = self.frames.partition_point(|frame| frame.state != State::Begun);
        let (of_before, begun) = self.frames.split_at(begun);
        let begin = |frame: &Followed| {
            Some(Begun {
                entry_sp: frame.entry_sp,
                place: place(frame)?,
            })
        };
        let begun: Vec<Begun> = begun.iter().filter_map(begin).collect();
        let resume = |frame: &Followed| {
            Some(Resumed {
                entry_sp: Some(frame.entry_sp),
                place: place(frame)?,
            })
        };
        recorder.passed(&Stretch {
            thread: self.thread,
            stack: self.stack,
            memory: self.memory,
            concurrency: self.concurrency,
            steps: &self.steps,
            ended: self.ended.take(),
            resumed: of_before.last().and_then(resume),
            begun: &begun,
        });
        self.steps.clear();
        self.frames.retain_mut(|frame| {
            frame.state = State::Known;
            let exit = frame.latest.map(|latest| plan.site(latest).exit);
            exit != Some(Exit::Conditional)
        });
        let followed: Vec<OpenFrame> = self.frames.iter().map(Followed::open).collect();
        let open: Vec<OpenFrame> = recorder.open_frames(self.thread, self.stack).collect();
        assert_eq!(followed, open, "a stretch leaves the frames that were followed");
        self.aside = recorder.aside(self.thread, self.stack);
        1
    }

    /// Takes over what the recorder has.
    fn learn(&mut self, recorder: &Recorder) {
        self.frames.clear();
        for open in recorder.open_frames(self.thread, self.stack) {
            self.frames.push(Followed {
                instance: open.instance,
                entry_sp: open.entry_sp,
                sp: open.sp,
                previous: open.previous,
                latest: None,
                state: State::Known,
            });
        }
        self.aside = recorder.aside(self.thread, self.stack);
    }
}

impl Followed {
    fn open(&self) -> OpenFrame {
        OpenFrame {
            instance: self.instance,
            entry_sp: self.entry_sp,
            sp: self.sp,
            previous: self.previous,
        }
    }
}
