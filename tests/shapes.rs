//! The shapes of program that other tracers are tested with: each does under lineprof what it does alone.
//!
//! Must not know: what a shape does; the programs are `testprogs/c/shapes_*.c`, and each word they know is one shape.
//!
//! ```text
//! the lists of kcov, rr and strace ──► TABLE: tool, shape ──► a word of one of our programs ──► alone, and under
//!                                                        ├──► a test that holds it already       each engine: output,
//!                                                        └──► why it cannot be had               exit, signal
//! ```
//!
//! Written anew from the names in those tools' lists of tests; nothing is copied. `shape*` in a name stands for several
//! tests of the tool.

mod support;

use How::{Beyond, Held, Runs};
use std::collections::BTreeSet;
use std::path::Path;
use support::{Binary, Engine, Lineprof, Program, programs_on_disk, run};

/// How a shape of another tool is covered.
enum How {
    /// By words of our programs; without a word, a program of its own.
    Runs(&'static [(&'static str, &'static str)]),
    /// By a test of another kind, by its file and name: of attaching and letting go, mostly.
    Held(&'static str, &'static str),
    /// Not at all.
    Beyond(&'static str),
}

include!("shapes/table.rs");

/// The words that a program of shapes knows.
fn words(program: &Program) -> Vec<String> {
    let text = std::fs::read_to_string(&program.source).expect("a source is text");
    let list = text.split("shapes[] = {").nth(1).expect("a list of shapes");
    let list = list.split("{NULL").next().expect("its end");
    let entries = list.split("{\"").skip(1);
    entries
        .map(|entry| entry.split('"').next().expect("a word").to_string())
        .collect()
}

/// The engines with which a word is known to do other than alone.
fn not_as_alone(name: &str, word: &str) -> &'static [Engine] {
    let known = NOT_AS_ALONE
        .iter()
        .find(|(known, of, _)| (*known, *of) == (name, word));
    known.map_or(&[], |(_, _, engines)| engines)
}

/// What differs between the program alone and under lineprof, if anything does.
fn difference(binary: &Binary, word: &str, engine: Engine) -> Option<String> {
    let report = tempfile::tempdir().expect("the temporary folder is writable");
    let alone = run(&binary.path, &[word]);
    let profiled = Lineprof::new()
        .engine(engine)
        .functions(&["work"])
        .option("-o")
        .option(report.path().join("report.json"))
        .run(&binary.path, &[word]);
    // The report is in a file; lineprof's own words, if it has any, come behind the program's.
    let same = profiled.code() == alone.code()
        && profiled.stdout == alone.stdout
        && profiled.stderr.starts_with(&alone.stderr);
    let shown = |finished: &support::Finished| {
        let (code, out, errors) = (finished.code(), finished.stdout_text(), finished.stderr_text());
        format!("{code}\n{out}{errors}")
    };
    (!same).then(|| {
        format!(
            "{word} ({}), {engine:?}: alone {}profiled {}",
            binary.build,
            shown(&alone),
            shown(&profiled)
        )
    })
}

fn nothing_differs(name: &str, engine: Engine) {
    let program = Program::load(name);
    let binary = program.build_first();
    let (known, words): (Vec<_>, Vec<_>) = words(&program)
        .into_iter()
        .partition(|word| not_as_alone(name, word).contains(&engine));
    assert_ne!(words, [""; 0]);
    for word in known {
        let now_the_same = difference(&binary, &word, engine).is_none();
        assert!(!now_the_same, "{word} is as alone by now: it needs no exception");
    }
    let different: Vec<String> = words
        .iter()
        .filter_map(|word| difference(&binary, word, engine))
        .collect();
    assert_eq!(
        different,
        [""; 0],
        "{} of {} shapes differ:\n{}",
        different.len(),
        words.len(),
        different.join("\n")
    );
    println!("{name}, {engine:?}: {} shapes as alone", words.len());
}

macro_rules! programs_of_shapes {
    ($($name:ident $path:literal)*) => {
        const PROGRAMS: &[&str] = &[$($path),*];
        mod displaced {
            $(#[test] fn $name() { super::nothing_differs($path, super::Engine::Displaced); })*
        }
        mod in_place {
            $(#[test] fn $name() { super::nothing_differs($path, super::Engine::InPlace); })*
        }
        mod inline {
            $(#[test] fn $name() { super::nothing_differs($path, super::Engine::Inline); })*
        }
    };
}

programs_of_shapes! {
    shapes_processes "c/shapes_processes.c"
    shapes_signals "c/shapes_signals.c"
    shapes_memory "c/shapes_memory.c"
    shapes_ptrace "c/shapes_ptrace.c"
}

#[test]
fn position_makes_no_difference() {
    // kcov's `pie`: with a position of its own, with a fixed one, and without a loader.
    for binary in Program::load("c/shapes_processes.c").build_all() {
        for word in ["fork", "fork_exec", "vfork", "clone_share_vm", "exec_from_other"] {
            for engine in Engine::ALL {
                assert_eq!(difference(&binary, word, engine), None);
            }
        }
    }
}

#[test]
fn two_that_come_to_the_first_breakpoint_at_once_go_on_right() {
    // Without a loader nothing is copied before a function runs, here in two processes with one memory.
    let program = Program::load("c/shapes_processes.c");
    let binary = program
        .build_all()
        .into_iter()
        .find(|binary| binary.build.contains("-static"));
    let binary = binary.expect("one is static");
    for round in 0..40 {
        assert_eq!(
            difference(&binary, "clone_share_vm", Engine::Inline),
            None,
            "round {round}"
        );
    }
}

#[test]
fn every_shape_of_the_three_tools_is_covered_or_has_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (tool, shape, how) in TABLE {
        if !seen.insert((tool, shape)) {
            wrong.push(format!("{tool} {shape}: twice"));
        }
        match how {
            Runs(ways) => {
                for (name, word) in *ways {
                    let program = Program::load(name);
                    let known = match program.role.as_deref() {
                        Some("shapes") => words(&program).iter().any(|known| known == word),
                        // Of these tests/transparency.rs takes care.
                        role => role.is_none() && word.is_empty(),
                    };
                    if !known {
                        wrong.push(format!("{tool} {shape}: {name} has no `{word}`"));
                    }
                    used.insert((name.to_string(), word.to_string()));
                }
            }
            Held(file, test) => {
                let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
                if !text.contains(&format!("fn {test}(")) {
                    wrong.push(format!("{tool} {shape}: {file} has no test {test}"));
                }
            }
            Beyond(reason) => assert!(!reason.is_empty()),
        }
    }
    for name in PROGRAMS {
        for word in words(&Program::load(name)) {
            let known = HELPERS.contains(&word.as_str()) || !not_as_alone(name, &word).is_empty();
            if !known && !used.contains(&(name.to_string(), word.clone())) {
                wrong.push(format!("{name} {word}: no row has it"));
            }
        }
    }
    let of_shapes = programs_on_disk()
        .into_iter()
        .filter(|name| Program::load(name).role.as_deref() == Some("shapes"));
    let mut listed: Vec<&str> = PROGRAMS.to_vec();
    listed.sort_unstable();
    assert_eq!(of_shapes.collect::<Vec<_>>(), listed);
    assert_eq!(wrong, [""; 0], "{}", wrong.join("\n"));

    let count = |tool: &str| {
        let rows = || TABLE.iter().filter(|row| row.0 == tool);
        let beyond = rows().filter(|row| matches!(row.2, Beyond(_))).count();
        let held = rows().filter(|row| matches!(row.2, Held(..))).count();
        (rows().count() - beyond - held, held, beyond)
    };
    let counts = TOOLS.map(|tool| (tool, count(tool)));
    assert_eq!(counts, COUNTS, "run, held by another test, beyond");
}
