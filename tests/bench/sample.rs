//! What being sampled costs the target: the same counted job alone and sampled a thousand times a second, in turn.
//!
//! The job prints the processor time and the wall time that it took, so starting it costs nothing here. lineprof runs on
//! another processor where there is one. `cargo bench --bench sample` prints the table and keeps all raw numbers in
//! tests/bench/results/sample.json.

#[allow(dead_code, reason = "the other benches use the rest")]
mod measure;
#[path = "../support/mod.rs"]
mod support;

use measure::median;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use support::{Lineprof, Running, compile, testprogs};

const ROUNDS: usize = 11;
const TURNS: &str = "60000000";

/// Seconds of the processor and of the wall.
type Seconds = (f64, f64);

fn main() {
    let words = ["cc", "-O2"].map(str::to_string);
    let steady = compile(&words, &[testprogs().join("bench/steady.c")], "steady");
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let file = folder.path().join("steady.dat");
    let sampled = Lineprof::new()
        .options(["sample", "--interval", "0.001", "-o"])
        .option(&file);
    let (mut alone, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        alone.push(job(Command::new(&steady).arg(TURNS)));
        let times = job(sampled.command().arg("--").arg(&steady).arg(TURNS));
        let text = std::fs::read_to_string(&file).expect("lineprof writes it");
        rates.push(text.matches("MEM ").count() as f64 / times.1);
        beside.push(times);
        println!("round {round} of {ROUNDS}");
    }
    let of =
        |times: &[Seconds], which: fn(&Seconds) -> f64| median(&times.iter().map(which).collect::<Vec<_>>());
    // Neighbours in time, so that a slow minute of the machine is in both.
    let ratios = |which: fn(&Seconds) -> f64| {
        median(
            &alone
                .iter()
                .zip(&beside)
                .map(|(one, other)| which(other) / which(one))
                .collect::<Vec<_>>(),
        )
    };
    let (processor, wall) = (|times: &Seconds| times.0, |times: &Seconds| times.1);
    println!("{:<28}{:>12}{:>12}", "", "processor s", "wall s");
    println!(
        "{:<28}{:>12.4}{:>12.4}",
        "alone",
        of(&alone, processor),
        of(&alone, wall)
    );
    println!(
        "{:<28}{:>12.4}{:>12.4}",
        "sampled",
        of(&beside, processor),
        of(&beside, wall)
    );
    println!(
        "{:<28}{:>12.4}{:>12.4}",
        "ratio, median of pairs",
        ratios(processor),
        ratios(wall)
    );
    println!("{:.0} readings a second", median(&rates));
    let results = json!({
        "unit": "seconds of processor and wall that the job took",
        "rounds": ROUNDS,
        "interval": 0.001,
        "cpus": std::thread::available_parallelism().map_or(1, usize::from),
        "readings_per_second": median(&rates),
        "raw": {"alone": alone, "sampled": beside},
        "ratio": {"processor": ratios(processor), "wall": ratios(wall)},
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/results/sample.json");
    let text = serde_json::to_string_pretty(&results).expect("numbers are JSON");
    std::fs::write(&file, text + "\n").expect("the checkout is writable");
}

/// Runs the job; what it says of itself.
fn job(command: &mut Command) -> Seconds {
    let finished = Running::start(command).finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let text = finished.stdout_text();
    let mut numbers = text
        .split_whitespace()
        .map(|word| word.parse::<f64>().expect("a number") / 1e9);
    let mut next = || numbers.next().expect("the job prints three");
    (next(), next())
}
