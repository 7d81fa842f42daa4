//! What others do to lineprof, and to the process that it traces, meanwhile: signals, another tracer, SIGKILL, a clock that
//! is set.
//!
//! Must not know: how a session is made of two processes, but for the pid of the one that traces.

mod support;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use support::{
    Engine, Lineprof, Program, Report, Running, attach, attached, attached_by, compile, engine_of, run,
    served, serving, testprogs, tracers,
};

/// Ends the session and then the target, which is unharmed.
fn ends_well(lineprof: Running, mut target: Running) -> Report {
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    target.say("check");
    assert_eq!(target.hear(), "text same");
    assert_eq!(tracers(&target), [""; 0]);
    let ended = target.finish();
    assert_eq!(ended.code(), 0, "{}", ended.stderr_text());
    Report::parse(&finished.stdout_text())
}

#[test]
fn c070_a_hundred_hot_threads_that_are_killed_all_end() {
    for engine in Engine::ALL {
        let target = serving("c/attach_target.c", 100);
        let lineprof = attached(&target, engine);
        target.signal(Signal::SIGKILL);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let end = Report::parse(&finished.stdout_text()).end;
        assert_eq!(
            (end.kind.as_str(), end.signal.as_deref()),
            ("killed", Some("SIGKILL"))
        );
        let killed = WaitStatus::Signaled(target.pid(), Signal::SIGKILL, false);
        assert_eq!(target.ended(), killed, "{engine:?}");
    }
}

#[test]
fn c071_a_storm_of_signals_to_lineprof_changes_nothing() {
    for engine in Engine::ALL {
        let mut target = serving("c/attach_target.c", 2);
        let lineprof = attached(&target, engine);
        let tracer = engine_of(&target);
        let before = served(&mut target);
        for _ in 0..10 {
            for _ in 0..200 {
                for signal in [Signal::SIGWINCH, Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGURG] {
                    kill(tracer, signal).expect("the engine lives");
                    lineprof.signal(signal);
                }
            }
            kill(tracer, Signal::SIGSTOP).expect("the engine lives");
            kill(tracer, Signal::SIGCONT).expect("the engine lives");
            served(&mut target);
        }
        let after = served(&mut target);
        let calls = ends_well(lineprof, target).function("serve").calls;
        assert!(
            calls >= after - before,
            "{calls} calls, {} served",
            after - before
        );
    }
}

#[test]
fn the_tracing_process_is_called_what_the_documents_call_it() {
    let target = serving("c/attach_target.c", 1);
    let lineprof = attached(&target, Engine::Displaced);
    let engine = engine_of(&target);
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{engine}/{file}")).expect("it lives");
    assert_eq!(read("comm"), "lineprof\n");
    assert!(read("cmdline").starts_with("lineprof\0engine\0"));
    ends_well(lineprof, target);
}

/// The command `run`, by a parent that ignores SIGCHLD: what it ignores, its children do (execve(2)).
fn with_sigchld_ignored(run: &Command) -> Command {
    let mut command = Command::new("env");
    command.arg("--ignore-signal=CHLD");
    command.arg(run.get_program()).args(run.get_args());
    command
}

#[test]
fn c071_a_parent_that_ignores_sigchld_hides_no_end_of_a_program() {
    let program = Program::load("c/exit_code.c");
    let binary = program.build_first();
    let mut run = Lineprof::new().functions(&program.patterns).command();
    run.arg("--").arg(&binary.path).args(&program.args);
    let finished = Running::start(&mut with_sigchld_ignored(&run)).finish();
    assert_eq!(
        finished.code(),
        program.exit.passed_on(),
        "{}",
        finished.stderr_text()
    );
    assert!(finished.stderr_text().contains("Line Contents"));
}

#[test]
fn c071_a_parent_that_ignores_sigchld_hides_no_end_of_an_attached_process() {
    let mut target = serving("c/attach_target.c", 2);
    let mut command = with_sigchld_ignored(&attach(&target, Engine::Displaced));
    let lineprof = attached_by(&mut command);
    served(&mut target);
    assert_eq!(target.finish().code(), 0);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let end = Report::parse(&finished.stdout_text()).end;
    assert_eq!((end.kind.as_str(), end.code), ("exited", Some(0)));
}

#[test]
fn c107_a_second_lineprof_is_refused_and_the_first_goes_on() {
    let mut target = serving("c/attach_target.c", 2);
    let first = attached(&target, Engine::Displaced);
    let before = served(&mut target);
    let second = Running::start(&mut attach(&target, Engine::Displaced)).finish();
    let said = second.stderr_text();
    assert_eq!(second.code(), 125, "{said}");
    // By a process that can be ended: its tracer is a thread of that.
    let by = format!("traced already, by process {} (lineprof)", engine_of(&target));
    assert!(said.contains(&by), "{said}");
    assert!(said.contains("hint: "), "{said}");
    let after = served(&mut target);
    let calls = ends_well(first, target).function("serve").calls;
    assert!(
        calls >= after - before,
        "{calls} calls, {} served",
        after - before
    );
}

#[test]
fn c108_another_tracer_is_refused_and_can_have_the_process_afterwards() {
    let mut target = serving("c/attach_target.c", 2);
    let lineprof = attached(&target, Engine::Displaced);
    let before = served(&mut target);
    let pid = target.pid();
    assert_eq!(ptrace::attach(pid), Err(Errno::EPERM));
    assert_eq!(ptrace::seize(pid, ptrace::Options::empty()), Err(Errno::EPERM));
    let after = served(&mut target);
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let calls = Report::parse(&finished.stdout_text()).function("serve").calls;
    assert!(
        calls >= after - before,
        "{calls} calls, {} served",
        after - before
    );

    ptrace::seize(pid, ptrace::Options::empty()).expect("nobody has it any more");
    ptrace::interrupt(pid).expect("it is ours");
    assert!(matches!(waitpid(pid, None), Ok(WaitStatus::PtraceEvent(..))));
    ptrace::detach(pid, None).expect("it is stopped");
    served(&mut target);
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn c104_a_clock_that_is_set_back_again_and_again_spoils_no_duration() {
    let words = ["cc", "-O2", "-shared", "-fPIC"].map(str::to_string);
    let library = compile(&words, &[testprogs().join("libraries/clock.c")], "libclock.so");
    let mut target = serving("c/attach_target.c", 1);
    let before = Instant::now();
    let lineprof = attached_by(attach(&target, Engine::Displaced).env("LD_PRELOAD", library));
    served(&mut target);
    let report = ends_well(lineprof, target);
    assert!(report.started.as_str() < "2001-01-02", "{}", report.started);
    let within = 0.0..before.elapsed().as_secs_f64();
    assert!(
        report.duration > 0.0 && within.contains(&report.duration),
        "{}",
        report.duration
    );
}

#[test]
fn c083_a_child_made_to_be_untraced_dies_of_a_breakpoint_and_its_program_does_not() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let limits = std::fs::read_to_string(readme).expect("it is there");
    assert!(
        limits.contains("`CLONE_UNTRACED`"),
        "what cannot be helped is said"
    );

    let program = Program::load("c/untraced.c");
    let binary = program.build_first();
    assert_eq!(run(&binary.path, &program.args).stdout_text(), "9900 and 9900\n");
    let trapped = format!("signal {}\n9900 and 0\n", Signal::SIGTRAP as i32);
    for (engine, said, calls) in [
        (Engine::Displaced, trapped.as_str(), 100),
        (Engine::InPlace, &trapped, 100),
        // What runs inline has no breakpoint; the child counts where the thread that made it does.
        (Engine::Inline, "9900 and 9900\n", 200),
    ] {
        let lineprof = Lineprof::new().engine(engine).functions(&program.patterns);
        let (report, finished) = lineprof.report(&binary.path, &program.args);
        assert_eq!(finished.stdout_text(), said, "{engine:?}");
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        assert_eq!(report.function("work").calls, calls, "{engine:?}");
    }
}
