//! What profiling inline costs: whole runs, set-up included, against the program alone and against what else there is.
//!
//! ```text
//! lines       25 million turns of four lines             lua         an interpreter at work, all of its source
//! fibonacci   calls and nothing else                     sqlite      a database at work, all of its source
//! toucher     1 GiB, page by page                        threads     eight of them, each with its lines
//! ```
//!
//! All tools run in turn, round after round, so that a slow minute of the machine hits all of them; a ratio is taken
//! within its round, and the middle one counts. What would take hours (gdb, uprobes, statm at each event) runs shorter,
//! and tells microseconds an event. `cargo bench --bench inline` prints the tables and keeps all raw numbers in
//! tests/bench/results/inline.json. A tool that is not installed is left out, and that is said.

mod gdb_lines;
mod measure;
#[path = "../support/mod.rs"]
mod support;

use gdb_lines::gdb_lines;
use measure::median;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use support::{Engine, Lineprof, Report, compile, lua, sqlite, testprogs};

const ROUNDS: usize = 5;

/// A program with something to do.
struct Work {
    name: &'static str,
    binary: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    /// What of it is profiled.
    selection: [&'static str; 2],
}

fn small(name: &'static str, source: &str, function: &'static str, arguments: &[&str]) -> Work {
    let words = ["cc", "-O0", "-g", "-pthread"].map(str::to_string);
    let file = testprogs().join("bench").join(source);
    Work {
        name,
        binary: compile(&words, &[file], name),
        folder: testprogs(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        selection: ["--function", function],
    }
}

fn all_work() -> Vec<Work> {
    let mut interpreter = lua(&["-O2", "-g"], "lua");
    interpreter.arguments = vec!["work.lua".to_string()];
    let base = sqlite(&["-O2", "-g"], 3000);
    let real = |name, real: support::Real| Work {
        name,
        binary: real.binary,
        folder: real.folder,
        arguments: real.arguments,
        selection: ["--file", real.files],
    };
    vec![
        small("lines", "lines.c", "work", &["25000000"]),
        small("fibonacci", "fibonacci.c", "fib", &["35"]),
        small("toucher", "toucher.c", "touch", &["262144"]),
        small("threads", "lines.c", "work", &["6000000", "8"]),
        real("lua", interpreter),
        real("sqlite", base),
    ]
}

/// What runs a program, by the words in front of it.
const TOOLS: [(&str, &[&str]); 5] = [
    ("valgrind none", &["valgrind", "--quiet", "--tool=none"]),
    (
        "valgrind massif",
        &[
            "valgrind",
            "--quiet",
            "--tool=massif",
            "--massif-out-file=/dev/null",
        ],
    ),
    (
        "valgrind callgrind",
        &[
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
        ],
    ),
    ("heaptrack", &["heaptrack", "-o"]),
    ("native", &[]),
];

fn is_installed(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

impl Work {
    /// Seconds of the run under a tool.
    fn under(&self, words: &[&str], folder: &Path) -> f64 {
        let mut all: Vec<OsString> = words.iter().map(OsString::from).collect();
        if words.first() == Some(&"heaptrack") {
            all.push(folder.join("heaptrack").into());
        }
        all.push(self.binary.clone().into());
        all.extend(self.arguments.iter().map(OsString::from));
        let mut command = Command::new(&all[0]);
        command
            .args(&all[1..])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let status = command.status().expect("it can be run");
        let seconds = begun.elapsed().as_secs_f64();
        assert!(status.success(), "{all:?}: {status}");
        seconds
    }

    /// Seconds of the run under lineprof, and its report.
    fn profiled(&self, more: &[&str], arguments: &[String]) -> (f64, Report, f64) {
        let run = Lineprof::new()
            .folder(&self.folder)
            .engine(Engine::Inline)
            .options(more)
            .options(self.selection);
        let begun = Instant::now();
        let (text, finished) = run.report_text(&self.binary, arguments);
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let events = serde_json::from_str::<Value>(&text).expect("a report")["tracing"]["events"]
            .as_f64()
            .expect("events are counted");
        (seconds, Report::parse(&text), events)
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let tools: Vec<_> = TOOLS
        .into_iter()
        .filter(|(name, words)| {
            let there = words.first().is_none_or(|tool| is_installed(tool));
            if !there {
                println!("{name} is not installed: left out");
            }
            there
        })
        .collect();
    let mut kept = serde_json::Map::new();
    for work in all_work() {
        let mut seconds: Vec<(&str, Vec<f64>)> = tools.iter().map(|(name, _)| (*name, Vec::new())).collect();
        let mut inline = Vec::new();
        let mut told = (0, 0.0, 0, 0);
        for _ in 0..ROUNDS {
            for ((_, words), (_, seconds)) in tools.iter().zip(&mut seconds) {
                seconds.push(work.under(words, folder.path()));
            }
            let (took, report, events) = work.profiled(&[], &work.arguments);
            inline.push(took);
            let tracing = report.tracing;
            told = (tracing.stops, events, tracing.inline, tracing.sites);
        }
        let native = seconds.pop().expect("native is the last").1;
        seconds.insert(0, ("lineprof inline", inline));
        let (stops, events, of_sites, sites) = told;
        println!(
            "\n{}: {events:.0} events, {stops} stops ({:.5} %), {of_sites} of {sites} sites inline; alone {:.3} s",
            work.name,
            100.0 * stops as f64 / events,
            median(&native)
        );
        println!(
            "  {:<20}{:>10}{:>16}{:>14}",
            "", "seconds", "times native", "ns an event"
        );
        let mut of_work = serde_json::Map::new();
        for (name, seconds) in &seconds {
            let ratios: Vec<f64> = seconds
                .iter()
                .zip(&native)
                .map(|(one, native)| one / native)
                .collect();
            let beyond = (median(seconds) - median(&native)) * 1e9 / events;
            println!(
                "  {name:<20}{:>10.3}{:>16.2}{beyond:>14.2}",
                median(seconds),
                median(&ratios)
            );
            of_work.insert(
                (*name).to_string(),
                json!({"seconds": seconds, "times_native": median(&ratios)}),
            );
        }
        of_work.insert("native".to_string(), json!({"seconds": native}));
        of_work.insert("events".to_string(), json!(events));
        of_work.insert("stops".to_string(), json!(stops));
        of_work.insert("sites".to_string(), json!({"inline": of_sites, "all": sites}));
        kept.insert(work.name.to_string(), Value::Object(of_work));
    }
    kept.insert("microseconds_an_event".to_string(), an_event());
    kept.insert("rounds".to_string(), json!(ROUNDS));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/results/inline.json");
    let text = serde_json::to_string_pretty(&kept).expect("numbers are JSON");
    std::fs::write(&file, text + "\n").expect("the checkout is writable");
}

/// What an event costs where whole runs would take hours: by the difference of a long and a short run.
fn an_event() -> Value {
    let lines = small("lines", "lines.c", "work", &[]);
    let mut of_all = serde_json::Map::new();
    println!("\nthe four lines, microseconds an event");
    for (name, short, long, run) in [
        (
            "statm at each event",
            100_000,
            500_000,
            statm as fn(&Work, u64) -> (f64, f64),
        ),
        ("gate verified", 100_000, 500_000, verified),
        ("displaced", 500, 5_000, displaced),
        ("gdb script", 100, 500, gdb),
        ("kernel uprobes", 2_000, 12_000, uprobes),
    ] {
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            let ((few, fewer), (much, more)) = (run(&lines, short), run(&lines, long));
            if more > fewer {
                costs.push((much - few) * 1e6 / (more - fewer));
            }
        }
        if costs.is_empty() {
            println!("  {name:<20}{:>10}", "not here");
            continue;
        }
        println!("  {name:<20}{:>10.3}", median(&costs));
        of_all.insert(name.to_string(), json!(costs));
    }
    Value::Object(of_all)
}

fn statm(work: &Work, turns: u64) -> (f64, f64) {
    let (seconds, _, events) = work.profiled(&["--gate", "statm"], &[turns.to_string()]);
    (seconds, events)
}

fn verified(work: &Work, turns: u64) -> (f64, f64) {
    let (seconds, _, events) = work.profiled(&["--verify-gate"], &[turns.to_string()]);
    (seconds, events)
}

fn displaced(work: &Work, turns: u64) -> (f64, f64) {
    let run = Lineprof::new().engine(Engine::Displaced).options(work.selection);
    let begun = Instant::now();
    let (report, _) = run.report(&work.binary, &[turns.to_string()]);
    (begun.elapsed().as_secs_f64(), report.tracing.stops as f64)
}

fn gdb(work: &Work, turns: u64) -> (f64, f64) {
    match is_installed("gdb") {
        true => gdb_lines(&work.binary, turns).unwrap_or_default(),
        false => (0.0, 0.0),
    }
}

/// Counting hits of a probe on each of the lines, by perf: nothing is read and nothing attributed. In a mount namespace
/// of its own, since the tracing file system need not be mounted.
fn uprobes(work: &Work, turns: u64) -> (f64, f64) {
    let script = r#"
        mount -t tracefs nodev /sys/kernel/tracing 2> /dev/null
        perf probe --quiet --del 'probe_lines:*' > /dev/null 2>&1
        for line in 12 13 14 15; do
            perf probe --quiet --exec "$1" --add "lines_$line=lines.c:$line" > /dev/null 2>&1 || exit 1
        done
        begun=$(date +%s%N)
        perf stat -x, -o "$3" -e 'probe_lines:*' "$1" "$2" > /dev/null 2>&1 || exit 1
        echo $(($(date +%s%N) - begun)) > "$4"
        perf probe --quiet --del 'probe_lines:*' > /dev/null 2>&1
    "#;
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (counts, took) = (folder.path().join("counts"), folder.path().join("took"));
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&work.binary)
        .arg(turns.to_string())
        .args([&counts, &took])
        .stderr(Stdio::null())
        .status();
    let text = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
    let nanoseconds: f64 = text(&took).trim().parse().unwrap_or(0.0);
    let events: f64 = text(&counts)
        .lines()
        .filter_map(|line| line.split(',').next()?.parse::<f64>().ok())
        .sum();
    match status {
        Ok(status) if status.success() => (nanoseconds / 1e9, events),
        _ => (0.0, 0.0),
    }
}
