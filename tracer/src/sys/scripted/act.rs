//! The words that scenes are written in: what a thread does, and in which order its stops are heard of.
//!
//! Must not know: what becomes of an act (`turns`).
//!
//! A thread's life is a list of acts. `Visit` runs the instruction at an address as a processor would: from
//! memory, so a breakpoint there traps, and from the slot that the session has sent it to. Everything else
//! is a system call or a signal. The order in which stops are reported is the test's choice.

use crate::ids::{Pid, Tid};

/// What a thread does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Runs the instruction at this address.
    Visit(u64),
    /// A signal comes from outside, or by raise(3).
    Raise(i32),
    /// The program has an `int3` of its own here.
    OwnBreakpoint,
    /// Makes a thread.
    Thread(i32, Vec<Act>),
    /// Makes a process with a copy of the memory.
    Fork(i32, Vec<Act>),
    /// Makes a process that shares the memory, and sleeps until it execs or ends.
    Vfork(i32, Vec<Act>),
    /// Makes a process that shares the memory, without waiting for it.
    Share(i32, Vec<Act>),
    /// Becomes another program, which does nothing.
    Exec,
    /// Becomes another program, with the same code, that does this.
    Become(Vec<Act>),
    /// Ends this thread.
    Exit,
    /// Ends the process.
    ExitGroup(i32),
    /// SIGCONT for the process with this leader.
    Continue(i32),
    /// Sleeps in a system call until it is woken, or not at all when it was woken before.
    Sleep,
    /// Wakes a thread.
    Wake(i32),
    /// Leaves a signal handler.
    Return,
    /// A child of the tracer ends, that is no tracee.
    Ring(i32),
}

/// The order in which stops are reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they happened.
    AsHappened,
    /// The newest first: a child's first stop comes before its parent's event.
    NewestFirst,
    /// As wait4(2) does with hot threads: all run until they stop again, and the first of the list is reported.
    FirstOfList,
    /// By the generator of this seed, which also lets threads run between any two requests.
    Random(u64),
    /// By these choices, as a random order has drawn them; then always the first that there is.
    Written(Vec<u64>),
}

/// What comes from outside between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A signal comes for a thread.
    Signal(Tid, i32),
    /// A process is killed.
    Kill(Pid),
    /// The tracer's child of this number ends, which is no tracee.
    Ring(Tid),
}
