//! A timeline that goes on while the program does what it does.
//!
//! Must not know: which process it is, beyond its number.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use lineprof_tracer::{Pid, Untraced};

use super::memory_usage::{Error, MemoryUsage};
use crate::sample::{Sample, Sampler, StopHandle, stop_pair};
use crate::units::Bytes;

/// Reads the memory of a process at a period, on a thread of its own, from `start` to `stop`.
///
/// ```
/// use lineprof::usage::{MemoryUsage, MemoryUsageMonitor};
///
/// # fn main() -> Result<(), lineprof::usage::Error> {
/// let mut monitor = MemoryUsageMonitor::of_this_process(MemoryUsage::default());
/// monitor.start()?;
/// let work = vec![1_u8; 64 << 20];
/// let with_work = monitor.sample()?;
/// drop(work);
/// monitor.stop()?;
/// assert!(monitor.peak() >= Some(with_work));
/// let (elapsed, first) = monitor.timeline()[0];
/// assert!(elapsed.as_secs() < 60 && first < with_work);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MemoryUsageMonitor {
    pid: Pid,
    settings: MemoryUsage,
    samples: Arc<Mutex<Vec<Sample>>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    handle: StopHandle,
    thread: JoinHandle<Result<(), Error>>,
}

impl MemoryUsageMonitor {
    /// A monitor of the process with this number. Of the settings `max_usage` and `timestamps` do not matter.
    pub fn new(pid: u32, settings: MemoryUsage) -> MemoryUsageMonitor {
        MemoryUsageMonitor {
            pid: Pid(pid.cast_signed()),
            settings,
            samples: Arc::default(),
            running: None,
        }
    }

    /// A monitor of the process that runs this.
    pub fn of_this_process(settings: MemoryUsage) -> MemoryUsageMonitor {
        MemoryUsageMonitor::new(std::process::id(), settings)
    }

    /// Reads once, and begins to read at the period. What was read before is forgotten; nothing happens where it reads.
    ///
    /// # Errors
    /// There is no such process, or its memory cannot be read.
    pub fn start(&mut self) -> Result<(), Error> {
        if self.running.is_some() {
            return Ok(());
        }
        self.samples().clear();
        self.sample()?;
        let process = Untraced::find(self.pid)?;
        let (handle, listener) = stop_pair().map_err(Error::Thread)?;
        let (settings, samples) = (self.settings.sampling(), Arc::clone(&self.samples));
        let reading = move || {
            let sampler = Sampler::new(&process, settings)?;
            sampler.run(&listener, &mut |sample| {
                lock(&samples).push(sample.clone());
                ControlFlow::Continue(())
            })?;
            Ok(())
        };
        let thread = std::thread::Builder::new().name("lineprof-usage".into());
        let thread = thread.spawn(reading).map_err(Error::Thread)?;
        self.running = Some(Running { handle, thread });
        Ok(())
    }

    /// Reads once, now; what it read is in the timeline.
    ///
    /// # Errors
    /// As [`MemoryUsageMonitor::start`].
    pub fn sample(&mut self) -> Result<Bytes, Error> {
        let process = Untraced::find(self.pid)?;
        let mut sampler = Sampler::new(&process, self.settings.sampling())?;
        let sample = sampler.read().ok_or(Error::Over)?;
        let memory = sample.memory;
        self.samples().push(sample);
        Ok(memory)
    }

    /// Ends to read; the timeline stays. Nothing happens where it does not read.
    ///
    /// # Errors
    /// Reading had failed.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(Running { handle, thread }) = self.running.take() else {
            return Ok(());
        };
        handle.stop();
        match thread.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// The greatest memory that was read so far.
    pub fn peak(&self) -> Option<Bytes> {
        self.samples().iter().map(|sample| sample.memory).max()
    }

    /// What was read so far: the time since the first reading, and the memory. In order of time.
    pub fn timeline(&self) -> Vec<(Duration, Bytes)> {
        let mut samples: Vec<(SystemTime, Bytes)> = self
            .samples()
            .iter()
            .map(|sample| (sample.at, sample.memory))
            .collect();
        // Readings by hand come between those at the period, and a clock may be set back.
        samples.sort_by_key(|(at, _)| *at);
        let first = samples.first().map(|(at, _)| *at);
        let since = |at: SystemTime| first.and_then(|first| at.duration_since(first).ok());
        let elapsed = |(at, memory)| (since(at).unwrap_or_default(), memory);
        samples.into_iter().map(elapsed).collect()
    }

    fn samples(&self) -> MutexGuard<'_, Vec<Sample>> {
        lock(&self.samples)
    }
}

impl Drop for MemoryUsageMonitor {
    fn drop(&mut self) {
        // Nobody is left to hear what came of it.
        let _unheard = self.stop();
    }
}

fn lock(samples: &Mutex<Vec<Sample>>) -> MutexGuard<'_, Vec<Sample>> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}
