//! Marks in the source: `lineprof ./program` profiles what is marked, as `--function` would.
//!
//! Must not know: what a mark looks like in the file.

mod support;

use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    Engine, Expected, Function, Line, Lineprof, Program, Report, Running, attached_by, build_dir, serving_by,
    testprogs,
};
use tempfile::TempDir;

const NO_ARGS: [&str; 0] = [];

/// A line as a table shows it, but for what the process has on its own account: number, hits, increment, text.
type Row = (u32, u64, i64, Option<String>);

/// The tables of a report without the memory that the process began with.
fn tables(report: &Report) -> Vec<(String, u32, u64, i64, Vec<Row>)> {
    let table = |function: &Function| {
        let rows = function.lines.iter();
        let rows = rows.map(|line| (line.line, line.hits, line.increment, line.text.clone()));
        (
            function.name.clone(),
            function.line,
            function.calls,
            function.increment,
            rows.collect(),
        )
    };
    report.functions.iter().map(table).collect()
}

/// Asserts that marks and `patterns` give the same tables; these.
#[track_caller]
fn marks_are_as_good_as(patterns: &[&str], program: &Path, engine: Engine) -> Report {
    let lineprof = || Lineprof::new().engine(engine).metric("anon");
    let (marked, finished) = lineprof().report(program, &NO_ARGS);
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 0, "{said}");
    assert!(
        said.contains("lineprof: profiling what the source marks: "),
        "{said}"
    );
    let (named, _) = lineprof().functions(patterns).report(program, &NO_ARGS);
    assert!(!named.functions.is_empty());
    assert_eq!(tables(&marked), tables(&named), "{engine:?}");
    marked
}

fn marked_program(name: &str) {
    let program = Program::load(name);
    let patterns: Vec<&str> = program.patterns.iter().map(String::as_str).collect();
    for binary in program.build_all() {
        for engine in Engine::ALL {
            let report = marks_are_as_good_as(&patterns, &binary.path, engine);
            assert_eq!(report.functions.len(), patterns.len(), "{:?}", report.names());
        }
    }
}

#[test]
fn a_mark_of_c_gives_the_table_of_its_function() {
    marked_program("c/marked.c");
}

#[test]
fn marks_of_cpp_name_overloads_instances_and_methods() {
    marked_program("cpp/marked.cpp");
}

/// What cargo built of the crate that knows lineprof by its marks alone.
struct MarkedCrate {
    program: PathBuf,
    /// The library of the marks, as the compiler loads it.
    library: PathBuf,
}

fn marked_crate(profile: &str) -> MarkedCrate {
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "build",
            "--offline",
            "--message-format=json",
            "--profile",
            profile,
        ])
        .arg("--manifest-path")
        .arg(testprogs().join("rust/markedcrate/Cargo.toml"))
        .arg("--target-dir")
        .arg(build_dir().join("markedcrate"));
    // The outer cargo's settings are not this crate's.
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let finished = Running::start(&mut command).finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let said = finished.stdout_text();
    let messages = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let messages: Vec<serde_json::Value> = messages.collect();
    let path = |value: &serde_json::Value| value.as_str().map(PathBuf::from);
    let program = messages.iter().find_map(|message| path(&message["executable"]));
    let of_marks = messages
        .iter()
        .find(|message| message["target"]["name"] == "lineprof_mark");
    MarkedCrate {
        program: program.expect("cargo names the program"),
        library: of_marks
            .and_then(|message| path(&message["filenames"][0]))
            .expect("cargo names the library"),
    }
}

const IN_THE_CRATE: [&str; 8] = [
    "markedcrate::total",
    "Store::work",
    "Store::limit",
    "Shape::double",
    "Square::area",
    "called_by_c",
    "fetch::{async_fn#0}",
    "by_macro",
];

#[test]
fn the_attribute_of_rust_gives_the_tables_of_its_functions() {
    let program = marked_crate("dev").program;
    for engine in Engine::ALL {
        let report = marks_are_as_good_as(&IN_THE_CRATE, &program, engine);
        assert_eq!(report.functions.len(), IN_THE_CRATE.len(), "{:?}", report.names());
        for source in ["rust/markedcrate/src/lib.rs", "rust/markedcrate/src/main.rs"] {
            for annotation in Program::load_annotations(source) {
                let is_here = |function: &&Function| function.file.ends_with(source);
                let here = report.functions.iter().filter(is_here);
                for expected in &annotation.expected {
                    let got = match expected {
                        Expected::Hits(_) => {
                            let lines = here.clone().flat_map(|function| &function.lines);
                            let mut lines =
                                lines.filter(|line| line.file.is_none() && line.line == annotation.line);
                            lines.next().map(|line| Expected::Hits(line.hits))
                        }
                        Expected::Function { .. } => {
                            let mut functions =
                                here.clone().filter(|function| function.line == annotation.line);
                            functions.next().map(|function| Expected::Function {
                                name: None,
                                calls: Some(function.calls),
                                increment: None,
                            })
                        }
                        Expected::Blank => {
                            let lines = here.clone().flat_map(|function| &function.lines);
                            let mut lines =
                                lines.filter(|line| line.file.is_none() && line.line == annotation.line);
                            lines.next().is_none().then_some(Expected::Blank)
                        }
                        other => panic!("not used in the crate: {other:?}"),
                    };
                    assert_eq!(got.as_ref(), Some(expected), "{source}: {}", annotation.text);
                }
            }
        }
    }
}

#[test]
fn marks_of_rust_survive_optimisation_across_crates() {
    let program = marked_crate("release").program;
    let (report, finished) = Lineprof::new().report(&program, &NO_ARGS);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert!(
        report.names().contains(&"markedcrate::total"),
        "{:?}",
        report.names()
    );
    assert!(
        report.names().contains(&"markedcrate::Store::work"),
        "{:?}",
        report.names()
    );
    // Of those that are computed while compiling nothing is left, and that is told.
    let said = Lineprof::new().run(&program, &NO_ARGS).stderr_text();
    assert!(said.contains("`limit (marked at src/main.rs:"), "{said}");
    assert!(said.contains("or optimisation left nothing of it"), "{said}");
}

/// A program of one source file with the header beside it.
struct Source {
    folder: TempDir,
}

impl Source {
    fn new(name: &str, text: &str) -> Source {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let header = Lineprof::new().option("header").run_alone();
        assert_eq!(header.code(), 0, "{}", header.stderr_text());
        std::fs::write(folder.path().join("lineprof.h"), header.stdout_text()).expect("an own folder");
        std::fs::write(folder.path().join(name), text).expect("an own folder");
        Source { folder }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("an own folder");
    }

    fn run(&self, line: &str) {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().expect("a command"));
        let output = command.args(words).current_dir(self.folder.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{line}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{line}: {said}");
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("prog")
    }
}

const IN_C: &str = r#"#include "lineprof.h"
#include <stdlib.h>
LINEPROF_PROFILE(work);
__attribute__((noinline)) static unsigned work(unsigned n) {
    unsigned sum = n;
    return sum * 3;
}
__attribute__((noinline)) static unsigned other(unsigned n) { return n + 1; }
int main(int argc, char **argv) { (void)argv; return work(other((unsigned)argc)) == 6 ? 0 : 1; }
"#;

#[test]
fn the_header_is_quiet_in_every_standard_and_its_marks_survive_every_way_to_link() {
    let source = Source::new("prog.c", IN_C);
    source.write("prog.cc", IN_C);
    let ways = [
        "-O0",
        "-O3",
        "-O2 -flto",
        "-O1 -fPIC -pie",
        "-O2 -static",
        "-O2 -fno-pie -no-pie -s",
        "-O2 -ffunction-sections -fdata-sections -Wl,--gc-sections",
    ];
    for way in ways {
        for (compiler, standards) in [
            ("cc", ["c89", "c11", "gnu17"]),
            ("c++", ["c++98", "c++11", "gnu++20"]),
        ] {
            for standard in standards {
                let file = if compiler == "cc" { "prog.c" } else { "prog.cc" };
                let strict = "-Wall -Wextra -Werror -pedantic";
                source.run(&format!(
                    "{compiler} -g -std={standard} {strict} {way} -o prog {file}"
                ));
                source.run("readelf -nW prog");
                let notes = Command::new("readelf").arg("-nW").arg(source.program()).output();
                let notes = String::from_utf8(notes.expect("binutils are there").stdout).expect("text");
                let marks = notes
                    .lines()
                    .filter(|line| line.starts_with("  lineprof "))
                    .count();
                assert_eq!(marks, 1, "{compiler} {standard} {way}:\n{notes}");
            }
        }
    }
}

#[test]
fn a_mark_changes_no_instruction_and_nothing_that_is_written() {
    let source = Source::new("prog.c", IN_C);
    source.write("plain.c", &IN_C.replace("LINEPROF_PROFILE(work);", ""));
    source.write("regions.c", REGIONS);
    let plain = ["fill", "large", "never"]
        .iter()
        .fold(REGIONS.to_owned(), |text, name| {
            text.replace(&format!("LINEPROF_REGION(\"{name}\")"), "")
        });
    source.write("plain_regions.c", &plain);
    let sections = |file: &str| {
        source.run(&format!("cc -O2 -c -o {file}.o {file}.c"));
        let part = |section: &str| {
            source.run(&format!(
                "objcopy -O binary --only-section={section} {file}.o {file}.bin"
            ));
            std::fs::read(source.folder.path().join(format!("{file}.bin"))).expect("objcopy wrote it")
        };
        let relocations = Command::new("readelf")
            .arg("-rW")
            .arg(source.folder.path().join(format!("{file}.o")))
            .output();
        let relocations = String::from_utf8(relocations.expect("binutils are there").stdout).expect("text");
        let relocated = relocations
            .lines()
            .filter(|line| line.starts_with("Relocation section"))
            .count();
        let parts = [".text", ".text.startup", ".data", ".bss", ".rodata"].map(part);
        (parts, relocated, relocations.contains(".note.lineprof"))
    };
    for (marked, plain) in [("prog", "plain"), ("regions", "plain_regions")] {
        let (marked, plain) = (sections(marked), sections(plain));
        assert!(marked.0.iter().any(|bytes| !bytes.is_empty()));
        assert_eq!(marked, plain);
        assert!(!marked.2, "a mark is relocated");
    }
}

#[test]
fn a_mark_may_stand_in_another_file_than_its_function() {
    let source = Source::new(
        "prog.c",
        "#include \"lineprof.h\"\nLINEPROF_PROFILE(work);\nint work(int);\nint main(void) { return work(0); }\n",
    );
    source.write("work.c", "int work(int n) {\n    return n;\n}\n");
    source.run("cc -g -o prog prog.c work.c");
    marks_are_as_good_as(&["work"], &source.program(), Engine::Inline);
}

#[test]
fn of_two_functions_of_one_name_the_one_in_the_file_of_the_mark_is_meant() {
    let marked = IN_C
        .replace("int main", "unsigned more(void);\nint main")
        .replace("(unsigned)argc)", "(unsigned)argc) + more()");
    let source = Source::new("prog.c", &marked);
    source.write(
        "more.c",
        "static unsigned work(unsigned n) {\n    return n;\n}\nunsigned more(void) { return work(0); }\n",
    );
    source.run("cc -g -O0 -o prog prog.c more.c");
    let report = marks_are_as_good_as(&["prog.c:work"], &source.program(), Engine::Inline);
    assert_eq!(report.functions.len(), 1);
}

#[test]
fn a_mark_that_means_nothing_is_told_with_what_may_be_meant() {
    let source = Source::new("prog.c", &IN_C.replace("PROFILE(work)", "PROFILE(wrok)"));
    source.run("cc -g -o prog prog.c");
    let finished = Lineprof::new().run(&source.program(), &NO_ARGS);
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 125, "{said}");
    assert_eq!(
        said,
        "lineprof: no function matches `wrok (marked at prog.c:3)`\n\
         hint: did you mean `work`?\n\
         hint: the source marks them: correct the name there, or name others with --function\n"
    );
    // With another mark that means something, the program runs.
    source.write(
        "prog.c",
        &IN_C.replace("PROFILE(work)", "PROFILE(wrok); LINEPROF_PROFILE(other)"),
    );
    source.run("cc -g -o prog prog.c");
    let (report, finished) = Lineprof::new().report(&source.program(), &NO_ARGS);
    assert_eq!(report.names(), ["other"]);
    let said = finished.stderr_text();
    assert!(
        said.contains("no function matches `wrok (marked at prog.c:3)`"),
        "{said}"
    );
}

#[test]
fn what_is_named_at_the_command_line_is_all_that_is_meant() {
    let source = Source::new("prog.c", IN_C);
    source.run("cc -g -O0 -o prog prog.c");
    let names = |lineprof: Lineprof| {
        let (report, _) = lineprof.report(&source.program(), &NO_ARGS);
        report
            .names()
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Lineprof::new()), ["work"]);
    assert_eq!(names(Lineprof::new().functions(&["other"])), ["other"]);
    assert_eq!(
        names(Lineprof::new().options(["--file", "prog.c"])),
        ["work", "other", "main"]
    );
}

#[test]
fn the_list_of_functions_tells_which_are_marked() {
    let source = Source::new("prog.c", IN_C);
    source.run("cc -g -O0 -o prog prog.c");
    let listed = Lineprof::new()
        .option("functions")
        .option(source.program())
        .run_alone();
    let text = listed.stdout_text();
    let marked: Vec<&str> = text.lines().filter(|line| line.ends_with(", marked")).collect();
    assert!(
        matches!(marked.as_slice(), [line] if line.starts_with("work ")),
        "{text}"
    );
    let said = listed.stderr_text();
    assert!(said.contains("3 functions, 1 of them marked"), "{said}");
}

#[test]
fn marks_of_a_library_count_where_the_program_has_some() {
    let source = Source::new(
        "prog.c",
        &IN_C
            .replace("int main", "unsigned help(unsigned);\nint main")
            .replace("work(other", "help(work(other")
            .replace("argc))", "argc)))"),
    );
    source.write(
        "help.c",
        "#include \"lineprof.h\"\nLINEPROF_PROFILE(help);\nunsigned help(unsigned n) {\n    return n;\n}\nunsigned not_marked(void) { return 1; }\n",
    );
    source.run("cc -g -shared -fPIC -o libhelp.so help.c");
    source.run("cc -g -O0 -o prog prog.c -L. -lhelp -Wl,-rpath,$ORIGIN");
    let (report, finished) = Lineprof::new().report(&source.program(), &NO_ARGS);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert_eq!(report.names(), ["help", "work"]);
}

/// Three blocks in two functions, one of them entered by each turn of a loop, one twice, one never.
const REGIONS: &str = r#"#include "lineprof.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define GROW(bytes) memset(mmap(0, bytes, 3, 0x22, -1, 0), 1, bytes)
static int work(int turns) {
    int i, sum = 0;
    for (i = 0; i < turns; i++) {
        LINEPROF_REGION("fill");
        char *page = (char *)GROW(8192); /* fill grows } */
        sum += page[0];
    } /* fill ends */
    LINEPROF_REGION("large") {
        char *block = (char *)GROW(1 << 20);
        for (i = 0; i < 4; i++)
            sum += block[i];
        munmap(block, 1 << 20);
    } /* large ends */
    return sum;
}
static int other(int n) {
    if (n > 9) {
        LINEPROF_REGION("never");
        return work(n);
    }
    return n;
}
int main(void) { return work(10) + work(3) + other(0) == 21 ? 0 : 1; }
"#;

#[test]
fn regions_of_c_and_cpp_have_sums_of_their_own() {
    let source = Source::new("prog.c", REGIONS);
    source.write("prog.cc", REGIONS);
    let line = |text: &str| {
        let at = REGIONS.lines().position(|line| line.contains(text));
        u32::try_from(at.expect("the text is there") + 1).expect("a short source")
    };
    for build in [
        "cc -g -O0 -std=gnu89 -o prog prog.c",
        "c++ -g -O0 -o prog prog.cc",
    ] {
        source.run(build);
        for engine in Engine::ALL {
            let (report, finished) = Lineprof::new()
                .engine(engine)
                .metric("anon")
                .report(&source.program(), &NO_ARGS);
            assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
            assert_eq!(report.names().len(), 2, "{:?}", report.names());
            let regions = report.functions.iter().flat_map(|function| &function.regions);
            let regions = regions.map(|region| {
                (
                    region.name.as_str(),
                    region.line,
                    region.last_line,
                    region.entries,
                )
            });
            let expected = [
                ("fill", line("\"fill\""), line("fill ends"), 13),
                ("large", line("\"large\""), line("large ends"), 2),
                ("never", line("\"never\""), line("return n;") - 1, 0),
            ];
            assert_eq!(regions.collect::<Vec<_>>(), expected, "{build}, {engine:?}");
            for function in &report.functions {
                for region in &function.regions {
                    let inside = |line: &&Line| (region.line..=region.last_line).contains(&line.line);
                    let sum: i64 = function
                        .lines
                        .iter()
                        .filter(inside)
                        .map(|line| line.increment)
                        .sum();
                    assert_eq!(region.increment, sum);
                }
            }
            let fill = &report.functions[0].regions[0];
            // The tables of pages grow too, by a page or two.
            assert!(
                (13 * 8192..13 * 8192 + 4 * 4096).contains(&fill.increment),
                "{}",
                fill.increment
            );
        }
    }
}

#[test]
fn a_region_has_a_table_of_its_own() {
    let source = Source::new("prog.c", REGIONS);
    source.run("cc -g -O0 -o prog prog.c");
    let said = Lineprof::new().run(&source.program(), &NO_ARGS).stderr_text();
    let (_, table) = said.split_once("Region: large in work at ").expect("it is there");
    let table = table.split_once("Region:").map_or(table, |(table, _)| table);
    assert!(table.contains(", 2 entries, increment "), "{said}");
    assert!(
        table.contains("sum += block[i];") && !table.contains("sum += page[0];"),
        "{table}"
    );
}

#[test]
fn a_region_whose_source_is_gone_is_told() {
    let source = Source::new("prog.c", REGIONS);
    source.run("cc -g -O0 -o prog prog.c");
    std::fs::remove_file(source.folder.path().join("prog.c")).expect("an own file");
    let said = Lineprof::new().run(&source.program(), &NO_ARGS).stderr_text();
    assert!(
        said.contains("the region fill (marked at prog.c:9) has no table"),
        "{said}"
    );
}

#[test]
fn regions_of_rust_are_blocks_or_the_rest_of_one() {
    let text = "fn work(turns: usize) -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    let mut turn = 0;
    while turn < turns {
        turn += 1;
        kept.push(lineprof::region!(\"fill\", {
            let page = vec![1_u8; 8192];
            page
        }));
    }
    if turns > 4 {
        lineprof::region!(\"rest\");
        kept.pop();
        kept.clear(); // }
    }
    kept
}
fn main() {
    assert_eq!(work(3).len() + work(5).len(), 3);
}
";
    let source = Source::new("prog.rs", text);
    let library = marked_crate("dev").library;
    source.run(&format!(
        "rustc --edition=2024 -g --extern lineprof={} -o prog prog.rs",
        library.display()
    ));
    let (report, finished) = Lineprof::new().report(&source.program(), &NO_ARGS);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert_eq!(report.names(), ["prog::work"]);
    let regions = report.functions[0].regions.iter();
    let regions = regions.map(|region| {
        (
            region.name.as_str(),
            region.line,
            region.last_line,
            region.entries,
        )
    });
    assert_eq!(
        regions.collect::<Vec<_>>(),
        [("fill", 6, 9, 8), ("rest", 12, 15, 1)]
    );
}

const SERVER: &str = r#"#include "lineprof.h"
#include <stdio.h>
LINEPROF_PROFILE(serve);
static void serve(const char *line) {
    fputs(line, stdout);
    fflush(stdout);
}
int main(void) {
    char line[80];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        serve(line);
    return 0;
}
"#;

#[test]
fn marks_of_a_running_process_are_profiled() {
    let source = Source::new("prog.c", SERVER);
    source.run("cc -g -O0 -o prog prog.c");
    let mut server = serving_by(&mut Command::new(source.program()));
    let pid = server.pid().to_string();
    let mut command = Lineprof::new()
        .options(["--format", "json", "--pid", &pid])
        .command();
    let lineprof = attached_by(&mut command);
    for _ in 0..3 {
        server.say("go on");
        assert_eq!(server.hear(), "go on");
    }
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    let said = finished.stderr_text();
    assert!(
        said.contains("lineprof: profiling what the source marks: 1 function"),
        "{said}"
    );
    let report = Report::parse(&finished.stdout_text());
    assert_eq!(
        (report.names(), report.function("serve").calls),
        (vec!["serve"], 3)
    );
}

/// What the compiler says of a crate with marks, after its library was built.
fn compiler_says(text: &str) -> String {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    std::fs::write(folder.path().join("wrong.rs"), text).expect("an own folder");
    let mut command = Command::new("rustc");
    command
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=metadata",
            "wrong.rs",
            "--extern",
        ])
        .arg(format!("lineprof={}", marked_crate("dev").library.display()))
        .current_dir(folder.path());
    let output = command.output().expect("the compiler runs");
    assert!(!output.status.success());
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn what_is_no_function_is_an_error_at_its_place() {
    let region = "error: a region is `region!(\"name\")`, or `region!(\"name\", { … })` with the block that is meant\n --> wrong.rs:";
    let no_function = "error: `profile` marks functions that have a body\n --> wrong.rs:";
    for (text, error) in [
        (
            "#[lineprof::profile]\npub struct Nothing;\n",
            format!("{no_function}2:1\n"),
        ),
        (
            "#[lineprof::profile]\npub mod work { pub fn work() {} }\n",
            format!("{no_function}2:1\n"),
        ),
        (
            "pub trait Shape {\n    #[lineprof::profile]\n    fn area(&self);\n}\n",
            format!("{no_function}3:19\n"),
        ),
        (
            "#[lineprof::profile(all)]\npub fn work() {}\n",
            "error: `profile` takes no arguments\n --> wrong.rs:1:21\n".to_owned(),
        ),
        (
            "pub fn work() {\n    lineprof::region!(load);\n}\n",
            format!("{region}2:23\n"),
        ),
        (
            "pub fn work() {\n    lineprof::region!(\"load\", 1 + 1);\n}\n",
            format!("{region}2:33\n"),
        ),
    ] {
        let said = compiler_says(text);
        assert!(
            said.starts_with(&error) && said.contains("1 previous error"),
            "{said}"
        );
    }
}

#[test]
fn errors_in_a_marked_function_are_those_of_the_function() {
    let text = "pub fn work(n: u32) -> u32 {\n    let unused = 1;\n    n + \"one\"\n}\n";
    let plain = compiler_says(text);
    let marked = compiler_says(&format!("#[lineprof::profile]\n{text}"));
    let one_line_up = marked
        .replace("wrong.rs:4:", "wrong.rs:3:")
        .replace("\n4 |", "\n3 |")
        .replace("wrong.rs:3:9", "wrong.rs:2:9");
    assert_eq!(one_line_up, plain);
}

/// The code of a language in the README's section about marks.
fn in_the_readme(language: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
        .expect("it is there");
    let (_, section) = text
        .split_once("## Marks in the source")
        .expect("the section is there");
    let (_, code) = section
        .split_once(&format!("```{language}\n"))
        .expect("the code is there");
    code.split_once("```").expect("the code ends").0.to_owned()
}

#[test]
fn the_example_of_c_in_the_readme_works() {
    let source = Source::new("prog.c", "");
    let rest = "int load(int count) {\n    return count;\n}\nint main(void) { return load(0); }\n";
    source.write("prog.c", &(in_the_readme("c") + rest));
    source.run("cc -g -O0 -o prog prog.c");
    marks_are_as_good_as(&["load"], &source.program(), Engine::Inline);
}

#[test]
fn the_example_of_rust_in_the_readme_works() {
    let rest = "fn main() {\n    assert_eq!(load(1)[0].len(), 4096);\n}\n";
    let source = Source::new("prog.rs", &(in_the_readme("rust") + rest));
    let library = marked_crate("dev").library;
    source.run(&format!(
        "rustc --edition=2024 -g --extern lineprof={} -o prog prog.rs",
        library.display()
    ));
    marks_are_as_good_as(&["load"], &source.program(), Engine::Inline);
}
