//! The command line: exit codes, where the report goes, the table, and what is said about input that cannot work.

mod support;

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Expected, Finished, Lineprof, Program, Report, Running};
use tempfile::TempDir;

const NO_ARGS: [&str; 0] = [];

fn folder() -> TempDir {
    tempfile::tempdir().expect("the temporary folder is writable")
}

/// A file of `contents` that may be executed.
fn executable(folder: &TempDir, name: &str, contents: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, contents).expect("the temporary folder is writable");
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("an own file");
    path
}

/// Asserts that lineprof ended with `code` and said each of `words`, in any case, in a few lines.
#[track_caller]
fn refuses(finished: &Finished, code: i32, words: &[&str]) {
    let said = finished.stderr_text();
    assert_eq!(finished.code(), code, "it says:\n{said}");
    for word in words {
        assert!(
            said.to_lowercase().contains(&word.to_lowercase()),
            "`{word}` is not in:\n{said}"
        );
    }
    assert!(said.lines().count() <= 12, "more than a message:\n{said}");
    assert!(!said.contains("panicked"), "{said}");
}

fn profile_work(program: &Path) -> Finished {
    Lineprof::new().functions(&["work"]).run(program, &NO_ARGS)
}

// Exit codes.

#[test]
fn c088_the_exit_code_of_the_program_is_passed_on() {
    for name in [
        "c/growth.c",
        "c/exit_code.c",
        "c/exit_inside.c",
        "c/abort.c",
        "c/segfault.c",
    ] {
        let program = Program::load(name);
        let finished = profile_work(&program.build_first().path);
        assert_eq!(
            finished.code(),
            program.exit.passed_on(),
            "{name}: {}",
            finished.stderr_text()
        );
    }
}

#[test]
fn an_unknown_option_is_lineprofs_own_failure() {
    let finished = Lineprof::new().option("--no-such-option").run_alone();
    refuses(&finished, 125, &["--no-such-option"]);
}

#[test]
fn c109_ctrl_c_ends_the_program_and_its_report_is_complete() {
    let target = Program::load("c/attach_target.c").build_first();
    let mut command = Lineprof::new().functions(&["serve"]).command();
    let mut lineprof = Running::start(command.arg("--").arg(&target.path).arg("2"));
    assert_eq!(lineprof.hear(), "ready");
    lineprof.say("go on");
    assert!(lineprof.hear().starts_with("served "));
    lineprof.signal_group(Signal::SIGINT);
    let finished = lineprof.finish();
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 128 + Signal::SIGINT as i32, "{said}");
    assert!(
        said.contains("Line Contents") && said.contains("static int serve(int n)"),
        "{said}"
    );
}

// Bad input.

#[test]
fn a_program_that_does_not_exist() {
    let folder = folder();
    refuses(
        &profile_work(&folder.path().join("nowhere")),
        127,
        &["nowhere", "no such file"],
    );
}

#[test]
fn a_program_that_is_a_directory() {
    let folder = folder();
    refuses(&profile_work(folder.path()), 126, &["directory"]);
}

#[test]
fn a_program_without_permission_to_execute() {
    let folder = folder();
    let binary = Program::load("c/exit_code.c").build_first();
    let copy = folder.path().join("copy");
    std::fs::copy(&binary.path, &copy).expect("the temporary folder is writable");
    std::fs::set_permissions(&copy, Permissions::from_mode(0o644)).expect("an own file");
    refuses(&profile_work(&copy), 126, &["copy", "permission"]);
}

#[test]
fn a_program_that_is_not_elf() {
    let folder = folder();
    let file = executable(
        &folder,
        "picture",
        &[0x89, b'P', b'N', b'G', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    );
    refuses(&profile_work(&file), 126, &["picture", "ELF"]);
}

#[test]
fn an_empty_program() {
    let folder = folder();
    refuses(&profile_work(&executable(&folder, "empty", &[])), 126, &["empty"]);
}

#[test]
fn a_script_names_its_interpreter() {
    let folder = folder();
    let file = executable(&folder, "script", b"#!/bin/sh\nexit 0\n");
    refuses(&profile_work(&file), 126, &["script", "/bin/sh"]);
}

#[test]
fn a_program_for_another_architecture() {
    let folder = folder();
    let binary = Program::load("c/exit_code.c").build_first();
    let mut bytes = std::fs::read(&binary.path).expect("the binary is readable");
    // e_machine of the ELF header, EM_AARCH64.
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    refuses(
        &profile_work(&executable(&folder, "foreign", &bytes)),
        126,
        &["aarch64", "x86"],
    );
}

#[test]
fn a_program_that_is_cut_off() {
    let folder = folder();
    let binary = Program::load("c/exit_code.c").build_first();
    let bytes = std::fs::read(&binary.path).expect("the binary is readable");
    for length in [20, 64, 1000, bytes.len() / 2] {
        let finished = profile_work(&executable(&folder, "cut", &bytes[..length]));
        let said = finished.stderr_text();
        assert!(
            (125..=127).contains(&finished.code()),
            "{length} bytes: {} {said}",
            finished.code()
        );
        assert!(
            said.contains("cut") && !said.contains("panicked"),
            "{length} bytes: {said}"
        );
    }
}

#[test]
fn no_debug_information_names_the_flag_and_the_package() {
    let program = Program::load("c/exit_code.c");
    let binary = program.build("cc -O0 -g0");
    refuses(&profile_work(&binary.path), 125, &["-g", "-dbg"]);
}

#[test]
fn no_function_that_matches_names_the_nearest() {
    let binary = Program::load("c/function_pointer.c").build_first();
    let finished = Lineprof::new()
        .functions(&["multipy"])
        .run(&binary.path, &NO_ARGS);
    refuses(&finished, 125, &["multipy", "multiply"]);
}

#[test]
fn a_pattern_in_vain_beside_others_is_said_at_once_and_in_the_report() {
    let binary = Program::load("c/exit_code.c").build_first();
    let folder = folder();
    let file = folder.path().join("report.json");
    let run = Lineprof::new()
        .functions(&["main", "absent"])
        .options(["--file", "missing.c"]);
    let finished = run.option("-o").option(&file).run(&binary.path, &NO_ARGS);
    let (said, report) = (
        finished.stderr_text(),
        std::fs::read_to_string(&file).expect("a report"),
    );
    for text in [&said, &report] {
        assert!(
            text.contains("no function matches `absent`, `missing.c`"),
            "{text}"
        );
    }
}

#[test]
fn what_is_excluded_is_not_said_to_be_missing() {
    let binary = Program::load("c/exit_code.c").build_first();
    let run = Lineprof::new()
        .functions(&["main"])
        .options(["--exclude", "main"]);
    refuses(&run.run(&binary.path, &NO_ARGS), 125, &["--exclude"]);
}

#[test]
fn a_file_that_is_nobodys_names_the_nearest() {
    let binary = Program::load("c/exit_code.c").build_first();
    let run = Lineprof::new().options(["--file", "exit_kode.c"]);
    refuses(
        &run.run(&binary.path, &NO_ARGS),
        125,
        &["exit_kode.c", "exit_code.c"],
    );
    let finished = Lineprof::new()
        .functions(&["exit_code.c:maim"])
        .run(&binary.path, &NO_ARGS);
    refuses(&finished, 125, &["did you mean `main`?"]);
}

#[test]
fn a_pattern_that_is_no_pattern() {
    let binary = Program::load("c/exit_code.c").build_first();
    let finished = Lineprof::new().functions(&["/(/"]).run(&binary.path, &NO_ARGS);
    refuses(&finished, 125, &["/(/"]);
}

#[test]
fn c103_a_report_that_cannot_be_written_is_said_and_the_program_not_harmed() {
    let binary = Program::load("c/exit_code.c").build_first();
    let run = Lineprof::new()
        .functions(&["work"])
        .options(["-o", "/nowhere/at/all.json"]);
    refuses(&run.run(&binary.path, &NO_ARGS), 125, &["/nowhere/at/all.json"]);
}

#[test]
fn c007_a_pid_that_does_not_exist() {
    // Above the largest that the kernel gives out.
    let finished = Lineprof::new()
        .functions(&["work"])
        .options(["--pid", "4194305"])
        .run_alone();
    refuses(&finished, 125, &["4194305", "no such process"]);
}

#[test]
fn c006_a_pid_of_a_zombie() {
    let zombie = Running::start(&mut Command::new("true"));
    let stays = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(zombie.pid()), stays).expect("the own child ends");
    let pid = zombie.pid().to_string();
    let finished = Lineprof::new()
        .functions(&["work"])
        .options(["--pid", pid.as_str()])
        .run_alone();
    refuses(&finished, 125, &[&pid, "zombie"]);
}

#[test]
fn c005_a_pid_that_is_already_traced_names_its_tracer() {
    let binary = Program::load("c/attach_target.c").build_first();
    let mut target = Running::start(Command::new(&binary.path).arg("1"));
    assert_eq!(target.hear(), "ready");
    nix::sys::ptrace::seize(target.pid(), nix::sys::ptrace::Options::empty())
        .expect("an own child can be traced");
    let (pid, own) = (target.pid().to_string(), std::process::id().to_string());
    let finished = Lineprof::new()
        .functions(&["serve"])
        .options(["--pid", pid.as_str()])
        .run_alone();
    refuses(&finished, 125, &[&pid, &own, "traced"]);
}

#[test]
fn c009_a_pid_of_another_user_names_the_cause() {
    let binary = Program::load("c/attach_target.c").build_first();
    let mut target = Running::start(Command::new(&binary.path).arg("1"));
    assert_eq!(target.hear(), "ready");
    let root = nix::unistd::geteuid().is_root();
    // Root's own process seen by nobody, or, for anybody else, the first process.
    let pid = if root {
        target.pid().to_string()
    } else {
        "1".to_string()
    };
    let folder = folder();
    let lineprof = folder.path().join("lineprof");
    std::fs::copy(env!("CARGO_BIN_EXE_lineprof"), &lineprof).expect("the temporary folder is writable");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("an own folder");
    let mut command = Command::new(&lineprof);
    command
        .current_dir("/")
        .args(["--function", "serve", "--pid", &pid]);
    if root {
        command.uid(65534).gid(65534);
    }
    let finished = Running::start(&mut command).finish();
    refuses(&finished, 125, &[&pid, "user"]);
}

// Debug information in a file of its own.

/// Splits a binary into one without debug information that links to the file which has it.
fn split(folder: &TempDir, binary: &Path) -> (PathBuf, PathBuf) {
    let (stripped, debug) = (
        folder.path().join("stripped"),
        folder.path().join("stripped.debug"),
    );
    let objcopy = |args: &[&str], to: &Path| {
        let mut command = Command::new("objcopy");
        let status = command
            .current_dir(folder.path())
            .args(args)
            .arg(binary)
            .arg(to)
            .status();
        assert!(status.expect("objcopy, of binutils, runs").success());
    };
    objcopy(&["--only-keep-debug"], &debug);
    objcopy(
        &[
            "--strip-debug",
            "--remove-section=.note.gnu.build-id",
            "--add-gnu-debuglink=stripped.debug",
        ],
        &stripped,
    );
    (stripped, debug)
}

#[test]
fn a_debug_file_beside_the_program_is_found_by_its_link() {
    let folder = folder();
    let (stripped, _) = split(&folder, &Program::load("c/growth.c").build_first().path);
    let (report, finished) = Lineprof::new().functions(&["work"]).report(&stripped, &NO_ARGS);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert_eq!(report.function("work").calls, 1);
}

#[test]
fn a_debug_file_of_another_build_is_not_used() {
    let folder = folder();
    let (stripped, debug) = split(&folder, &Program::load("c/growth.c").build_first().path);
    let mut bytes = std::fs::read(&debug).expect("an own file");
    bytes.push(0);
    std::fs::write(&debug, bytes).expect("an own file");
    refuses(&profile_work(&stripped), 125, &["-g", "stripped.debug"]);
}

// Sources.

/// Builds a copy of a program's source in a folder of its own.
fn build_copy(folder: &TempDir, name: &str) -> (PathBuf, PathBuf) {
    let program = Program::load(name);
    let source = folder.path().join("copy.c");
    std::fs::copy(&program.source, &source).expect("the temporary folder is writable");
    let binary = folder.path().join("copy");
    let status = Command::new("cc")
        .args(["-g", "-O0"])
        .arg(&source)
        .arg("-o")
        .arg(&binary)
        .status();
    assert!(status.expect("the compiler runs").success());
    (source, binary)
}

#[test]
fn a_source_that_is_missing_leaves_the_table_with_a_note() {
    let folder = folder();
    let (source, binary) = build_copy(&folder, "c/early_return.c");
    std::fs::remove_file(&source).expect("an own file");
    let finished = profile_work(&binary);
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 0, "{said}");
    assert!(said.contains("Occurrences") && said.contains("copy.c"), "{said}");
}

#[test]
fn a_source_that_is_newer_than_the_binary_is_noted() {
    let folder = folder();
    let (source, binary) = build_copy(&folder, "c/early_return.c");
    let built = std::fs::metadata(&binary)
        .and_then(|facts| facts.modified())
        .expect("an own file");
    let file = File::options().write(true).open(&source).expect("an own file");
    file.set_modified(built + Duration::from_secs(3600))
        .expect("an own file");
    let finished = profile_work(&binary);
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 0, "{said}");
    assert!(said.contains("Occurrences") && said.contains("newer"), "{said}");
}

// Where the report goes, and what it looks like.

/// The rows of a table: line number and the rest.
fn rows(table: &str) -> Vec<(u32, String)> {
    table
        .lines()
        .filter_map(|line| {
            let number = line.get(..6)?.trim().parse().ok()?;
            Some((number, line[6..].to_string()))
        })
        .collect()
}

#[test]
fn the_table_is_memory_profilers() {
    let program = Program::load("c/growth.c");
    let binary = program.build_first();
    let finished = Lineprof::new()
        .functions(&["work"])
        .metric("anon")
        .run(&binary.path, &NO_ARGS);
    assert!(
        finished.stdout.is_empty(),
        "the program's output is the program's: {}",
        finished.stdout_text()
    );
    let table = finished.stderr_text();
    let header = "Line #    Mem usage    Increment  Occurrences   Line Contents";
    let ruler = "=".repeat(header.len());
    assert!(table.contains(&format!("\n{header}\n{ruler}\n")), "{table}");
    let rows = rows(&table);
    for annotation in &program.annotations {
        let (_, row) = rows
            .iter()
            .find(|(line, _)| *line == annotation.line)
            .expect("every line has a row");
        let text = annotation.text.trim_start();
        assert!(row.contains(text), "{row}");
        let mut increment = None;
        for expected in &annotation.expected {
            if let Expected::Increment(bytes) = expected {
                increment = Some(format!("{:8.3} MiB", *bytes as f64 / f64::from(1 << 20)));
            }
        }
        // The declaration's row shows the baseline, like memory_profiler's.
        if let Some(increment) = increment {
            let cells = format!("{increment:>12}  {:>10}   ", 1);
            let (before, after) = row
                .split_once(&cells)
                .unwrap_or_else(|| panic!("`{cells}` is not in `{row}`"));
            assert!(
                before.ends_with("MiB ") && after.trim_start().starts_with(text),
                "{row}"
            );
        }
    }
}

#[test]
fn precision_is_the_number_of_decimals() {
    let binary = Program::load("c/growth.c").build_first();
    let run = Lineprof::new()
        .functions(&["work"])
        .metric("anon")
        .options(["--precision", "1"]);
    let table = run.run(&binary.path, &NO_ARGS).stderr_text();
    assert!(
        table.contains("  32.0 MiB") && table.contains(" -24.0 MiB"),
        "{table}"
    );
}

#[test]
fn the_format_follows_the_files_extension() {
    let binary = Program::load("c/growth.c").build_first();
    let folder = folder();
    for (name, json) in [("out.json", true), ("out.txt", false)] {
        let file = folder.path().join(name);
        let finished = Lineprof::new()
            .functions(&["work"])
            .option("-o")
            .option(&file)
            .run(&binary.path, &NO_ARGS);
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let text = std::fs::read_to_string(&file).expect("the report is written");
        if json {
            assert_eq!(Report::parse(&text).names(), ["work"]);
        } else {
            assert!(text.contains("Line Contents"), "{text}");
        }
        assert!(
            !finished.stderr_text().contains("Line Contents"),
            "the report is in the file only"
        );
    }
}

#[test]
fn a_dash_is_standard_output() {
    let binary = Program::load("c/growth.c").build_first();
    let run = Lineprof::new()
        .functions(&["work"])
        .options(["--format", "json", "-o", "-"]);
    let finished = run.run(&binary.path, &NO_ARGS);
    let report = Report::parse(&finished.stdout_text());
    assert_eq!(report.names(), ["work"]);
    assert_eq!(report.command, [binary.path.to_string_lossy()]);
    assert_eq!(Path::new(&report.executable), binary.path);
}

#[test]
fn without_a_pattern_every_function_of_the_programs_own_is_profiled_and_counted() {
    let binary = Program::load("c/function_pointer.c").build_first();
    let (report, finished) = Lineprof::new().report(&binary.path, &NO_ARGS);
    let mut names = report.names();
    names.sort_unstable();
    assert_eq!(names, ["add", "compare", "main", "multiply", "work"]);
    assert!(
        finished.stderr_text().contains("5 functions"),
        "{}",
        finished.stderr_text()
    );
}

#[test]
fn functions_can_be_excluded() {
    let binary = Program::load("c/function_pointer.c").build_first();
    let run = Lineprof::new()
        .functions(&["*"])
        .options(["--exclude", "main", "--exclude", "compare"]);
    let (report, _) = run.report(&binary.path, &NO_ARGS);
    let mut names = report.names();
    names.sort_unstable();
    assert_eq!(names, ["add", "multiply", "work"]);
}

#[test]
fn patterns_are_names_globs_expressions_and_files() {
    let binary = Program::load("c/function_pointer.c").build_first();
    for pattern in ["multiply", "mul*", "/^mul.*y$/", "function_pointer.c:multiply"] {
        let (report, _) = Lineprof::new()
            .functions(&[pattern])
            .report(&binary.path, &NO_ARGS);
        assert_eq!(report.names(), ["multiply"], "{pattern}");
    }
}

#[test]
fn functions_lists_what_can_be_profiled() {
    let program = Program::load("c/function_pointer.c");
    let binary = program.build_first();
    let finished = Lineprof::new()
        .option("functions")
        .option(&binary.path)
        .option("mul*")
        .run_alone();
    let said = finished.stdout_text();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let declared = |annotation: &&support::Annotation| annotation.text.contains("int multiply(");
    let line = program
        .annotations
        .iter()
        .find(declared)
        .expect("it is annotated")
        .line;
    let place = format!("function_pointer.c:{line}");
    assert!(
        said.lines()
            .any(|row| row.contains("multiply") && row.contains(&place)),
        "{place} is not in:\n{said}"
    );
    assert!(!said.contains("compare"), "{said}");
}

#[test]
fn the_demo_needs_nothing() {
    let finished = Lineprof::new().option("demo").run_alone();
    let said = format!("{}{}", finished.stdout_text(), finished.stderr_text());
    assert_eq!(finished.code(), 0, "{said}");
    assert!(said.contains("Line Contents") && said.contains(" MiB"), "{said}");
}

#[test]
fn every_metric_sees_the_large_block() {
    // A file of its own, with no library: pages shared with other processes would come and go with these in pss.
    let binary = Program::load("c/growth.c").build("cc -g -O0 -static -DOF_NO_OTHER_TEST");
    let large = 32 << 20;
    for options in [
        &["--metric", "rss"][..],
        &["--metric", "anon"],
        &["--metric", "pss"],
        &["--metric", "uss"],
        &["--exact"],
    ] {
        let (report, finished) = Lineprof::new()
            .functions(&["work"])
            .options(options.iter().copied())
            .report(&binary.path, &NO_ARGS);
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        assert_eq!(
            report.metric,
            options.get(1).copied().unwrap_or("rss"),
            "{options:?}"
        );
        let most = report
            .function("work")
            .lines
            .iter()
            .map(|line| line.increment)
            .max();
        // Program text that is read for the first time may come on top, in every metric but anon. Shares of pages are
        // written in whole kB, of which rounding may take one.
        let most = most.expect("the function has lines");
        assert!(
            (large - 1024..large + (1 << 16)).contains(&most),
            "{options:?}: {most}"
        );
    }
}
