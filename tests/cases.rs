//! Every numbered case of issue #3 has a test that is named after it, or a line that says why not.
//!
//! Must not know: what a case asks for.
//!
//! ```text
//! src, tracer, dwarf, tests ── #[test] fn c031_c094_hot_threads() ──► {31, 94} ──┐
//! cases_skipped.txt ── skipped: ──► {44, …}   not yet: ──► {…} ─────────────────┴─► C001 to C121, each
//! ```
//!
//! The numbers stand at the head of a test's name. A test that is ignored is none. The tests of a list of test programs
//! (`support/mod.rs`) stand there by name and path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The cases of this issue: tracing on x86-64. The table goes on with untrusted input.
const CASES: std::ops::RangeInclusive<u32> = 1..=121;
/// The last case of the whole table.
const LAST: u32 = 141;

/// Every file of Rust below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder of sources is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the test functions in `text`.
fn tests(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line != "#[test]" {
            found.extend(listed_test(line));
            continue;
        }
        let mut ignored = false;
        for line in lines.by_ref() {
            ignored |= line.starts_with("#[ignore");
            if let Some((_, rest)) = line.split_once("fn ") {
                let name = rest.split('(').next().unwrap_or_default();
                found.extend((!ignored).then_some(name));
                break;
            }
        }
    }
    found
}

/// The name in a line such as `c023_c_mid_instruction "c/mid_instruction.c"`.
fn listed_test(line: &str) -> Option<&str> {
    let (name, path) = line.strip_suffix('"')?.split_once(" \"")?;
    let is_name = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    (is_name && path.contains('/')).then_some(name)
}

/// The cases that a test's name begins with.
fn cases(name: &str) -> impl Iterator<Item = u32> {
    let number = |part: &str| -> Option<u32> {
        let digits = part.strip_prefix('c')?;
        (digits.len() == 3).then(|| digits.parse().ok())?
    };
    name.split('_').map_while(number)
}

/// The two sections of the list, each from a case to what is said of it.
#[derive(Default)]
struct Listed {
    skipped: BTreeMap<u32, String>,
    not_yet: BTreeMap<u32, String>,
}

fn listed(text: &str) -> Listed {
    let mut listed = Listed::default();
    let mut section = None;
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        match (line, line.split_once(' ').unwrap_or((line, ""))) {
            ("skipped:", _) => section = Some(&mut listed.skipped),
            ("not yet:", _) => section = Some(&mut listed.not_yet),
            (_, (case, reason)) => {
                let number = case.strip_prefix('C').and_then(|number| number.parse().ok());
                let number = number.unwrap_or_else(|| panic!("no case: {line}"));
                assert!(CASES.contains(&number), "no case of this issue: {line}");
                let section = section.as_deref_mut().expect("a line stands in a section");
                let before = section.insert(number, reason.trim().to_owned());
                assert!(before.is_none(), "{case} stands there twice");
            }
        }
    }
    listed
}

#[test]
fn every_case_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tracer", "dwarf", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let mut tested = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source is text");
        for name in tests(&text) {
            for case in cases(name) {
                assert!((1..=LAST).contains(&case), "{name}: the table has no C{case:03}");
                tested.insert(case);
            }
        }
    }
    let list = root.join("tests/cases_skipped.txt");
    let listed = listed(&std::fs::read_to_string(&list).expect("the list is there"));

    let mut wrong = Vec::new();
    for case in CASES {
        let (skipped, not_yet) = (listed.skipped.get(&case), listed.not_yet.get(&case));
        match (tested.contains(&case), skipped, not_yet) {
            (false, None, None) => wrong.push(format!("C{case:03} has no test and no line")),
            (_, Some(_), Some(_)) => wrong.push(format!("C{case:03} stands in both sections")),
            (_, Some(reason), _) if reason.is_empty() => wrong.push(format!("C{case:03} has no reason")),
            // What is tested in part says what is missing; else the line can go, and does no harm until then.
            (true, _, Some(reason)) if reason.is_empty() => {
                println!("C{case:03} has a test: its line can go");
            }
            _ => {}
        }
    }
    let skipped = listed.skipped.keys().filter(|case| !tested.contains(case));
    println!(
        "{} cases have a test; {} are skipped, {} of them without a scripted test; {} are not tested yet",
        CASES.filter(|case| tested.contains(case)).count(),
        listed.skipped.len(),
        skipped.count(),
        listed.not_yet.len()
    );
    assert!(wrong.is_empty(), "{}:\n{}", list.display(), wrong.join("\n"));
}

#[test]
fn tests_and_their_cases_are_found_by_name() {
    // On one line, so that this file has no such tests.
    let text = "#[test]\nfn c031_c094_given_back_after_c096() {}\n fn c001_no_test() {}\n\
        #[test]\n#[ignore = \"slow\"]\nfn c002_ignored() {}\n#[test]\n#[should_panic]\nfn counted() {}\n\
        c023_listed \"c/listed.c\"\nno test \"c/listed.c\"\n";
    assert_eq!(
        tests(text),
        ["c031_c094_given_back_after_c096", "counted", "c023_listed"]
    );
    assert_eq!(
        cases("c031_c094_given_back_after_c096").collect::<Vec<_>>(),
        [31, 94]
    );
    assert_eq!(cases("counted").count(), 0);
}
