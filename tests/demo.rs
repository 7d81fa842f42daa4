//! `lineprof demo`: what its legend says of the numbers is true.

use serde_json::Value;
use std::process::{Command, Output};

const MIB: i64 = 1 << 20;

/// Kernels before 6.2 count up to 64 pages late, in both directions.
const TOLERANCE: i64 = MIB / 2;

fn demo(options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lineprof"));
    let output = command.arg("demo").args(options).output();
    let output = output.expect("lineprof runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The lines of the functions, in order, as (text, hits, increment).
fn lines(report: &Value) -> Vec<(String, i64, i64)> {
    let functions = report["functions"].as_array().expect("a list");
    let lines = functions
        .iter()
        .flat_map(|f| f["lines"].as_array().expect("a list"));
    lines
        .map(|line| {
            let number = |name: &str| line[name].as_i64().expect("a number");
            let text = line["text"].as_str().expect("the source is known").trim();
            (text.to_owned(), number("hits"), number("increment"))
        })
        .collect()
}

#[test]
fn each_line_of_the_demo_shows_what_the_legend_tells() {
    let output = demo(&["--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let lines = lines(&report);
    let line = |start: &str| {
        let (_, hits, increment) = lines
            .iter()
            .find(|(text, ..)| text.starts_with(start))
            .unwrap_or_else(|| panic!("no `{start}` in {lines:?}"));
        (*hits, *increment)
    };
    let near = |increment: i64, mebibytes: i64| (increment - mebibytes * MIB).abs() <= TOLERANCE;

    assert_eq!(line("for size").0, 5, "four blocks and the end");
    let (hits, grown) = line("kept.push");
    assert_eq!(hits, 4);
    assert!(near(grown, 10), "{grown}");
    let filled = line("let mut block").1 + line("block.resize").1;
    assert!(near(filled, 10), "{filled}");

    let (asked, touched) = (line("let mut table").1, line("table.fill").1);
    // With huge pages the allocator's own first touch brings one.
    assert!(asked <= 2 * MIB + TOLERANCE, "{asked}");
    assert!(near(asked + touched, 16), "{asked} and {touched}");

    assert!(near(line("kept.truncate").1, -9), "{lines:?}");
    assert!(near(line("drop(table)").1, -16), "{lines:?}");
}

#[test]
fn the_lines_of_the_demos_function_add_up_to_its_increment() {
    let output = demo(&["--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    for function in report["functions"].as_array().expect("a list") {
        let lines = function["lines"].as_array().expect("a list");
        let sum: i64 = lines.iter().filter_map(|line| line["increment"].as_i64()).sum();
        assert_eq!(Some(sum), function["increment"].as_i64(), "{}", function["name"]);
    }
}

#[test]
fn the_table_comes_with_its_legend_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lineprof"));
    let output = command.arg("demo").env("TMPDIR", folder.path()).output();
    let output = output.expect("lineprof runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("table.fill(1);") && said.contains("How to read it:"),
        "{said}"
    );
    let left = std::fs::read_dir(folder.path()).expect("an own folder").count();
    assert_eq!(left, 0);
}

#[test]
fn a_temporary_folder_that_cannot_be_written_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lineprof"));
    let output = command.arg("demo").env("TMPDIR", "/nowhere/at/all").output();
    let output = output.expect("lineprof runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(
        said.contains("/nowhere/at/all") && said.contains("TMPDIR"),
        "{said}"
    );
}
