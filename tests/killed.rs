//! What becomes of a program when a process of lineprof's own is killed or stopped.
//!
//! Must not know: how lineprof hears of it. `attach.rs` has the front's death under hot threads (C099).
//!
//! ```text
//! the test ──┬── front ─── engine ── ptrace ──┐         an attached process
//!            ├── target ◄─────────────────────┘
//!            └── lineprof ── ptrace ──► program         one that was started
//! ```

mod support;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Command;
use support::{
    Engine, Finished, Lineprof, Program, Report, Running, attach, attached, attached_by, engine_of, served,
    serving, serving_by, tracers,
};

fn on_request() -> Running {
    serving_by(&mut Command::new(
        Program::load("c/on_request.c").build_first().path,
    ))
}

/// The child of `lineprof` that runs the file `program`.
fn program_of(lineprof: &Running, program: &Path) -> Pid {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", lineprof.pid())).expect("it lives");
    let mut children = tasks.flat_map(|task| {
        let path = task.expect("it lives").path().join("children");
        let text = std::fs::read_to_string(path).expect("its threads stay");
        let pids: Vec<i32> = text
            .split_whitespace()
            .map(|pid| pid.parse().expect("a pid"))
            .collect();
        pids
    });
    let found = children.find(|pid| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|executable| executable == *program)
    });
    Pid::from_raw(found.expect("lineprof has started it"))
}

fn report(finished: &Finished) -> Report {
    Report::parse(&finished.stdout_text())
}

#[test]
fn c090_a_program_that_lineprof_started_dies_with_it_and_not_of_a_breakpoint() {
    // The orphan's end is told to this process.
    nix::sys::prctl::set_child_subreaper(true).expect("prctl(2)");
    for engine in Engine::ALL {
        let binary = Program::load("c/attach_target.c").build_first();
        let run = Lineprof::new().engine(engine).functions(&["serve"]);
        let mut lineprof = serving_by(run.command().arg("--").arg(&binary.path).arg("2"));
        served(&mut lineprof);
        let program = program_of(&lineprof, &binary.path);
        lineprof.signal(Signal::SIGKILL);
        let killed = WaitStatus::Signaled(lineprof.pid(), Signal::SIGKILL, false);
        assert_eq!(lineprof.ended(), killed);
        let ended = waitpid(program, None).expect("an orphan comes to this process");
        assert_eq!(
            ended,
            WaitStatus::Signaled(program, Signal::SIGKILL, false),
            "{engine:?}"
        );
    }
}

#[test]
fn c100_sigkill_of_the_engine_leaves_breakpoints_which_is_said_before_and_after() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(readme).expect("it is there");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let promise = "Only **SIGKILL of `lineprof engine` itself** kills the process with it";
    assert!(text.contains(promise));

    for engine in Engine::ALL {
        let mut target = on_request();
        let lineprof = attached(&target, engine);
        served(&mut target);
        kill(engine_of(&target), Signal::SIGKILL).expect("an engine that this test has started");
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 125);
        let said = finished.stderr_text();
        assert!(said.contains("SIGKILL"), "{said}");
        assert!(
            said.contains("hint: its breakpoints are left in the process"),
            "{said}"
        );
        assert_eq!(tracers(&target), [""; 0]);

        // It sleeps in a system call as before.
        if engine == Engine::Inline {
            // No line of it has a breakpoint: it counts on for nobody.
            served(&mut target);
            assert_eq!(target.finish().code(), 0);
            continue;
        }
        // It dies when it comes to a line that was profiled.
        target.say("go on");
        let end = target.ended();
        assert!(
            matches!(end, WaitStatus::Signaled(_, Signal::SIGTRAP, _)),
            "{engine:?}: {end:?}"
        );
    }
}

/// Threads and children made afterwards, and handlers in the middle of lines, with nobody there to look after them.
fn an_orphan_goes_on(optimised: usize) {
    let binary = Program::load("c/orphan.c").build_all().swap_remove(optimised);
    for _ in 0..3 {
        let mut target = serving_by(Command::new(&binary.path).arg("2"));
        let lineprof = attached_by(attach(&target, Engine::Inline).arg("--inline-only"));
        served(&mut target);
        kill(engine_of(&target), Signal::SIGKILL).expect("an engine that this test has started");
        lineprof.finish();
        assert_eq!(tracers(&target), [""; 0]);
        for _ in 0..3 {
            served(&mut target);
        }
        let finished = target.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    }
}

#[test]
fn with_inline_only_a_process_outlives_the_engine() {
    an_orphan_goes_on(0);
}

#[test]
fn with_inline_only_an_optimised_process_outlives_the_engine() {
    an_orphan_goes_on(1);
}

/// What this process may, one bit each.
fn capabilities() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("proc(5)");
    let set = text.lines().find_map(|line| line.strip_prefix("CapEff:"));
    u64::from_str_radix(set.expect("a status has it").trim(), 16).expect("hexadecimal")
}

#[test]
fn c101_the_memory_killer_takes_the_front_before_the_engine() {
    let own = Path::new("/proc/self/oom_score_adj");
    let adjustment = |pid: Pid| -> i32 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj"));
        text.expect("it lives").trim().parse().expect("a number")
    };
    let own = std::fs::read_to_string(own).expect("proc(5)");
    let own: i32 = own.trim().parse().expect("a number");
    let target = on_request();
    let lineprof = attached(&target, Engine::Displaced);
    let (front, engine) = (adjustment(lineprof.pid()), adjustment(engine_of(&target)));
    assert_eq!(front, own.max(500));
    // CAP_SYS_RESOURCE, which containers often lack, may lower it.
    let may_lower = capabilities() & 1 << 24 != 0;
    assert_eq!(engine, if may_lower { own.min(-500) } else { own });
    assert_eq!(adjustment(target.pid()), own, "the target's own is not touched");
    lineprof.signal(Signal::SIGINT);
    assert_eq!(lineprof.finish().code(), 0);
}

/// Stops the front as `signal` does; the target must not notice.
fn the_front_is_stopped(signal: Signal, engine: Engine) {
    let mut target = serving("c/attach_target.c", 2);
    let lineprof = attached(&target, engine);
    lineprof.signal(signal);
    let stopped = WaitStatus::Stopped(lineprof.pid(), signal);
    let how = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
    assert_eq!(waitid(Id::Pid(lineprof.pid()), how), Ok(stopped));
    let before = served(&mut target);
    let after = served(&mut target);
    assert!(after > before);
    lineprof.signal(Signal::SIGINT);
    lineprof.signal(Signal::SIGCONT);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let calls = report(&finished).function("serve").calls;
    assert!(
        calls >= after - before,
        "{calls} calls, {} served",
        after - before
    );
    target.say("check");
    assert_eq!(target.hear(), "text same");
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn c105_the_target_goes_on_while_the_front_is_stopped() {
    for engine in Engine::ALL {
        the_front_is_stopped(Signal::SIGSTOP, engine);
    }
}

#[test]
fn c105_ctrl_z_stops_the_front_alone() {
    the_front_is_stopped(Signal::SIGTSTP, Engine::Displaced);
}
