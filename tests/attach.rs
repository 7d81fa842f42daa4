//! Attaching to a process that serves, and leaving it as it was: its results, its system calls, its code.

mod support;

use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;
use support::{
    Engine, Finished, Lineprof, Program, Report, Running, attach, attached, attached_by, served, serving_by,
    tracers,
};

fn serving(threads: u32) -> Running {
    support::serving("c/attach_target.c", threads)
}

/// Checks that the target is as before, and lets it end.
fn target_is_unharmed(mut target: Running) {
    assert_eq!(tracers(&target), [""; 0], "still traced");
    served(&mut target);
    target.say("check");
    assert_eq!(target.hear(), "text same");
    let finished = target.finish();
    assert_eq!(
        finished.code(),
        0,
        "the target's own check:\n{}",
        finished.stderr_text()
    );
    assert_eq!(finished.stdout_text(), "stopped\n");
}

fn report(finished: &Finished) -> Report {
    Report::parse(&finished.stdout_text())
}

fn attach_and_leave(threads: u32, engine: Engine, signal: Signal) {
    let mut target = serving(threads);
    let lineprof = attached(&target, engine);
    let before = served(&mut target);
    let after = served(&mut target);
    lineprof.signal(signal);
    let finished = lineprof.finish();
    let in_all = served(&mut target);
    target_is_unharmed(target);

    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let report = report(&finished);
    assert_eq!(report.end.kind, "detached");
    let function = report.function("serve");
    // All that was served between two answers was served under the profiler; a call more a thread may be on its way.
    assert!(
        (after - before..=in_all).contains(&function.calls),
        "{} calls reported, {} served meanwhile, {in_all} in all",
        function.calls,
        after - before
    );
    let declaration = function.lines.iter().find(|line| line.line == function.line);
    assert_eq!(declaration.map(|line| line.hits), Some(function.calls));
    let last = function.lines.last().expect("a function has lines");
    // The session began and ended within calls: each thread may have one that is seen in part.
    let parts = u64::from(threads);
    assert!(
        last.hits.abs_diff(function.calls) <= parts,
        "{} calls, but the closing brace has {} hits",
        function.calls,
        last.hits
    );
}

#[test]
fn one_thread_displaced() {
    attach_and_leave(1, Engine::Displaced, Signal::SIGINT);
}

#[test]
fn one_thread_inline() {
    attach_and_leave(1, Engine::Inline, Signal::SIGINT);
}

#[test]
fn c093_c094_eight_threads_inline() {
    attach_and_leave(8, Engine::Inline, Signal::SIGINT);
}

#[test]
fn one_thread_in_place() {
    attach_and_leave(1, Engine::InPlace, Signal::SIGINT);
}

#[test]
fn c093_c094_eight_threads_displaced() {
    attach_and_leave(8, Engine::Displaced, Signal::SIGINT);
}

#[test]
fn c093_c094_eight_threads_in_place() {
    attach_and_leave(8, Engine::InPlace, Signal::SIGINT);
}

#[test]
fn c093_sigterm_detaches_like_ctrl_c() {
    attach_and_leave(2, Engine::Displaced, Signal::SIGTERM);
}

#[test]
fn c093_sighup_detaches_like_ctrl_c() {
    attach_and_leave(2, Engine::Displaced, Signal::SIGHUP);
}

#[test]
fn a_hot_process_of_eight_threads_survives_twenty_sessions() {
    let mut target = serving(8);
    for _ in 0..20 {
        let lineprof = attached(&target, Engine::Displaced);
        served(&mut target);
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        assert_eq!(tracers(&target), [""; 0], "still traced");
    }
    target_is_unharmed(target);
}

/// Kills what the user sees of lineprof, again and again, while the target is hot.
fn the_front_is_killed(threads: u32, engine: Engine) {
    let rounds = if std::env::var_os("LINEPROF_STRESS").is_some() {
        100
    } else {
        5
    };
    let state = tempfile::tempdir().expect("the temporary folder is writable");
    let mut target = serving(threads);
    for _ in 0..rounds {
        let lineprof = attached_by(attach(&target, engine).env("XDG_STATE_HOME", state.path()));
        served(&mut target);
        lineprof.signal(Signal::SIGKILL);
        // The engine holds its standard error until it ends.
        let finished = lineprof.finish();
        assert!(
            finished.stderr_text().contains("`lineprof report` shows it"),
            "{}",
            finished.stderr_text()
        );
        assert_eq!(tracers(&target), [""; 0], "still traced");
    }
    target_is_unharmed(target);

    let mut command = Lineprof::new().options(["report", "--format", "json"]).command();
    let finished = Running::start(command.env("XDG_STATE_HOME", state.path())).finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let report = report(&finished);
    assert_eq!(report.end.kind, "detached");
    assert!(
        report.function("serve").calls > 0,
        "what was seen until then is kept"
    );
}

#[test]
fn c099_one_hot_thread_survives_the_death_of_the_front_displaced() {
    the_front_is_killed(1, Engine::Displaced);
}

#[test]
fn c099_one_hot_thread_survives_the_death_of_the_front_inline() {
    the_front_is_killed(1, Engine::Inline);
}

#[test]
fn c099_eight_hot_threads_survive_the_death_of_the_front_inline() {
    the_front_is_killed(8, Engine::Inline);
}

#[test]
fn c099_one_hot_thread_survives_the_death_of_the_front_in_place() {
    the_front_is_killed(1, Engine::InPlace);
}

#[test]
fn c099_eight_hot_threads_survive_the_death_of_the_front_displaced() {
    the_front_is_killed(8, Engine::Displaced);
}

#[test]
fn c099_eight_hot_threads_survive_the_death_of_the_front_in_place() {
    the_front_is_killed(8, Engine::InPlace);
}

#[test]
fn c089_a_process_that_ends_while_attached_is_reported_and_its_parent_gets_its_status() {
    let mut target = serving(2);
    let lineprof = attached(&target, Engine::Displaced);
    served(&mut target);
    let finished = target.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let report = report(&finished);
    assert_eq!((report.end.kind.as_str(), report.end.code), ("exited", Some(0)));
    assert!(
        report.function("serve").calls >= 100,
        "{} calls",
        report.function("serve").calls
    );
}

#[test]
fn c050_the_binary_on_disk_stays_as_it_was() {
    let binary = Program::load("c/attach_target.c").build_first();
    let before = std::fs::read(&binary.path).expect("the binary is readable");
    attach_and_leave(1, Engine::Displaced, Signal::SIGINT);
    let after = std::fs::read(Path::new(&binary.path)).expect("the binary is readable");
    assert!(before == after, "the file has changed");
}

/// Handlers' saved places are no business of a profiler's: it cannot see them, and the thread comes back to them.
fn threads_come_back_to_any_instruction(engine: Engine) {
    for binary in Program::load("c/back_in_the_middle.c").build_all() {
        let mut target = serving_by(&mut Command::new(&binary.path));
        let lineprof = attached(&target, engine);
        for _ in 0..2 {
            for left_out in 0..10 {
                target.say(&left_out.to_string());
                let stored = format!("stored {}", 10 - left_out);
                assert_eq!(target.hear(), stored, "{engine:?}, {left_out} left out");
            }
        }
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        target.say("3");
        assert_eq!(target.hear(), "stored 7", "{engine:?}, let go");
        assert_eq!(target.finish().code(), 0);
    }
}

#[test]
fn threads_come_back_to_any_instruction_displaced() {
    threads_come_back_to_any_instruction(Engine::Displaced);
}

#[test]
fn threads_come_back_to_any_instruction_in_place() {
    threads_come_back_to_any_instruction(Engine::InPlace);
}

#[test]
fn threads_come_back_to_any_instruction_inline() {
    threads_come_back_to_any_instruction(Engine::Inline);
}

/// Threads that sleep when a session ends are not touched: the next one finds them as the first did, whichever comes first.
#[test]
fn each_session_counts_what_sleeps_between_them() {
    for engine in Engine::ALL {
        let mut target = serving_by(&mut Command::new(
            Program::load("c/two_on_request.c").build_first().path,
        ));
        let mut served = 0;
        for words in [
            ["here", "there", "there"],
            ["here", "there", "here"],
            ["there", "here", "there"],
        ] {
            let lineprof = attached(&target, engine);
            for word in words {
                target.say(word);
                served += 1;
                assert_eq!(target.hear(), format!("served {served}"));
            }
            lineprof.signal(Signal::SIGINT);
            let finished = lineprof.finish();
            assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
            let report = report(&finished);
            assert_eq!(report.function("serve").calls, 3, "{engine:?}, {words:?}");
            let inline = if engine == Engine::Inline {
                report.tracing.sites
            } else {
                0
            };
            assert_eq!(report.tracing.inline, inline, "{engine:?}, {words:?}");
        }
        assert_eq!(target.finish().code(), 0, "{engine:?}");
    }
}

/// What a session leaves in a process does not add up to where the next has no room.
#[test]
fn the_twentieth_session_stops_no_more_than_the_first() {
    let mut target = serving_by(&mut Command::new(
        Program::load("c/back_in_the_middle.c").build_first().path,
    ));
    let mut stops = Vec::new();
    for _ in 0..20 {
        let lineprof = attached(&target, Engine::Inline);
        for _ in 0..20 {
            target.say("0");
            assert_eq!(target.hear(), "stored 10");
        }
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        stops.push(report(&finished).tracing.stops);
    }
    assert_eq!(stops, [stops[0]; 20]);
    assert_eq!(target.finish().code(), 0);
}
