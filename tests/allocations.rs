//! What the tracing process allocates while the profiled one runs: nothing, so that a hit cannot fail for want of memory,
//! and a long profile needs no more of it than a short one.
//!
//! Must not know: what it allocates for. `testprogs/libraries/allocations.c`, preloaded into lineprof, counts.

mod support;

use nix::sys::signal::Signal;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use support::{Engine, Running, attach, attached_by, compile, engine_of, served, serving, testprogs};
use tempfile::TempDir;

/// The allocations of one process.
struct Allocations(File);

impl Allocations {
    fn of(folder: &TempDir, pid: nix::unistd::Pid) -> Allocations {
        let path = folder.path().join(pid.to_string());
        let file = File::options().read(true).write(true).open(&path);
        Allocations(file.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn word(&self, number: u64) -> u64 {
        let mut word = [0; 8];
        self.0.read_exact_at(&mut word, number * 8).expect("three words");
        u64::from_ne_bytes(word)
    }

    /// How many there were, also such as failed.
    fn count(&self) -> u64 {
        self.word(0)
    }

    /// Bytes that are not freed yet.
    fn live(&self) -> u64 {
        self.word(1)
    }

    /// From here on every one fails, or none.
    fn fail(&self, fail: u64) {
        self.0.write_all_at(&fail.to_ne_bytes(), 16).expect("an own file");
    }
}

fn attached_counting(target: &Running, engine: Engine, folder: &Path) -> Running {
    let words = ["cc", "-O2", "-shared", "-fPIC"].map(str::to_string);
    let library = compile(
        &words,
        &[testprogs().join("libraries/allocations.c")],
        "liballocations.so",
    );
    let mut command = attach(target, engine);
    attached_by(command.env("LD_PRELOAD", library).env("ALLOCATIONS", folder))
}

fn hits_allocate_nothing(threads: u32, engine: Engine) {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let mut target = serving("c/attach_target.c", threads);
    let lineprof = attached_counting(&target, engine, folder.path());
    let allocations = Allocations::of(&folder, engine_of(&target));
    // Every line has run, and every thread may have been bound.
    for _ in 0..3 {
        served(&mut target);
    }
    let (count, live) = (allocations.count(), allocations.live());
    assert!(count > 0, "it is counted");
    allocations.fail(1);
    let before = served(&mut target);
    let after = served(&mut target);
    allocations.fail(0);
    assert!(after >= before + u64::from(threads) * 50);
    assert_eq!((allocations.count(), allocations.live()), (count, live));
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    target.say("check");
    assert_eq!(target.hear(), "text same");
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn c101_c102_hits_of_one_thread_allocate_nothing_displaced() {
    hits_allocate_nothing(1, Engine::Displaced);
}

#[test]
fn c101_c102_hits_of_eight_threads_allocate_nothing_displaced() {
    hits_allocate_nothing(8, Engine::Displaced);
}

#[test]
fn c101_c102_hits_of_one_thread_allocate_nothing_in_place() {
    hits_allocate_nothing(1, Engine::InPlace);
}

#[test]
fn c101_c102_hits_of_four_threads_allocate_nothing_in_place() {
    hits_allocate_nothing(4, Engine::InPlace);
}

#[test]
fn c101_c102_hits_of_one_thread_allocate_nothing_inline() {
    hits_allocate_nothing(1, Engine::Inline);
}

#[test]
fn c101_c102_hits_of_eight_threads_allocate_nothing_inline() {
    hits_allocate_nothing(8, Engine::Inline);
}
