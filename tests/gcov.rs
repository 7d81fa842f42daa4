//! Occurrences are gcov's, on the test programs in C and C++ and on a real program, Lua.
//!
//! A line is compared when gcov counts it and it is in the report (a line without a row has no site, a refused site has
//! no count). The two counts come from two builds of the same source, one with `--coverage` and one with `-g`, both
//! unoptimised. Every difference is in gcov_differences.txt, with its reason.

mod support;

every_c_or_cpp_program!(counts_are_gcovs);

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    Function, Line, Lineprof, Program, Real, Report, Running, every_c_or_cpp_program, lua, testprogs,
};

/// A count for each line of each file.
type Counts = BTreeMap<(PathBuf, u32), u64>;

/// Runs a binary built with `--coverage` and lets gcov count.
///
/// It runs where the test programs in Lua lie. The notes lie beside the binary; the counters go to a folder of the run's
/// own.
fn gcov(binary: &Path, args: &[String], exit_code: i32) -> Counts {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let beside = binary.parent().expect("a binary lies in a folder");
    for entry in std::fs::read_dir(beside).expect("an own folder is readable") {
        let path = entry.expect("an own folder is readable").path();
        if path.extension().is_some_and(|extension| extension == "gcno") {
            let name = path.file_name().expect("a file has a name");
            std::fs::copy(&path, folder.path().join(name)).expect("the temporary folder is writable");
        }
    }
    let mut command = Command::new(binary);
    command
        .args(args)
        .current_dir(testprogs().join("lua"))
        .env("GCOV_PREFIX", folder.path())
        .env("GCOV_PREFIX_STRIP", "99");
    let finished = Running::start(&mut command).finish();
    assert_eq!(
        finished.code(),
        exit_code,
        "the build for gcov fails:\n{}",
        finished.stderr_text()
    );

    let mut counters: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .expect("an own folder is readable")
        .map(|entry| entry.expect("an own folder is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gcda"))
        .collect();
    counters.sort();
    assert!(!counters.is_empty(), "{} wrote no counters", binary.display());
    let output = Command::new("gcov")
        .current_dir(folder.path())
        .args(["--json-format", "--stdout"])
        .args(&counters)
        .output()
        .expect("gcov, which comes with gcc, runs");
    assert!(
        output.status.success(),
        "gcov fails: {}",
        String::from_utf8_lossy(&output.stderr)
    );

    let mut counts = Counts::new();
    // One JSON document a line, one for each object file.
    for document in String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| !line.trim().is_empty())
    {
        let document: serde_json::Value = serde_json::from_str(document).expect("gcov writes JSON");
        for file in document["files"].as_array().expect("gcov lists files") {
            let path = PathBuf::from(file["file"].as_str().expect("a file has a name"));
            for line in file["lines"].as_array().expect("a file has lines") {
                let number = line["line_number"]
                    .as_u64()
                    .and_then(|n| u32::try_from(n).ok())
                    .expect("a number");
                // A template's line comes once for each instance.
                *counts.entry((path.clone(), number)).or_default() +=
                    line["count"].as_u64().expect("a count");
            }
        }
    }
    counts
}

/// The occurrences of a report, summed over the functions that share a line.
///
/// A line with a refused site is left out: it is not counted, and the report says so.
fn occurrences(report: &Report) -> Counts {
    let refused = |function: &Function, line: &Line| {
        let sites = &mut report.tracing.refused.iter();
        sites.any(|site| site.function == function.name && site.line == line.line)
    };
    let mut counts = Counts::new();
    for function in &report.functions {
        for line in function.lines.iter().filter(|line| !refused(function, line)) {
            let file = PathBuf::from(line.file.as_ref().unwrap_or(&function.file));
            *counts.entry((file, line.line)).or_default() += line.hits;
        }
    }
    counts
}

/// A line on which the two differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    /// The last two parts of the path.
    file: String,
    /// Without blanks around it and without an annotation.
    text: String,
    gcov: u64,
    lineprof: u64,
}

/// The number of lines compared, and those that differ.
fn compare(gcov: &Counts, ours: &Counts) -> (usize, BTreeSet<Difference>) {
    let mut compared = 0;
    let mut differences = BTreeSet::new();
    for ((file, line), &gcov) in gcov {
        let Some(&lineprof) = ours.get(&(file.clone(), *line)) else {
            continue;
        };
        if gcov == 0 && lineprof == 0 {
            continue;
        }
        compared += 1;
        if gcov != lineprof {
            let source = std::fs::read_to_string(file).expect("a source is readable");
            let text = source.lines().nth(*line as usize - 1).unwrap_or_default();
            let parts = file.iter().skip(file.iter().count() - 2);
            differences.insert(Difference {
                file: parts.collect::<PathBuf>().display().to_string(),
                text: text.split("//@").next().unwrap_or_default().trim().to_string(),
                gcov,
                lineprof,
            });
        }
    }
    (compared, differences)
}

/// The differences in the files `of` that are known and explained.
fn known_differences(of: impl Fn(&str) -> bool) -> BTreeSet<Difference> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gcov_differences.txt");
    let list = std::fs::read_to_string(path).expect("the list is readable");
    let entries = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let known = entries.map(|entry| {
        let fields: Vec<&str> = entry.split(" | ").collect();
        let [file, text, gcov, lineprof, _reason] = fields[..] else {
            panic!("not file | text | gcov | lineprof | reason: {entry}")
        };
        let count = |field: &str| -> u64 {
            field
                .parse()
                .unwrap_or_else(|error| panic!("not a count ({error}): {entry}"))
        };
        Difference {
            file: file.to_string(),
            text: text.to_string(),
            gcov: count(gcov),
            lineprof: count(lineprof),
        }
    });
    known.filter(|difference| of(&difference.file)).collect()
}

/// Fails with what is new and what is gone.
fn assert_known(found: &BTreeSet<Difference>, known: &BTreeSet<Difference>) {
    let new: Vec<_> = found.difference(known).collect();
    let gone: Vec<_> = known.difference(found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "not in tests/gcov_differences.txt: {new:#?}\nthere, and no difference any more: {gone:#?}"
    );
}

fn counts_are_gcovs(name: &str) {
    let program = Program::load(name);
    if let Some(reason) = &program.not_for_gcov {
        println!("not compared: {reason}");
        return;
    }
    let build = program.builds[0].replace("-O2", "-O0");
    let counted = program.build(&format!("{build} --coverage -fprofile-update=atomic"));
    let gcov = gcov(&counted.path, &program.args, program.exit.passed_on());
    let own = format!("*{name}");
    let binary = program.build(&build);
    let (report, finished) = Lineprof::new()
        .options(["--file", own.as_str()])
        .report(&binary.path, &program.args);
    assert_eq!(
        finished.code(),
        program.exit.passed_on(),
        "{}",
        finished.stderr_text()
    );

    let ours = occurrences(&report);
    let (compared, differences) = compare(&gcov, &ours);
    assert!(compared > 2, "only {compared} lines are in both; ours: {ours:?}");
    assert_known(&differences, &known_differences(|file| file == name));
}

#[test]
fn lua_counts_as_gcov_on_99_of_100_lines() {
    let counted = lua(&["-O0", "--coverage"], "lua-gcov").binary;
    let Real {
        binary,
        folder,
        arguments: script,
        files,
    } = lua(&["-O0", "-g"], "lua");
    let gcov_first = gcov(&counted, &script, 0);
    let gcov_again = gcov(&counted, &script, 0);
    assert_eq!(gcov_first, gcov_again, "Lua's counts change from run to run");

    let (report, finished) = Lineprof::new()
        .folder(folder)
        .options(["--file", files])
        .report(&binary, &script);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert!(report.tracing.refused.is_empty(), "{:?}", report.tracing.refused);
    let (compared, differences) = compare(&gcov_first, &occurrences(&report));

    let equal = compared - differences.len();
    println!("{equal} of {compared} lines are equal");
    assert!(compared > 5000, "only {compared} lines of Lua were compared");
    assert!(
        equal * 100 >= compared * 99,
        "only {equal} of {compared} lines are equal"
    );
    assert_known(&differences, &known_differences(|file| file.starts_with("lua-")));
}
