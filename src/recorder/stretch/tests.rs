//! Stretches against the single arrivals that they stand for.
//!
//! Must not know: how a stretch is taken in.

use super::{Begun, Place, Resumed, Step, Stretch};
use crate::plan::{Exit, FunctionId, InstanceId, Plan, SiteIndex};
use crate::recorder::{
    Arrival, Concurrency, RecordedLine, Recorder, Recording, StackKey, StackPointer, ThreadKey,
};
use crate::scripted::At;
use crate::units::{Bytes, Change};

const THREAD: ThreadKey = ThreadKey(1);

/// Both recordings say the same.
pub(super) fn assert_same(single: Recording, stretches: Recording, context: &str) {
    let steps = |recording: &Recording| {
        let mut steps: Vec<_> = recording.edges.iter().collect();
        steps.sort();
        steps
    };
    assert_eq!(steps(&single), steps(&stretches), "steps, {context}");
    assert_eq!(single.arrivals, stretches.arrivals, "arrivals, {context}");
    assert_eq!(single.functions, stretches.functions, "functions, {context}");
    // Where frames of one line follow each other while the memory stays as it is, a stretch does not tell whether one left
    // before the next came: what they add is one charge or two.
    let sums = |recording: Recording| -> Vec<RecordedLine> {
        let sum = |line: RecordedLine| RecordedLine {
            greatest: Change::default(),
            ..line
        };
        recording.lines.into_iter().map(sum).collect()
    };
    assert_eq!(sums(single), sums(stretches), "lines, {context}");
}

/// `f`: the declaration on line 1, lines 2 and 3, the end on line 4.
struct One {
    plan: Plan,
    f: FunctionId,
    instance: InstanceId,
    entry: SiteIndex,
    second: SiteIndex,
    third: SiteIndex,
    exit: SiteIndex,
}

/// The site of line 2 is a conditional exit where `second` says so.
fn one(second: At) -> One {
    let mut plan = Plan::default();
    let (f, instance) = plan.add_function("f", 1);
    One {
        f,
        instance,
        entry: plan.add_site(instance, &[1], At::Entry),
        second: plan.add_site(instance, &[2], second),
        third: plan.add_site(instance, &[3], At::Middle),
        exit: plan.add_site(instance, &[4], At::Exit),
        plan,
    }
}

/// Arrivals told one by one, and the same ones told in stretches.
struct Pair {
    single: Recorder,
    stretches: Recorder,
    concurrency: Concurrency,
}

impl Pair {
    fn new(plan: &Plan) -> Pair {
        Pair {
            single: Recorder::new(plan),
            stretches: Recorder::new(plan),
            concurrency: Concurrency::Alone,
        }
    }

    fn arrival(&self, site: SiteIndex, sp: u64, memory: u64) -> Arrival {
        Arrival {
            concurrency: self.concurrency,
            ..Arrival::new(THREAD, site, StackPointer(sp), Bytes(memory))
        }
    }

    /// An arrival that both are told of.
    fn arrive(&mut self, site: SiteIndex, sp: u64, memory: u64) {
        let arrival = self.arrival(site, sp, memory);
        self.single.arrive(arrival);
        self.stretches.arrive(arrival);
    }

    /// The stretch that `arrivals` make at `memory`; `stretch` says the rest.
    fn pass(&mut self, memory: u64, arrivals: &[(SiteIndex, u64)], stretch: Stretch<'_>) {
        for &(site, sp) in arrivals {
            self.single.arrive(self.arrival(site, sp, memory));
        }
        self.stretches.passed(&Stretch {
            memory: Bytes(memory),
            concurrency: self.concurrency,
            ..stretch
        });
    }

    fn finish(self, memory: u64) -> Recording {
        let recording = self.stretches.finish(Bytes(memory));
        assert_same(
            self.single.finish(Bytes(memory)),
            recording.clone(),
            "single against stretches",
        );
        recording
    }
}

const NOTHING: Stretch<'static> = Stretch {
    thread: THREAD,
    stack: StackKey::THREAD,
    memory: Bytes(0),
    concurrency: Concurrency::Alone,
    steps: &[],
    ended: None,
    resumed: None,
    begun: &[],
};

fn call(entry: SiteIndex) -> Step {
    Step::Call { entry }
}

fn within(previous: SiteIndex, site: SiteIndex) -> Step {
    Step::Within {
        previous: Some(previous),
        site,
    }
}

fn place(site: SiteIndex, sp: u64) -> Place {
    Place {
        previous: Some(site),
        latest: site,
        sp: StackPointer(sp),
    }
}

fn frame(entry_sp: u64, place: Place) -> Resumed {
    Resumed {
        entry_sp: Some(StackPointer(entry_sp)),
        place,
    }
}

#[test]
fn calls_that_begin_and_end_in_a_stretch_are_counted_and_cost_nothing() {
    let one = one(At::Middle);
    let mut pair = Pair::new(&one.plan);
    let once = [(one.entry, 500), (one.second, 400), (one.exit, 500)];
    pair.pass(
        1000,
        &[once, once].concat(),
        Stretch {
            steps: &[
                (call(one.entry), 2),
                (within(one.entry, one.second), 2),
                (within(one.second, one.exit), 2),
            ],
            ..NOTHING
        },
    );
    let recording = pair.finish(1500);
    let f = recording.function(one.f);
    assert_eq!(
        (f.calls, f.baseline, f.increment, f.peak),
        (2, Some(Bytes(1000)), Change(0), Some(Bytes(1000)))
    );
    let memory = [1, 2, 3, 4].map(|line| recording.memory(&one.plan, one.f, line));
    assert_eq!(memory, [Some(1000), Some(1000), None, Some(1000)]);
    assert_eq!(recording.arrivals, 6);
}

#[test]
fn a_frame_that_ends_in_a_stretch_is_charged_on_the_line_it_stood_on() {
    let one = one(At::Middle);
    let mut pair = Pair::new(&one.plan);
    pair.arrive(one.entry, 500, 1000);
    pair.arrive(one.second, 400, 1000);
    pair.pass(
        1070,
        &[(one.third, 400), (one.exit, 500)],
        Stretch {
            steps: &[
                (within(one.second, one.third), 1),
                (within(one.third, one.exit), 1),
            ],
            ended: Some(StackPointer(500)),
            ..NOTHING
        },
    );
    let recording = pair.finish(2000);
    let increments = [1, 2, 3, 4].map(|line| recording.increment(&one.plan, one.f, line));
    assert_eq!(increments, [0, 70, 0, 0]);
    assert_eq!(recording.function(one.f).increment, Change(70));
}

#[test]
fn a_frame_goes_on_from_where_a_stretch_left_it() {
    let one = one(At::Middle);
    let mut pair = Pair::new(&one.plan);
    pair.arrive(one.entry, 500, 1000);
    pair.arrive(one.second, 400, 1000);
    pair.pass(
        1010,
        &[(one.third, 390), (one.second, 390), (one.third, 390)],
        Stretch {
            steps: &[
                (within(one.second, one.third), 2),
                (within(one.third, one.second), 1),
            ],
            resumed: Some(frame(500, place(one.third, 390))),
            ..NOTHING
        },
    );
    pair.arrive(one.exit, 500, 1100);
    let recording = pair.finish(1100);
    let increments = [2, 3].map(|line| recording.increment(&one.plan, one.f, line));
    assert_eq!(increments, [10, 90]);
}

#[test]
fn a_frame_that_stands_where_it_stood_is_charged_with_the_rest() {
    let one = one(At::Middle);
    let mut pair = Pair::new(&one.plan);
    pair.arrive(one.entry, 500, 1000);
    pair.arrive(one.second, 400, 1000);
    let unmoved = Stretch {
        resumed: Some(frame(500, place(one.second, 400))),
        ..NOTHING
    };
    pair.pass(9000, &[], unmoved);
    pair.arrive(one.third, 400, 1020);
    let recording = pair.finish(1020);
    assert_eq!(recording.increment(&one.plan, one.f, 2), 20);
    assert_eq!(
        recording.memory(&one.plan, one.f, 2),
        Some(1020),
        "a line that nothing left has seen nothing"
    );
}

#[test]
fn a_frame_that_the_caller_does_not_follow_stays_while_the_one_outside_it_does_not_move() {
    let mut one = one(At::Middle);
    let (_, other) = one.plan.add_function("g", 11);
    let [entry, first, last] = [(11, At::Entry), (12, At::Middle), (13, At::Exit)]
        .map(|(line, at)| one.plan.add_site(other, &[line], at));
    let mut pair = Pair::new(&one.plan);
    pair.arrive(one.entry, 900, 1000);
    pair.arrive(one.second, 850, 1000);
    pair.arrive(entry, 800, 1000);
    let unmoved = Stretch {
        resumed: Some(frame(900, place(one.second, 850))),
        ..NOTHING
    };
    for site in [first, first, last] {
        pair.pass(1000, &[], unmoved);
        pair.arrive(site, if site == last { 800 } else { 780 }, 1000);
    }
    pair.arrive(entry, 800, 1000);
    // It ends unseen, as by an exception.
    pair.pass(
        1030,
        &[(one.third, 850)],
        Stretch {
            steps: &[(within(one.second, one.third), 1)],
            resumed: Some(frame(900, place(one.third, 850))),
            ..NOTHING
        },
    );
    assert_eq!(pair.stretches.open_frames(THREAD, StackKey::THREAD).count(), 1);
    pair.finish(1030);
}

#[test]
fn frames_that_begin_in_a_stretch_are_charged_from_then_on() {
    let one = one(At::Middle);
    let mut pair = Pair::new(&one.plan);
    let begun = |entry_sp, place| Begun {
        entry_sp: StackPointer(entry_sp),
        place,
    };
    // The first activation calls itself on line 2; the second has come no further than its entry.
    pair.pass(
        1000,
        &[(one.entry, 500), (one.second, 400), (one.entry, 392)],
        Stretch {
            steps: &[(call(one.entry), 2), (within(one.entry, one.second), 1)],
            begun: &[
                begun(500, place(one.second, 400)),
                begun(392, place(one.entry, 392)),
            ],
            ..NOTHING
        },
    );
    let open: Vec<_> = pair.stretches.open_frames(THREAD, StackKey::THREAD).collect();
    assert_eq!(
        open.iter()
            .map(|frame| (frame.entry_sp.0, frame.sp.0))
            .collect::<Vec<_>>(),
        [(500, 400), (392, 392)]
    );
    assert_eq!(open[0].previous, Some(one.second));
    pair.arrive(one.third, 300, 1005);
    pair.arrive(one.exit, 392, 1006);
    pair.arrive(one.third, 400, 1010);
    let recording = pair.finish(1100);
    let increments = [1, 2, 3].map(|line| recording.increment(&one.plan, one.f, line));
    assert_eq!(increments, [5, 10, 91]);
}

#[test]
fn a_site_without_lines_does_not_move_a_frame() {
    let mut plan = Plan::default();
    let (f, instance) = plan.add_function("f", 1);
    plan.instances[0].entry_reached_by_jump = true;
    let entry = plan.add_site(instance, &[], At::Entry);
    let body = plan.add_site(instance, &[2, 3, 2], At::Middle);
    let exit = plan.add_site(instance, &[], At::Exit);
    let mut pair = Pair::new(&plan);
    let again = Step::Within {
        previous: None,
        site: entry,
    };
    let first = Step::Within {
        previous: None,
        site: body,
    };
    pair.pass(
        1000,
        &[
            (entry, 500),
            (entry, 500),
            (body, 500),
            (exit, 500),
            (entry, 500),
            (entry, 500),
            (entry, 500),
        ],
        Stretch {
            steps: &[(call(entry), 2), (again, 3), (first, 1), (within(body, exit), 1)],
            begun: &[Begun {
                entry_sp: StackPointer(500),
                place: Place {
                    previous: None,
                    latest: entry,
                    sp: StackPointer(500),
                },
            }],
            ..NOTHING
        },
    );
    pair.arrive(body, 500, 1030);
    let recording = pair.finish(1031);
    assert_eq!(recording.function(f).calls, 2);
    let increments = [1, 2, 3].map(|line| recording.increment(&plan, f, line));
    assert_eq!(increments, [30, 1, 0]);
}

#[test]
fn a_frame_at_a_conditional_exit_goes_on_with_an_arrival() {
    let one = one(At::MayExit);
    let mut pair = Pair::new(&one.plan);
    pair.arrive(one.entry, 500, 900);
    pair.pass(
        1000,
        &[(one.second, 500)],
        Stretch {
            steps: &[(within(one.entry, one.second), 1)],
            resumed: Some(frame(500, place(one.second, 500))),
            ..NOTHING
        },
    );
    assert_eq!(pair.stretches.open_frames(THREAD, StackKey::THREAD).count(), 0);
    let aside = pair.stretches.aside(THREAD, StackKey::THREAD);
    assert_eq!(aside, Some(StackPointer(500)..=StackPointer(500)));
    pair.arrive(one.third, 500, 950);
    assert_eq!(pair.stretches.aside(THREAD, StackKey::THREAD), None);
    let recording = pair.finish(950);
    assert_eq!(recording.memory(&one.plan, one.f, 2), Some(950));
    assert_eq!(recording.function(one.f).increment, Change(50));
}

#[test]
fn a_jump_out_at_a_conditional_exit_ends_the_line() {
    let one = one(At::MayExit);
    let mut pair = Pair::new(&one.plan);
    let out = Step::Out {
        previous: Some(one.second),
        site: one.second,
    };
    pair.arrive(one.entry, 500, 900);
    // The jump is taken out of the frame of before, and out of the next call of three; the others go on.
    pair.pass(
        1000,
        &[
            (one.second, 500),
            (one.entry, 500),
            (one.second, 500),
            (one.entry, 500),
            (one.second, 500),
            (one.third, 500),
            (one.second, 500),
        ],
        Stretch {
            steps: &[
                (call(one.entry), 2),
                (within(one.entry, one.second), 3),
                (out, 2),
                (within(one.second, one.third), 1),
                (within(one.third, one.second), 1),
            ],
            ended: Some(StackPointer(500)),
            begun: &[Begun {
                entry_sp: StackPointer(500),
                place: place(one.second, 500),
            }],
            ..NOTHING
        },
    );
    pair.arrive(one.third, 500, 800);
    let recording = pair.finish(800);
    assert_eq!(recording.memory(&one.plan, one.f, 2), Some(1000));
    assert_eq!(recording.function(one.f).calls, 3);
    assert_eq!(recording.function(one.f).increment, Change(100 - 200));
}

#[test]
fn a_frame_at_a_conditional_exit_stays_open_where_its_end_will_be_told() {
    let one = one(At::MayExit);
    let mut pair = Pair::new(&one.plan);
    let stays = Place {
        latest: one.entry,
        ..place(one.second, 500)
    };
    pair.pass(
        1000,
        &[(one.entry, 500), (one.second, 500)],
        Stretch {
            steps: &[(call(one.entry), 1), (within(one.entry, one.second), 1)],
            begun: &[Begun {
                entry_sp: StackPointer(500),
                place: stays,
            }],
            ..NOTHING
        },
    );
    pair.pass(
        1010,
        &[(one.third, 500), (one.second, 500)],
        Stretch {
            steps: &[
                (within(one.second, one.third), 1),
                (within(one.third, one.second), 1),
            ],
            resumed: Some(frame(500, stays)),
            ..NOTHING
        },
    );
    assert_eq!(pair.stretches.open_frames(THREAD, StackKey::THREAD).count(), 1);
    let out = Step::Out {
        previous: Some(one.second),
        site: one.second,
    };
    pair.pass(
        1010,
        &[],
        Stretch {
            steps: &[(out, 1)],
            ended: Some(StackPointer(500)),
            ..NOTHING
        },
    );
    assert_eq!(pair.finish(2000).function(one.f).increment, Change(10));
}

#[test]
fn frames_at_conditional_exits_come_back_one_by_one() {
    let one = one(At::MayExit);
    let mut pair = Pair::new(&one.plan);
    let begun = |entry_sp| Begun {
        entry_sp: StackPointer(entry_sp),
        place: place(one.second, entry_sp - 50),
    };
    pair.pass(
        1000,
        &[
            (one.entry, 500),
            (one.second, 450),
            (one.entry, 400),
            (one.second, 350),
        ],
        Stretch {
            steps: &[(call(one.entry), 2), (within(one.entry, one.second), 2)],
            begun: &[begun(500), begun(400)],
            ..NOTHING
        },
    );
    pair.arrive(one.third, 350, 1030);
    pair.finish(1040);
}

#[test]
fn an_entry_that_is_a_conditional_exit_too_is_left_for_now() {
    let mut plan = Plan::default();
    let (f, instance) = plan.add_function("f", 1);
    let entry = plan.add_site(instance, &[1], At::Entry);
    plan.sites[entry.index()].exit = Exit::Conditional;
    let body = plan.add_site(instance, &[2], At::Middle);
    let mut pair = Pair::new(&plan);
    pair.pass(
        1000,
        &[(entry, 500)],
        Stretch {
            steps: &[(call(entry), 1)],
            begun: &[Begun {
                entry_sp: StackPointer(500),
                place: place(entry, 500),
            }],
            ..NOTHING
        },
    );
    pair.arrive(body, 400, 1010);
    let recording = pair.finish(1011);
    assert_eq!(recording.function(f).increment, Change(11));
    assert_eq!(recording.function(f).calls, 1);
}

#[test]
fn c119_lines_left_in_a_stretch_beside_another_thread_are_marked() {
    let one = one(At::Middle);
    let mut pair = Pair::new(&one.plan);
    let way = |pair: &mut Pair| {
        pair.pass(
            1000,
            &[(one.entry, 500), (one.second, 400), (one.exit, 500)],
            Stretch {
                steps: &[
                    (call(one.entry), 1),
                    (within(one.entry, one.second), 1),
                    (within(one.second, one.exit), 1),
                ],
                ..NOTHING
            },
        );
    };
    let marks = |pair: &Pair| {
        let recording = pair.stretches.clone().finish(Bytes(1000));
        [1, 2, 3, 4].map(|line| recording.line(one.plan.find_line(one.f, line)).shared)
    };
    way(&mut pair);
    pair.single.thread_started();
    pair.stretches.thread_started();
    way(&mut pair);
    assert_eq!(marks(&pair), [false; 4]);
    pair.concurrency = Concurrency::Shared;
    way(&mut pair);
    assert_eq!(marks(&pair), [true, true, false, true]);
    pair.finish(1000);
}

#[test]
fn a_frame_to_resume_that_is_not_open_is_nothing() {
    let one = one(At::Middle);
    let mut pair = Pair::new(&one.plan);
    pair.pass(
        1000,
        &[],
        Stretch {
            resumed: Some(frame(500, place(one.second, 400))),
            ..NOTHING
        },
    );
    pair.finish(2000);
}

#[test]
fn open_frames_and_those_put_aside_are_told() {
    let one = one(At::Middle);
    let mut recorder = Recorder::new(&one.plan);
    let mut arrive = |site, sp| {
        recorder.arrive(Arrival::new(THREAD, site, StackPointer(sp), Bytes(1)));
    };
    for entry_sp in [900, 800, 700] {
        arrive(one.entry, entry_sp);
        arrive(one.second, entry_sp - 50);
    }
    arrive(one.second, 850);
    let open: Vec<_> = recorder.open_frames(THREAD, StackKey::THREAD).collect();
    assert_eq!(
        open,
        [crate::recorder::OpenFrame {
            instance: one.instance,
            entry_sp: StackPointer(900),
            sp: StackPointer(850),
            previous: Some(one.second),
        }]
    );
    let aside = recorder.aside(THREAD, StackKey::THREAD);
    assert_eq!(aside, Some(StackPointer(650)..=StackPointer(800)));
    assert_eq!(recorder.open_frames(ThreadKey(2), StackKey::THREAD).count(), 0);
    assert_eq!(recorder.aside(THREAD, StackKey(7)), None);
}

/// Prints what a stretch costs: `cargo test --release --lib a_stretch_costs -- --ignored --nocapture`.
#[test]
#[ignore = "prints nanoseconds; nothing is asserted"]
fn a_stretch_costs_nanoseconds() {
    const ROUNDS: u64 = 1_000_000;
    let one = one(At::Middle);
    let mut recorder = Recorder::new(&one.plan);
    recorder.arrive(Arrival::new(THREAD, one.entry, StackPointer(900), Bytes(0)));
    recorder.arrive(Arrival::new(THREAD, one.second, StackPointer(850), Bytes(0)));
    let steps = [
        (call(one.entry), 3),
        (within(one.entry, one.second), 3),
        (within(one.second, one.third), 20),
        (within(one.third, one.second), 17),
        (within(one.third, one.exit), 2),
    ];
    let started = std::time::Instant::now();
    for round in 0..ROUNDS {
        recorder.passed(&Stretch {
            memory: Bytes(round),
            steps: &steps,
            ended: (round > 0).then_some(StackPointer(800)),
            resumed: Some(frame(
                900,
                place([one.second, one.third][round as usize % 2], 850),
            )),
            begun: &[Begun {
                entry_sp: StackPointer(800),
                place: place(one.third, 750),
            }],
            ..NOTHING
        });
    }
    let cost = started.elapsed().as_nanos() as f64 / ROUNDS as f64;
    println!("five steps, a frame that ends and one that begins: {cost:.1} ns a stretch");
}
