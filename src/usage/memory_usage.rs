//! One measurement from beginning to end.
//!
//! Must not know: what is measured; `measured` knows.

use std::io;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use super::measured::Measured;
use crate::metric;
use crate::profile::Metric;
use crate::sample::{self, Descendants, MemberSample, Sample};
use crate::units::Bytes;

/// What is measured, and how; the words are memory_profiler's.
///
/// ```
/// use lineprof::usage::{MemoryUsage, memory_usage};
/// use std::{process::Command, time::Duration};
///
/// # fn main() -> Result<(), lineprof::usage::Error> {
/// let often = MemoryUsage { interval: Duration::from_millis(1), include_children: true, ..MemoryUsage::default() };
/// let usage = memory_usage(Command::new("true"), often)?;
/// assert!(usage.result.success());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "memory_profiler's memory_usage has these arguments, and people know them"
)]
pub struct MemoryUsage {
    /// The period of readings; 0.1 seconds where nothing is said.
    pub interval: Duration,
    /// No reading is taken after this time. Of a process by its number none at all takes one reading; else measuring ends
    /// with what is measured.
    pub timeout: Option<Duration>,
    /// Whether readings have their times.
    pub timestamps: bool,
    /// Whether the memory of all descendants is added to the process's.
    pub include_children: bool,
    /// Whether the memory of each descendant is told beside the process's.
    pub multiprocess: bool,
    /// Whether only the greatest reading is kept, so that it may go on for any time.
    pub max_usage: bool,
    /// What counts as memory.
    pub metric: Metric,
    /// Where it is read from.
    pub reading: metric::Reading,
}

impl Default for MemoryUsage {
    /// memory_profiler's.
    fn default() -> MemoryUsage {
        let sampling = sample::Settings::default();
        MemoryUsage {
            interval: sampling.interval,
            timeout: None,
            timestamps: false,
            include_children: false,
            multiprocess: false,
            max_usage: false,
            metric: sampling.metric,
            reading: sampling.reading,
        }
    }
}

impl MemoryUsage {
    pub(super) fn sampling(&self) -> sample::Settings {
        sample::Settings {
            interval: self.interval,
            timeout: self.timeout,
            metric: self.metric,
            reading: self.reading,
            descendants: match (self.include_children, self.multiprocess) {
                (false, false) => Descendants::Ignored,
                (true, false) => Descendants::Added,
                (false, true) => Descendants::Listed,
                (true, true) => Descendants::AddedAndListed,
            },
        }
    }
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When it was taken; `None` where no times are wanted.
    pub at: Option<SystemTime>,
    /// The memory of the process, with that of its descendants where that is wanted.
    pub memory: Bytes,
    /// Its descendants, where they are wanted, parents before their children.
    pub children: Vec<MemberSample>,
}

/// What something took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage<R> {
    /// In order of time; the greatest alone where that is wanted.
    pub samples: Vec<Reading>,
    /// The greatest memory that was read; `None` for a command that had ended before it could be. What is taken and given
    /// back between two readings is not seen.
    pub peak: Option<Bytes>,
    /// Readings that came too late to be taken.
    pub missed: u64,
    /// What it came to: the closure's result, the command's exit status.
    pub result: R,
}

/// Memory that could not be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such process, or it may not be looked at.
    #[error(transparent)]
    Process(#[from] lineprof_tracer::Error),
    /// Its memory cannot be read.
    #[error(transparent)]
    Sample(#[from] sample::Error),
    /// The command cannot be started, or waited for.
    #[error("cannot run `{program}`")]
    Command {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// No thread or pipe could be had for reading.
    #[error("cannot start a thread that reads memory")]
    Thread(#[source] io::Error),
    /// It was over before its memory was read.
    #[error("it has ended before its memory could be read")]
    Over,
}

/// Measures the memory of `target` over its time: of a process by its number, of a [`Command`](std::process::Command), or
/// of this process while it [`Call`](super::Call)s a closure.
///
/// ```
/// use lineprof::usage::{Call, MemoryUsage, memory_usage};
///
/// # fn main() -> Result<(), lineprof::usage::Error> {
/// let usage = memory_usage(Call(|| vec![1_u8; 64 << 20].len()), MemoryUsage::default())?;
/// assert_eq!(usage.result, 64 << 20);
///
/// let now = memory_usage(std::process::id(), MemoryUsage::default())?;
/// assert_eq!(now.samples.len(), 1);
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`enum@Error`]; a closure has not been called then, a command that was started has ended.
pub fn memory_usage<M: Measured>(target: M, settings: MemoryUsage) -> Result<Usage<M::Result>, Error> {
    target.measure(settings)
}

/// Readings as they come, kept as is wanted.
#[derive(Debug)]
pub(super) struct Readings {
    settings: MemoryUsage,
    samples: Vec<Reading>,
    peak: Option<Bytes>,
}

impl Readings {
    pub(super) fn new(settings: MemoryUsage) -> Readings {
        Readings {
            settings,
            samples: Vec::new(),
            peak: None,
        }
    }

    pub(super) fn take(&mut self, sample: &Sample) {
        let is_greatest = self.peak.is_none_or(|peak| sample.memory > peak);
        self.peak = self.peak.max(Some(sample.memory));
        if self.settings.max_usage {
            if !is_greatest {
                return;
            }
            self.samples.clear();
        }
        self.samples.push(Reading {
            at: self.settings.timestamps.then_some(sample.at),
            memory: sample.memory,
            children: sample.descendants.clone(),
        });
    }

    pub(super) fn usage<R>(self, missed: u64, result: R) -> Usage<R> {
        Usage {
            samples: self.samples,
            peak: self.peak,
            missed,
            result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(settings: MemoryUsage) -> Usage<()> {
        let mut readings = Readings::new(settings);
        for memory in [3, 9, 9, 4] {
            readings.take(&Sample {
                at: SystemTime::UNIX_EPOCH,
                memory: Bytes(memory),
                descendants: Vec::new(),
            });
        }
        readings.usage(2, ())
    }

    #[test]
    fn all_readings_are_kept_and_their_times_where_wanted() {
        let memory = |usage: &Usage<()>| usage.samples.iter().map(|s| s.memory.0).collect::<Vec<_>>();
        let usage = taken(MemoryUsage::default());
        assert_eq!(memory(&usage), [3, 9, 9, 4]);
        assert_eq!((usage.peak, usage.missed), (Some(Bytes(9)), 2));
        assert_eq!(usage.samples[0].at, None);
        let timed = taken(MemoryUsage {
            timestamps: true,
            ..MemoryUsage::default()
        });
        assert_eq!(timed.samples[0].at, Some(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn of_the_greatest_only_one_is_kept() {
        let usage = taken(MemoryUsage {
            max_usage: true,
            ..MemoryUsage::default()
        });
        assert_eq!(usage.samples.len(), 1);
        assert_eq!((usage.samples[0].memory, usage.peak), (Bytes(9), Some(Bytes(9))));
    }

    #[test]
    fn no_reading_is_no_peak_of_nothing() {
        assert_eq!(Readings::new(MemoryUsage::default()).usage(0, ()).peak, None);
    }
}
