//! Why the kernel does not let lineprof trace a process: EPERM has many causes, and each has one fix.
//!
//! Must not know: ptrace, profiles. Reading /proc and deciding are apart: [`decide`] takes plain facts.
//!
//! ```text
//! /proc/PID/status, /proc/self/status, yama/ptrace_scope ─► Facts ─► decide ─► Cause ─► message, fix
//! ```
//! Source: ptrace(2), "Ptrace access mode checking"; Documentation/admin-guide/LSM/Yama.rst of the kernel.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// The bit of `CAP_SYS_PTRACE` in a capability set (capabilities(7)).
const SYS_PTRACE: u64 = 1 << 19;

/// What is known of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) own: Side,
    /// Whether a filter of system calls watches lineprof.
    pub(crate) filter: Filter,
    /// `kernel.yama.ptrace_scope`; `None` on kernels without Yama.
    pub(crate) scope: Option<u8>,
    /// The process; `None` when nothing of it can be read.
    pub(crate) process: Option<Process>,
}

impl Facts {
    /// Whether lineprof holds `CAP_SYS_PTRACE`.
    pub(crate) fn may_trace_all(&self) -> bool {
        self.own.effective & SYS_PTRACE != 0
    }
}

/// Who a process is, as its status file tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Side {
    /// Real, effective, saved and file system user.
    pub(crate) users: Vec<u32>,
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
    /// The same, or not to be read.
    Same,
    Other,
}

/// Why tracing is not permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The process belongs to somebody else.
    OtherUser { pid: i32, user: u32, own: u32 },
    /// lineprof is root, but of a container that took the capability away.
    RootWithoutCapability { user: u32 },
    /// The process protects its memory.
    NotDumpable { pid: i32 },
    /// The process has capabilities that lineprof has not.
    MoreCapabilities { pid: i32 },
    /// Yama: only descendants.
    OnlyDescendants,
    /// Yama: only with the capability.
    OnlyCapability,
    /// Yama: nobody.
    SwitchedOff,
    /// The process lives in a user namespace that lineprof's root is not root of.
    OtherNamespace { pid: i32 },
    /// A container's filter.
    Filtered,
    /// None of these.
    Unknown,
}

/// The cause that the kernel would meet first.
pub(crate) fn decide(facts: &Facts) -> Cause {
    if facts.scope == Some(3) {
        return Cause::SwitchedOff;
    }
    let holds = facts.may_trace_all();
    let other = |namespace| namespace == Namespace::Other;
    if let Some(process) = &facts.process {
        let pid = process.pid;
        let own = facts.own.users.get(1).copied().unwrap_or_default();
        let foreign = process.side.users.iter().find(|user| **user != own);
        match foreign {
            _ if holds && other(process.namespace) => return Cause::OtherNamespace { pid },
            _ if holds => {}
            Some(user) if own == 0 => return Cause::RootWithoutCapability { user: *user },
            Some(user) => {
                return Cause::OtherUser {
                    pid,
                    user: *user,
                    own,
                };
            }
            None if process.owner != own => return Cause::NotDumpable { pid },
            None if process.side.permitted & !facts.own.permitted != 0 => {
                return Cause::MoreCapabilities { pid };
            }
            None => {}
        }
    }
    match facts.scope {
        Some(2) if !holds => Cause::OnlyCapability,
        Some(1) if !holds && facts.process.is_some() => Cause::OnlyDescendants,
        _ if facts.filter == Filter::Present => Cause::Filtered,
        _ => Cause::Unknown,
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::OtherUser { user, own, .. } => {
                write!(f, "it belongs to user {user} and lineprof runs as user {own}")
            }
            Cause::RootWithoutCapability { user } => write!(
                f,
                "it belongs to user {user} and this root has no capability CAP_SYS_PTRACE"
            ),
            Cause::NotDumpable { .. } => f.write_str("it protects its memory (it is not dumpable)"),
            Cause::MoreCapabilities { .. } => f.write_str("it has capabilities that lineprof has not"),
            Cause::OnlyDescendants => {
                f.write_str("this kernel lets a program trace only what it started (ptrace_scope is 1)")
            }
            Cause::OnlyCapability => f.write_str("this kernel lets only root trace (ptrace_scope is 2)"),
            Cause::SwitchedOff => f.write_str("tracing is switched off on this machine (ptrace_scope is 3)"),
            Cause::OtherNamespace { .. } => f.write_str("it runs in another user namespace"),
            Cause::Filtered => f.write_str("a seccomp filter forbids ptrace, as containers have one"),
            Cause::Unknown => f.write_str("the kernel does not permit it"),
        }
    }
}

impl Cause {
    /// The one thing to do.
    pub(crate) fn fix(&self) -> String {
        match self {
            Cause::OtherUser { pid, .. } | Cause::NotDumpable { pid } | Cause::MoreCapabilities { pid } => {
                format!("run lineprof as root: `sudo lineprof --pid {pid}`")
            }
            Cause::RootWithoutCapability { .. } => {
                "give the container the capability: `docker run --cap-add=SYS_PTRACE`".into()
            }
            Cause::OnlyDescendants => {
                "allow it until the next boot: `sudo sysctl kernel.yama.ptrace_scope=0`".into()
            }
            Cause::OnlyCapability => "run lineprof as root: `sudo lineprof`".into(),
            Cause::SwitchedOff => {
                "take `kernel.yama.ptrace_scope = 3` out of /etc/sysctl.d and restart the machine".into()
            }
            Cause::OtherNamespace { pid } => {
                format!("run lineprof on the host, or inside: `nsenter --target {pid} --user --mount --pid`")
            }
            Cause::Filtered => {
                "start the container without the filter: `docker run --security-opt seccomp=unconfined`"
                    .into()
            }
            Cause::Unknown => {
                "run lineprof as root; where it is, a security module forbids it (SELinux, AppArmor): see `dmesg`".into()
            }
        }
    }
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
        scope: scope.ok().and_then(|text| text.trim().parse().ok()),
        process: pid.and_then(process),
    }
}

fn process(pid: i32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let namespace = |name: String| fs::read_link(format!("/proc/{name}/ns/user")).ok();
    let (own, other) = (namespace("self".into()), namespace(pid.to_string()));
    Some(Process {
        pid,
        side: side(&status),
        owner: fs::metadata(format!("/proc/{pid}")).ok()?.uid(),
        namespace: if other.is_some() && own != other {
            Namespace::Other
        } else {
            Namespace::Same
        },
    })
}

fn side(status: &str) -> Side {
    let set = |name| field(status, name).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let users = field(status, "Uid").unwrap_or_default().split_whitespace();
    Side {
        users: users.filter_map(|user| user.parse().ok()).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = u64::MAX;

    fn user(user: u32) -> Side {
        Side {
            users: vec![user; 4],
            effective: 0,
            permitted: 0,
        }
    }

    fn root() -> Side {
        Side {
            effective: ALL,
            permitted: ALL,
            ..user(0)
        }
    }

    fn facts(own: Side, process: Side) -> Facts {
        let owner = process.users[1];
        Facts {
            own,
            filter: Filter::Absent,
            scope: None,
            process: Some(Process {
                pid: 7,
                side: process,
                owner,
                namespace: Namespace::Same,
            }),
        }
    }

    #[test]
    fn another_users_process() {
        let other = Cause::OtherUser {
            pid: 7,
            user: 0,
            own: 1000,
        };
        assert_eq!(decide(&facts(user(1000), user(0))), other);
    }

    #[test]
    fn a_program_that_runs_set_user_id_is_another_users() {
        let mut raised = user(1000);
        raised.users[1] = 0;
        assert!(matches!(
            decide(&facts(user(1000), raised)),
            Cause::OtherUser { user: 0, .. }
        ));
    }

    #[test]
    fn root_of_a_container_without_the_capability() {
        assert_eq!(
            decide(&facts(user(0), user(1000))),
            Cause::RootWithoutCapability { user: 1000 }
        );
    }

    #[test]
    fn a_process_that_protects_its_memory() {
        let mut facts = facts(user(1000), user(1000));
        facts.process.as_mut().expect("set above").owner = 0;
        assert_eq!(decide(&facts), Cause::NotDumpable { pid: 7 });
    }

    #[test]
    fn a_process_with_more_capabilities() {
        let mut able = user(1000);
        able.permitted = 1;
        assert_eq!(
            decide(&facts(user(1000), able)),
            Cause::MoreCapabilities { pid: 7 }
        );
    }

    #[test]
    fn each_scope_of_yama() {
        for (scope, cause) in [
            (1, Cause::OnlyDescendants),
            (2, Cause::OnlyCapability),
            (3, Cause::SwitchedOff),
        ] {
            let mut facts = facts(user(1000), user(1000));
            facts.scope = Some(scope);
            assert_eq!(decide(&facts), cause);
        }
        let mut own_child = facts(user(1000), user(1000));
        own_child.scope = Some(1);
        own_child.process = None;
        assert_eq!(decide(&own_child), Cause::Unknown);
    }

    #[test]
    fn another_user_namespace() {
        let mut facts = facts(root(), user(1000));
        facts.process.as_mut().expect("set above").namespace = Namespace::Other;
        assert_eq!(decide(&facts), Cause::OtherNamespace { pid: 7 });
    }

    #[test]
    fn a_filter_of_system_calls() {
        let mut facts = facts(root(), user(1000));
        assert_eq!(decide(&facts), Cause::Unknown);
        facts.filter = Filter::Present;
        assert_eq!(decide(&facts), Cause::Filtered);
    }

    #[test]
    fn a_status_file_gives_users_and_capabilities() {
        let text =
            "Name:\tUid: 1\nUid:\t1000\t0\t0\t0\nCapPrm:\t00000000000000ff\nCapEff:\t0000000000080000\n";
        let expected = Side {
            users: vec![1000, 0, 0, 0],
            effective: SYS_PTRACE,
            permitted: 0xFF,
        };
        assert_eq!(side(text), expected);
        assert_eq!(side(""), Side::default());
    }
}
