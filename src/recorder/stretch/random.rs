//! Random programs, told of in stretches and arrival by arrival: both recordings are the same.
//!
//! Must not know: how a stretch is taken in.
//!
//! A recorder that is told of every arrival keeps a frame that ended by a conditional jump for a while, as it does not
//! know that the jump was taken. So that it never takes one for another, all frames have one size where there are such
//! jumps, and none is taken where stacks are told apart by nothing but the stack pointer.

use std::collections::BTreeMap;

use super::teller::{Readings, Teller};
use super::tests::assert_same;
use crate::plan::{Exit, InstanceId, Plan, SiteIndex};
use crate::recorder::{Arrival, Concurrency, Exits, Recorder, StackKey, StackPointer, ThreadKey};
use crate::scripted::{At, Dice};
use crate::units::Bytes;

/// How many programs of each shape.
const RUNS: u64 = 300;

/// What happens in a random program.
#[derive(Debug, Clone, Copy)]
struct Shape {
    threads: u64,
    stacks: u64,
    keys: Keys,
    jumps: Jumps,
    readings: Readings,
    /// One arrival in so many finds another memory.
    memory_changes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    OneAStack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jumps {
    /// There are conditional exits, and all frames have one size.
    Conditional,
    /// So too, but the jumps are never taken.
    NeverTaken,
    /// There are none, and frames have any size.
    None,
}

/// The sites of an instance.
struct Code {
    instance: InstanceId,
    entry: SiteIndex,
    /// Where the stack pointer is that of the entry still.
    prologue: Vec<SiteIndex>,
    body: Vec<SiteIndex>,
    exits: Vec<SiteIndex>,
}

fn random_plan(dice: &mut Dice, jumps: Jumps) -> (Plan, Vec<Code>) {
    let mut plan = Plan::default();
    let mut codes = Vec::new();
    for number in 0..1 + dice.below(4) {
        let declaration = 100 * number as u32 + 1;
        let (function, mut instance) = plan.add_function("f", declaration);
        for copy in 0..1 + dice.below(2) {
            if copy > 0 {
                instance = plan.add_instance(function);
            }
            let mut site = |at, dice: &mut Dice| {
                let lines: Vec<u32> = (0..dice.below(4))
                    .map(|_| declaration + dice.below(5) as u32)
                    .collect();
                plan.add_site(instance, &lines, at)
            };
            let at_entry = if dice.below(8) == 0 {
                At::EntryAndExit
            } else {
                At::Entry
            };
            let entry = site(at_entry, dice);
            let prologue = (0..dice.below(2)).map(|_| site(At::Middle, dice)).collect();
            let body = (0..1 + dice.below(5))
                .map(|_| match (jumps, dice.below(3)) {
                    (Jumps::Conditional | Jumps::NeverTaken, 0) => site(At::MayExit, dice),
                    _ => site(At::Middle, dice),
                })
                .collect();
            let exits = (0..1 + dice.below(2)).map(|_| site(At::Exit, dice)).collect();
            plan.instances[instance.index()].entry_reached_by_jump = dice.below(3) == 0;
            codes.push(Code {
                instance,
                entry,
                prologue,
                body,
                exits,
            });
        }
    }
    (plan, codes)
}

/// A frame as it really is.
#[derive(Clone, Copy)]
struct Real {
    code: usize,
    entry_sp: u64,
    body_sp: u64,
    /// The stack pointer of its latest arrival.
    sp: u64,
    at_conditional_exit: bool,
}

struct Thread {
    stacks: Vec<Vec<Real>>,
    stack: usize,
}

/// The same program told in both ways.
struct Run {
    plan: Plan,
    codes: Vec<Code>,
    shape: Shape,
    single: Recorder,
    teller: Teller,
    threads: BTreeMap<ThreadKey, Thread>,
    next_thread: u64,
    memory: u64,
}

impl Run {
    fn new(dice: &mut Dice, shape: Shape) -> Run {
        let (plan, codes) = random_plan(dice, shape.jumps);
        Run {
            single: Recorder::new(&plan),
            teller: Teller::new(&plan, shape.readings),
            plan,
            codes,
            shape,
            threads: BTreeMap::new(),
            next_thread: 1,
            memory: 1000,
        }
    }

    fn start_thread(&mut self, dice: &mut Dice) {
        self.teller.tell_all();
        if !self.threads.is_empty() {
            self.single.thread_started();
            self.teller.recorder.thread_started();
        }
        let mut thread = Thread {
            stacks: vec![Vec::new(); self.shape.stacks as usize],
            stack: 0,
        };
        // Some frames were there before anything was seen. Without a key, one on another stack may be taken for the
        // innermost frame, whoever is told of it.
        if self.shape.stacks == 1 || self.shape.keys == Keys::OneAStack {
            for _ in 0..dice.below(4) {
                self.push(dice, &mut thread, None);
            }
        }
        self.threads.insert(ThreadKey(self.next_thread), thread);
        self.next_thread += 1;
    }

    /// Makes the frame of a call, at `entry_sp` where that is given.
    fn push(&self, dice: &mut Dice, thread: &mut Thread, entry_sp: Option<u64>) -> Real {
        // The stack used first is in the middle.
        let top = (1 << 20) + [1, 0, 2][thread.stack] * (1 << 16) + 8;
        let stack = &mut thread.stacks[thread.stack];
        let code = dice.below(self.codes.len() as u64);
        let (gap, size) = match self.shape.jumps {
            Jumps::Conditional | Jumps::NeverTaken => (0, 56),
            Jumps::None => (16 * dice.below(3), 8 + 16 * (code % 5)),
        };
        let lowest = stack.last().map_or(top + 8, |caller| caller.body_sp);
        let entry_sp = entry_sp.unwrap_or(lowest - 8 - gap);
        let real = Real {
            code: code as usize,
            entry_sp,
            body_sp: entry_sp - size,
            sp: entry_sp,
            at_conditional_exit: false,
        };
        stack.push(real);
        real
    }

    fn arrive(&mut self, dice: &mut Dice, key: ThreadKey, thread: &mut Thread, site: SiteIndex, sp: u64) {
        if dice.below(self.shape.memory_changes) == 0 {
            self.memory = self.memory + dice.below(200) - self.memory.min(100);
            if self.shape.readings == Readings::InOrder {
                self.teller.tell_all();
            }
        }
        let real = thread.stacks[thread.stack].last_mut();
        let arrival = Arrival {
            thread: key,
            stack: match self.shape.keys {
                Keys::None => StackKey::THREAD,
                Keys::OneAStack => StackKey(thread.stack as u64),
            },
            site,
            sp: StackPointer(sp),
            entry_sp: real
                .as_ref()
                .filter(|_| self.shape.jumps != Jumps::None || dice.below(2) == 0)
                .map(|real| StackPointer(real.entry_sp)),
            memory: Bytes(self.memory),
            concurrency: match self.threads.is_empty() {
                true => Concurrency::Alone,
                false => Concurrency::Shared,
            },
            exits: Exits::AsPlanned,
        };
        let exit = self.plan.site(site).exit;
        if let Some(real) = real {
            real.sp = sp;
            real.at_conditional_exit = exit == Exit::Conditional;
        }
        if exit == Exit::Always {
            thread.stacks[thread.stack].pop();
        }
        self.single.arrive(arrival);
        self.teller.arrive(arrival);
    }

    fn act(&mut self, dice: &mut Dice, key: ThreadKey, thread: &mut Thread) {
        let stack = &mut thread.stacks[thread.stack];
        let depth = stack.len();
        let Some(&real) = stack.last() else {
            let real = self.push(dice, thread, None);
            return self.arrive(dice, key, thread, self.codes[real.code].entry, real.entry_sp);
        };
        let code = &self.codes[real.code];
        let one_of = |sites: &[SiteIndex], dice: &mut Dice| sites[dice.below(sites.len() as u64) as usize];
        match dice.below(40) {
            // The conditional jump is taken: sometimes into another function.
            0..8 if real.at_conditional_exit && self.shape.jumps == Jumps::Conditional => {
                stack.pop();
                self.teller.jumped_out(key, StackPointer(real.entry_sp));
                if dice.below(2) == 0 {
                    let real = self.push(dice, thread, Some(real.entry_sp));
                    self.arrive(dice, key, thread, self.codes[real.code].entry, real.entry_sp);
                }
            }
            0..9 if depth < 12 => {
                let real = self.push(dice, thread, None);
                self.arrive(dice, key, thread, self.codes[real.code].entry, real.entry_sp);
            }
            9..16 => {
                let site = one_of(&code.exits, dice);
                self.arrive(dice, key, thread, site, real.entry_sp);
            }
            16..18 if real.sp == real.entry_sp && !code.prologue.is_empty() => {
                let site = one_of(&code.prologue, dice);
                self.arrive(dice, key, thread, site, real.entry_sp);
            }
            18..21
                if self.plan.instance(code.instance).entry_reached_by_jump && !real.at_conditional_exit =>
            {
                self.arrive(dice, key, thread, code.entry, real.entry_sp);
            }
            // longjmp, or an exception.
            21 if depth > 1 => {
                stack.truncate(1 + dice.below(depth as u64 - 1) as usize);
                let real = stack[stack.len() - 1];
                let site = one_of(&self.codes[real.code].body, dice);
                self.arrive(dice, key, thread, site, real.body_sp);
            }
            // A return that is not seen.
            22 => {
                stack.pop();
            }
            23 => {
                let other = dice.below(self.shape.stacks) as usize;
                match thread.stacks[other].last().copied() {
                    None => thread.stack = other,
                    // A function goes on where it was left.
                    Some(real) if real.sp == real.body_sp => {
                        thread.stack = other;
                        let site = one_of(&self.codes[real.code].body, dice);
                        self.arrive(dice, key, thread, site, real.body_sp);
                    }
                    Some(_) => {}
                }
            }
            _ => {
                let site = one_of(&code.body, dice);
                self.arrive(dice, key, thread, site, real.body_sp);
            }
        }
    }

    fn compare(&mut self, context: &str) {
        self.teller.tell_all();
        let memory = Bytes(self.memory);
        assert_same(
            self.single.clone().finish(memory),
            self.teller.recorder.clone().finish(memory),
            context,
        );
    }
}

/// How much of it could be told in stretches, in percent.
fn run(seed: u64, shape: Shape) -> u64 {
    let dice = &mut Dice::new(seed);
    let mut run = Run::new(dice, shape);
    let context = format!("seed {seed}, {shape:?}");
    for step in 0..250 {
        if run.threads.is_empty() || (run.threads.len() as u64) < shape.threads && dice.below(20) == 0 {
            run.start_thread(dice);
        }
        let place = dice.below(run.threads.len() as u64) as usize;
        let Some(key) = run.threads.keys().nth(place).copied() else {
            continue;
        };
        let Some(mut thread) = run.threads.remove(&key) else {
            continue;
        };
        if dice.below(60) == 0 {
            run.teller.tell_all();
            run.single.thread_ended(key, Bytes(run.memory));
            run.teller.end(key, Bytes(run.memory));
            continue;
        }
        run.act(dice, key, &mut thread);
        run.threads.insert(key, thread);
        if dice.below(50) == 0 {
            run.compare(&format!("{context}, after {step}"));
        }
    }
    run.compare(&context);
    100 * (run.teller.arrivals.saturating_sub(run.teller.told)) / run.teller.arrivals.max(1)
}

fn run_many(shape: Shape) {
    let saved: u64 = (1..=RUNS).map(|seed| run(seed, shape)).sum();
    println!("{} % of the arrivals were saved, {shape:?}", saved / RUNS);
}

const SIMPLE: Shape = Shape {
    threads: 1,
    stacks: 1,
    keys: Keys::None,
    jumps: Jumps::None,
    readings: Readings::InOrder,
    memory_changes: 10,
};

#[test]
fn stretches_come_to_the_same_with_frames_of_any_size() {
    run_many(SIMPLE);
}

#[test]
fn stretches_come_to_the_same_with_conditional_exits() {
    run_many(Shape {
        jumps: Jumps::Conditional,
        ..SIMPLE
    });
}

#[test]
fn stretches_come_to_the_same_on_several_stacks() {
    for (keys, jumps) in [
        (Keys::None, Jumps::None),
        (Keys::None, Jumps::NeverTaken),
        (Keys::OneAStack, Jumps::None),
        (Keys::OneAStack, Jumps::Conditional),
    ] {
        run_many(Shape {
            stacks: 3,
            keys,
            jumps,
            ..SIMPLE
        });
    }
}

#[test]
fn stretches_of_several_threads_come_to_the_same() {
    for readings in [Readings::InOrder, Readings::Late] {
        for jumps in [Jumps::None, Jumps::Conditional] {
            run_many(Shape {
                threads: 3,
                jumps,
                readings,
                memory_changes: 20,
                ..SIMPLE
            });
        }
    }
}
