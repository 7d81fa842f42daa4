//! A program's own `int3` under a site: C027 of issue #3.

use super::*;

/// Sites 1 to 3, the second of which is the program's own breakpoint.
fn scene(acts: Vec<Act>) -> Scene {
    Scene::new().with(100, acts).own_breakpoint(2)
}

#[test]
fn c027_it_is_told_once_and_its_signal_is_the_programs() {
    for engine in BOTH {
        let mut core = attached(
            scene(vec![visit(1), visit(2), visit(3), visit(2), ExitGroup(0)]),
            engine,
        );
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2, 3, 2], "{engine:?}");
        assert_eq!(visited(&core, 100), [1, 2, 3, 2], "{engine:?}");
        let behind = site_at(2) + 1;
        let given = history(&core, 100).given;
        assert_eq!(given, [(libc::SIGTRAP, behind); 2], "{engine:?}: as without us");
    }
}

#[test]
fn c027_no_byte_is_written_there_and_a_detach_at_its_hit_gives_its_signal() {
    for engine in BOTH {
        let mut core = attached(scene(vec![visit(2), visit(1), ExitGroup(0)]), engine);
        let event = core.next_event().expect("no error");
        assert!(matches!(event, Event::Hit(hit) if hit.registers.pc() == RemoteAddr(site_at(2))));
        core.detach().expect("no error");
        core.kernel.end_of_tracer();
        core.kernel.play_on();
        let there = format!("write_memory(100, {}", RemoteAddr(site_at(2)));
        assert!(!core.kernel.journal.iter().any(|line| line.contains(&there)));
        assert_eq!(given(&core, 100), [libc::SIGTRAP], "{engine:?}");
        assert_eq!(visited(&core, 100), [2, 1], "{engine:?}");
    }
}

#[test]
fn c054_a_breakpoint_that_the_file_does_not_have_is_refused() {
    let scene = scene(vec![ExitGroup(0)]);
    let mut core = Core::new(scene, PID, Options::default(), None);
    core.kernel.thread(Tid(100)).traced = true;
    core.adopt(Tid(100), PID, Role::Profiled, State::Running);
    let request = SiteRequest {
        address: RemoteAddr(site_at(2)),
        instruction: vec![0x48, 0x89, 0xE5],
    };
    let planted = core.plant(&[request]).expect("the process lives");
    assert_eq!(planted, [Err(Refused::ForeignBreakpoint)]);
}
