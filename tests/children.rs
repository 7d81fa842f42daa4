//! Processes that are followed: forked, spawned, become others; each by itself, and merged.

mod support;

use nix::sys::signal::Signal;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;
use support::{Engine, Finished, Lineprof, Program, Report, Running};

const WORK: i64 = 64 * 4096;

/// The schema `lineprof-reports/1`.
#[derive(Debug, Deserialize)]
struct Reports {
    schema: String,
    processes: Vec<Report>,
}

fn family() -> PathBuf {
    Program::load("c/family.c").build_first().path
}

fn lineprof(engine: Engine) -> Lineprof {
    Lineprof::new().engine(engine).functions(&["work"]).metric("anon")
}

fn parse(text: &str) -> Vec<Report> {
    let reports: Reports =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("no reports: {error}\n{text}"));
    assert_eq!(reports.schema, "lineprof-reports/1");
    reports.processes
}

fn followed(engine: Engine, args: &[&str]) -> (Vec<Report>, Finished) {
    let run = lineprof(engine).option("--children");
    let (text, finished) = run.report_text(&family(), args);
    (parse(&text), finished)
}

/// Checks that every call of `work` is there with all its lines and bytes; how often it was called.
fn calls(report: &Report) -> u64 {
    let work = report.function("work");
    let at = |text: &str| {
        let found = work
            .lines
            .iter()
            .find(|line| line.text.as_deref().is_some_and(|t| t.contains(text)));
        found.unwrap_or_else(|| panic!("no line `{text}`"))
    };
    for line in ["mmap", "madvise", "memset"] {
        assert_eq!(at(line).hits, work.calls, "{line} in process {}", report.pid);
    }
    let calls = i64::try_from(work.calls).expect("few calls");
    assert_eq!(at("memset").increment, calls * WORK, "process {}", report.pid);
    work.calls
}

fn sorted(mut calls: Vec<u64>) -> Vec<u64> {
    calls.sort_unstable();
    calls
}

#[test]
fn forked_children_have_a_report_each() {
    for engine in Engine::ALL {
        let (reports, finished) = followed(engine, &["workers", "4"]);
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        assert_eq!(
            sorted(reports.iter().map(calls).collect()),
            [0, 1, 2, 3, 4],
            "{engine:?}"
        );
        let mut pids: Vec<i32> = reports.iter().map(|report| report.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), 5);
        for report in &reports {
            assert_eq!((report.end.kind.as_str(), report.end.code), ("exited", Some(0)));
            // One stop a hit, of this process alone.
            let hits: u64 = report.function("work").lines.iter().map(|line| line.hits).sum();
            assert!(report.tracing.stops >= hits, "{} of {hits}", report.tracing.stops);
        }
    }
}

#[test]
fn a_spawned_program_and_one_that_was_replaced_have_reports_of_their_own() {
    for engine in Engine::ALL {
        let (reports, finished) = followed(engine, &["spawn"]);
        assert_eq!(finished.code(), 5, "{}", finished.stderr_text());
        assert_eq!(sorted(reports.iter().map(calls).collect()), [1, 5], "{engine:?}");
        assert_eq!(reports[0].command.last().map(String::as_str), Some("spawn"));
        assert_eq!(reports[1].command.last().map(String::as_str), Some("again"));

        let (reports, finished) = followed(engine, &["become"]);
        assert_eq!(finished.code(), 5, "{}", finished.stderr_text());
        assert_eq!(
            reports.iter().map(calls).collect::<Vec<_>>(),
            [2, 5],
            "{engine:?}"
        );
        assert_eq!(reports[0].end.kind, "executed");
        assert_eq!(reports[0].pid, reports[1].pid);
    }
}

#[test]
fn a_child_is_forked_while_another_thread_is_at_sites() {
    let (reports, finished) = followed(Engine::Displaced, &["threads"]);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let all: Vec<u64> = reports
        .iter()
        .map(|report| report.function("work").calls)
        .collect();
    let mut expected = vec![2; 20];
    expected.push(200);
    assert_eq!(sorted(all), expected);
}

#[test]
fn a_program_started_by_a_shell_is_found_and_the_shell_is_not_in_the_report() {
    let program = family().display().to_string();
    let script = format!("{program} workers 1; exit 6");
    let run = lineprof(Engine::Displaced).option("--children");
    let (text, finished) = run.report_text("/bin/sh".as_ref(), &["-c", &script]);
    assert_eq!(finished.code(), 6, "{}", finished.stderr_text());
    assert_eq!(parse(&text).iter().map(calls).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_script_is_followed_into_all_that_it_runs() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let script = folder.path().join("script");
    let program = family().display().to_string();
    let text = format!("#!/bin/sh\n{program} again\n{program} workers 1\nexec {program} again\n");
    std::fs::write(&script, text).expect("the temporary folder is writable");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    let run = lineprof(Engine::Displaced).option("--children");
    let (text, finished) = run.report_text(&script, &[""; 0]);
    assert_eq!(finished.code(), 5, "{}", finished.stderr_text());
    assert_eq!(parse(&text).iter().map(calls).collect::<Vec<_>>(), [5, 0, 1, 5]);

    let nothing = Lineprof::new().option("--children").functions(&["no_such"]);
    let finished = nothing.run(&script, &[""; 0]);
    assert_eq!(finished.code(), 125, "{}", finished.stderr_text());
    assert!(
        finished.stderr_text().contains("no function matches `no_such`"),
        "{}",
        finished.stderr_text()
    );
}

#[test]
fn a_program_that_is_not_there_is_an_error_at_once() {
    let finished = lineprof(Engine::Displaced)
        .option("--children")
        .run("/no/such/program".as_ref(), &[""; 0]);
    assert_eq!(finished.code(), 127, "{}", finished.stderr_text());
}

#[test]
fn a_name_that_no_process_has_is_an_error_in_the_end() {
    let run = Lineprof::new().option("--children").functions(&["no_such"]);
    let finished = run.run(&family(), &["workers", "1"]);
    assert_eq!(finished.code(), 125);
    assert!(
        finished.stderr_text().contains("no function matches `no_such`"),
        "{}",
        finished.stderr_text()
    );
}

#[test]
fn merged_children_are_one_table_of_sums() {
    for engine in Engine::ALL {
        let run = Lineprof::new()
            .engine(engine)
            .functions(&["work"])
            .option("--merge-children");
        let (report, finished) = run.report(&family(), &["workers", "3"]);
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        assert_eq!(report.metric, "pss");
        let work = report.function("work");
        assert_eq!(work.calls, 6);
        let memset = work
            .lines
            .iter()
            .find(|line| line.hits > 0 && line.increment > WORK);
        let memset = memset.expect("the line that writes");
        assert_eq!(memset.hits, 6);
        // Pages that the others share besides become this one's own; only whole kilobytes are written down.
        assert!(memset.increment >= 6 * (WORK - 1024), "{}", memset.increment);
        // A process that maps this much more than another has that much more: 1, 2 and 3 times.
        assert!(memset.memory.is_some_and(|sum| sum >= 6 * WORK.unsigned_abs()));
    }
}

#[test]
fn c084_a_child_that_outlives_its_program_is_followed_to_its_end() {
    for engine in Engine::ALL {
        let (reports, finished) = followed(engine, &["outlive"]);
        assert_eq!(finished.code(), 0);
        assert_eq!(finished.stdout_text(), "last\n", "{engine:?}");
        assert_eq!(sorted(reports.iter().map(calls).collect()), [0, 3], "{engine:?}");
    }
}

#[test]
fn an_interrupt_ends_the_profile_of_those_that_outlive_their_program_and_leaves_them_running() {
    for engine in Engine::ALL {
        let run = lineprof(engine).options(["--children", "--format", "json", "-o", "-"]);
        let mut command = run.command();
        let mut running = Running::start(command.arg("--").arg(family()).arg("daemon"));
        assert_eq!(running.hear(), "ready");
        running.hear_error("the program has ended");
        running.signal(Signal::SIGINT);
        running.say("go on");
        let finished = running.finish();
        let text = finished.stdout_text();
        // The child and lineprof write to one pipe, in either order.
        let report: String = text.lines().filter(|line| *line != "heard").collect();
        let reports = parse(&report);
        assert_eq!(
            text.lines().filter(|line| *line == "heard").count(),
            1,
            "{engine:?}"
        );
        assert_eq!(sorted(reports.iter().map(calls).collect()), [0, 1], "{engine:?}");
    }
}

#[test]
fn children_of_a_process_that_is_attached_to_are_followed() {
    for engine in Engine::ALL {
        let mut target = Running::start(Command::new(family()).arg("server"));
        assert_eq!(target.hear(), "ready");
        let pid = target.pid().to_string();
        let run = lineprof(engine).options(["--children", "--format", "json", "--pid", &pid]);
        let mut profile = Running::start(&mut run.command());
        profile.hear_error("attached");
        for _ in 0..3 {
            target.say("one");
            assert_eq!(target.hear(), "done", "{engine:?}");
        }
        profile.signal(Signal::SIGINT);
        let finished = profile.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let reports = parse(&finished.stdout_text());
        assert_eq!(
            sorted(reports.iter().map(calls).collect()),
            [0, 2, 2, 2],
            "{engine:?}"
        );
        assert_eq!(reports[0].end.kind, "detached");
        assert_eq!(support::tracers(&target), [""; 0]);
        target.say("one more");
        assert_eq!(target.hear(), "done", "{engine:?}");
        assert_eq!(target.finish().code(), 0);
    }
}
