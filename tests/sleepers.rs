//! Threads that sleep in system calls sleep on: attaching, a whole session and letting go wake nobody.
//!
//! Must not know: in which calls they sleep; `testprogs/c/sleepers.c` does.

mod support;

use nix::sys::signal::Signal;
use std::process::Command;
use support::{Engine, Running, attached, compile, served, serving, serving_by, testprogs, tracers};

fn all_are_asleep(target: &mut Running) {
    target.say("asleep?");
    assert_eq!(target.hear(), "asleep 14");
}

/// Sessions one after the other, each with hits, while fourteen threads sleep.
fn nobody_is_woken(threads: u32, engine: Engine) {
    let mut target = serving("c/sleepers.c", threads);
    for _ in 0..3 {
        let lineprof = attached(&target, engine);
        all_are_asleep(&mut target);
        served(&mut target);
        served(&mut target);
        all_are_asleep(&mut target);
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        assert_eq!(tracers(&target), [""; 0], "still traced");
        all_are_asleep(&mut target);
    }
    let finished = target.finish();
    assert_eq!(
        (finished.code(), finished.stdout_text().as_str()),
        (0, "woken\n"),
        "{}",
        finished.stderr_text()
    );
}

#[test]
fn c002_c073_c095_fourteen_sleep_on_beside_a_hot_thread_displaced() {
    nobody_is_woken(1, Engine::Displaced);
}

#[test]
fn c002_c073_c095_fourteen_sleep_on_beside_a_hot_thread_in_place() {
    nobody_is_woken(1, Engine::InPlace);
}

#[test]
fn c002_c073_c095_fourteen_sleep_on_beside_eight_hot_threads_displaced() {
    nobody_is_woken(8, Engine::Displaced);
}

#[test]
fn c002_c073_c095_fourteen_sleep_on_beside_eight_hot_threads_in_place() {
    nobody_is_woken(8, Engine::InPlace);
}

#[test]
fn c002_c073_c095_fourteen_sleep_on_beside_a_hot_thread_inline() {
    nobody_is_woken(1, Engine::Inline);
}

#[test]
fn c002_c073_c095_fourteen_sleep_on_beside_eight_hot_threads_inline() {
    nobody_is_woken(8, Engine::Inline);
}

#[test]
fn c062_a_sleeper_that_blocks_faults_finds_its_handler_and_its_mask_as_they_were() {
    for engine in Engine::ALL {
        let mut target = serving("c/blocks_faults.c", 1);
        let lineprof = attached(&target, engine);
        for _ in 0..3 {
            served(&mut target);
            target.say("wake");
            assert_eq!(target.hear(), "kept", "{engine:?}");
        }
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        target.say("wake");
        assert_eq!(target.hear(), "kept", "{engine:?}, let go");
        assert_eq!(target.finish().code(), 0);
    }
}

/// Threads that wake each other are asleep when the session comes and when it goes, and wake at any moment of both.
fn those_that_take_turns_go_on(engine: Engine) {
    let crowd = compile(
        &["cc", "-O0", "-g", "-pthread"].map(str::to_string),
        &[testprogs().join("bench/crowd.c")],
        "crowd",
    );
    let mut target = serving_by(Command::new(crowd).args(["relay", "200", "0"]));
    let mut calls: u64 = 0;
    for round in 0..6 {
        let lineprof = attached(&target, engine);
        // A turn of all of them, and more.
        let enough = calls + 250;
        while calls < enough {
            target.say("");
            calls = target.hear().parse().expect("a number");
        }
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "round {round}: {}", finished.stderr_text());
        assert_eq!(tracers(&target), [""; 0], "round {round}: still traced");
    }
    let finished = target.finish();
    assert_eq!(finished.code(), 0, "{engine:?}");
}

#[test]
fn those_that_take_turns_go_on_displaced() {
    those_that_take_turns_go_on(Engine::Displaced);
}

#[test]
fn those_that_take_turns_go_on_inline() {
    those_that_take_turns_go_on(Engine::Inline);
}
