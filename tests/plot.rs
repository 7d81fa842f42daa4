//! Pictures of memory over time, and the timelines of line profiles: what the command line draws and writes, and that
//! mprof reads it.

mod support;

use lineprof::timeline::{Content, Span};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Finished, Lineprof, Program, Running, mprof};
use tempfile::TempDir;

const RUN: &str = "mprofile_20260301120000.dat";
/// What `break_at.c` adds in each call of `load`, in MiB.
const STEP: f64 = 8.0;
/// The format has four digits: of two of its numbers each may be half of the last away.
const ROUNDED: f64 = 0.000_11;

/// A folder with a run of each of the golden timelines, of which the one with calls is the newest.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plot/goldens");
    for (golden, name) in [
        ("calls.dat", RUN),
        ("children.dat", "mprofile_20260301110000.dat"),
    ] {
        fs::copy(goldens.join(golden), folder.path().join(name)).expect("it is in the tree");
    }
    folder
}

fn plot(folder: &Path, arguments: &[&str]) -> Finished {
    let run = Lineprof::new().option("plot").options(arguments.iter().copied());
    run.folder(folder).run_alone()
}

fn drawn(folder: &Path, arguments: &[&str], file: &str) -> Vec<u8> {
    let finished = plot(folder, &[arguments, &["-o", file]].concat());
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert!(finished.stdout.is_empty());
    fs::read(folder.join(file)).expect("a picture")
}

#[track_caller]
fn refused(finished: &Finished, words: &[&str]) {
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 125, "{said}");
    for word in words.iter().chain(&["hint: "]) {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
}

#[test]
fn the_newest_run_is_drawn_where_none_is_named() {
    let folder = folder();
    let finished = plot(folder.path(), &["-o", "x.svg"]);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert!(finished.stderr_text().contains(RUN), "{}", finished.stderr_text());
    let picture = fs::read_to_string(folder.path().join("x.svg")).expect("a picture");
    for words in [
        "<svg width=\"1260\" height=\"540\"",
        "two words&apos;",
        "peak 12.500 MiB at 5.000 s",
        "tokens 1.500s",
    ] {
        assert!(picture.contains(words), "{words}");
    }
}

#[test]
fn a_png_is_of_mprofs_size_and_not_blank() {
    let folder = folder();
    let file = drawn(
        folder.path(),
        &["--flame", "--slope", "--title", "a title", "-1"],
        "x.png",
    );
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .expect("PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("it fits")];
    let frame = reader.next_frame(&mut bytes).expect("a picture");
    assert_eq!((frame.width, frame.height), (1260, 540));
    let drawn = bytes.chunks(3).filter(|pixel| *pixel != [255, 255, 255]).count();
    assert!(
        (10_000..600_000).contains(&drawn),
        "{drawn} of 680400 pixels are drawn"
    );
}

#[test]
fn an_html_page_holds_the_picture_and_its_readings() {
    let folder = folder();
    let page = drawn(folder.path(), &["0"], "x.html");
    let page = String::from_utf8(page).expect("text");
    assert!(
        page.contains("<svg width=\"1260\"") && page.contains("child 4711"),
        "{page}"
    );
}

#[test]
fn what_is_no_terminal_gets_plain_characters() {
    let folder = folder();
    let finished = plot(folder.path(), &["0", "1"]);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    let picture = finished.stdout_text();
    assert!(!picture.contains('\x1b') && picture.contains("MiB"), "{picture}");
    assert!(
        picture.lines().all(|line| line.chars().count() <= 80),
        "{picture}"
    );
    for words in [RUN, "child 4711"] {
        assert!(picture.contains(words), "{picture}");
    }
    assert!(
        !picture.contains("tokens"),
        "of several runs no calls are shown:\n{picture}"
    );
}

#[test]
fn what_cannot_be_drawn_is_refused_with_a_hint() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("empty.dat"), "CMDLINE true\n").expect("writable");
    fs::write(path.join("damaged.dat"), "MEM 1 2\nMEM x 3\n").expect("writable");
    refused(&plot(path, &["absent.dat"]), &["cannot find absent.dat"]);
    refused(&plot(path, &["7"]), &["number 7", "from 0 to 1"]);
    refused(
        &plot(path, &["empty.dat"]),
        &["empty.dat has no readings", "sample"],
    );
    refused(&plot(path, &["damaged.dat"]), &["line 2"]);
    refused(
        &plot(path, &["-w", "100,200", "-1"]),
        &["no reading from 100 s to 200 s", "the last is at 8.000 s"],
    );
    refused(&plot(path, &["-o", "x.gif"]), &["x.gif", ".svg, .png or .html"]);
    refused(
        &plot(path, &["-o", "nowhere/x.svg"]),
        &["cannot write the picture to nowhere/x.svg"],
    );
    let nothing = tempfile::tempdir().expect("the temporary folder is writable");
    refused(&plot(nothing.path(), &[]), &["no sampled run", "lineprof sample"]);
    for (window, said) in [
        ("3", "two numbers"),
        ("3,1", "not after 3"),
        ("a,1", "`a` is no number"),
    ] {
        let finished = plot(path, &["-w", window]);
        assert_eq!(finished.code(), 125);
        assert!(
            finished.stderr_text().contains(said),
            "{}",
            finished.stderr_text()
        );
    }
}

// Timelines of line profiles.

fn grows() -> PathBuf {
    Program::load("c/break_at.c").build_first().path
}

fn profiling(folder: &Path) -> Lineprof {
    let run = Lineprof::new().metric("anon").functions(&["load", "run"]);
    run.options(["--timeline", "t.dat", "-o", "report.json"])
        .folder(folder)
}

fn timeline(folder: &Path) -> Content {
    let text = fs::read(folder.join("t.dat")).expect("a timeline");
    Content::read(text.as_slice()).expect("it can be read")
}

fn calls<'content>(content: &'content Content, name: &str) -> Vec<&'content Span> {
    content.spans.iter().filter(|span| span.name == name).collect()
}

/// Whether it is a call of `load`, from `run`.
fn is_a_step(span: &Span) -> bool {
    let added = span.end.memory.0 - span.begin.memory.0;
    span.depth == 1 && (added - STEP).abs() < ROUNDED
}

#[test]
fn each_call_of_each_thread_is_in_the_timeline() {
    for threads in [1, 2] {
        each_call_is_in_the_timeline(threads);
    }
}

fn each_call_is_in_the_timeline(threads: usize) {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let finished = profiling(folder.path()).run(&grows(), &[&threads.to_string()]);
    assert_eq!(finished.code(), 3, "{}", finished.stderr_text());
    let said = finished.stderr_text();
    assert_eq!(said.matches("each line is a breakpoint").count(), 1, "{said}");
    let content = timeline(folder.path());
    let (loads, runs) = (calls(&content, "load"), calls(&content, "run"));
    let found = (loads.len(), runs.len(), content.spans.len());
    assert_eq!(found, (8 * threads, threads, 9 * threads));
    for load in &loads {
        // Where several run, one begins its stack while another is in a call.
        assert!(threads > 1 || is_a_step(load), "{load:?}");
        assert_eq!(load.depth, 1);
        assert!(load.begin.at < load.end.at, "{load:?}");
        let within = |run: &&&Span| run.begin.at <= load.begin.at && load.end.at <= run.end.at;
        assert!(runs.iter().any(|run| within(&run)), "{load:?}");
    }
    assert!(runs.iter().all(|run| run.depth == 0));
    assert!(content.samples.is_sorted_by(|one, other| one.at <= other.at));
    let highest = loads.iter().map(|load| load.end.memory.0).fold(0.0, f64::max);
    let peak = content.peak().expect("readings");
    assert!(peak.0 >= highest && peak.0 < highest + STEP, "{peak:?}");
    // It can be told within every call, however short.
    assert!(
        content
            .peak_within("load")
            .is_some_and(|peak| (peak.0 - highest).abs() < 0.001)
    );
}

#[test]
fn mprof_reads_the_timeline_of_a_profile() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    assert_eq!(profiling(folder.path()).run(&grows(), &["1"]).code(), 3);
    for arguments in [&["peak", "t.dat"][..], &["peak", "--func", "load", "t.dat"]] {
        let theirs = mprof(folder.path(), arguments);
        assert_eq!(theirs.code(), 0, "{}", theirs.stderr_text());
        assert!(!theirs.stdout_text().contains("NaN"), "{}", theirs.stdout_text());
        let ours = Lineprof::new().options(arguments.iter().copied());
        assert_eq!(
            ours.folder(folder.path()).run_alone().stdout_text(),
            theirs.stdout_text()
        );
    }
    for options in [&["plot"][..], &["plot", "--flame"]] {
        let plotted = mprof(folder.path(), &[options, &["-o", "x.png", "t.dat"]].concat());
        assert_eq!(plotted.code(), 0, "{}", plotted.stderr_text());
        let picture = fs::read(folder.path().join("x.png")).expect("a picture");
        assert!(picture.starts_with(b"\x89PNG"));
        fs::remove_file(folder.path().join("x.png")).expect("it was there");
    }
}

#[test]
fn an_attached_process_has_a_timeline() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let mut target = Running::start(Command::new(grows()).args(["1", "wait"]));
    assert_eq!(target.hear(), "ready");
    let run = profiling(folder.path()).options(["--pid".to_owned(), target.pid().to_string()]);
    let mut lineprof = Running::start(&mut run.command());
    lineprof.hear_error("attached");
    target.say("go");
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    assert_eq!(target.finish().code(), 3);
    let content = timeline(folder.path());
    let loads = calls(&content, "load");
    assert_eq!(loads.len(), 8);
    assert!(loads.iter().all(|load| is_a_step(load)), "{loads:?}");
    let command = content.command.expect("it is named");
    assert!(command.ends_with(" 1 wait"), "{command}");
}

#[test]
fn a_timeline_that_cannot_be_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let refused_with = |options: &[&str], words: &[&str]| {
        let run = Lineprof::new()
            .functions(&["load"])
            .options(options.iter().copied());
        let finished = run.folder(folder.path()).run(&grows(), &["1"]);
        refused(&finished, words);
        assert!(finished.stdout.is_empty(), "the program has not run");
    };
    refused_with(
        &["--timeline", "t.dat", "--engine", "inline"],
        &["`--engine inline`"],
    );
    refused_with(&["--timeline", "t.dat", "--children"], &["one process"]);
    refused_with(&["--timeline", "-"], &["needs a file"]);
    refused_with(
        &["--timeline", "t.dat", "-o", "t.dat"],
        &["both report and timeline"],
    );
    refused_with(
        &["--timeline", "nowhere/t.dat"],
        &["cannot write the timeline to nowhere/t.dat"],
    );
    assert!(!folder.path().join("t.dat").exists());
}
