//! A test function is profiled by its path in the binary that `cargo test --no-run` makes.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Engine, Expected, Lineprof, Program, Running, build_dir, testprogs};

/// Builds the sample crate's tests and gives back the binary.
fn test_binary() -> PathBuf {
    let manifest = testprogs().join("rust/samplecrate/Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "test",
            "--no-run",
            "--lib",
            "--offline",
            "--message-format=json",
            "--manifest-path",
        ])
        .arg(manifest)
        .arg("--target-dir")
        .arg(build_dir().join("samplecrate"));
    // The outer cargo's settings are not the sample crate's.
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let finished = Running::start(&mut command).finish();
    assert_eq!(
        finished.code(),
        0,
        "the sample crate does not build:\n{}",
        finished.stderr_text()
    );
    let executable = finished
        .stdout_text()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.expect("cargo names the test binary")
}

#[test]
fn a_test_function_is_found_by_its_path_and_counted_exactly() {
    let binary = test_binary();
    let source = Program::load_annotations("rust/samplecrate/src/lib.rs");
    for engine in Engine::ALL {
        let (report, finished) = Lineprof::new()
            .engine(engine)
            .functions(&[
                "samplecrate::tests::words_are_found_at_their_positions",
                "samplecrate::index::build",
            ])
            .report(&binary, &["--exact", "tests::words_are_found_at_their_positions"]);
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let said = finished.stdout_text();
        assert!(
            said.contains("1 passed; 0 failed"),
            "the test itself says:\n{said}"
        );
        let mut names = report.names();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "samplecrate::index::build",
                "samplecrate::tests::words_are_found_at_their_positions"
            ]
        );
        for annotation in &source {
            let function = report
                .functions
                .iter()
                .find(|function| function.line == annotation.line);
            let hits = report
                .functions
                .iter()
                .flat_map(|function| &function.lines)
                .find(|line| line.file.is_none() && line.line == annotation.line)
                .map(|line| line.hits);
            for expected in &annotation.expected {
                match expected {
                    Expected::Hits(expected) => assert_eq!(hits, Some(*expected), "{}", annotation.text),
                    Expected::Function { calls, .. } => {
                        assert_eq!(
                            function.map(|function| function.calls),
                            *calls,
                            "{}",
                            annotation.text
                        );
                    }
                    other => panic!("not used in the sample crate: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_test_that_is_filtered_out_has_no_calls() {
    let binary = test_binary();
    let (report, finished) = Lineprof::new()
        .functions(&["words_are_found_at_their_positions"])
        .report(
            Path::new(&binary),
            &["--exact", "tests::an_empty_text_has_no_words"],
        );
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let function = report.function("words_are_found_at_their_positions");
    assert_eq!(function.calls, 0);
    assert!(
        function
            .lines
            .iter()
            .all(|line| line.hits == 0 && line.increment == 0),
        "{:?}",
        function.lines
    );
}
