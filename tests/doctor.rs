//! `lineprof doctor`: each finding in words, and a fix for each that is not good.

mod support;

use nix::sys::ptrace;
use std::process::Command;
use support::{Finished, Lineprof, Program, Running};

fn doctor(pid: Option<i32>) -> Finished {
    let pid = pid.map(|pid| pid.to_string());
    Lineprof::new().option("doctor").options(pid).run_alone()
}

/// The words of a finding: health and text.
fn finding(finished: &Finished, subject: &str) -> (String, String) {
    let text = finished.stdout_text();
    let line = text
        .lines()
        .find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(subject)));
    let line = line.unwrap_or_else(|| panic!("nothing of {subject}:\n{text}"));
    (line[..6].trim().to_string(), line[24..].trim().to_string())
}

#[test]
fn the_machine_is_looked_at_and_a_stop_measured() {
    let finished = doctor(None);
    assert_eq!(
        finished.code(),
        0,
        "the tests need a machine on which lineprof works:\n{}",
        finished.stdout_text()
    );
    for subject in [
        "kernel",
        "tracing",
        "system calls",
        "resident memory",
        "changes of memory",
    ] {
        finding(&finished, subject);
    }
    let (_, cost) = finding(&finished, "cost of a stop");
    let microseconds: f64 = cost
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    assert!(microseconds > 0.0, "{cost}");
    assert!(cost.contains("measured over 5000"), "{cost}");
}

#[test]
fn a_process_that_can_be_profiled() {
    let binary = Program::load("c/attach_target.c").build_first();
    let mut target = Running::start(Command::new(&binary.path).arg("2"));
    assert_eq!(target.hear(), "ready");
    let finished = doctor(Some(target.pid().as_raw()));
    assert_eq!(finished.code(), 0, "{}", finished.stdout_text());
    assert_eq!(
        finding(&finished, "process").1,
        format!("{}, `attach_target`, 4 threads", target.pid())
    );
    assert_eq!(finding(&finished, "permission").1, "it may be traced");
    assert_eq!(finding(&finished, "tracer").1, "nobody traces it");
    let debug = finding(&finished, "debug information").1;
    assert!(
        debug.ends_with(&format!("of its own, in {}", binary.path.display())),
        "{debug}"
    );
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn a_process_without_debug_information_that_somebody_traces() {
    let mut sleeper = Command::new("sleep").arg("1000").spawn().expect("sleep is there");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(sleeper.id()).expect("a pid"));
    ptrace::seize(pid, ptrace::Options::empty()).expect("an own child can be traced");
    let finished = doctor(Some(pid.as_raw()));
    sleeper.kill().expect("an own child");
    sleeper.wait().expect("an own child");
    assert_eq!(finished.code(), 125);
    let (health, tracer) = finding(&finished, "tracer");
    assert_eq!(health, "fail");
    assert!(
        tracer.contains(&format!("(pid {})", nix::unistd::gettid())),
        "{tracer}"
    );
    assert_eq!(finding(&finished, "debug information").0, "fail");
    let text = finished.stdout_text();
    let fails = text.lines().filter(|line| line.starts_with("fail")).count();
    let fixes = text
        .lines()
        .filter(|line| line.starts_with("      fix: "))
        .count();
    assert!(fails >= 2 && fixes >= fails, "{text}");
}

#[test]
fn no_such_process() {
    let finished = doctor(Some(i32::MAX));
    assert_eq!(finished.code(), 125);
    assert_eq!(finding(&finished, "process").0, "fail");
}
