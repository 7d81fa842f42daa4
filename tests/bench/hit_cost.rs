//! What a hit costs: microseconds for each line event, of everything that can do the job, in one run.
//!
//! ```text
//! bare        wait, set pc, read statm, continue: what the kernel takes whoever traces; one CPU for both
//! displaced   lineprof's engine of one stop a hit
//! in-place    lineprof's engine of lift, step and plant again
//! gdb         the same job in gdb's own Python (gdb_lines.py)
//! … long      both in a function of sixty lines: gdb's cost grows with the number of breakpoints
//! ```
//!
//! Each is run several times, in turn, so that a slow minute of the machine hits all of them. lineprof is measured by
//! the difference between a long and a short run: start and report fall out. `cargo bench --bench hit_cost` prints the
//! table and keeps all raw numbers in tests/bench/results/hit_cost.json.

mod gdb_lines;
mod measure;
#[path = "../support/mod.rs"]
mod support;

use gdb_lines::gdb_lines;
use measure::median;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use support::{Engine, Lineprof, Program, Running, compile, testprogs};

const ROUNDS: usize = 5;
const BARE_STOPS: u64 = 30_000;
const SHORT_TURNS: u64 = 1_000;
const LONG_TURNS: u64 = 7_000;
const GDB_TURNS: u64 = 1_000;
const SHORT_CALLS: u64 = 100;
const LONG_CALLS: u64 = 600;
const GDB_CALLS: u64 = 80;

fn main() {
    let hot = Program::load("c/hot.c").build_first().path;
    let int3 = compile(
        &["cc", "-O0", "-g"].map(str::to_string),
        &[testprogs().join("bench/int3.c")],
        "int3",
    );

    let mut bare = Vec::new();
    let mut displaced = Vec::new();
    let mut in_place = Vec::new();
    let mut gdb = Vec::new();
    let long_function = compile(
        &["cc", "-O0", "-g"].map(str::to_string),
        &[testprogs().join("bench/long.c")],
        "long",
    );
    let mut displaced_long = Vec::new();
    let mut gdb_long = Vec::new();
    // One stop a hit is what the displaced engine promises: its stops are the events of a turn.
    let (_, short) = lineprof(&hot, Engine::Displaced, SHORT_TURNS);
    let (_, long) = lineprof(&hot, Engine::Displaced, LONG_TURNS);
    let events = long - short;
    println!("{} events in {} turns", events, LONG_TURNS - SHORT_TURNS);
    for round in 1..=ROUNDS {
        bare.push(bare_loop(&int3));
        for (engine, costs) in [
            (Engine::Displaced, &mut displaced),
            (Engine::InPlace, &mut in_place),
        ] {
            let (short, _) = lineprof(&hot, engine, SHORT_TURNS);
            let (long, _) = lineprof(&hot, engine, LONG_TURNS);
            costs.push((long - short) * 1e6 / events as f64);
        }
        gdb.push(gdb_script(&hot, GDB_TURNS));
        let (short, few) = lineprof(&long_function, Engine::Displaced, SHORT_CALLS);
        let (long, many) = lineprof(&long_function, Engine::Displaced, LONG_CALLS);
        displaced_long.push((long - short) * 1e6 / (many - few) as f64);
        gdb_long.push(gdb_script(&long_function, GDB_CALLS));
        println!("round {round} of {ROUNDS}");
    }

    let base = median(&bare);
    println!(
        "{:<16}{:>12}{:>14}{:>18}",
        "", "us/event", "times bare", "gdb is slower by"
    );
    for (name, costs, gdb) in [
        ("bare", &bare, &gdb),
        ("displaced", &displaced, &gdb),
        ("in-place", &in_place, &gdb),
        ("gdb", &gdb, &gdb),
        ("displaced long", &displaced_long, &gdb_long),
        ("gdb long", &gdb_long, &gdb_long),
    ] {
        let cost = median(costs);
        println!(
            "{name:<16}{cost:>12.2}{:>14.2}{:>18.1}",
            cost / base,
            median(gdb) / cost
        );
    }
    let results = json!({
        "unit": "microseconds for each line event",
        "rounds": ROUNDS,
        "events_per_run": {"bare": BARE_STOPS, "lineprof": events, "gdb_turns": GDB_TURNS, "gdb_calls_long": GDB_CALLS},
        "cpus": std::thread::available_parallelism().map_or(1, usize::from),
        "kernel": kernel(),
        "raw": {"bare": bare, "displaced": displaced, "in_place": in_place, "gdb": gdb,
            "displaced_long": displaced_long, "gdb_long": gdb_long},
        "median": {
            "bare": base,
            "displaced": median(&displaced),
            "in_place": median(&in_place),
            "gdb": median(&gdb),
            "displaced_long": median(&displaced_long),
            "gdb_long": median(&gdb_long),
        },
        "ratio": {
            "displaced_to_bare": median(&displaced) / base,
            "in_place_to_bare": median(&in_place) / base,
            "gdb_to_displaced": median(&gdb) / median(&displaced),
            "gdb_to_displaced_long": median(&gdb_long) / median(&displaced_long),
        },
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/results/hit_cost.json");
    std::fs::create_dir_all(file.parent().expect("a file lies in a folder"))
        .expect("the checkout is writable");
    let text = serde_json::to_string_pretty(&results).expect("numbers are JSON");
    std::fs::write(&file, text + "\n").expect("the checkout is writable");
}

/// Version and patch level, no build's name.
fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .trim()
        .to_string()
}

/// Wall time of a run in seconds, and its stops.
fn lineprof(program: &Path, engine: Engine, turns: u64) -> (f64, u64) {
    let run = Lineprof::new().engine(engine).functions(&["work"]);
    let begun = Instant::now();
    let (report, finished) = run.report(program, &[turns.to_string()]);
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    (seconds, report.tracing.stops)
}

/// Microseconds for each event of the job scripted in gdb's Python.
fn gdb_script(program: &Path, turns: u64) -> f64 {
    let (seconds, events) = gdb_lines(program, turns).unwrap_or_else(|why| panic!("{why}"));
    seconds * 1e6 / events
}

/// Microseconds for each stop of a tracer that does nothing else than it must.
fn bare_loop(program: &Path) -> f64 {
    let mut target = Running::start(Command::new(program).arg(BARE_STOPS.to_string()));
    let pid = target.pid();
    let own = Pid::from_raw(0);
    let before = sched_getaffinity(own).expect("the own affinity is known");
    let mut one = CpuSet::new();
    let cpu = (0..CpuSet::count())
        .find(|cpu| before.is_set(*cpu).unwrap_or(false))
        .expect("there is a CPU");
    one.set(cpu).expect("the CPU is in range");
    ptrace::seize(pid, ptrace::Options::PTRACE_O_EXITKILL).expect("an own child can be traced");
    for process in [own, pid] {
        sched_setaffinity(process, &one).expect("an own process can be pinned");
    }
    let statm = File::open(format!("/proc/{pid}/statm")).expect("the target lives");
    let rip =
        std::mem::offset_of!(nix::libc::user, regs) + std::mem::offset_of!(nix::libc::user_regs_struct, rip);
    let mut text = [0; 128];
    let mut stops = 0;
    let mut pc = None;
    let mut begun = Instant::now();
    target.say("go");
    while let WaitStatus::Stopped(stopped, Signal::SIGTRAP) = waitpid(pid, None).expect("an own child") {
        // One int3 runs again and again: its pc is read once and set at every stop.
        let pc = *pc.get_or_insert_with(|| {
            begun = Instant::now();
            ptrace::read_user(stopped, rip as ptrace::AddressType).expect("a stopped tracee")
        });
        ptrace::write_user(stopped, rip as ptrace::AddressType, pc).expect("a stopped tracee");
        statm.read_at(&mut text, 0).expect("the target lives");
        ptrace::cont(stopped, None).expect("a stopped tracee");
        stops += 1;
    }
    let elapsed = begun.elapsed();
    sched_setaffinity(own, &before).expect("the affinity before");
    assert_eq!(stops, BARE_STOPS);
    elapsed.as_secs_f64() * 1e6 / (stops - 1) as f64
}
