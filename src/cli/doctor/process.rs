//! What one process allows.
//!
//! Must not know: this machine's own part; it looks and never touches: nothing is attached to.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use lineprof::select::Selection;
use lineprof_dwarf::{DebugSearch, ObjectFile};

use super::Finding;
use crate::cli::functions::counted;
use crate::cli::hint::{self, Doing};
use crate::cli::permission::{self, field};

/// SIGTRAP's bit in the sets of a status file (proc(5)).
const SIGTRAP: u64 = 1 << (libc::SIGTRAP - 1);

pub(super) fn look(pid: i32) -> Vec<Finding> {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return vec![Finding::bad(
            "process",
            format!("there is no process {pid}"),
            "check the number: `pgrep NAME` lists them",
        )];
    };
    let name = field(&status, "Name").unwrap_or_default();
    let threads = field(&status, "Threads")
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    let mut findings = vec![Finding::good(
        "process",
        format!("{pid}, `{name}`, {}", counted(threads, "thread")),
    )];
    findings.extend(state(&status, pid));
    findings.extend([
        permitted(pid),
        tracer(&status),
        filter(&status),
        trap(&status),
        namespaces(pid),
    ]);
    findings.extend(debug_information(pid));
    findings
}

fn state(status: &str, pid: i32) -> Option<Finding> {
    match field(status, "State")?.chars().next()? {
        'Z' => Some(Finding::bad(
            "state",
            "it has ended (a zombie)",
            "nothing is left to profile",
        )),
        'T' => Some(Finding::fair(
            "state",
            "it is stopped, and stays so",
            format!("let it go on: `kill -CONT {pid}`"),
        )),
        _ => None,
    }
}

/// Opening this file asks the kernel the same question as attaching does (proc(5), /proc/PID/mem).
fn permitted(pid: i32) -> Finding {
    let subject = "permission";
    let opened = File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/{pid}/mem"));
    match opened {
        Ok(_) => Finding::good(subject, "it may be traced"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let cause = permission::decide(&permission::read(Some(pid)));
            Finding::bad(subject, cause.to_string(), cause.fix())
        }
        Err(error) => Finding::bad(
            subject,
            hint::reason(&error),
            "see whether the process still runs",
        ),
    }
}

fn tracer(status: &str) -> Finding {
    let subject = "tracer";
    match field(status, "TracerPid") {
        None | Some("0") => Finding::good(subject, "nobody traces it"),
        Some(tracer) => {
            let name = fs::read_to_string(format!("/proc/{tracer}/comm")).unwrap_or_default();
            Finding::bad(
                subject,
                format!("`{}` (pid {tracer}) traces it already", name.trim()),
                "end that one first: a process has one tracer",
            )
        }
    }
}

fn filter(status: &str) -> Finding {
    let subject = "seccomp";
    match field(status, "Seccomp") {
        None | Some("0") => Finding::good(subject, "no filter: instructions run from copies, one stop a hit"),
        Some(_) => Finding::fair(
            subject,
            "it has a filter of system calls, which lineprof does not disturb: instructions run in place, some four times as slow",
            "profile it without its filter where that is possible",
        ),
    }
}

fn trap(status: &str) -> Finding {
    let subject = "SIGTRAP";
    let in_set = |name| {
        let set = field(status, name).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        set.is_some_and(|set| set & SIGTRAP != 0)
    };
    let said = match (in_set("SigBlk"), in_set("SigIgn"), in_set("SigCgt")) {
        (true, _, _) => "blocked: lineprof restores that after each hit",
        (false, true, _) => "ignored: lineprof restores that after each hit",
        (false, false, true) => "the program has a handler, which sees its own traps alone",
        (false, false, false) => "not used by the program",
    };
    Finding::good(subject, said)
}

fn namespaces(pid: i32) -> Finding {
    let subject = "namespaces";
    let link = |who: &str, kind: &str| fs::read_link(format!("/proc/{who}/ns/{kind}")).ok();
    let differs = |kind: &&str| {
        let theirs = link(&pid.to_string(), kind);
        theirs.is_some() && theirs != link("self", kind)
    };
    let others: Vec<&str> = ["mnt", "pid", "user"].into_iter().filter(differs).collect();
    if others.is_empty() {
        Finding::good(subject, "the same as lineprof's")
    } else {
        Finding::good(
            subject,
            format!(
                "its own: {}; its files are read through /proc/{pid}/root",
                others.join(", ")
            ),
        )
    }
}

fn debug_information(pid: i32) -> Option<Finding> {
    let subject = "debug information";
    let link = PathBuf::from(format!("/proc/{pid}/exe"));
    let executable = fs::read_link(&link).ok()?;
    let mut search = DebugSearch::default();
    if let Some(folder) = executable.parent() {
        search = search.for_program_in(folder);
    }
    let object = ObjectFile::open(&link, &search);
    let own = object.and_then(|object| {
        let functions = Selection::default().resolve(&object)?.functions;
        Ok((functions.len(), object.debug_path().map(Path::to_owned)))
    });
    Some(match own {
        Ok((functions, file)) => Finding::good(
            subject,
            format!(
                "{} of its own, in {}",
                counted(functions, "function"),
                file.unwrap_or(executable).display()
            ),
        ),
        Err(error) => {
            let failure = hint::file(&error, Doing::Attach);
            Finding::bad(subject, failure.message, failure.hints.join("; "))
        }
    })
}
