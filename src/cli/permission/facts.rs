//! What /proc and /sys tell of lineprof, of the process that it was to trace, and of the kernel.
//!
//! Must not know: what follows from it.
//!
//! What cannot be read is left out: whoever decides has to do with less.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// The bit of `CAP_SYS_PTRACE` in a capability set (capabilities(7)).
pub(super) const SYS_PTRACE: u64 = 1 << 19;

/// What is known of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) own: Side,
    /// Whether a filter of system calls watches lineprof.
    pub(crate) filter: Filter,
    /// Who traces lineprof itself.
    pub(crate) tracer: Option<i32>,
    /// `kernel.yama.ptrace_scope`; `None` on kernels without Yama.
    pub(crate) scope: Option<u8>,
    pub(crate) security: Security,
    /// The process; `None` when nothing of it can be read.
    pub(crate) process: Option<Process>,
}

impl Facts {
    /// Whether lineprof holds `CAP_SYS_PTRACE`.
    pub(crate) fn may_trace_all(&self) -> bool {
        self.own.effective & SYS_PTRACE != 0
    }
}

/// What is known of the kernel's security modules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Security {
    /// Those that may forbid tracing, by name; empty when they cannot be read.
    pub(crate) modules: Vec<String>,
    /// AppArmor's profile that confines lineprof.
    pub(crate) profile: Option<String>,
}

/// Who a process is, as its status file tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Side {
    /// Real, effective, saved and file system user.
    pub(crate) users: Vec<u32>,
    /// The same for groups.
    pub(crate) groups: Vec<u32>,
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
}

/// Whether seccomp filters system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    Absent,
    Present,
}

/// The process that was to be traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) side: Side,
    /// Who owns its directory in /proc: root when the process is not dumpable (proc(5)).
    pub(crate) owner: u32,
    pub(crate) namespace: Namespace,
}

/// The user namespace of the process, seen from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    Same,
    Other,
}

/// The facts of this moment; `pid` is the process that was to be traced, if it is not lineprof's own child.
pub(crate) fn read(pid: Option<i32>) -> Facts {
    let status = |name: &str| fs::read_to_string(format!("/proc/{name}/status")).unwrap_or_default();
    let own = status("self");
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    Facts {
        own: side(&own),
        filter: match field(&own, "Seccomp") {
            Some("2") => Filter::Present,
            _ => Filter::Absent,
        },
        tracer: field(&own, "TracerPid")
            .and_then(|tracer| tracer.parse().ok())
            .filter(|tracer| *tracer != 0),
        scope: scope.ok().and_then(|text| text.trim().parse().ok()),
        security: security(),
        process: pid.and_then(process),
    }
}

fn process(pid: i32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let namespace = |name: &str| {
        let link = fs::read_link(format!("/proc/{name}/ns/user"));
        let map = fs::read_to_string(format!("/proc/{name}/uid_map"));
        (link.ok(), map.ok())
    };
    let (own, other) = (namespace("self"), namespace(&pid.to_string()));
    Some(Process {
        pid,
        side: side(&status),
        owner: fs::metadata(format!("/proc/{pid}")).ok()?.uid(),
        namespace: compare(&own, &other),
    })
}

/// Whether two processes' user namespaces are the same, by their links, or else by their maps of users.
///
/// The link of a process that may not be traced cannot be read (proc(5), `PTRACE_MODE_READ`); its map can, and is
/// written as seen from the reader's namespace (user_namespaces(7)).
pub(super) fn compare<T: PartialEq, M: PartialEq>(
    own: &(Option<T>, Option<M>),
    other: &(Option<T>, Option<M>),
) -> Namespace {
    let same = match (own, other) {
        ((Some(own), _), (Some(other), _)) => own == other,
        ((_, Some(own)), (_, Some(other))) => own == other,
        _ => true,
    };
    if same { Namespace::Same } else { Namespace::Other }
}

fn security() -> Security {
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    // Where AppArmor is not built in, the older file is another module's.
    let profile = fs::read_to_string("/proc/self/attr/apparmor/current").ok();
    Security {
        modules: deciding(&modules),
        profile: profile.as_deref().and_then(confining),
    }
}

/// The modules of the list that may forbid tracing, apart from those that are asked first.
pub(super) fn deciding(list: &str) -> Vec<String> {
    let others = ["selinux", "smack", "tomoyo", "apparmor", "landlock", "bpf"];
    let modules = list.trim().split(',').filter(|module| others.contains(module));
    modules.map(str::to_owned).collect()
}

/// The profile of `docker-default (enforce)`; none of `unconfined`, nor of one that only complains.
pub(super) fn confining(label: &str) -> Option<String> {
    label.trim().strip_suffix(" (enforce)").map(str::to_owned)
}

pub(super) fn side(status: &str) -> Side {
    let set = |name| field(status, name).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let ids = |name| {
        let words = field(status, name).unwrap_or_default().split_whitespace();
        words.filter_map(|id| id.parse().ok()).collect()
    };
    Side {
        users: ids("Uid"),
        groups: ids("Gid"),
        effective: set("CapEff").unwrap_or_default(),
        permitted: set("CapPrm").unwrap_or_default(),
    }
}

/// A field of a status file.
pub(crate) fn field<'text>(status: &'text str, name: &str) -> Option<&'text str> {
    // A newline in the process's name is escaped there (proc(5)), so no name looks like a field.
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
