//! Children of the profiled process: with a copy of its memory, or sharing it.

use super::*;

#[test]
fn c079_fork_child_is_cleaned_and_let_go_at_its_first_stop() {
    for order in [Order::AsHappened, Order::NewestFirst] {
        for engine in BOTH {
            let child = vec![visit(1), visit(2), Exit];
            let scene = Scene::new()
                .with(100, vec![visit(1), Fork(200, child), visit(2), ExitGroup(0)])
                .order(order.clone());
            let mut core = attached(scene, engine);
            let events = play(&mut core);
            core.kernel.play_on();
            assert_eq!(hits(&events, 100), [1, 2]);
            assert_eq!(hits(&events, 200), [], "not counted");
            assert_eq!(visited(&core, 200), [1, 2], "it lives on with clean code");
        }
    }
}

#[test]
fn c081_vfork_child_stays_traced_until_it_execs_and_is_not_counted() {
    for order in [Order::AsHappened, Order::NewestFirst] {
        for engine in BOTH {
            let child = vec![visit(1), visit(2), Exec];
            let scene = Scene::new()
                .with(100, vec![Vfork(200, child), visit(2), ExitGroup(0)])
                .order(order.clone());
            let mut core = attached(scene, engine);
            let events = play(&mut core);
            assert_eq!(hits(&events, 100), [2], "the parent's sites are still there");
            assert_eq!(hits(&events, 200), []);
            assert!(!history(&core, 200).traced, "let go at its exec");
        }
    }
}

#[test]
fn c082_a_process_that_shares_the_memory_is_known_by_its_memory() {
    for engine in BOTH {
        let child = vec![visit(1), visit(2), Exit];
        let scene = Scene::new().with(
            100,
            vec![Share(200, child), visit(1), visit(2), visit(3), ExitGroup(0)],
        );
        let mut core = attached(scene, engine);
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2, 3]);
        assert_eq!(hits(&events, 200), []);
    }
}

#[test]
fn a_parent_killed_before_it_tells_of_its_child_leaves_no_child_behind() {
    for order in [Order::AsHappened, Order::NewestFirst] {
        for at in 0..60 {
            let scene = Scene::new()
                .with(100, vec![Fork(200, vec![visit(1), Exit]), ExitGroup(0)])
                .order(order.clone());
            let mut core = attached(scene, Engine::Displaced);
            core.kernel.kill_at = Some((core.kernel.requests + at, PID));
            play(&mut core);
            core.detach().expect("nothing is left to fail");
            core.kernel.play_on();
            let Some(child) = core.kernel.all().find(|(tid, _)| *tid == Tid(200)) else {
                continue;
            };
            assert_eq!(child.1.visited, [site_at(1)], "killed at request {at}, {order:?}");
        }
    }
}

#[test]
fn a_parent_killed_before_it_tells_leaves_those_who_share_its_memory_sharing_it() {
    // Nobody of the profiled process can be asked any more: one that shares the memory can.
    for engine in BOTH {
        for seed in 1..1000 {
            let sharing = |tid| Share(tid, vec![visit(1), visit(2), visit(1), visit(2), Exit]);
            let acts = vec![sharing(200), sharing(300), visit(1), sharing(400), ExitGroup(0)];
            let scene = Scene::new().with(100, acts).order(Order::Random(seed));
            let mut core = attached(scene, engine);
            let at = core.kernel.requests + usize::try_from(seed % 80).expect("small");
            core.kernel.kill_at = Some((at, PID));
            core.kernel.exit_stops = seed % 3 != 0;
            play(&mut core);
            core.detach().expect("nothing is left to fail");
            core.kernel.end_of_tracer();
            core.kernel.play_on();
            for (tid, thread) in core.kernel.all().filter(|(tid, _)| tid.0 >= 200) {
                let all = [1, 2, 1, 2].map(site_at);
                assert_eq!(thread.visited, all, "{engine:?}, seed {seed}: {tid}");
            }
        }
    }
}

#[test]
fn c081_c082_without_kcmp_the_name_of_vfork_or_a_byte_tells_who_shares_the_memory() {
    for refused in [Errno::ENOSYS, Errno::EPERM] {
        for order in [Order::AsHappened, Order::NewestFirst] {
            for engine in BOTH {
                let child = || vec![visit(1), visit(2), Exit];
                let acts = vec![
                    Vfork(200, child()),
                    Share(300, child()),
                    Fork(400, child()),
                    visit(1),
                    visit(2),
                    ExitGroup(0),
                ];
                let mut core = attached(Scene::new().with(100, acts).order(order.clone()), engine);
                core.kernel.kcmp_refused = Some(refused);
                let events = play(&mut core);
                core.detach().expect("nothing is left to fail");
                core.kernel.end_of_tracer();
                core.kernel.play_on();
                assert_eq!(hits(&events, 100), [1, 2], "{engine:?}, {order:?}");
                for tid in [200, 300, 400] {
                    assert_eq!(visited(&core, tid), [1, 2], "{engine:?}, {order:?}: {tid}");
                }
            }
        }
    }
}

#[test]
fn c082_a_process_that_shares_the_memory_hits_its_sites_still_when_the_profiled_one_has_execed() {
    for engine in BOTH {
        let child = vec![visit(1), Sleep, visit(1), visit(2), Sleep];
        let scene = Scene::new().with(100, vec![Share(200, child), visit(3), Exec]);
        let mut core = attached(scene, engine);
        let events = play(&mut core);
        assert_eq!(events.last(), Some(&Event::Executed), "{engine:?}");
        core.kernel.later(Wake(200));
        core.kernel.later(Ring(BELL.0));
        assert_eq!(core.next_event().expect("no error"), Event::StopRequested);
        core.detach().expect("no error");
        core.kernel.end_of_tracer();
        core.kernel.play_on();
        assert_eq!(visited(&core, 200), [1, 1, 2], "{engine:?}");
        assert_eq!(given(&core, 200), [], "{engine:?}: none of our traps");
    }
}
