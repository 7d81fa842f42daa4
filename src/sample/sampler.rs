//! The loop that waits and reads.
//!
//! Must not know: what becomes of a sample.
//!
//! ```text
//! ppoll(process ended, asked to stop; until the next deadline or the time is up) ─► read ─► tell ─┐
//!   ▲                                                                                             │
//!   └─────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! What is held is the open files of the processes that live, and one sample.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use lineprof_tracer::{Pid, Untraced};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use thiserror::Error;

use super::deadlines::Deadlines;
use super::descent::Source;
use super::member::{Descendant, Member, Met, Unreadable};
use crate::metric::Reading;
use crate::profile::Metric;
use crate::units::Bytes;

/// What becomes of a process's descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Descendants {
    /// They are not looked for.
    #[default]
    Ignored,
    /// Their memory is added to the process's.
    Added,
    /// Their memory is told beside the process's.
    Listed,
    /// Both.
    AddedAndListed,
}

/// What is read, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The period.
    pub interval: Duration,
    /// No reading is taken at or after this time; `None` is until the process ends.
    pub timeout: Option<Duration>,
    /// What counts as memory.
    pub metric: Metric,
    /// Where it is read from.
    pub reading: Reading,
    /// Whose memory.
    pub descendants: Descendants,
}

impl Default for Settings {
    /// memory_profiler's.
    fn default() -> Settings {
        Settings {
            interval: Duration::from_millis(100),
            timeout: None,
            metric: Metric::Rss,
            reading: Reading::Counters,
            descendants: Descendants::Ignored,
        }
    }
}

/// The memory of a descendant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberSample {
    /// Which.
    pub pid: Pid,
    /// Its memory.
    pub memory: Bytes,
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken, by the clock of the wall.
    pub at: SystemTime,
    /// The memory of the process, with that of its descendants where that is wanted.
    pub memory: Bytes,
    /// Its descendants, parents before their children; empty where they are not to be listed.
    pub descendants: Vec<MemberSample>,
}

/// Why sampling came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The process has ended.
    Process,
    /// The time is up; the process runs on.
    Timeout,
    /// Somebody asked for it; the process runs on.
    Asked,
    /// Whoever takes the samples wants no more; the process runs on.
    Enough,
}

/// What sampling came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// How many samples were told.
    pub samples: u64,
    /// How many deadlines were missed, because this process had no processor or reading took longer than the period.
    pub missed: u64,
    /// The first descendant that may not be read, which is in no sample.
    pub unreadable: Option<Unreadable>,
}

/// Sampling that failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The process's memory cannot be read.
    #[error("cannot read the memory of process {pid}")]
    Memory {
        /// Which.
        pid: Pid,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel does not let us wait.
    #[error("cannot wait for process {pid}")]
    Wait {
        /// Which.
        pid: Pid,
        /// What the kernel said.
        source: Errno,
    },
}

impl Error {
    /// Whether the process had ended before it could be looked at.
    pub fn is_gone(&self) -> bool {
        match self {
            Error::Memory { source, .. } => {
                source.kind() == io::ErrorKind::NotFound || source.raw_os_error() == Some(Errno::ESRCH as i32)
            }
            Error::Wait { .. } => false,
        }
    }
}

/// Asks a sampler to stop, from any thread; dropping it asks too.
#[derive(Debug)]
pub struct StopHandle(#[expect(dead_code, reason = "held open; closing it is the request")] PipeWriter);

impl StopHandle {
    /// Asks: sampling ends, also when it waits already.
    pub fn stop(self) {}
}

/// Hears that a sampler shall stop.
#[derive(Debug)]
pub struct StopListener(PipeReader);

/// A way to ask a sampler to stop.
///
/// # Errors
/// There are no descriptors left.
pub fn stop_pair() -> io::Result<(StopHandle, StopListener)> {
    let (reader, writer) = pipe()?;
    Ok((StopHandle(writer), StopListener(reader)))
}

/// Reads the memory of one process at a period.
#[derive(Debug)]
pub struct Sampler<'process> {
    process: &'process Untraced,
    settings: Settings,
    member: Member,
    source: Source,
    descendants: BTreeMap<i32, Descendant>,
    unreadable: Option<Unreadable>,
}

impl<'process> Sampler<'process> {
    /// A sampler for `process`.
    ///
    /// # Errors
    /// Its memory cannot be read; or it has ended already, which [`Error::is_gone`] tells.
    pub fn new(process: &'process Untraced, settings: Settings) -> Result<Sampler<'process>, Error> {
        let member = Member::open(process.identity(), settings.metric, settings.reading);
        Ok(Sampler {
            process,
            settings,
            member: member.map_err(|source| Error::Memory {
                pid: process.pid(),
                source,
            })?,
            source: Source::of_this_kernel(),
            descendants: BTreeMap::new(),
            unreadable: None,
        })
    }

    /// Reads once, now; `None` where the process has no memory any more.
    pub fn read(&mut self) -> Option<Sample> {
        let at = SystemTime::now();
        let own = self.member.read(self.process.identity())?;
        let (added, listed) = match self.settings.descendants {
            Descendants::Ignored => {
                return Some(Sample {
                    at,
                    memory: own,
                    descendants: Vec::new(),
                });
            }
            Descendants::Added => (true, false),
            Descendants::Listed => (false, true),
            Descendants::AddedAndListed => (true, true),
        };
        let descendants = self.read_descendants();
        let others: u64 = descendants.iter().map(|member| member.memory.0).sum();
        Some(Sample {
            at,
            memory: if added { Bytes(own.0 + others) } else { own },
            descendants: if listed { descendants } else { Vec::new() },
        })
    }

    fn read_descendants(&mut self) -> Vec<MemberSample> {
        let children = self.source.descendants(self.process.identity());
        // One that is gone gives its file back, and its number to another.
        self.descendants.retain(|pid, descendant| {
            children.iter().any(|child| child.pid.0 == *pid) && descendant.is_there()
        });
        let mut read = Vec::with_capacity(children.len());
        for child in children {
            // Whoever got the number of a descendant that has ended is none, nor are its children.
            let known = child.parent == self.process.pid() || self.descendants.contains_key(&child.parent.0);
            if !known {
                continue;
            }
            if !self.descendants.contains_key(&child.pid.0) {
                let met = Descendant::meet(child, self.settings.metric, self.settings.reading);
                let descendant = match met {
                    Met::Gone => continue,
                    Met::Readable(descendant) => descendant,
                    Met::Unreadable(descendant, who) => {
                        self.unreadable.get_or_insert(who);
                        descendant
                    }
                };
                self.descendants.insert(child.pid.0, descendant);
            }
            let descendant = self.descendants.get_mut(&child.pid.0);
            if let Some((pid, memory)) = descendant.and_then(Descendant::read) {
                read.push(MemberSample { pid, memory });
            }
        }
        read
    }

    /// Reads until the process ends, the time is up, somebody asks for the end, or `tell` has enough.
    ///
    /// # Errors
    /// The kernel does not let us wait.
    pub fn run(
        mut self,
        stop: &StopListener,
        tell: &mut dyn FnMut(&Sample) -> ControlFlow<()>,
    ) -> Result<Outcome, Error> {
        let begun = Instant::now();
        let mut deadlines = Deadlines::every(self.settings.interval);
        let (mut samples, mut missed) = (0, 0);
        let ended = loop {
            let due = deadlines.due();
            let until = self.settings.timeout.map_or(due, |timeout| due.min(timeout));
            let left = until.saturating_sub(begun.elapsed());
            if let Some(ended) = self.wait(stop, left)? {
                break ended;
            }
            // A signal ends a wait before its time.
            if begun.elapsed() < until {
                continue;
            }
            if self.settings.timeout.is_some_and(|timeout| due >= timeout) {
                break Ended::Timeout;
            }
            if let Some(sample) = self.read() {
                samples += 1;
                if tell(&sample).is_break() {
                    break Ended::Enough;
                }
            }
            missed += deadlines.taken(begun.elapsed());
        };
        Ok(Outcome {
            ended,
            samples,
            missed,
            unreadable: self.unreadable,
        })
    }

    /// Waits; why sampling ends, if something has happened that ends it.
    fn wait(&self, stop: &StopListener, left: Duration) -> Result<Option<Ended>, Error> {
        let mut watched = [
            PollFd::new(self.process.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.0.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut watched, Some(TimeSpec::from_duration(left)), None) {
            Ok(0) | Err(Errno::EINTR) => Ok(None),
            Ok(_) => {
                let happened = |index: usize| watched[index].revents().is_some_and(|what| !what.is_empty());
                Ok(Some(if happened(0) { Ended::Process } else { Ended::Asked }))
            }
            Err(source) => Err(Error::Wait {
                pid: self.process.pid(),
                source,
            }),
        }
    }
}
