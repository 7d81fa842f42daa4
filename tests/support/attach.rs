//! Attaching to a test program that serves: it answers lines on its standard input (see `testprogs/c/attach_target.c`).
//!
//! Must not know: what else a target can answer.

use super::{Engine, Lineprof, Program, Running};
use nix::unistd::Pid;
use std::process::Command;

/// Starts the program `name` with so many hot threads, and waits until they serve.
pub(crate) fn serving(name: &str, threads: u32) -> Running {
    let binary = Program::load(name).build_first();
    serving_by(Command::new(&binary.path).arg(threads.to_string()))
}

/// Starts a target by a command of its own, and waits until it serves.
pub(crate) fn serving_by(command: &mut Command) -> Running {
    let mut target = Running::start(command);
    assert_eq!(target.hear(), "ready");
    target
}

/// Starts lineprof on the target and waits until it says that it has attached.
pub(crate) fn attached(target: &Running, engine: Engine) -> Running {
    attached_by(&mut attach(target, engine))
}

/// Like [`attached`], by a command that was made by [`attach`].
pub(crate) fn attached_by(command: &mut Command) -> Running {
    let mut lineprof = Running::start(command);
    lineprof.hear_error("attached");
    lineprof
}

/// The command that profiles `serve` of the target and writes its report to the standard output.
pub(crate) fn attach(target: &Running, engine: Engine) -> Command {
    attach_to(target.pid(), engine)
}

/// Like [`attach`], for a process that another one has started.
pub(crate) fn attach_to(pid: Pid, engine: Engine) -> Command {
    let run = Lineprof::new()
        .engine(engine)
        .functions(&["serve"])
        .options(["--format", "json"])
        .options(["--pid".to_string(), pid.to_string()]);
    run.command()
}

/// The calls that the target has served, after at least 50 more on each thread.
pub(crate) fn served(target: &mut Running) -> u64 {
    target.say("go on");
    let answer = target.hear();
    let count = answer
        .strip_prefix("served ")
        .and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("the target answers `{answer}`"))
}

/// The pids of what traces any thread of `process`.
pub(crate) fn tracers(process: &Running) -> Vec<String> {
    let tasks = format!("/proc/{}/task", process.pid());
    let mut found = Vec::new();
    for task in std::fs::read_dir(tasks).expect("the target lives") {
        let status = task.expect("the target lives").path().join("status");
        let text = std::fs::read_to_string(status).expect("the target's threads stay");
        let tracer = text
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"))
            .expect("a status has it");
        if tracer.trim() != "0" {
            found.push(tracer.trim().to_string());
        }
    }
    found
}

/// A number of /proc/PID/status.
fn status_number(pid: &str, field: &str) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value
        .and_then(|v| v.trim().parse().ok())
        .expect("a status has it")
}

/// The process that traces `target`.
pub(crate) fn engine_of(target: &Running) -> Pid {
    // The tracer is a thread.
    let threads = tracers(target);
    let first = threads.first().expect("it is traced");
    Pid::from_raw(status_number(first, "Tgid"))
}
