//! Becoming the tracer of a running process, without stopping it.
//!
//! Must not know: what is profiled in it.
//!
//! Processes that share its memory are traced with it, for they meet its breakpoints.
//!
//! SEIZE does not stop a thread, and memory can be written while the program runs: so nobody is
//! interrupted, and no system call of the program returns EINTR because of us.

use crate::error::{Error, Kind, Operation, Result, Subject};
use crate::identity::Identity;
use crate::ids::{Pid, Tid};
use crate::options::Options;
use crate::session::Core;
use crate::sys::doorbell::Doorbell;
use crate::sys::linux::Linux;
use crate::sys::{Activity, Answer, Kernel, Seize, gone_is_fine, procfs};
use crate::tracee::{Role, State};
use nix::errno::Errno;

/// Attaches to every thread of a process.
///
/// # Errors
/// Nothing is attached when it fails, and nothing has been written. Threads that sleep are let go by the end of the
/// calling thread then, as after a detach.
pub(crate) fn attach(process: &Identity, options: Options, doorbell: Doorbell) -> Result<Core<Linux>> {
    let pid = process.pid();
    process.check()?;
    check(pid)?;
    let mut core = Core::new(Linux::default(), pid, options, Some(doorbell));
    if let Err(error) = seize_all(&mut core, pid).and_then(|()| process.check()) {
        // What made the attach fail says more than what may make this fail.
        if let Err(left) = core.detach() {
            tracing::warn!(%left, "after an attach that failed");
        }
        return Err(error);
    }
    Ok(core)
}

fn seize_all(core: &mut Core<Linux>, pid: Pid) -> Result<()> {
    let failed = |errno| Error::from_errno(Operation::Attach, Subject::Process(pid), errno);
    seize_threads(core, pid, Role::Profiled)
        .map_err(|(tid, errno)| tid.map_or_else(|| failed(errno), |tid| explain(pid, tid, errno)))?;
    if core.tracees.is_empty() {
        return Err(failed(Errno::ESRCH));
    }
    // Whatever shares the memory would die of a breakpoint. What is made from here on is traced from its birth, but a
    // process that is found may have made another before it was traced.
    loop {
        let sharers = sharers(core, pid).map_err(failed)?;
        if sharers.is_empty() {
            return Ok(());
        }
        for process in sharers {
            match seize_threads(core, process, Role::Passing) {
                // It has ended meanwhile.
                Ok(()) | Err((_, Errno::ESRCH)) => {}
                Err((_, errno)) => {
                    let kind = Kind::SharerNotTraced { process };
                    return Err(Error {
                        source: Some(errno),
                        ..Error::from_kind(Operation::Attach, Subject::Process(pid), kind)
                    });
                }
            }
        }
    }
}

/// So many passes in a row have to find nobody new.
const WHOLE_PASSES: u32 = 2;

/// Seizes every thread of a process; else what the kernel said, and of which thread.
fn seize_threads(
    core: &mut Core<Linux>,
    pid: Pid,
    role: Role,
) -> std::result::Result<(), (Option<Tid>, Errno)> {
    // Threads are made while the list is read. A thread made by one that is traced is traced from its birth
    // (PTRACE_O_TRACECLONE), so a pass over all of them that finds nothing new has seen all. But a list may be cut short:
    // it ends at a thread that ends while it is read (`next_tid`, fs/proc/base.c). So as many have to be in it as
    // the kernel counts, and twice.
    let mut in_vain = 0;
    while in_vain < WHOLE_PASSES {
        let mut new = 0;
        let listed = core.kernel.threads(pid).map_err(|errno| (None, errno))?;
        let whole = listed.len() >= procfs::thread_count(pid).unwrap_or(0);
        for tid in listed {
            if core.tracees.contains_key(&tid) {
                continue;
            }
            match core.kernel.seize(tid, Seize::Outlives) {
                Ok(()) => {
                    core.adopt(tid, pid, role, State::Running);
                    // It may have ended since; that is told by its events.
                    gone_is_fine(core.begin_trap_setting(tid)).map_err(|errno| (None, errno))?;
                    new += 1;
                }
                // Ended meanwhile, or traced by us already through its parent: its event is waiting.
                Err(Errno::ESRCH) => {}
                Err(Errno::EPERM) if traced_by_us(pid, tid) => {}
                Err(errno) => return Err((Some(tid), errno)),
            }
        }
        in_vain = if new == 0 && whole { in_vain + 1 } else { 0 };
    }
    Ok(())
}

/// The processes that have the memory of `pid` and are not traced by us yet (clone(2), `CLONE_VM` without `CLONE_THREAD`).
///
/// Shape: empty where kcmp(2) is missing or forbidden.
fn sharers(core: &mut Core<Linux>, pid: Pid) -> Answer<Vec<Pid>> {
    let Some(own) = core.any_thread() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for process in procfs::processes()? {
        let shares = |tid| core.kernel.same_memory(own, tid) == Ok(true) && !is_ours(tid);
        // Each thread is asked: a leader that has ended has no memory, and its threads may have.
        if process != pid && procfs::threads(process).is_ok_and(|threads| threads.into_iter().any(shares)) {
            found.push(process);
        }
    }
    // One that was killed has no memory any more, like every zombie and every thread of the kernel.
    if found.is_empty() || core.kernel.mappings(own).is_ok_and(|all| !all.is_empty()) {
        return Ok(found);
    }
    Err(Errno::ESRCH)
}

/// Whether EPERM means no more than that the thread is ours already, through its parent, or has ended.
fn traced_by_us(pid: Pid, tid: Tid) -> bool {
    // Asked for last: one that ended in between had a tracer, or none.
    is_ours(tid) || matches!(procfs::activity(pid, tid), Ok(Activity::Dead) | Err(Errno::ESRCH))
}

fn is_ours(tid: Tid) -> bool {
    procfs::tracer_of(tid).ok().flatten().is_some_and(is_this_thread)
}

/// Whether a tracer, by its number, is the calling thread: another of this process may have a session too.
fn is_this_thread(tid: Tid) -> bool {
    tid == crate::sys::pin::own_tid()
}

/// What makes attaching impossible, found before anything is touched.
fn check(pid: Pid) -> Result<()> {
    let fail = |kind| Err(Error::from_kind(Operation::Attach, Subject::Process(pid), kind));
    let read = |errno| Error::from_errno(Operation::Attach, Subject::Process(pid), errno);
    if pid.0.cast_unsigned() == std::process::id() {
        return fail(Kind::Own);
    }
    if let Some(kind) = unusable(pid).map_err(read)? {
        return fail(kind);
    }
    if let Some(tracer) = procfs::tracer_of(pid.leader()).map_err(read)? {
        let (by, name) = procfs::process_and_name(tracer);
        return fail(Kind::AlreadyTraced { by, name });
    }
    Ok(())
}

/// Why a number is not that of a program that runs.
pub(crate) fn unusable(pid: Pid) -> Answer<Option<Kind>> {
    // The number of a thread that is no leader has no directory listing, but its files can be read.
    if pid.0 <= 0 || procfs::process_of(pid.leader())? != pid {
        return Ok(Some(Kind::NoSuchProcess));
    }
    if procfs::is_kernel_thread(pid)? {
        return Ok(Some(Kind::KernelThread));
    }
    let leader_dead = procfs::activity(pid, pid.leader())? == Activity::Dead;
    // A leader may end before its threads; a process all of whose threads have ended is a zombie.
    let zombie = leader_dead && procfs::threads(pid)?.len() == 1;
    Ok(zombie.then_some(Kind::Zombie))
}

/// EPERM has many causes; one of them can be seen from here.
fn explain(pid: Pid, tid: Tid, errno: Errno) -> Error {
    match procfs::tracer_of(tid) {
        Ok(Some(tracer)) if errno == Errno::EPERM && !is_this_thread(tracer) => {
            let (by, name) = procfs::process_and_name(tracer);
            let kind = Kind::AlreadyTraced { by, name };
            Error {
                source: Some(errno),
                ..Error::from_kind(Operation::Attach, Subject::Process(pid), kind)
            }
        }
        _ => Error::from_errno(Operation::Attach, Subject::Process(pid), errno),
    }
}
