//! lineprof as a library: of other programs, and of the program that uses it.

mod support;

use lineprof::profile::{End, Metric};
use lineprof::profiler::{Children, Engine, Pending};
use lineprof::{Error, Profile, Profiler};
use std::path::PathBuf;
use std::process::Command;
use support::{
    Finished, Lineprof, Program, compile_with_library, run_with_lineprof, served, serving, testprogs,
};

fn program(name: &str) -> PathBuf {
    compile_with_library(&testprogs().join("rust/library").join(name))
}

fn succeeded(finished: &Finished) {
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
}

/// The rows without what differs from run to run: how much memory there was already.
fn rows(table: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut declaration = false;
    for line in table.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        match cells.as_slice() {
            ["Function:", ..] => rows.push(line.split(", peak").next().unwrap_or_default().to_owned()),
            [first, ..] if first.starts_with("====") => declaration = true,
            // Number, memory and its unit, increment and its unit, occurrences, text.
            [number, _, "MiB", increment, "MiB", text @ ..] => {
                let increment = if std::mem::take(&mut declaration) {
                    "baseline"
                } else {
                    increment
                };
                rows.push(format!("{number} {increment} {}", text.join(" ")));
            }
            _ => rows.push(cells.join(" ")),
        }
    }
    rows
}

#[test]
fn show_results_prints_the_table_that_the_command_line_prints() {
    let program = program("show_results.rs");
    let finished = run_with_lineprof(&program, &["function"]);
    succeeded(&finished);
    let outside = Lineprof::new()
        .functions(&["show_results::work"])
        .run(&program, &[""; 0]);
    succeeded(&outside);
    assert_eq!(rows(&finished.stderr_text()), rows(&outside.stderr_text()));
    assert_eq!(finished.stdout_text(), "");
}

#[test]
fn a_closure_is_told_from_the_others_of_its_function() {
    let program = program("show_results.rs");
    let finished = run_with_lineprof(&program, &["closure"]);
    succeeded(&finished);
    let text = finished.stderr_text();
    let rows = rows(&text);
    assert!(
        rows[0].starts_with("Function: show_results::main::{closure#1} at "),
        "{text}"
    );
    assert!(rows[0].ends_with(", 1 call, increment 0.051 MiB"), "{text}");
    for expected in [
        "0.012 1 let kept = grow(pages * PAGE);",
        "0.000 1 std::mem::forget(kept);",
        "0.039 1 work() + other()",
    ] {
        assert!(
            rows.iter().any(|row| row.ends_with(expected)),
            "{expected}\n{text}"
        );
    }
}

#[test]
fn spans_of_a_line_profiler_add_up() {
    let finished = run_with_lineprof(&program("spans.rs"), &[]);
    succeeded(&finished);
    assert_eq!(finished.stdout_text(), "done\n");
}

#[test]
fn what_stands_in_the_way_is_told_and_nothing_has_run() {
    let finished = run_with_lineprof(&program("refused.rs"), &[]);
    succeeded(&finished);
    let text = finished.stdout_text();
    assert!(text.starts_with("no function matches `mein`\nhint: "), "{text}");
    assert!(text.contains("is traced already"), "{text}");
}

#[test]
fn a_program_is_profiled_by_the_byte() {
    let binary = Program::load("rust/growth.rs").build_first();
    for engine in [Engine::Displaced, Engine::InPlace, Engine::Inline] {
        let profile = Profiler::launch(&binary.path)
            .function("growth::work")
            .metric(Metric::Anon)
            .engine(engine)
            .run()
            .expect("profiled");
        assert_eq!(profile.end, End::Exited { code: 0 });
        let function = profile.function("work").expect("it was named");
        assert_eq!((function.calls, function.increment.0), (5, 204_800));
        let growing = function.line(function.line + 1).expect("it has code");
        assert_eq!(growing.occurrences(), 5);
        assert_eq!(growing.increment.0, 204_800);
        assert_eq!(growing.mean_increment(), Some(40_960.0));
        assert_eq!(growing.greatest_increment.0, 40_960);
        let giving_back = function.line(function.line + 4).expect("it has code");
        assert_eq!(giving_back.increment.0, -5_242_880);
        assert_eq!(giving_back.greatest_increment.0, 0);
    }
}

#[test]
fn a_process_is_attached_to_and_left() {
    let mut target = serving("c/attach_target.c", 1);
    let pid = target.pid().as_raw().cast_unsigned();
    let running = Profiler::attach(pid)
        .function("serve")
        .engine(Engine::Displaced)
        .start()
        .expect("attached");
    assert_eq!(running.pid(), pid);
    let before = served(&mut target);
    let after = served(&mut target);
    let profile = running.stop().expect("a profile");
    assert_eq!(profile.end, End::Detached);
    assert!(profile.function("serve").expect("it was named").calls >= after - before);
    served(&mut target);
    target.say("check");
    assert_eq!(target.hear(), "text same");
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn a_started_program_that_is_left_goes_on() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
    for fifo in [&from, &to] {
        nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo can be made");
    }
    let mut command = Command::new(program("left.rs"));
    command.args([&from, &to]);
    let running = Profiler::launch(command)
        .function("left::work")
        .start()
        .expect("started");
    let profile = running.stop().expect("a profile");
    assert_eq!(profile.end, End::Detached);
    assert_eq!(profile.function("left::work").expect("it was named").calls, 0);
    std::fs::write(&from, "told").expect("it listens");
    assert_eq!(std::fs::read_to_string(&to).expect("it answers"), "TOLD");
}

#[test]
fn every_process_has_its_profile_and_run_has_them_together() {
    let binary = Program::load("c/fork_exec.c").build_first();
    let launch = || {
        Profiler::launch(&binary.path)
            .children(Children::Followed)
            .pending(Pending::GoOn)
    };
    let each = launch().run_each().expect("profiled");
    let together = launch().run().expect("profiled");
    let calls = |profile: &Profile| profile.functions.iter().map(|f| f.calls).sum::<u64>();
    assert!(each.processes.len() > 1);
    assert_eq!(each.processes.iter().map(calls).sum::<u64>(), calls(&together));
}

#[test]
fn a_name_that_matches_nothing_is_an_error_with_the_nearest() {
    let binary = Program::load("rust/growth.rs").build_first();
    let error = Profiler::launch(&binary.path)
        .function("wurk")
        .run()
        .expect_err("no such function");
    match error {
        Error::NoMatch(vain) => assert!(vain.nearest.contains(&"growth::work".to_owned()), "{vain:?}"),
        other => panic!("{other}"),
    }
}
