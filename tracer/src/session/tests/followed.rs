//! Processes that are followed: copies with the same sites, new programs with none.

use super::*;
use crate::event::Beginning;
use crate::tracee::Tracee;

fn followed(scene: Scene, engine: Engine) -> Core<Scene> {
    attached_with(scene, engine, Children::Followed)
}

/// Events until every process has ended.
fn play_all(core: &mut Core<Scene>) -> Vec<(Pid, Event)> {
    let mut events = Vec::new();
    let mut processes = 1;
    while processes > 0 {
        assert!(core.kernel.requests < 20_000, "no end");
        let event = core.next_event().expect("no error");
        match event {
            Event::Began(Beginning::Fork(_)) => processes += 1,
            // What was nobody's before is one more; what a followed one becomes is told of in two events.
            Event::Began(Beginning::Exec) => processes += 1,
            Event::Ended(_) | Event::Executed => processes -= 1,
            Event::Hit(_)
            | Event::ThreadEnding(_)
            | Event::Passed
            | Event::Stopped(_)
            | Event::StopRequested
            | Event::Woken
            | Event::Over => {}
        }
        if event == Event::Executed {
            processes += 1;
            events.push((core.focus.process, event));
            let next = core.next_event().expect("no error");
            assert_eq!(next, Event::Began(Beginning::Exec), "told next");
            events.push((core.focus.process, next));
            continue;
        }
        events.push((core.focus.process, event));
    }
    events
}

fn of(events: &[(Pid, Event)], process: i32) -> Vec<Event> {
    let of_it = |(pid, event): &(Pid, Event)| (*pid == Pid(process)).then(|| event.clone());
    events.iter().filter_map(of_it).collect()
}

#[test]
fn a_forked_child_has_the_same_sites_and_is_told_of() {
    for order in [Order::AsHappened, Order::NewestFirst] {
        for engine in BOTH {
            let child = vec![visit(1), visit(2), ExitGroup(7)];
            let scene = Scene::new()
                .with(100, vec![visit(1), Fork(200, child), visit(2), ExitGroup(0)])
                .order(order.clone());
            let mut core = followed(scene, engine);
            let events = play_all(&mut core);
            let (parent, child) = (of(&events, 100), of(&events, 200));
            assert_eq!(hits(&parent, 100), [1, 2]);
            assert_eq!(
                child.first(),
                Some(&Event::Began(Beginning::Fork(SpaceId::FIRST)))
            );
            assert_eq!(hits(&child, 200), [1, 2], "{engine:?}, {order:?}");
            assert_eq!(child.last(), Some(&Event::Ended(End::Exited(7))));
            assert_eq!(visited(&core, 200), [1, 2]);
        }
    }
}

#[test]
fn a_program_that_comes_by_exec_is_followed_without_sites() {
    for engine in BOTH {
        let scene = Scene::new().with(100, vec![visit(1), Become(vec![visit(2), ExitGroup(3)])]);
        let mut core = followed(scene, engine);
        let events = of(&play_all(&mut core), 100);
        assert_eq!(hits(&events, 100), [1], "{engine:?}");
        assert_eq!(events.last(), Some(&Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(core.counts().stops, 0, "of the new program");
        assert_eq!(visited(&core, 100), [1, 2], "{engine:?}");
    }
}

#[test]
fn what_is_planted_in_a_new_program_is_hit_there() {
    for engine in BOTH {
        let scene = Scene::new().with(
            100,
            vec![visit(1), Become(vec![visit(2), visit(1), ExitGroup(3)])],
        );
        let requests = sites(&[2], &scene);
        let mut core = followed(scene, engine);
        let mut seen = Vec::new();
        loop {
            match core.next_event().expect("no error") {
                Event::Began(_) => {
                    let planted = core.plant(&requests).expect("it lives");
                    assert!(planted.iter().all(std::result::Result::is_ok), "{planted:?}");
                }
                Event::Ended(_) => break,
                event => seen.push(event),
            }
        }
        // Its number is the first of the new memory.
        assert_eq!(hits(&seen, 100), [1, 1], "{engine:?}");
        assert_eq!(core.counts().stops, 1);
    }
}

#[test]
fn a_vfork_child_is_told_of_when_it_execs() {
    for order in [Order::AsHappened, Order::NewestFirst] {
        for engine in BOTH {
            let child = vec![visit(1), visit(2), Become(vec![visit(1), ExitGroup(4)])];
            let scene = Scene::new()
                .with(100, vec![Vfork(200, child), visit(2), ExitGroup(0)])
                .order(order.clone());
            let mut core = followed(scene, engine);
            let events = play_all(&mut core);
            let (parent, child) = (of(&events, 100), of(&events, 200));
            assert_eq!(hits(&parent, 100), [2], "{engine:?}, {order:?}");
            assert_eq!(child.first(), Some(&Event::Began(Beginning::Exec)));
            assert_eq!(hits(&child, 200), []);
            assert_eq!(child.last(), Some(&Event::Ended(End::Exited(4))));
            assert_eq!(visited(&core, 200), [1, 2, 1]);
        }
    }
}

#[test]
fn the_end_of_the_last_that_shares_the_memory_is_told_though_it_was_not_followed() {
    for engine in BOTH {
        let child = vec![Sleep, visit(1), Exit];
        let scene = Scene::new().with(100, vec![Share(200, child), visit(1), ExitGroup(0)]);
        let mut core = followed(scene, engine);
        core.kernel.later(Wake(200));
        let events = play_all(&mut core);
        assert_eq!(hits(&of(&events, 100), 100), [1]);
        assert!(!core.is_over(), "{engine:?}");
        assert_eq!(core.next_event().expect("no error"), Event::Over, "{engine:?}");
        assert_eq!(visited(&core, 200), [1], "{engine:?}");
    }
}

#[test]
fn whatever_is_killed_and_whenever_it_is_left_every_process_runs_on_with_clean_code() {
    for engine in BOTH {
        for seed in 1..600_u64 {
            let grandchild = vec![visit(1), visit(3), Exit];
            let forked = vec![visit(2), Fork(300, grandchild), visit(1), Exit];
            let spawned = vec![visit(1), Become(vec![visit(2), Exit])];
            let acts = vec![
                visit(1),
                Fork(200, forked),
                Vfork(400, spawned),
                visit(2),
                Thread(101, vec![visit(3), Exit]),
                visit(1),
                Become(vec![visit(3), ExitGroup(0)]),
            ];
            let scene = Scene::new().with(100, acts).order(Order::Random(seed));
            let mut core = followed(scene, engine);
            let at = core.kernel.requests + usize::try_from(seed % 90).expect("small");
            let whom = [100, 200, 300, 400][usize::try_from(seed % 4).expect("small")];
            core.kernel.kill_at = (seed % 3 == 0).then_some((at, Pid(whom)));
            let leave_after = seed % 23;
            for _ in 0..leave_after {
                core.next_event().expect("no error");
                if !core.tracees.values().any(|t: &Tracee| t.state != State::Ending) {
                    break;
                }
            }
            core.detach().expect("nothing is left to fail");
            core.kernel.end_of_tracer();
            core.kernel.play_on();
            for (tid, thread) in core.kernel.all() {
                let traps = thread.given.iter().filter(|(signal, _)| *signal == libc::SIGTRAP);
                assert_eq!(
                    traps.count(),
                    0,
                    "{engine:?}, seed {seed}: {tid} got a trap of ours"
                );
            }
        }
    }
}
