//! Attach and detach, a hundred times over, to threads that are hot in profiled lines: no harm is done.
//!
//! Must not know: what the target does; `testprogs/c/rounds.c` does, and ends itself when a result, a call, a byte of text
//! or the end of one of its system calls is not what it should be.
//!
//! ```text
//! before ─► attach ─► calls, counted exactly ─► detach ─► after: threads as before, text the file's, calls go on
//! ```
//!
//! `LINEPROF_STRESS=1` makes a hundred rounds of the few of an ordinary run.

mod support;

use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use support::{Engine, Expected, Lineprof, Program, Report, Running, attached_by, served, serving};

/// What a detach has to leave as it was, of each thread (proc_pid_status(5)).
const KEPT: [&str; 9] = [
    "Name",
    "TracerPid",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "Seccomp",
    "Cpus_allowed",
];

/// The kept fields of each thread.
type Threads = BTreeMap<String, Vec<String>>;

/// Reads what has to stay, and checks that nobody is stopped or traced.
fn threads(process: &Running) -> Threads {
    let tasks = format!("/proc/{}/task", process.pid());
    let mut threads = Threads::new();
    for task in std::fs::read_dir(tasks).expect("the target lives") {
        let task = task.expect("the target lives");
        let text = std::fs::read_to_string(task.path().join("status")).expect("the target's threads stay");
        let field = |name: &str| {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.expect("a status has it").trim().to_string()
        };
        let state = field("State");
        assert!(
            ["R", "S", "D"].contains(&&state[..1]),
            "a thread is left in state {state} (a zombie: `rounds` has found harm and said which)"
        );
        assert_eq!(field("TracerPid"), "0", "still traced");
        let kept = KEPT.map(|name| match name {
            "SigBlk" => with_awaited(&field(name)),
            name => field(name),
        });
        threads.insert(task.file_name().to_string_lossy().into_owned(), kept.to_vec());
    }
    threads
}

/// A mask with the signals that the target waits for: sigtimedwait(2) opens them while it sleeps (`do_sigtimedwait`,
/// kernel/signal.c), so a thread that waits again and again has them now and then.
fn with_awaited(mask: &str) -> String {
    let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
    let mask = u64::from_str_radix(mask, 16).expect("a mask in hexadecimal");
    format!("{:016x}", mask | bit(Signal::SIGUSR1) | bit(Signal::SIGUSR2))
}

/// What is not as it was.
fn changed(before: &Threads, after: &Threads) -> Vec<String> {
    let mut differ = Vec::new();
    if !before.keys().eq(after.keys()) {
        differ.push(format!("threads {:?}, now {:?}", before.keys(), after.keys()));
    }
    for (thread, fields) in before {
        let now = after.get(thread).into_iter().flatten();
        for ((name, was), is) in KEPT.iter().zip(fields).zip(now) {
            if was != is {
                differ.push(format!("{name} of thread {thread} was {was} and is {is}"));
            }
        }
    }
    differ
}

/// The calls of `counted` so far, after 25 more on each hot thread.
fn count(target: &mut Running) -> u64 {
    target.say("count");
    let answer = target.hear();
    let count = answer.strip_prefix("counted ").map(str::parse);
    match count {
        Some(Ok(count)) => count,
        _ => panic!("the target answers `{answer}`"),
    }
}

/// The calls of `serve` around the attached part of a round.
struct Calls {
    before: u64,
    attached: u64,
    leaving: u64,
    after: u64,
}

fn every_call_is_in_the_report(report: &Report, calls: &Calls, program: &Program, threads: u64) {
    assert_eq!(report.end.kind, "detached");
    // All calls of `counted` were made while every line was watched: exact, on each of them.
    let counted = report.function("counted");
    for annotation in &program.annotations {
        for expected in &annotation.expected {
            match expected {
                Expected::Hits(hits) => {
                    let line = counted.lines.iter().find(|line| line.line == annotation.line);
                    let found = line.map(|line| line.hits);
                    assert_eq!(found, Some(hits * threads), "hits of `{}`", annotation.text);
                }
                Expected::Function { calls, .. } => {
                    assert_eq!(Some(counted.calls), calls.map(|calls| calls * threads));
                }
                other => panic!("no expectation of this test: {other:?}"),
            }
        }
    }
    // The session began and ended within calls of `serve`: each thread may have one at either end.
    let serve = report.function("serve");
    let (least, most) = (
        calls.leaving - calls.attached - threads,
        calls.after - calls.before + threads,
    );
    assert!(
        (least..=most).contains(&serve.calls),
        "{} calls of serve reported, but at least {least} and at most {most} were made",
        serve.calls
    );
}

fn rounds(threads_hot: u32, engine: Engine) {
    rounds_with(threads_hot, engine, &[]);
}

fn rounds_with(threads_hot: u32, engine: Engine, options: &[&str]) {
    let rounds = if std::env::var_os("LINEPROF_STRESS").is_some() {
        100
    } else {
        2
    };
    let program = Program::load("c/rounds.c");
    let mut target = serving("c/rounds.c", threads_hot);
    let at_first = threads(&target);
    let (mut all_counted, mut in_sessions, mut reported) = (0, 0, 0);
    for round in 1..=rounds {
        let before = served(&mut target);
        let lineprof = attached_by(
            &mut Lineprof::new()
                .engine(engine)
                .functions(&["serve", "counted"])
                .options(["--format", "json"])
                .options(options.iter().copied())
                .options(["--pid".to_string(), target.pid().to_string()])
                .command(),
        );
        let attached = served(&mut target);
        all_counted += 25 * u64::from(threads_hot);
        assert_eq!(count(&mut target), all_counted, "round {round}");
        let leaving = served(&mut target);
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "round {round}: {}", finished.stderr_text());
        let differ = changed(&at_first, &threads(&target));
        assert!(differ.is_empty(), "round {round}: {}", differ.join("; "));
        target.say("check");
        assert_eq!(target.hear(), "text same", "round {round}");
        let after = served(&mut target);
        let calls = Calls {
            before,
            attached,
            leaving,
            after,
        };
        let report = Report::parse(&finished.stdout_text());
        every_call_is_in_the_report(&report, &calls, &program, u64::from(threads_hot));
        in_sessions += calls.leaving - calls.attached;
        reported += report.function("serve").calls;
    }
    let finished = target.finish();
    assert_eq!(
        (finished.code(), finished.stdout_text().as_str()),
        (0, "stopped\n"),
        "{}",
        finished.stderr_text()
    );
    println!(
        "{rounds} rounds, {threads_hot} hot threads, {engine:?}: {all_counted} of {all_counted} counted calls, {reported} \
         of serve reported (at least {in_sessions} made); no text changed, no EINTR, nobody stopped"
    );
}

#[test]
fn c094_c095_one_hot_thread_displaced() {
    rounds(1, Engine::Displaced);
}

#[test]
fn c094_c095_one_hot_thread_inline() {
    rounds(1, Engine::Inline);
}

#[test]
fn c094_c095_eight_hot_threads_inline() {
    rounds(8, Engine::Inline);
}

#[test]
fn one_hot_thread_inline_only() {
    rounds_with(1, Engine::Inline, &["--inline-only"]);
}

#[test]
fn eight_hot_threads_inline_only() {
    rounds_with(8, Engine::Inline, &["--inline-only"]);
}

#[test]
fn c094_c095_one_hot_thread_in_place() {
    rounds(1, Engine::InPlace);
}

#[test]
fn c094_c095_eight_hot_threads_displaced() {
    rounds(8, Engine::Displaced);
}

#[test]
fn c094_c095_eight_hot_threads_in_place() {
    rounds(8, Engine::InPlace);
}
