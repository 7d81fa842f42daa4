//! Increments are those that gdb measures, by a script of gdb's own Python that breaks on the same lines and reads the
//! same metric, but has its rows, functions and returns from other tools.

mod support;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use support::{Engine, Lineprof, Program, Running};

#[derive(Deserialize)]
struct Measured {
    events: u64,
    increments: BTreeMap<String, BTreeMap<u32, i64>>,
}

/// What tests/bench/gdb_lines.py measures of `functions`.
fn measure(binary: &Path, args: &[String], functions: &[&str]) -> Measured {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let out = folder.path().join("increments.json");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/gdb_lines.py");
    let mut command = Command::new("gdb");
    command
        .env("LINES_OF", functions.join(" "))
        .env("LINES_TO", &out)
        .args(["-nx", "-q", "-batch", "-x"])
        .arg(script)
        .arg("--args")
        .arg(binary)
        .args(args);
    let finished = Running::start(&mut command).finish();
    let text = std::fs::read_to_string(&out).unwrap_or_else(|error| {
        panic!(
            "gdb measured nothing ({error}):\n{}{}",
            finished.stdout_text(),
            finished.stderr_text()
        )
    });
    serde_json::from_str(&text).expect("the script writes JSON")
}

fn increments_are_gdbs(name: &str, functions: &[&str]) {
    let program = Program::load(name);
    let binary = program.build_first();
    let gdb = measure(&binary.path, &program.args, functions);
    assert!(gdb.events > 5, "{name}: gdb stopped {} times only", gdb.events);
    for engine in Engine::ALL {
        let run = Lineprof::new().engine(engine).metric("anon").functions(functions);
        let (report, finished) = run.report(&binary.path, &program.args);
        assert_eq!(
            finished.code(),
            program.exit.passed_on(),
            "{}",
            finished.stderr_text()
        );
        for name in functions {
            let function = report.function(name);
            let ours: BTreeMap<u32, i64> = function
                .lines
                .iter()
                .filter(|line| line.hits > 0 || line.increment != 0)
                .map(|line| (line.line, line.increment))
                .collect();
            for line in ours.keys().chain(gdb.increments[*name].keys()) {
                // The declaration's line has no site where the compiler puts the entry on the brace; gdb lists only
                // lines that it was charged for.
                let [ours, gdbs] =
                    [&ours, &gdb.increments[*name]].map(|lines| lines.get(line).copied().unwrap_or_default());
                assert_eq!(
                    ours,
                    gdbs,
                    "{name} line {line} `{}`, engine {}: lineprof is left, gdb right",
                    program.line_text(*line),
                    engine.option()
                );
            }
        }
    }
}

#[test]
fn a_hit_is_one_stop() {
    let program = Program::load("c/hot.c");
    let binary = program.build_first();
    let [few, many] = ["100", "300"].map(|turns| {
        let turns = [turns.to_string()];
        let events = measure(&binary.path, &turns, &["work"]).events;
        let run = Lineprof::new().engine(Engine::Displaced).functions(&["work"]);
        (events, run.report(&binary.path, &turns).0.tracing.stops)
    });
    assert_eq!(
        many.1 - few.1,
        many.0 - few.0,
        "stops of lineprof are left, gdb's hits of 200 turns right"
    );
}

macro_rules! compared {
    ($($name:ident $path:literal $functions:expr;)*) => {$(
        #[test]
        fn $name() {
            increments_are_gdbs($path, &$functions);
        }
    )*};
}

compared! {
    growth "c/growth.c" ["work"];
    loops "c/loop.c" ["work"];
    free "c/free.c" ["work"];
    first_touch "c/first_touch.c" ["work"];
    callees "c/callee.c" ["work", "profiled"];
    recursion "c/recursion.c" ["work"];
    mutual_recursion "c/mutual_recursion.c" ["even", "odd"];
    longjmp "c/longjmp.c" ["work", "deeper"];
    hot "c/hot.c" ["work"];
    templates "cpp/templates.cpp" ["work"];
    lifetimes "cpp/lifetimes.cpp" ["Block::Block", "Block::~Block", "work"];
    exceptions "cpp/exceptions.cpp" ["thrower", "middle", "catcher"];
}
