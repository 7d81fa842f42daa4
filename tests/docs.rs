//! The examples of README.md and of the library's documentation: each is compiled and run.
//!
//! Documentation tests compile them too. Here they run, with debug information and with `lineprof` in `PATH`, which
//! what traces needs.

mod support;

use std::path::{Path, PathBuf};
use support::{compile, compile_with_library, run_with_lineprof_in, testprogs};

/// The examples in Rust of a text, as programs.
fn examples<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut examples = Vec::new();
    let mut block: Option<(bool, String)> = None;
    for line in lines {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(tags)) => block = Some((matches!(tags, "" | "rust" | "no_run"), String::new())),
            (None, None) => {}
            (Some((is_rust, text)), Some(_)) => {
                if *is_rust {
                    examples.push(program(text));
                }
                block = None;
            }
            (Some((_, text)), None) => {
                // What rustdoc hides.
                text.push_str(line.strip_prefix("# ").unwrap_or(line));
                text.push('\n');
            }
        }
    }
    examples
}

/// The lines of documentation comments.
fn documentation(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let text = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))?;
        Some(text.strip_prefix(' ').unwrap_or(text))
    })
}

/// What has no `main` is its body, as rustdoc has it.
fn program(text: &str) -> String {
    if text.contains("fn main()") {
        text.to_owned()
    } else {
        format!("fn main() {{\n{text}}}\n")
    }
}

/// Every file of the library's source that can have examples.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut files = vec![root.join("README.md")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the source is readable") {
            let path = entry.expect("the source is readable").path();
            if path.is_dir() {
                // A crate of its own has documentation tests of its own.
                if !path.join("Cargo.toml").exists() {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_example_runs() {
    // Where the examples run, `./app` is there.
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let words = ["cc", "-g", "-O0"].map(str::to_owned);
    let app = compile(&words, &[testprogs().join("c/library/app.c")], "app");
    std::fs::copy(app, folder.path().join("app")).expect("the temporary folder is writable");

    let mut ran = Vec::new();
    for source in sources() {
        let text = std::fs::read_to_string(&source).expect("the source is readable");
        let examples = match source.extension() {
            Some(extension) if extension == "md" => examples(text.lines()),
            _ => examples(documentation(&text)),
        };
        for (number, example) in (1..).zip(examples) {
            let stem = source.file_stem().expect("a file has a name").to_string_lossy();
            let file = folder.path().join(format!("{stem}_{number}.rs"));
            std::fs::write(&file, &example).expect("the temporary folder is writable");
            let finished = run_with_lineprof_in(folder.path(), &compile_with_library(&file), &[]);
            assert_eq!(
                finished.code(),
                0,
                "example {number} of {}:\n{example}\n{}",
                source.display(),
                finished.stderr_text()
            );
            ran.push(format!("{stem}_{number}"));
        }
    }
    for known in [
        "README_1",
        "README_2",
        "builder_1",
        "call_1",
        "line_profiler_1",
        "units_1",
    ] {
        assert!(
            ran.iter().any(|name| name == known),
            "{known} is not among {ran:?}"
        );
    }
}

#[test]
fn blocks_of_other_languages_are_no_examples() {
    let text = "# Title\n```console\n$ x\n```\n```rust\nlet a = 1;\n# let b = a;\n```\n```text\nno\n```\n";
    assert_eq!(
        examples(text.lines()),
        ["fn main() {\nlet a = 1;\nlet b = a;\n}\n"]
    );
}
