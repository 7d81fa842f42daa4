//! Many threads that stop again at once: each gets its turn, and so does a request to stop.
//!
//! wait4(2) answers with the first stopped thread of its list, whoever has waited longest.

use super::*;
use crate::waiting::waits_a_round;

const THREADS: std::ops::Range<i32> = 100..108;
const VISITS: usize = 40;
/// Answers of one thread between two rounds, and a round of all.
const MOST_BETWEEN: usize = 8 + 8;

/// Eight threads that do nothing but hit.
fn hot() -> Scene {
    hot_in(Scene::new())
}

fn hot_in(scene: Scene) -> Scene {
    THREADS.fold(scene.order(Order::FirstOfList), |scene, tid| {
        let mut acts = vec![visit(1); VISITS];
        acts.push(Exit);
        scene.with(tid, acts)
    })
}

#[test]
fn each_of_eight_hot_threads_gets_its_turn() {
    for engine in BOTH {
        let mut core = attached(hot(), engine);
        let events = play(&mut core);
        let turns: Vec<Tid> = events
            .iter()
            .filter_map(|event| match event {
                Event::Hit(hit) => Some(hit.thread.tid),
                _ => None,
            })
            .collect();
        for tid in THREADS.map(Tid) {
            let own: Vec<usize> = (0..turns.len()).filter(|n| turns[*n] == tid).collect();
            assert_eq!(own.len(), VISITS, "{engine:?}: {tid}");
            let between = own.windows(2).map(|two| two[1] - two[0]);
            let waited = between.chain([own[0]]).max().unwrap_or(0);
            assert!(
                waited <= MOST_BETWEEN,
                "{engine:?}: {tid} waited for {waited} turns"
            );
        }
    }
}

#[test]
fn a_request_to_stop_is_heard_while_eight_threads_are_hot() {
    for engine in BOTH {
        let mut core = attached(hot(), engine);
        core.next_event().expect("a hit");
        core.kernel.child_ends_at = Some((core.kernel.requests + 1, BELL));
        let events = play(&mut core);
        assert_eq!(events.last(), Some(&Event::StopRequested), "{engine:?}");
        assert!(events.len() <= MOST_BETWEEN + 1, "{engine:?}: {}", events.len());
        core.detach().expect("no error");
        core.kernel.end_of_tracer();
        core.kernel.play_on();
        for tid in THREADS {
            assert_eq!(visited(&core, tid).len(), VISITS, "{engine:?}: {tid}");
        }
    }
}

#[test]
fn a_request_to_stop_at_any_request_of_a_hit_is_told_once() {
    for engine in BOTH {
        for at in 1.. {
            let scene = Scene::new()
                .with(100, vec![visit(1), Raise(10), visit(2), Exit])
                .with(101, vec![visit(2), visit(1), Exit]);
            let mut core = attached(scene, engine);
            let before = core.kernel.requests;
            core.kernel.child_ends_at = Some((before + at, BELL));
            let events = play(&mut core);
            if core.kernel.requests < before + at {
                break;
            }
            // What comes last may be the end of the program, and then nobody listens any more.
            let told = events.iter().filter(|e| **e == Event::StopRequested).count();
            let ended = matches!(events.last(), Some(Event::Ended(_)));
            assert_eq!(
                told + usize::from(ended),
                1,
                "{engine:?}, request {at}: {events:?}"
            );
            core.detach().expect("no error");
            core.kernel.end_of_tracer();
            core.kernel.play_on();
            assert_eq!(visited(&core, 100), [1, 2], "{engine:?}, request {at}");
            assert_eq!(visited(&core, 101), [2, 1], "{engine:?}, request {at}");
        }
    }
}

/// A scene in which one thread does nothing but take signals, so many, and another hits.
fn storm(signals: usize) -> Scene {
    let mut acts = vec![Raise(libc::SIGURG); signals];
    acts.push(Exit);
    let mut hits = vec![visit(1); VISITS];
    hits.push(Exit);
    Scene::new()
        .with(100, acts)
        .with(101, hits)
        .order(Order::FirstOfList)
}

#[test]
fn c072_a_storm_of_signals_hides_no_hit_of_another_thread() {
    for engine in BOTH {
        let mut core = attached(storm(2000), engine);
        let mut before = 0;
        for number in 0..VISITS {
            let event = core.next_event().expect("no error");
            assert!(matches!(event, Event::Hit(_)), "{engine:?}: {event:?}");
            let signals = given(&core, 100).len();
            assert!(
                signals - before <= MOST_BETWEEN,
                "{engine:?}: {} signals before hit {number}",
                signals - before
            );
            before = signals;
        }
        assert!(before > 0, "{engine:?}: they came in between");
        play(&mut core);
        assert_eq!(given(&core, 100), [libc::SIGURG; 2000], "{engine:?}: each once");
    }
}

#[test]
fn c072_a_signal_costs_the_same_however_many_came_before() {
    let requests = |signals, engine| {
        let scene = Scene::new().with(
            100,
            [vec![visit(1)], vec![Raise(libc::SIGURG); signals], vec![Exit]].concat(),
        );
        let mut core = attached(scene, engine);
        play(&mut core);
        core.kernel.requests
    };
    for (engine, each) in [(Engine::Displaced, 4), (Engine::InPlace, 3)] {
        // Waited for; looked at whether it has ended a call; where copies of instructions are, looked at where the
        // thread stands; let go on.
        assert_eq!(
            requests(1100, engine) - requests(100, engine),
            1000 * each,
            "{engine:?}"
        );
    }
}

const MANY_HITS: usize = 80;

/// A scene with so many threads that sleep.
fn crowd(sleepers: i32) -> Scene {
    (1000..1000 + sleepers).fold(Scene::new(), |scene, tid| scene.with(tid, vec![Sleep]))
}

#[test]
fn c018_each_of_eight_hot_threads_gets_its_turn_in_a_crowd() {
    for engine in BOTH {
        let mut core = attached(hot_in(crowd(400)), engine);
        let most_between = waits_a_round(core.tracees.len()) + THREADS.len();
        let mut last = HashMap::new();
        let mut told = HashMap::new();
        for number in 0..THREADS.len() * VISITS {
            let hit = loop {
                match core.next_event().expect("no error") {
                    Event::Hit(hit) => break hit,
                    Event::ThreadEnding(_) => {}
                    event => panic!("{event:?}"),
                }
            };
            let before = last.insert(hit.thread.tid, number).unwrap_or(0);
            assert!(
                number - before <= most_between,
                "{engine:?}: {hit:?} at {number} after {before}"
            );
            *told.entry(hit.thread.tid).or_insert(0) += 1;
        }
        assert_eq!(told, THREADS.map(|tid| (Tid(tid), VISITS)).collect());
    }
}

#[test]
fn c018_a_thread_that_hits_once_is_heard_within_a_round_in_a_crowd() {
    const SLEEPERS: i32 = 400;
    const LATE: i32 = 5000;
    let mut acts = vec![visit(1); 200];
    acts.push(ExitGroup(0));
    let scene = crowd(SLEEPERS).with(100, acts).with(LATE, vec![Sleep, visit(2)]);
    let mut core = attached(scene.order(Order::FirstOfList), Engine::Displaced);
    for _ in 0..10 {
        core.next_event().expect("a hit");
    }
    core.kernel.wake(Tid(LATE));
    let events = play(&mut core);
    let waited = events
        .iter()
        .position(|e| matches!(e, Event::Hit(hit) if hit.thread.tid == Tid(LATE)));
    let round = waits_a_round(usize::try_from(SLEEPERS).expect("small") + 2);
    assert!(waited.is_some_and(|hits| hits <= round), "{waited:?} of {round}");
}

/// What was asked of the kernel in a session with two hot threads and so many that sleep, from the second hit on: the
/// first chooses how instructions run.
fn requests_of_hits(sleepers: i32) -> Vec<String> {
    let mut scene = crowd(sleepers);
    for tid in [100, 101] {
        scene = scene.with(tid, vec![visit(1); 50]);
    }
    let mut core = attached(scene, Engine::Displaced);
    core.next_event().expect("the first hit");
    core.kernel.journal.clear();
    for _ in 0..MANY_HITS {
        let event = core.next_event().expect("no error");
        assert!(matches!(event, Event::Hit(_)), "{event:?}");
    }
    core.kernel.journal.clone()
}

#[test]
fn c018_a_hit_costs_the_same_beside_two_thousand_sleeping_threads() {
    let among_many = requests_of_hits(2000);
    assert!(among_many.len() <= requests_of_hits(0).len());
    // Each of these looks at every thread.
    let of_any = among_many.iter().filter(|line| line.starts_with("wait(Any"));
    let rounds = MANY_HITS.div_ceil(waits_a_round(2000));
    assert!(of_any.count() <= rounds, "{among_many:#?}");
}
