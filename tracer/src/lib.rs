//! Control of processes: start or attach, break at sites, follow threads and signals, let go without a trace.
//!
//! Must not know: lines, function names, file formats. It is told addresses and tells arrivals.
//!
//! ```text
//! client ── SiteRequest ──► Session ── one byte a site ──► memory of the process
//!        ◄──── Event ──────    ▲
//!                              └── wait ─► decode ─► observe ─► act
//! ```
//!
//! # Words
//!
//! - *tracee*: one thread that is traced. Not the process, not the program.
//! - *site*: an address with a breakpoint of ours.
//! - *hit*: a tracee arrives at a site; its instruction there has not run yet.
//! - *displaced*: the instruction under a site runs from a copy, its *slot*, in the *scratch*.
//! - *in place*: the byte is lifted, the instruction stepped, the byte planted again.
//! - *passing*: a process that shares the memory without being profiled.
//! - *space*: one memory with its sites. Threads share it, fork copies it, exec begins a new one.
//!
//! # Invariants
//!
//! 1. No ptrace request to a tracee that is not in an observed stop.
//! 2. While threads run, code changes only by one byte, at an instruction boundary; `address_space` writes it.
//! 3. What the client reads of the tracee's memory has our bytes masked out ([`Session::read_memory`]).
//! 4. A signal that is not ours reaches the program exactly once, with its siginfo.
//! 5. ESRCH after an observed stop means that the tracee is gone; its end is an event, not an error.
//! 6. After a detach every byte is the original.
//! 7. A hit's pc is put right before anything else is done with the tracee.

#![deny(unsafe_code)]

// The programs of `tests/support` are for the tests in here, too.
#[cfg(test)]
extern crate self as lineprof_tracer;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

mod addr;
mod address_space;
mod affinity;
mod agent;
mod arch;
mod attach;
mod children;
pub mod code;
mod decode;
mod detach;
mod error;
mod event;
mod exec;
mod handle;
mod identity;
mod ids;
mod in_place;
mod inline;
mod interrupted;
mod launch;
mod options;
mod parked;
mod pass_descriptor;
mod passage;
mod planting;
mod recent;
mod registry;
mod remote_call;
mod scratch;
mod session;
mod site;
mod spaces;
#[allow(
    unsafe_code,
    reason = "the seam to the kernel: the one room where unsafe may live"
)]
mod sys;
mod tracee;
mod trap_setting;
mod untraced;
mod waiting;

pub use addr::{RemoteAddr, RemoteRange};
pub use address_space::Engine;
pub use affinity::Pinning;
pub use arch::Registers;
pub use error::{Error, Kind, Operation, Result, Subject};
pub use event::{Beginning, Counts, End, Event, GateKind, Hit};
pub use handle::{Session, StopHandle, mappings, stop_pair};
pub use identity::Identity;
pub use ids::{Pid, SiteId, SpaceId, Tid, TraceeId};
pub use inline::{BeginsLine, Conventions, NotInline, RoutineRequest, RoutineSite, SiteRole};
pub use launch::{Launch, find_program};
pub use options::{Children, Gates, Gauge, Keeper, Options};
pub use passage::{Arrived, Begun, Exits, Passage, Resumed, Standing, Step};
pub use site::{Refused, SiteRequest};
pub use sys::Signal;
pub use sys::permission::let_descendants_trace;
pub use sys::procfs::Mapping;
pub use sys::rss_gate::hears_of_memory;
pub use sys::spawn::SignalMask;
pub use untraced::{Origin, Reaped, Untraced, WaitedFor};
