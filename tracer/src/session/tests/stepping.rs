//! Instructions that are awkward to step, and threads that are asked to stop when they have just hit.

use super::*;
use crate::sys::scripted::ShadowStack;

const REP_MOVSB: [u8; 2] = [0xF3, 0xA4];
const SYSCALL: [u8; 2] = [0x0F, 0x05];
const PUSHF: [u8; 1] = [0x9C];
const INT1: [u8; 1] = [0xF1];
const TRAP_FLAG: u64 = 0x100;

fn acts() -> Vec<Act> {
    vec![visit(1), visit(2), visit(1), ExitGroup(0)]
}

fn steps(core: &Core<Scene>) -> usize {
    let is_step = |line: &&String| line.starts_with("resume(100, Step");
    core.kernel.journal.iter().filter(is_step).count()
}

#[test]
fn c037_a_repeated_string_instruction_is_stepped_through_all_its_rounds() {
    let scene = Scene::new().with(100, acts()).instruction(1, &REP_MOVSB);
    let mut core = attached(scene, Engine::InPlace);
    core.kernel.rounds = 5;
    let events = play(&mut core);
    assert_eq!(hits(&events, 100), [1, 2, 1]);
    assert_eq!(visited(&core, 100), [1, 2, 1]);
    assert_eq!(steps(&core), 5 + 1 + 5);
}

#[test]
fn c037_a_signal_between_its_rounds_is_given_and_the_arrival_counted_once() {
    for at in 1.. {
        let scene =
            Scene::new()
                .with(100, acts())
                .instruction(1, &REP_MOVSB)
                .handler(100, 10, vec![visit(3)]);
        let mut core = attached(scene, Engine::InPlace);
        core.kernel.rounds = 5;
        let before = core.kernel.requests;
        core.kernel.signal_at = Some((before + at, Tid(100), 10));
        let events = play(&mut core);
        if core.kernel.requests < before + at {
            return;
        }
        let mut told = hits(&events, 100);
        let given = given(&core, 100);
        // One that comes when it is about to end is not taken any more.
        if !given.is_empty() {
            assert_eq!(given, [10], "sent at request {at}");
            let handler = told
                .iter()
                .position(|site| *site == 3)
                .expect("the handler's line");
            told.remove(handler);
        }
        assert_eq!(told, [1, 2, 1], "sent at request {at}");
    }
}

#[test]
fn c061_a_step_whose_cause_is_not_told_is_none_of_the_programs_own_traps() {
    for code in [[0x48, 0x89, 0xE5].as_slice(), &REP_MOVSB, &PUSHF] {
        let scene = Scene::new().with(100, acts()).instruction(1, code);
        let mut core = attached(scene, Engine::InPlace);
        core.kernel.origin_of_steps = Origin::CauseUnknown;
        core.kernel.rounds = 5;
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2, 1], "{code:x?}");
        assert_eq!(visited(&core, 100), [1, 2, 1], "{code:x?}");
        assert_eq!(given(&core, 100), [0; 0], "{code:x?}");
    }
}

#[test]
fn c061_the_trap_of_an_int1_is_the_programs_own() {
    for engine in BOTH {
        let scene = Scene::new().with(100, acts()).instruction(1, &INT1);
        let mut core = attached(scene, engine);
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2, 1], "{engine:?}");
        assert_eq!(given(&core, 100), [libc::SIGTRAP; 2], "{engine:?}");
    }
}

#[test]
fn c034_a_system_call_is_made_at_its_own_place_with_either_engine() {
    for engine in BOTH {
        let scene = Scene::new().with(100, acts()).instruction(1, &SYSCALL);
        let mut core = attached(scene, engine);
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2, 1], "{engine:?}");
        assert_eq!(visited(&core, 100), [1, 2, 1], "{engine:?}");
        let in_place = if engine == Engine::InPlace { 3 } else { 1 };
        assert_eq!(core.counts().in_place, in_place);
    }
}

#[test]
fn c036_the_flags_that_an_instruction_pushes_are_without_the_trap_flag() {
    let scene = Scene::new().with(100, acts()).instruction(1, &PUSHF);
    let mut core = attached(scene, Engine::InPlace);
    let events = play(&mut core);
    assert_eq!(hits(&events, 100), [1, 2, 1]);
    let thread = history(&core, 100);
    let pushed = |at: u64| -> Vec<u8> {
        (at..at + 8)
            .filter_map(|a| core.kernel.byte(thread.memory, a))
            .collect()
    };
    for top in [thread.regs.sp(), thread.regs.sp().plus(8)] {
        let flags = u64::from_le_bytes(pushed(top.0).try_into().expect("eight bytes"));
        assert_eq!(flags, thread.regs.0.eflags & !TRAP_FLAG);
    }
}

/// Two threads on the way to a site each.
fn two() -> Scene {
    Scene::new()
        .with(100, vec![visit(1), visit(2), visit(3), Exit])
        .with(101, vec![visit(2), visit(3), visit(1), Exit])
}

#[test]
fn c031_a_thread_that_is_held_with_its_trap_queued_hits_once_it_goes_on() {
    let mut core = attached(two(), Engine::InPlace);
    core.kernel.traps_before_pause = true;
    let events = play(&mut core);
    assert_eq!(hits(&events, 100), [1, 2, 3]);
    assert_eq!(hits(&events, 101), [2, 3, 1]);
    assert_eq!(visited(&core, 100), [1, 2, 3]);
    assert_eq!(visited(&core, 101), [2, 3, 1]);
}

#[test]
fn c031_a_trap_queued_at_the_detach_is_taken_back_before_the_thread_is_let_go() {
    for engine in BOTH {
        for events in 0..6 {
            let mut core = attached(two(), engine);
            core.kernel.traps_before_pause = true;
            for _ in 0..events {
                core.next_event().expect("no error");
            }
            core.detach().expect("no error");
            core.kernel.end_of_tracer();
            core.kernel.play_on();
            assert_eq!(visited(&core, 100), [1, 2, 3], "{engine:?} after {events}");
            assert_eq!(visited(&core, 101), [2, 3, 1], "{engine:?} after {events}");
        }
    }
}

#[test]
fn c041_a_call_is_made_at_its_own_place_where_return_addresses_are_noted_down() {
    // call *%rax: the scene takes it for any instruction.
    for (shadow_stack, in_place) in [(ShadowStack::Kept, 1), (ShadowStack::None, 0)] {
        let scene = Scene::new().with(100, acts()).instruction(2, &[0xFF, 0xD0]);
        let mut core = attached(scene, Engine::Displaced);
        core.kernel.shadow_stack = shadow_stack;
        core.next_event().expect("a hit");
        assert_eq!(core.counts().in_place, in_place, "{shadow_stack:?}");
    }
}
