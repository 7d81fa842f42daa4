//! What the machine allows.
//!
//! Must not know: any process but this one.

use std::fs;

use lineprof::metric::{self, Reading};
use lineprof::profile::Metric;

use super::Finding;
use crate::cli::hint;
use crate::cli::permission::{self, Facts, Filter};

/// A page on x86-64, in bytes.
const PAGE: u64 = 4096;

pub(super) fn look() -> Vec<Finding> {
    let facts = permission::read(None);
    vec![
        kernel(),
        tracing(&facts),
        filter(&facts),
        resident_memory(),
        changes(),
    ]
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Finding::good(
        "kernel",
        format!("Linux {}, {processors} processors", release.trim()),
    )
}

fn tracing(facts: &Facts) -> Finding {
    let subject = "tracing";
    let holds = facts.may_trace_all();
    let scope = match facts.scope {
        None => "this kernel has no ptrace_scope".to_string(),
        Some(scope) => format!("ptrace_scope is {scope}"),
    };
    match (facts.scope, holds) {
        (Some(3), _) => Finding::bad(
            subject,
            format!("nothing: {scope}"),
            "take `kernel.yama.ptrace_scope = 3` out of /etc/sysctl.d and restart the machine",
        ),
        (_, true) => Finding::good(
            subject,
            format!("programs that lineprof starts and processes of every user (CAP_SYS_PTRACE; {scope})"),
        ),
        (Some(2), false) => Finding::bad(
            subject,
            format!("nothing without CAP_SYS_PTRACE: {scope}"),
            "run lineprof as root",
        ),
        (Some(1), false) => Finding::fair(
            subject,
            format!("programs that lineprof starts; no running process: {scope}"),
            "to attach: `sudo sysctl kernel.yama.ptrace_scope=0`, or run lineprof as root",
        ),
        (_, false) => Finding::fair(
            subject,
            format!("programs that lineprof starts and this user's processes ({scope})"),
            "for other users' processes run lineprof as root",
        ),
    }
}

fn filter(facts: &Facts) -> Finding {
    match facts.filter {
        Filter::Absent => Finding::good("system calls", "no seccomp filter on lineprof"),
        Filter::Present => Finding::fair(
            "system calls",
            "a seccomp filter watches lineprof, as containers have one; the cost of a stop tells whether it lets ptrace through",
            "if it does not: `docker run --security-opt seccomp=unconfined`",
        ),
    }
}

fn changes() -> Finding {
    match lineprof_tracer::hears_of_memory() {
        Ok(()) => Finding::good("changes of memory", "the kernel tells of each (kmem:rss_stat)"),
        Err(why) => Finding::fair(
            "changes of memory",
            format!("each line that runs inline looks for itself, for half a microsecond: {why}"),
            "run lineprof as root, or give it CAP_BPF and CAP_PERFMON",
        ),
    }
}

fn resident_memory() -> Finding {
    let subject = "resident memory";
    match metric::granularity(Metric::Rss, Reading::Counters) {
        Ok(finest) if finest.0 <= PAGE => Finding::good(subject, "counted to the page"),
        Ok(finest) => Finding::fair(
            subject,
            format!("counted in steps of up to {} kB by this kernel", finest.0 / 1024),
            "`--exact` reads it to the page, more slowly; Linux 6.16 counts to the page by itself",
        ),
        Err(error) => Finding::bad(
            subject,
            format!("cannot be read: {}", hint::reason(&error)),
            "mount /proc, with its files of processes",
        ),
    }
}
