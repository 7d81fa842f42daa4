//! Many threads that stop again at once: each gets its turn, and so does a request to stop.
//!
//! wait4(2) answers with the first stopped thread of its list, whoever has waited longest.

use super::*;

const THREADS: std::ops::Range<i32> = 100..108;
const VISITS: usize = 40;
/// Answers of one thread between two rounds, and a round of all.
const MOST_BETWEEN: usize = 8 + 8;

/// Eight threads that do nothing but hit.
fn hot() -> Scene {
    THREADS.fold(Scene::new().order(Order::FirstOfList), |scene, tid| {
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

/// Requests to the kernel in a session with two hot threads and so many that sleep, from the second hit on: the
/// first chooses how instructions run.
fn requests_of_hits(sleepers: i32) -> usize {
    let mut scene = Scene::new();
    for tid in [100, 101] {
        scene = scene.with(tid, vec![visit(1); 50]);
    }
    for tid in 1000..1000 + sleepers {
        scene = scene.with(tid, vec![Sleep]);
    }
    let mut core = attached(scene, Engine::Displaced);
    core.next_event().expect("the first hit");
    let before = core.kernel.requests;
    for _ in 0..MANY_HITS {
        let event = core.next_event().expect("no error");
        assert!(matches!(event, Event::Hit(_)), "{event:?}");
    }
    core.kernel.requests - before
}

const MANY_HITS: usize = 80;

#[test]
fn c018_a_hit_costs_the_same_beside_two_thousand_sleeping_threads() {
    let among_many = requests_of_hits(2000);
    assert_eq!(among_many, requests_of_hits(40));
    // Among many the one that hit last is looked at first.
    assert!(among_many <= requests_of_hits(1) + MANY_HITS, "{among_many}");
}
