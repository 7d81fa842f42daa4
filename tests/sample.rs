//! Memory over time: what is sampled of real programs, who hears what, and that mprof reads it.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Finished, Lineprof, Running, compile, mprof, testprogs};
use tempfile::TempDir;

fn steps() -> PathBuf {
    let words = ["cc", "-g", "-O0"].map(str::to_string);
    compile(&words, &[testprogs().join("sampled/steps.c")], "steps")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("the temporary folder is writable")
}

/// `steps`, started by the test.
fn target() -> Running {
    let mut target = Running::start(&mut Command::new(steps()));
    assert_eq!(target.hear(), "ready");
    target
}

fn ask(target: &mut Running, what: &str) -> String {
    target.say(what);
    target.hear()
}

fn sample(options: &[&str]) -> Lineprof {
    Lineprof::new().option("sample").options(options.iter().copied())
}

/// Samples a process every millisecond, its records on stdout.
fn sampling(pid: Pid, options: &[&str]) -> Running {
    let pid = pid.to_string();
    let run = sample(&["--interval", "0.001", "-o", "-", "--pid", pid.as_str()]);
    Running::start(&mut run.options(options.iter().copied()).command())
}

/// The memory of a record with this keyword (and child), in MiB.
fn memory(line: &str, keyword: &str) -> Option<f64> {
    let rest = line.strip_prefix(keyword)?.strip_prefix(' ')?;
    rest.split(' ').next()?.parse().ok()
}

/// Takes records until one with this keyword is what is wanted.
fn hear_until(sampling: &mut Running, keyword: &str, wanted: impl Fn(f64) -> bool) -> f64 {
    loop {
        if let Some(memory) = memory(&sampling.hear(), keyword)
            && wanted(memory)
        {
            return memory;
        }
    }
}

fn lives(target: &mut Running) -> bool {
    ask(target, "grow 1") == "grown"
}

fn finish_with(mut running: Running, last: &str) -> Finished {
    running.say(last);
    running.finish()
}

#[track_caller]
fn refused(finished: &Finished, words: &[&str]) {
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 125, "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
}

#[test]
fn what_a_process_takes_and_gives_back_is_seen_from_outside() {
    let mut target = target();
    let mut sampling = sampling(target.pid(), &[]);
    let command = sampling.hear();
    assert_eq!(command, format!("CMDLINE {}", steps().display()));
    let before = hear_until(&mut sampling, "MEM", |memory| memory > 0.0);
    assert_eq!(ask(&mut target, "grow 48"), "grown");
    hear_until(&mut sampling, "MEM", |memory| memory >= before + 48.0);
    assert_eq!(ask(&mut target, "give"), "given");
    hear_until(&mut sampling, "MEM", |memory| memory < before + 1.0);
    let status = fs::read_to_string(format!("/proc/{}/status", target.pid())).expect("it lives");
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    assert_eq!(finish_with(target, "end 3").code(), 3);
    assert_eq!(sampling.finish().code(), 0, "the end of what was sampled ends it");
}

#[test]
fn children_are_added_and_listed() {
    let mut target = target();
    let mut sampling = sampling(target.pid(), &["-C", "-M"]);
    let before = hear_until(&mut sampling, "MEM", |memory| memory > 0.0);
    let child = ask(&mut target, "child 32");
    let keyword = child.replace("child", "CHLD");
    hear_until(&mut sampling, "MEM", |memory| memory >= before + 32.0);
    hear_until(&mut sampling, &keyword, |memory| memory >= 32.0);
    finish_with(target, "end 0");
    assert_eq!(sampling.finish().code(), 0);
}

#[test]
fn without_the_option_children_do_not_count() {
    let mut target = target();
    ask(&mut target, "child 32");
    let mut sampling = sampling(target.pid(), &[]);
    sampling.hear();
    assert!(hear_until(&mut sampling, "MEM", |_| true) < 16.0);
    finish_with(target, "end 0");
    let rest = sampling.finish().stdout_text();
    assert!(!rest.contains("CHLD"), "{rest}");
}

#[test]
fn every_metric_sees_what_a_process_takes() {
    for metric in ["rss", "anon", "pss", "uss"] {
        let mut target = target();
        let mut sampling = sampling(target.pid(), &["--metric", metric]);
        assert_eq!(ask(&mut target, "grow 48"), "grown");
        hear_until(&mut sampling, "MEM", |memory| memory >= 48.0);
        finish_with(target, "end 0");
        assert_eq!(sampling.finish().code(), 0, "{metric}");
    }
}

#[test]
fn ctrl_c_ends_the_sampling_and_not_the_process() {
    let mut target = target();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut sampling = sampling(target.pid(), &[]);
        hear_until(&mut sampling, "MEM", |_| true);
        sampling.signal(signal);
        let finished = sampling.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let rest = finished.stdout_text();
        assert!(rest.lines().all(|line| memory(line, "MEM").is_some()), "{rest}");
        assert!(lives(&mut target));
    }
}

#[test]
fn a_killed_sampler_leaves_whole_records_and_a_process_that_lives() {
    let (folder, mut target) = (folder(), target());
    let (file, pid) = (folder.path().join("killed.dat"), target.pid().to_string());
    let run = sample(&["--interval", "0.001", "--pid", pid.as_str(), "-o"]).option(&file);
    let sampling = Running::start(&mut run.command());
    // The command and the first reading are written at once; more is held for half a second at most.
    let written = || fs::read_to_string(&file).unwrap_or_default();
    while written().lines().count() < 100 {
        assert!(lives(&mut target));
        assert_eq!(ask(&mut target, "give"), "given");
    }
    sampling.signal(Signal::SIGKILL);
    assert!(matches!(
        sampling.ended(),
        WaitStatus::Signaled(_, Signal::SIGKILL, _)
    ));
    assert!(lives(&mut target));
    assert!(written().ends_with('\n'));
    let peak = Lineprof::new().option("peak").option(&file).run_alone();
    assert_eq!(peak.code(), 0, "{}", peak.stderr_text());
}

#[test]
fn a_launched_program_keeps_its_input_output_and_exit_code() {
    let folder = folder();
    let run = sample(&[])
        .folder(folder.path())
        .command()
        .arg("--")
        .arg(steps())
        .spawn_running();
    let mut run = run;
    assert_eq!(run.hear(), "ready");
    assert_eq!(ask(&mut run, "grow 8"), "grown");
    let finished = finish_with(run, "end 7");
    assert_eq!(finished.code(), 7);
    let names: Vec<String> = fs::read_dir(folder.path())
        .expect("an own folder")
        .map(|entry| {
            entry
                .expect("an own folder")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let listed = Lineprof::new().option("list").folder(folder.path()).run_alone();
    assert!(
        listed.stdout_text().starts_with(&format!("0 {} ", names[0])),
        "{}",
        listed.stdout_text()
    );
}

#[test]
fn a_signal_reaches_the_program_and_is_passed_on() {
    let folder = folder();
    let mut run = sample(&["-o"])
        .option(folder.path().join("a.dat"))
        .command()
        .arg(steps())
        .spawn_running();
    assert_eq!(run.hear(), "ready");
    run.signal(Signal::SIGTERM);
    assert_eq!(run.finish().code(), 128 + Signal::SIGTERM as i32);
}

#[test]
fn the_time_is_up_for_the_sampling_alone() {
    let folder = folder();
    let file = folder.path().join("a.dat");
    let mut run = sample(&["--timeout", "0.3", "--interval", "0.1", "-o"])
        .option(&file)
        .command()
        .arg(steps())
        .spawn_running();
    assert_eq!(run.hear(), "ready");
    let said = run.hear_error("runs on");
    let pid = said
        .split("process ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let pid: i32 = pid
        .and_then(|pid| pid.parse().ok())
        .expect("the message has the pid");
    assert!(matches!(run.ended(), WaitStatus::Exited(_, 0)));
    // Its input is still the test's.
    assert_eq!(ask(&mut run, "grow 1"), "grown");
    let readings = fs::read_to_string(&file).expect("a file").matches("MEM ").count();
    assert!((1..=3).contains(&readings), "{readings} at 0, 0.1 and 0.2");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs on");
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn a_name_that_several_have_lists_them() {
    let folder = folder();
    let start = |name: &str| {
        let path = folder.path().join(name);
        fs::copy(steps(), &path).expect("the temporary folder is writable");
        let mut target = Running::start(&mut Command::new(&path));
        assert_eq!(target.hear(), "ready");
        target
    };
    let (one, two) = (start("sampled-steps-one"), start("sampled-steps-two"));
    let named = |name: &str| sample(&["-o", "-", "--timeout", "0.01", "--pid", name]).run_alone();
    let (first, second) = (one.pid().to_string(), two.pid().to_string());
    refused(
        &named("sampled-steps-"),
        &[&first, &second, "sampled-steps-two", "hint: name one by its pid"],
    );
    let exact = named("sampled-steps-one");
    assert_eq!(exact.code(), 0, "{}", exact.stderr_text());
    refused(
        &named("sampled-steps-three"),
        &["no process has `sampled-steps-three`"],
    );
}

#[test]
fn what_cannot_be_sampled_says_why() {
    let pid = |text: &str| sample(&["-o", "-", "--pid", text]).run_alone();
    refused(&pid("4194305"), &["4194305", "no such process"]);
    refused(&pid("2147483648"), &["2147483648"]);
    let zombie = Running::start(&mut Command::new("true"));
    zombie.ended();
    refused(&pid(&zombie.pid().to_string()), &["zombie"]);
    for interval in ["0", "-1", "x", "0.00001", "nan"] {
        let option = format!("--interval={interval}");
        refused(
            &sample(&[option.as_str(), "--", "true"]).run_alone(),
            &["interval"],
        );
    }
    refused(
        &sample(&["-o", "/nowhere/a.dat", "--", "true"]).run_alone(),
        &["/nowhere/a.dat", "hint"],
    );
    assert_eq!(
        sample(&["-o", "-", "--", "/nowhere/program"]).run_alone().code(),
        127
    );
}

// What mprof makes of it.

fn lineprof(folder: &Path, arguments: &[&str]) -> Finished {
    Lineprof::new()
        .options(arguments.iter().copied())
        .folder(folder)
        .run_alone()
}

/// A folder with a sampled run of a process and its child.
fn sampled() -> TempDir {
    let folder = folder();
    let mut run = sample(&["-C", "-M", "--interval", "0.005", "--metric", "pss"])
        .folder(folder.path())
        .command()
        .arg(steps())
        .arg("two words")
        .spawn_running();
    assert_eq!(run.hear(), "ready");
    for what in ["grow 40", "child 8", "give", "child 3"] {
        ask(&mut run, what);
    }
    assert_eq!(finish_with(run, "end 0").code(), 0);
    folder
}

#[test]
fn mprof_agrees_on_the_peaks_to_the_digit() {
    let folder = sampled();
    for arguments in [
        &["peak", "0"][..],
        &["peak", "-1"],
        &["list"],
        &["rm", "--dry-run", "0"],
        &["clean", "--dry-run"],
    ] {
        let (ours, theirs) = (
            lineprof(folder.path(), arguments),
            mprof(folder.path(), arguments),
        );
        assert_eq!(theirs.code(), 0, "{}", theirs.stderr_text());
        assert!(!theirs.stdout.is_empty());
        assert_eq!(
            ours.stdout_text(),
            theirs.stdout_text(),
            "{arguments:?}: {}",
            ours.stderr_text()
        );
    }
}

#[test]
fn mprof_plots_it() {
    let folder = sampled();
    let plotted = mprof(folder.path(), &["plot", "-o", "x.png", "0"]);
    assert_eq!(plotted.code(), 0, "{}", plotted.stderr_text());
    let picture = fs::read(folder.path().join("x.png")).expect("a picture");
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn what_mprof_writes_is_read_and_removed() {
    let folder = folder();
    let text = "FUNC __main__.a 22.8906 1000.1 61.0391 1000.3 0\nFUNC __main__.b 30.5 1000.15 68.6 1000.25 1\n\
        CMDLINE  tl.py\nMEM 2.882812 1000.05\nMEM 41.002525 1000.12\nMEM 68.671875 1000.2\nMEM 99.5 1000.4\nCHLD 0 3.5 1000.2\n";
    for name in ["mprofile_20261122065408.dat", "mprofile_20261122065409.dat"] {
        fs::write(folder.path().join(name), text).expect("the temporary folder is writable");
    }
    for arguments in [
        &["peak", "1", "0"][..],
        &["peak", "--func", "__main__.b", "0"],
        &["peak", "--func", "absent", "0"],
        &["list"],
    ] {
        let (ours, theirs) = (
            lineprof(folder.path(), arguments),
            mprof(folder.path(), arguments),
        );
        assert_eq!(
            ours.stdout_text(),
            theirs.stdout_text(),
            "{arguments:?}: {}",
            ours.stderr_text()
        );
    }
    assert_eq!(lineprof(folder.path(), &["rm", "-1"]).code(), 0);
    assert_eq!(
        lineprof(folder.path(), &["list"]).stdout_text(),
        "0 mprofile_20261122065408.dat 06:54:08 22/11/2026\n"
    );
    assert_eq!(lineprof(folder.path(), &["clean"]).code(), 0);
    refused(&lineprof(folder.path(), &["peak"]), &["no sampled run", "hint"]);
}

// Days.

#[test]
fn a_day_at_ten_a_second_stays_small() {
    const READINGS: usize = 100_000;
    const A_DAY: usize = 864_000;
    let target = target();
    let pid = target.pid().to_string();
    let run = sample(&["--interval", "0.0001", "-o", "-", "--pid", pid.as_str()]);
    let mut sampling = Running::start(&mut run.command());
    let resident = |field: &str, of: Pid| -> usize {
        let status = fs::read_to_string(format!("/proc/{of}/status")).expect("it lives");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .expect("a field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let (mut bytes, mut early) = (0, 0);
    sampling.hear();
    for reading in 0..READINGS {
        bytes += sampling.hear().len() + 1;
        if reading == 1000 {
            early = resident("VmHWM:", sampling.pid());
        }
    }
    let late = resident("VmHWM:", sampling.pid());
    assert!(bytes / READINGS * A_DAY < 50 << 20, "{bytes} bytes on disk");
    // One page of leak in a hundred readings would be four megabytes here.
    assert!(
        late - early <= 64,
        "{} kB more in {READINGS} readings",
        late - early
    );
    assert!(late < 20 << 10, "{late} kB");
    sampling.signal(Signal::SIGINT);
    assert_eq!(sampling.finish().code(), 0);
    drop(target);
}

// Peaks of whole programs.

#[test]
fn memit_prints_the_kernels_mark() {
    let mut run = Lineprof::new()
        .options(["memit", "--"])
        .command()
        .arg(steps())
        .spawn_running();
    assert_eq!(run.hear(), "ready");
    // Gone before any look could be taken for granted.
    assert_eq!(ask(&mut run, "grow 64"), "grown");
    assert_eq!(ask(&mut run, "give"), "given");
    let finished = finish_with(run, "end 4");
    assert_eq!(finished.code(), 4);
    let said = finished.stderr_text();
    let number = |after: &str| -> f64 {
        let rest = said.split(after).nth(1).expect("a number");
        rest.split(' ').next().expect("a word").parse().expect("a number")
    };
    let (peak, increment) = (number("peak memory: "), number("increment: "));
    assert!(
        (64.0..70.0).contains(&peak) && increment > 60.0 && increment <= peak,
        "{said}"
    );
    assert!(!said.contains("at least") && said.lines().count() == 1, "{said}");
}

#[test]
fn memit_does_not_take_a_childs_mark_for_the_programs() {
    let script = format!("printf 'grow 64\\nend 0\\n' | {}; exit 0", steps().display());
    let memit = |options: &[&str]| {
        let options = Lineprof::new().option("memit").options(options.iter().copied());
        options.run(Path::new("/bin/sh"), &["-c", &script]).stderr_text()
    };
    let said = memit(&[]);
    assert!(said.contains("at least") && said.contains("see -C"), "{said}");
}

/// Starting a command as a test's process.
trait SpawnRunning {
    fn spawn_running(&mut self) -> Running;
}

impl SpawnRunning for Command {
    fn spawn_running(&mut self) -> Running {
        Running::start(self)
    }
}
