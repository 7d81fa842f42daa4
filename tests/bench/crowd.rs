//! What a line costs in a process of two thousand threads that is attached to, against the same with hardly any other
//! thread.
//!
//! ```text
//! hot     so many threads call a function of four lines all the time, others sleep
//! relay   so many threads call it in turn: each wakes the next and sleeps
//! ```
//! A row is one process: nanoseconds a call before lineprof comes, and while it is there. The price is the difference.
//! `cargo bench --bench crowd` prints the table and keeps it in tests/bench/results/crowd.json.

mod measure;
#[path = "../support/mod.rs"]
mod support;

use measure::median;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use support::{Engine, Running, attached, compile, serving_by, testprogs};

const ROUNDS: usize = 5;
/// How long calls are counted for: hundreds of thousands of the slowest kind.
const MILLISECONDS: &str = "700";

const ROWS: [(&str, &str, &str); 5] = [
    ("hot", "1", "0"),
    ("hot", "1", "2000"),
    ("hot", "8", "2000"),
    ("relay", "2", "0"),
    ("relay", "2000", "0"),
];

fn main() {
    let crowd = compile(
        &["cc", "-O0", "-g", "-pthread"].map(str::to_string),
        &[testprogs().join("bench/crowd.c")],
        "crowd",
    );
    let mut rows: Vec<Value> = Vec::new();
    println!(
        "{:<10}{:<18}{:>12}{:>14}{:>12}{:>14}",
        "engine", "threads", "alone, ns", "attached, ns", "price, ns", "attaching, ms"
    );
    for engine in [Engine::Inline, Engine::Displaced] {
        for (what, runners, sleepers) in ROWS {
            let rounds: Vec<[f64; 3]> = (0..ROUNDS)
                .map(|_| one(&crowd, engine, [what, runners, sleepers]))
                .collect();
            let of = |number: usize| median(&rounds.iter().map(|round| round[number]).collect::<Vec<_>>());
            let price = median(&rounds.iter().map(|round| round[1] - round[0]).collect::<Vec<_>>());
            println!(
                "{:<10}{:<18}{:>12.1}{:>14.1}{:>12.1}{:>14.0}",
                engine.option(),
                format!("{what} {runners} + {sleepers}"),
                of(0),
                of(1),
                price,
                of(2) / 1e6
            );
            rows.push(json!({
                "engine": engine.option(), "what": what, "runners": runners, "sleepers": sleepers,
                "rounds of alone, attached, attaching (ns)": rounds,
            }));
        }
    }
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/results/crowd.json");
    let text = serde_json::to_string_pretty(&rows).expect("numbers are JSON");
    std::fs::write(results, text + "\n").expect("the folder is there");
}

/// Nanoseconds a call alone and attached, and of attaching.
fn one(crowd: &Path, engine: Engine, arguments: [&str; 3]) -> [f64; 3] {
    let mut target = serving_by(Command::new(crowd).args(arguments));
    let alone = nanoseconds_a_call(&mut target);
    let begin = Instant::now();
    let lineprof = attached(&target, engine);
    let attaching = begin.elapsed().as_nanos() as f64;
    // What comes once: the first call, and the functions copied.
    let _settled = nanoseconds_a_call(&mut target);
    let profiled = nanoseconds_a_call(&mut target);
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert_eq!(target.finish().code(), 0);
    [alone, profiled, attaching]
}

fn nanoseconds_a_call(target: &mut Running) -> f64 {
    target.say(MILLISECONDS);
    let answer = target.hear();
    let numbers = answer.split(' ').map(|number| number.parse().expect("a number"));
    let [calls, nanoseconds]: [f64; 2] = numbers.collect::<Vec<_>>().try_into().expect("two");
    nanoseconds / calls
}
