//! The seam to the kernel: every raw operation a session needs, as one trait.
//!
//! Must not know: sites, engines, what an answer means for the session. An operation here is one
//! system call or one read of /proc, and a raw number from the kernel becomes a type on its line.
//!
//! [`linux`] does the real thing; `scripted` plays a written scene, so that a race between two
//! stops is an ordinary unit test. All calls of one session come from one thread: the kernel
//! refuses ptrace requests from any other than the tracer (ptrace(2)).

pub(crate) mod descriptors;
pub(crate) mod doorbell;
mod late_close;
pub(crate) mod linux;
pub(crate) mod permission;
pub(crate) mod pin;
pub(crate) mod procfs;
pub(crate) mod rss_gate;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod shared_memory;
pub(crate) mod spawn;
pub(crate) mod watched;

use crate::addr::RemoteAddr;
use crate::arch::Registers;
use crate::ids::{Pid, Tid};
use crate::recent::Recent;
use nix::errno::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The kernel's answer, or its errno.
pub(crate) type Answer<T> = std::result::Result<T, Errno>;

/// The same answer, where it does not matter that a thread has been killed: its end will be reported.
pub(crate) fn gone_is_fine(answer: Answer<()>) -> Answer<()> {
    match answer {
        Err(Errno::ESRCH) => Ok(()),
        other => other,
    }
}

/// Which stops a wait takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// The next of any tracee or child of this thread.
    Any,
    /// The next of any, when one is there already.
    AnyNow,
    /// The next of this one; the others stay queued in the kernel.
    Only(Tid),
    /// The next of one of these, the first first, when it is there already or comes as soon as this thread gives up
    /// its processor.
    Soon(Recent),
}

/// How a stopped thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    /// Until its next stop.
    On,
    /// For one instruction.
    Step,
    /// Until it enters or leaves a system call.
    ToSystemCall,
    /// Not at all: it stays in its group-stop but hears `SIGCONT` (`PTRACE_LISTEN`).
    Listen,
}

/// A signal's number; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(pub i32);

impl Signal {
    /// No signal.
    pub(crate) const NONE: Self = Self(0);
    /// The one that bytes raise which are no instruction.
    pub(crate) const ILL: Self = Self(libc::SIGILL);
    /// The one an access to memory raises that is not there.
    pub(crate) const SEGV: Self = Self(libc::SIGSEGV);
    /// The one a breakpoint raises.
    pub(crate) const TRAP: Self = Self(libc::SIGTRAP);
    /// The one that stops a process whatever it does with signals.
    pub(crate) const STOP: Self = Self(libc::SIGSTOP);

    /// The signal's bit in a set of signals.
    pub(crate) const fn bit(self) -> u64 {
        1 << (self.0 - 1)
    }
}

/// What a wait returned about one thread: the status word of wait4(2), undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawStatus(pub(crate) i32);

/// Who sent a signal, as far as the session tells senders apart (`si_code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The kernel, for an `int3` (`SI_KERNEL`).
    Breakpoint,
    /// The kernel, for a finished single step (`TRAP_TRACE`).
    Step,
    /// The kernel, for a debug exception whose cause the processor does not tell (`TRAP_BRKPT`): an `int1`, or a single
    /// step in a virtual machine (`linux`).
    CauseUnknown,
    /// The kernel, for bytes that are no instruction (`ILL_ILLOPN`).
    NoInstruction,
    /// Anybody and anything else.
    Other,
}

/// What came with a signal.
#[derive(Clone, Copy)]
pub(crate) struct SignalInfo(pub(crate) libc::siginfo_t);

impl std::fmt::Debug for SignalInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("SignalInfo");
        shown.field("signal", &self.0.si_signo).finish_non_exhaustive()
    }
}

/// What a thread is doing, as /proc tells it: a snapshot that may be old when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// On a processor or waiting for one.
    Running,
    /// In the kernel until something happens.
    Sleeping,
    /// Stopped by a signal or by its tracer.
    Stopped,
    /// Ended.
    Dead,
}

/// Raw operations on processes.
pub(crate) trait Kernel {
    /// Waits for a change of state; `None` when a wait that does not block finds nothing.
    fn wait(&mut self, who: WaitFor) -> Answer<Option<(Tid, RawStatus)>>;
    /// Becomes the tracer of a thread without stopping it.
    fn seize(&mut self, tid: Tid, mode: Seize) -> Answer<()>;
    /// Asks a thread to stop; the stop comes later, by [`Kernel::wait`].
    fn interrupt(&mut self, tid: Tid) -> Answer<()>;
    /// Lets a stopped thread go on, with a signal or without.
    fn resume(&mut self, tid: Tid, go: Go, signal: Signal) -> Answer<()>;
    /// Kills a process.
    fn kill(&mut self, pid: Pid) -> Answer<()>;
    /// Gives a stopped thread back.
    fn detach(&mut self, tid: Tid, signal: Signal) -> Answer<()>;
    /// The general registers of a stopped thread.
    fn registers(&mut self, tid: Tid) -> Answer<Registers>;
    /// Sets all general registers of a stopped thread.
    fn set_registers(&mut self, tid: Tid, registers: &Registers) -> Answer<()>;
    /// Sets the pc alone.
    fn set_pc(&mut self, tid: Tid, pc: RemoteAddr) -> Answer<()>;
    /// Who sent the signal of a signal-delivery-stop.
    fn origin(&mut self, tid: Tid) -> Answer<Origin>;
    /// What came with the signal of a signal-delivery-stop.
    fn signal_info(&mut self, tid: Tid) -> Answer<SignalInfo>;
    /// Has what came with another signal come with that of this signal-delivery-stop.
    fn set_signal_info(&mut self, tid: Tid, info: &SignalInfo) -> Answer<()>;
    /// Has the processor stop a thread, and no other, before it runs the instruction at this address; or no more.
    fn stop_before(&mut self, tid: Tid, at: Option<RemoteAddr>) -> Answer<()>;
    /// Whether the breakpoint signal is queued for the thread, not yet delivered.
    fn breakpoint_is_queued(&mut self, tid: Tid) -> Answer<bool>;
    /// The number that came with an event: a child's tid, a former tid.
    fn event_message(&mut self, tid: Tid) -> Answer<u64>;
    /// The blocked signals of a stopped thread, one bit each.
    fn signal_mask(&mut self, tid: Tid) -> Answer<u64>;
    /// Sets the blocked signals of a stopped thread.
    fn set_signal_mask(&mut self, tid: Tid, mask: u64) -> Answer<()>;
    /// Reads memory of the thread's process; the number of bytes read, which may be fewer at a hole.
    fn read_memory(&mut self, tid: Tid, at: RemoteAddr, buffer: &mut [u8]) -> Answer<usize>;
    /// Writes memory of the thread's process, also where the program itself may not.
    fn write_memory(&mut self, tid: Tid, at: RemoteAddr, bytes: &[u8]) -> Answer<()>;
    /// Reads and writes the memory that a thread has since an exec; up to then those that follow one are of the memory
    /// that it had when it was first asked for.
    fn turn_to_new_memory(&mut self, tid: Tid);
    /// The threads of a process.
    fn threads(&mut self, pid: Pid) -> Answer<Vec<Tid>>;
    /// The process a thread belongs to.
    fn process_of(&mut self, tid: Tid) -> Answer<Pid>;
    /// What a thread is doing.
    fn activity(&mut self, pid: Pid, tid: Tid) -> Answer<Activity>;
    /// The mappings of the thread's process.
    fn mappings(&mut self, tid: Tid) -> Answer<Vec<procfs::Mapping>>;
    /// How many seccomp filters stand in front of the thread's system calls.
    fn seccomp(&mut self, tid: Tid) -> Answer<procfs::Seccomp>;
    /// What the thread and its process do with signals, as /proc tells it.
    fn signal_sets(&mut self, tid: Tid) -> Answer<procfs::SignalSets>;
    /// Whether the processor keeps a second stack of the thread's return addresses.
    fn has_shadow_stack(&mut self, tid: Tid) -> Answer<bool>;
    /// Whether two processes share one memory.
    fn same_memory(&mut self, one: Tid, other: Tid) -> Answer<bool>;
    /// A copy of a thread's descriptor of this number.
    fn take_descriptor(&mut self, tid: Tid, number: i32) -> Answer<OwnedFd>;
    /// Sends a descriptor over a Unix socket.
    fn send_descriptor(&mut self, over: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> Answer<()>;
}

/// What happens to a tracee when its tracer dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seize {
    /// It dies too (`PTRACE_O_EXITKILL`): for programs that the session started.
    DiesWithTracer,
    /// It is let go.
    Outlives,
}
