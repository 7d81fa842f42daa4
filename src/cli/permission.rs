//! Why the kernel does not let lineprof trace a process: EPERM has many causes, and each has one fix.
//!
//! Must not know: ptrace, profiles, /proc. Reading and deciding are apart: [`decide`] takes plain facts.
//!
//! ```text
//! /proc/PID/{status, uid_map}, /proc/self/…, yama/ptrace_scope, security/lsm ─► Facts ─► decide ─► Cause ─► message, fix
//! ```
//! Read on in `facts.rs`. Source: ptrace(2), "Ptrace access mode checking"; Documentation/admin-guide/LSM/Yama.rst of the kernel.

mod facts;

use std::fmt;

pub(crate) use facts::{Facts, Filter, field, read};
use facts::{Namespace, Process};

/// Why tracing is not permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The process belongs to somebody else.
    OtherUser { pid: i32, user: u32, own: u32 },
    /// The process is of the same user and of another group.
    OtherGroup { pid: i32, group: u32 },
    /// lineprof is root, but of a container that took the capability away.
    RootWithoutCapability,
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
    /// Whoever traces lineprof traces what it starts as well.
    ChildrenTraced { by: i32 },
    /// None of these: what is left is a security module of the kernel.
    Forbidden { modules: Vec<String> },
    /// AppArmor's profile for lineprof.
    Confined { profile: String },
}

/// The cause that the kernel would meet first.
pub(crate) fn decide(facts: &Facts) -> Cause {
    if facts.scope == Some(3) {
        return Cause::SwitchedOff;
    }
    let holds = facts.may_trace_all();
    if let Some(process) = &facts.process {
        let cause = if holds && process.namespace == Namespace::Other {
            Some(Cause::OtherNamespace { pid: process.pid })
        } else if holds {
            None
        } else {
            lacks_right(facts, process)
        };
        if let Some(cause) = cause {
            return cause;
        }
    }
    if let (None, Some(by)) = (&facts.process, facts.tracer) {
        return Cause::ChildrenTraced { by };
    }
    match facts.scope {
        Some(2) if !holds => Cause::OnlyCapability,
        Some(1) if !holds && facts.process.is_some() => Cause::OnlyDescendants,
        _ if facts.filter == Filter::Present => Cause::Filtered,
        _ => match &facts.security.profile {
            Some(profile) => Cause::Confined {
                profile: profile.clone(),
            },
            None => Cause::Forbidden {
                modules: facts.security.modules.clone(),
            },
        },
    }
}

/// What `process` is or has that lineprof, without the capability, is not or has not.
fn lacks_right(facts: &Facts, process: &Process) -> Option<Cause> {
    let pid = process.pid;
    let own = facts.own.users.get(1).copied().unwrap_or_default();
    let other_user = process.side.users.iter().find(|user| **user != own);
    let own_group = facts.own.groups.get(1);
    let other_group = process.side.groups.iter().find(|group| Some(*group) != own_group);
    let cause = if let Some(&user) = other_user {
        Cause::OtherUser { pid, user, own }
    } else if process.owner != own {
        Cause::NotDumpable { pid }
    } else if process.side.permitted & !facts.own.permitted != 0 {
        Cause::MoreCapabilities { pid }
    } else {
        let group = *other_group?;
        Cause::OtherGroup { pid, group }
    };
    Some(if own == 0 {
        Cause::RootWithoutCapability
    } else {
        cause
    })
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::OtherUser { user, own, .. } => {
                write!(f, "it belongs to user {user} and lineprof runs as user {own}")
            }
            Cause::RootWithoutCapability => f.write_str("this root has no capability CAP_SYS_PTRACE"),
            Cause::NotDumpable { .. } => f.write_str("it protects its memory (it is not dumpable)"),
            Cause::MoreCapabilities { .. } => f.write_str("it has capabilities that lineprof has not"),
            Cause::OnlyDescendants => {
                f.write_str("this kernel lets a program trace only what it started (ptrace_scope is 1)")
            }
            Cause::OnlyCapability => f.write_str("this kernel lets only root trace (ptrace_scope is 2)"),
            Cause::SwitchedOff => f.write_str("tracing is switched off on this machine (ptrace_scope is 3)"),
            Cause::OtherNamespace { .. } => f.write_str("it runs in another user namespace"),
            Cause::Filtered => f.write_str("a seccomp filter forbids ptrace, as containers have one"),
            Cause::OtherGroup { group, .. } => {
                write!(
                    f,
                    "it runs with the rights of group {group}, which are not lineprof's"
                )
            }
            Cause::Confined { profile } => {
                write!(f, "AppArmor's profile `{profile}` for lineprof forbids it")
            }
            Cause::ChildrenTraced { by } => {
                write!(f, "process {by} traces lineprof and all that it starts")
            }
            Cause::Forbidden { modules } if modules.is_empty() => {
                f.write_str("a security module of the kernel forbids it")
            }
            Cause::Forbidden { modules } => {
                write!(
                    f,
                    "a security module of the kernel forbids it ({})",
                    modules.join(" or ")
                )
            }
        }
    }
}

impl Cause {
    /// The one thing to do.
    pub(crate) fn fix(&self) -> String {
        match self {
            Cause::OtherUser { pid, .. }
            | Cause::OtherGroup { pid, .. }
            | Cause::NotDumpable { pid }
            | Cause::MoreCapabilities { pid } => {
                format!("run lineprof as root: `sudo lineprof --pid {pid}`")
            }
            Cause::RootWithoutCapability => {
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
            Cause::Confined { .. } => {
                "start the container without it: `docker run --security-opt apparmor=unconfined`".into()
            }
            Cause::ChildrenTraced { .. } => {
                "a process has one tracer: let it follow lineprof alone (`strace` without -f)".into()
            }
            Cause::Forbidden { modules } if modules.iter().any(|module| module == "selinux") => {
                "allow it until the next boot: `sudo setsebool deny_ptrace off`".into()
            }
            Cause::Forbidden { .. } => {
                "start lineprof from outside of the sandbox, where the process was started".into()
            }
        }
    }
}

#[cfg(test)]
mod tests;
