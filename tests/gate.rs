//! The gate by which a process hears that its memory has changed: a silent one is noticed.
//!
//! Must not know: how the kernel tells. The process has the gate's page mapped, and this test makes it watch nobody.

mod support;

use nix::sys::signal::Signal;
use std::os::unix::fs::FileExt;
use std::process::Command;
use support::{Engine, Program, Running, attach, attached_by, serving_by};

/// Where in the gate's first page the memory stands that is watched, and behind it the process to learn it from, four bytes
/// each; 0 for none (`tracer/src/sys/rss_gate/layout.rs`).
const WATCHED: u64 = 64;

/// The gate's first page in a process; `None` where it has no gate.
fn gate_of(target: &Running) -> Option<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", target.pid())).expect("it lives");
    let line = maps.lines().find(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        line.contains("bpf-map") && words[2] == "00000000"
    })?;
    let start = line.split('-').next().expect("a range");
    Some(u64::from_str_radix(start, 16).expect("hexadecimal"))
}

/// Profiles two calls with the gate verified, `silenced` before the second; how lineprof ends, and what it says.
fn verified(silence: bool) -> (i32, String) {
    let mut target = serving_by(&mut Command::new(
        Program::load("c/grows_on_request.c").build_first().path,
    ));
    let lineprof = attached_by(attach(&target, Engine::Inline).arg("--verify-gate"));
    target.say("go on");
    assert_eq!(target.hear(), "served 1");
    if silence {
        let gate = gate_of(&target).expect("this machine lets lineprof have a gate: see `lineprof doctor`");
        let memory = std::fs::File::options()
            .write(true)
            .open(format!("/proc/{}/mem", target.pid()));
        let memory = memory.expect("its parent may");
        memory
            .write_all_at(&[0; 8], gate + WATCHED)
            .expect("it is mapped");
    }
    target.say("go on");
    assert_eq!(target.hear(), "served 2");
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    assert_eq!(target.finish().code(), 0);
    (finished.code(), finished.stderr_text())
}

#[test]
fn a_gate_that_tells_of_everything_is_no_error() {
    let (code, said) = verified(false);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_gate_that_was_silenced_is_an_error() {
    let (code, said) = verified(true);
    assert_eq!(code, 125, "{said}");
    assert!(said.contains("the gate missed"), "{said}");
    assert!(said.contains("hint: --gate statm"), "{said}");
}
