//! Limits of memory: the line on which one is met, and what becomes of the program there.

mod support;

use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use support::{Crossing, Finished, Lineprof, Program, Report, Running, served, serving_by};

const STEP: u64 = 8 << 20;
/// Met by the third step of the program: before the first there is much less than one.
const LIMIT: &str = "20MiB";
/// Steps that are counted when the third has been made and the line behind it has not run.
const COUNTED: &str = "= 2";
const DONE: &str = "text same\ndone 8\n";
/// gdb meets a process that is stopped already.
const NO_STOP: &str = "handle SIGSTOP nostop noprint nopass";

fn program() -> Program {
    Program::load("c/break_at.c")
}

/// The line of the program's source that is `text`.
fn line_of(text: &str) -> u32 {
    let source = std::fs::read_to_string(program().source).expect("the source is there");
    let found = source.lines().zip(1..).find(|(line, _)| line.trim() == text);
    found.unwrap_or_else(|| panic!("no line is `{text}`")).1
}

fn lineprof(action: &str) -> Lineprof {
    Lineprof::new().metric("anon").functions(&["load"]).options([
        "--break-at",
        LIMIT,
        "--break-action",
        action,
    ])
}

/// Checks that `crossing` is behind the third step, on the next line.
fn is_behind_the_third_step(crossing: &Crossing, report: &Report) {
    let baseline = report.function("load").baseline.expect("it ran");
    assert_eq!(
        (crossing.limit.kind.as_str(), crossing.limit.bytes),
        ("memory", 20 << 20)
    );
    assert_eq!(crossing.memory, baseline + 3 * STEP);
    assert_eq!(
        (crossing.function.as_str(), crossing.line),
        ("load", line_of("steps++;"))
    );
    assert!(crossing.file.ends_with("break_at.c"), "{}", crossing.file);
    let ran = crossing.ran.as_ref().expect("a line has run");
    assert_eq!(
        (ran.line, ran.increment),
        (line_of("touch(block, STEP);"), STEP.cast_signed())
    );
}

/// The process that lineprof says it has left stopped.
fn stopped(lineprof: &mut Running) -> Pid {
    let said = lineprof.hear_error("is stopped on that line");
    let number = said
        .split("process ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let number = number.and_then(|number| number.parse().ok());
    Pid::from_raw(number.unwrap_or_else(|| panic!("no process in `{said}`")))
}

/// Checks that nobody traces the process, which is stopped, and that its code is its file's.
fn stands_with_clean_code(process: Pid) {
    let of = |name: &str| format!("/proc/{process}/{name}");
    let status = std::fs::read_to_string(of("status")).expect("it lives");
    assert!(status.contains("\nState:\tT (stopped)\n"), "{status}");
    assert!(status.contains("\nTracerPid:\t0\n"), "{status}");
    let path = std::fs::read_link(of("exe")).expect("it lives");
    let (memory, file) = (File::open(of("mem")), File::open(&path));
    let (memory, file) = (memory.expect("it lives"), file.expect("it is there"));
    let maps = std::fs::read_to_string(of("maps")).expect("it lives");
    let own = |line: &&str| line.ends_with(path.to_str().expect("an ASCII path")) && line.contains("r-xp");
    let mapping = maps.lines().find(own).expect("its code is mapped");
    let words: Vec<&str> = mapping.split_whitespace().collect();
    let number = |text: &str| u64::from_str_radix(text, 16).expect("a number of maps");
    let (start, end) = words[0].split_once('-').expect("a range");
    let (start, end, offset) = (number(start), number(end), number(words[2]));
    let read = |from: &File, at: u64| {
        let mut bytes = vec![0; usize::try_from(end - start).expect("it is small")];
        // The last page of a file is not whole.
        let got = from.read_at(&mut bytes, at).expect("it can be read");
        bytes.truncate(got);
        bytes
    };
    let on_disk = read(&file, offset);
    assert!(!on_disk.is_empty() && read(&memory, start).starts_with(&on_disk));
}

/// What gdb, attached to a stopped process, says of its line; the process has gone on to its end.
fn go_on_by_gdb(process: Pid) -> String {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-q", "-batch", "-p", &process.to_string()]);
    for command in [NO_STOP, "frame", "print steps", "continue"] {
        gdb.args(["-ex", command]);
    }
    let finished = Running::start(&mut gdb).finish();
    let said = finished.stdout_text();
    assert!(
        said.contains("exited with code 03"),
        "{said}{}",
        finished.stderr_text()
    );
    said
}

/// Checks that gdb has found the thread on the line behind the third step.
fn stood_behind_the_third_step(said: &str) {
    let line = format!("{}\t    steps++;", line_of("steps++;"));
    assert!(said.contains(&line), "{said}");
    assert!(said.lines().any(|line| line.ends_with(COUNTED)), "{said}");
}

fn one_crossing(report: &Report) -> &Crossing {
    let [crossing] = report.crossings.as_slice() else {
        panic!("one crossing: {:?}", report.crossings);
    };
    crossing
}

#[test]
fn a_report_tells_the_line_and_the_profile_goes_on() {
    let binary = program().build_first();
    let (report, finished) = lineprof("report").report(&binary.path, &["0"]);
    assert_eq!(
        (finished.code(), finished.stdout_text().as_str()),
        (3, "text differs\ndone 8\n")
    );
    is_behind_the_third_step(one_crossing(&report), &report);
    assert_eq!(report.function("load").calls, 8);
    let line = format!(
        "at break_at.c:{} in load (thread {})",
        line_of("steps++;"),
        report.pid
    );
    let said = finished.stderr_text();
    assert!(
        said.contains("lineprof: memory is 24.3 MiB, above 20 MiB, "),
        "{said}"
    );
    assert!(said.contains(&line), "{said}");
}

#[test]
fn a_backtrace_goes_through_libc_without_frame_pointers() {
    for binary in program().build_all() {
        let (report, _) = lineprof("report").report(&binary.path, &["0"]);
        let names = one_crossing(&report)
            .backtrace
            .iter()
            .filter_map(|frame| frame.function.as_deref());
        let own: Vec<&str> = names
            .filter(|name| ["load", "through_libc", "main"].contains(name))
            .collect();
        assert_eq!(own, ["load", "through_libc", "main"], "{}", binary.build);
    }
}

#[test]
fn a_line_is_told_by_what_it_adds() {
    let binary = program().build_first();
    let run = Lineprof::new()
        .metric("anon")
        .functions(&["load", "through_libc"])
        .options(["--break-inc", "8MiB"]);
    let (report, _) = run.report(&binary.path, &["0"]);
    let crossing = one_crossing(&report);
    assert_eq!(
        (crossing.limit.kind.as_str(), crossing.limit.bytes),
        ("increment", STEP)
    );
    assert_eq!(crossing.line, line_of("steps++;"));
    assert_eq!(
        crossing.ran.as_ref().map(|ran| ran.increment),
        Some(STEP.cast_signed())
    );

    let run = Lineprof::new()
        .metric("anon")
        .functions(&["load"])
        .options(["--break-inc", "8388609"]);
    let (report, _) = run.report(&binary.path, &["0"]);
    assert!(report.crossings.is_empty(), "{:?}", report.crossings);
}

#[test]
fn a_limit_that_is_exceeded_already_is_met_at_the_first_line() {
    let binary = program().build_first();
    let run = Lineprof::new()
        .metric("anon")
        .functions(&["load"])
        .options(["--break-at", "4K"]);
    let (report, _) = run.report(&binary.path, &["0"]);
    let (crossing, load) = (one_crossing(&report), report.function("load"));
    // The code of the entry is the opening brace's.
    let brace = load.lines.iter().find(|line| line.text.as_deref() == Some("{"));
    assert_eq!(brace.map(|line| line.line), Some(crossing.line));
    assert_eq!(load.baseline, Some(crossing.memory));
    assert_eq!(crossing.ran, None);
}

#[test]
fn a_limit_that_is_never_met_changes_nothing() {
    let binary = program().build_first();
    let run = Lineprof::new()
        .functions(&["load"])
        .options(["--break-at", "1T", "--break-action", "kill"]);
    let (report, finished) = run.report(&binary.path, &["0"]);
    assert_eq!((finished.code(), report.end.code), (3, Some(3)));
    assert!(report.crossings.is_empty(), "{:?}", report.crossings);
}

fn stop_and_go_on(threads: &str) {
    let binary = program().build_first();
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let json = folder.path().join("report.json");
    let mut command = lineprof("stop").option("-o").option(&json).command();
    let mut lineprof = Running::start(command.arg(&binary.path).arg(threads));
    let process = stopped(&mut lineprof);
    stands_with_clean_code(process);
    let text = std::fs::read_to_string(&json).expect("the report comes before");
    let report = Report::parse(&text);
    assert_eq!(
        (report.end.kind.as_str(), report.pid),
        ("detached", process.as_raw())
    );
    let crossing = one_crossing(&report);
    assert_eq!(
        (crossing.line, crossing.thread == report.pid),
        (line_of("steps++;"), threads == "0")
    );
    let said = go_on_by_gdb(process);
    if threads == "0" {
        is_behind_the_third_step(crossing, &report);
        stood_behind_the_third_step(&said);
    } else {
        assert!(said.lines().any(|line| line.ends_with(COUNTED)), "{said}");
    }
    let finished = lineprof.finish();
    let steps = 8 * threads.parse::<u32>().expect("a number").max(1);
    assert_eq!(finished.stdout_text(), format!("text same\ndone {steps}\n"));
    assert_eq!(finished.code(), 3, "{}", finished.stderr_text());
}

#[test]
fn a_stopped_program_goes_on_from_the_line() {
    stop_and_go_on("0");
}

#[test]
fn eight_threads_stop_with_the_one_that_crosses() {
    stop_and_go_on("8");
}

/// Starts the program, attaches with `action`, and lets it run into the limit.
fn attached(action: &str, folder: &Path) -> (Running, Running) {
    let binary = program().build_first();
    let mut target = Running::start(Command::new(&binary.path).args(["0", "wait"]));
    assert_eq!(target.hear(), "ready");
    let run = lineprof(action).options(["--format", "json"]).folder(folder);
    let run = run.options(["--pid".to_owned(), target.pid().to_string()]);
    let mut lineprof = Running::start(&mut run.command());
    lineprof.hear_error("attached");
    target.say("go");
    (target, lineprof)
}

fn report(finished: &Finished) -> Report {
    Report::parse(&finished.stdout_text())
}

#[test]
fn an_attached_process_is_left_stopped_and_goes_on() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (target, lineprof) = attached("stop", folder.path());
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let report = report(&finished);
    is_behind_the_third_step(one_crossing(&report), &report);
    stands_with_clean_code(target.pid());
    stood_behind_the_third_step(&go_on_by_gdb(target.pid()));
    let target = target.finish();
    assert_eq!((target.code(), target.stdout_text().as_str()), (3, DONE));
}

/// One that sleeps in epoll_wait is woken by SIGSTOP, whoever sends it.
fn awake_target() -> Running {
    let binary = Program::load("c/attach_target.c").build_first();
    serving_by(Command::new(&binary.path).args(["8", "awake"]))
}

#[test]
fn eight_hot_threads_are_left_stopped_and_unharmed() {
    let mut target = awake_target();
    for _ in 0..10 {
        let run =
            Lineprof::new()
                .functions(&["serve"])
                .options(["--break-at", "4K", "--break-action", "stop"]);
        let run = run.options(["--pid".to_owned(), target.pid().to_string()]);
        let finished = Running::start(&mut run.command()).finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        stands_with_clean_code(target.pid());
        target.signal(nix::sys::signal::Signal::SIGCONT);
        served(&mut target);
    }
    target.say("check");
    assert_eq!(target.hear(), "text same");
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn a_program_is_killed_on_the_line() {
    let binary = program().build_first();
    let (report, finished) = lineprof("kill").report(&binary.path, &["0"]);
    assert_eq!((finished.code(), finished.stdout_text().as_str()), (137, ""));
    assert_eq!(report.end.signal.as_deref(), Some("SIGKILL"));
    is_behind_the_third_step(one_crossing(&report), &report);
}

#[test]
fn an_attached_process_is_killed_on_the_line() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (target, lineprof) = attached("kill", folder.path());
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 137, "{}", finished.stderr_text());
    is_behind_the_third_step(one_crossing(&report(&finished)), &report(&finished));
    assert_eq!(target.finish().code(), 137);
}

/// What gdb says of a core file.
fn core_stands(core: &Path, program: &Path) {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-q", "-batch"]).arg(program).arg(core);
    let finished = Running::start(gdb.args(["-ex", "frame", "-ex", "print steps"])).finish();
    stood_behind_the_third_step(&finished.stdout_text());
}

#[test]
fn a_core_file_is_of_the_line_and_the_program_goes_on() {
    let binary = program().build_first();
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (report, finished) = lineprof("core")
        .folder(folder.path())
        .report(&binary.path, &["0"]);
    assert_eq!(
        (finished.code(), finished.stdout_text().as_str()),
        (3, DONE),
        "{}",
        finished.stderr_text()
    );
    core_stands(&folder.path().join(format!("core.{}", report.pid)), &binary.path);

    let (target, lineprof) = attached("core", folder.path());
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    core_stands(
        &folder.path().join(format!("core.{}", target.pid())),
        &binary.path,
    );
    let target = target.finish();
    assert_eq!((target.code(), target.stdout_text().as_str()), (3, DONE));
}

#[test]
fn gdb_gets_the_program_on_the_line() {
    let binary = program().build_first();
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let json = folder.path().join("report.json");
    let mut command = lineprof("gdb").option("-o").option(&json).command();
    let mut lineprof = Running::start(command.arg(&binary.path).arg("0"));
    for line in ["frame", "print steps", "continue"] {
        lineprof.say(line);
    }
    let finished = lineprof.finish();
    let said = finished.stdout_text();
    stood_behind_the_third_step(&said);
    assert!(said.contains("text same\ndone 8\n"), "{said}");
    assert_eq!(finished.code(), 3, "{}", finished.stderr_text());
    let text = std::fs::read_to_string(&json).expect("the report comes when gdb has ended");
    let report = Report::parse(&text);
    is_behind_the_third_step(one_crossing(&report), &report);
}

#[test]
fn a_program_that_gdb_gives_back_goes_on() {
    let binary = program().build_first();
    let mut lineprof = Running::start(lineprof("gdb").command().arg(&binary.path).arg("0"));
    lineprof.say("detach");
    let finished = lineprof.finish();
    assert!(
        finished.stdout_text().contains("text same\ndone 8\n"),
        "{}",
        finished.stdout_text()
    );
    assert_eq!(finished.code(), 3, "{}", finished.stderr_text());
}

fn is_refused(options: &[&str], message: &str) {
    let binary = program().build_first();
    let mut command = Lineprof::new().options(options.iter().copied()).command();
    let finished = Running::start(command.env("PATH", "/nowhere").arg(&binary.path)).finish();
    let said = finished.stderr_text();
    assert_eq!(
        (finished.code(), finished.stdout_text().as_str()),
        (125, ""),
        "{said}"
    );
    assert!(said.contains(message), "{said}");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_runs() {
    is_refused(&["--break-at", "5x"], "not a size");
    is_refused(&["--break-at", "0"], "above 0");
    is_refused(&["--break-action", "kill"], "none is set");
    is_refused(
        &["--break-at", "5M", "--engine", "inline"],
        "cannot break on the line",
    );
    is_refused(
        &["--break-at", "5M", "--break-action", "stop", "--children"],
        "`report`",
    );
    is_refused(&["--break-at", "5M", "--break-action", "gdb"], "needs `gdb`");
    is_refused(&["--break-at", "5M", "--break-action", "core"], "needs `gcore`");
}
