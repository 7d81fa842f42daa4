//! Memory over time: a process's memory, read at a period from outside, without touching it.
//!
//! Must not know: lines, sites, files of readings.
//!
//! ```text
//! deadlines: when ──┐
//! descent: who ─────┼─► sampler ─► Sample{at, memory, descendants} ─► whoever wants them
//! metric: how much ─┘      ▲
//!                          └── the process's end, a request to stop: heard at once
//! ```
//! Nothing is traced, no breakpoint is planted: the process does not notice, beside the microseconds for which the kernel
//! holds a lock of its memory when /proc is read.
//!
//! ```
//! use lineprof::sample::{Pid, Sampler, Settings, Untraced, stop_pair};
//! use std::ops::ControlFlow;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let process = Untraced::find(Pid(std::process::id().cast_signed()))?;
//!     let (_stop, listener) = stop_pair()?;
//!     let mut left = 3;
//!     let outcome = Sampler::new(&process, Settings::default())?.run(&listener, &mut |sample| {
//!         println!("{:?} {}", sample.at, sample.memory.mebibytes());
//!         left -= 1;
//!         if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
//!     })?;
//!     assert_eq!(outcome.samples, 3);
//!     Ok(())
//! }
//! ```
//!
//! Read on in `sampler`; in `peak` for the greatest memory of a program that has ended.

mod deadlines;
mod descent;
mod member;
mod named;
mod peak;
mod sampler;

pub use deadlines::Deadlines;
pub use lineprof_tracer::{Launch, Origin, Pid, Reaped, SignalMask, Untraced, WaitedFor, find_program};
pub use member::Unreadable;
pub use named::{Named, processes_named};
pub use peak::{Peak, peak_of};
pub use sampler::{
    Descendants, Ended, Error, MemberSample, Outcome, Sample, Sampler, Settings, StopHandle, StopListener,
    stop_pair,
};
