//! What can be measured: processes, commands, calls.
//!
//! Must not know: which readings are kept.

use std::ops::ControlFlow;
use std::process::{Command, ExitStatus};
use std::sync::mpsc;

use lineprof_tracer::{Pid, Untraced};

use super::memory_usage::{Error, MemoryUsage, Readings, Usage};
use crate::sample::{Sampler, StopHandle, StopListener, stop_pair};

/// Something that takes memory for a time.
///
/// *Implemented for* the number of a process, a [`Command`], and a [`Call`].
pub trait Measured {
    /// What it comes to.
    type Result;

    /// As [`memory_usage`](super::memory_usage()).
    ///
    /// # Errors
    /// As there.
    fn measure(self, settings: MemoryUsage) -> Result<Usage<Self::Result>, Error>;
}

/// A closure that is called on this thread, while another reads the memory of the whole process.
#[derive(Debug, Clone, Copy)]
pub struct Call<F>(pub F);

impl Measured for u32 {
    type Result = ();

    fn measure(self, settings: MemoryUsage) -> Result<Usage<()>, Error> {
        let process = Untraced::find(Pid(self.cast_signed()))?;
        let mut sampler = Sampler::new(&process, settings.sampling())?;
        let mut readings = Readings::new(settings);
        if settings.timeout.is_none() {
            if let Some(sample) = sampler.read() {
                readings.take(&sample);
            }
            return Ok(readings.usage(0, ()));
        }
        let (_held, listener) = pair()?;
        let missed = read(sampler, &listener, &mut readings)?;
        Ok(readings.usage(missed, ()))
    }
}

impl Measured for Command {
    type Result = ExitStatus;

    /// Starts it, reads until it ends or the time is up, and waits for its end.
    fn measure(mut self, settings: MemoryUsage) -> Result<Usage<ExitStatus>, Error> {
        let program = self.get_program().to_string_lossy().into_owned();
        let failed = |source| Error::Command {
            program: program.clone(),
            source,
        };
        let mut child = self.spawn().map_err(failed)?;
        let mut readings = Readings::new(settings);
        let measured = match measure_child(child.id(), settings, &mut readings) {
            // It has ended already.
            Err(Error::Over) => Ok(0),
            other => other,
        };
        // In any case: nobody else waits for it.
        let status = child.wait().map_err(failed)?;
        Ok(readings.usage(measured?, status))
    }
}

fn measure_child(pid: u32, settings: MemoryUsage, readings: &mut Readings) -> Result<u64, Error> {
    let process = Untraced::find(Pid(pid.cast_signed())).map_err(over)?;
    let sampler = Sampler::new(&process, settings.sampling());
    let sampler = sampler.map_err(|error| {
        if error.is_gone() {
            Error::Over
        } else {
            error.into()
        }
    })?;
    let (_held, listener) = pair()?;
    read(sampler, &listener, readings)
}

/// An own child that cannot be found any more has ended.
fn over(error: lineprof_tracer::Error) -> Error {
    use lineprof_tracer::Kind;
    match error.kind {
        Kind::Zombie | Kind::NoSuchProcess => Error::Over,
        _ => error.into(),
    }
}

impl<R, F: FnOnce() -> R> Measured for Call<F> {
    type Result = R;

    /// Reads once before it is called and once after, and in between at the period.
    fn measure(self, settings: MemoryUsage) -> Result<Usage<R>, Error> {
        let process = Untraced::find(Pid(std::process::id().cast_signed()))?;
        let (handle, listener) = pair()?;
        let (begun, first) = mpsc::channel();
        std::thread::scope(|scope| {
            let reading = || {
                let sampler = Sampler::new(&process, settings.sampling())?;
                let mut readings = Readings::new(settings);
                let outcome = sampler.run(&listener, &mut |sample| {
                    readings.take(sample);
                    // Nobody waits for another than the first.
                    let _first = begun.send(());
                    ControlFlow::Continue(())
                });
                // Who waits for the first hears that there is none.
                drop(begun);
                Ok::<_, Error>((readings, outcome?.missed))
            };
            let thread = std::thread::Builder::new().name("lineprof-usage".into());
            let thread = thread.spawn_scoped(scope, reading).map_err(Error::Thread)?;
            let called = call(self.0, &first, handle);
            let (mut readings, missed) = match thread.join() {
                Ok(read) => read?,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            let result = called.ok_or(Error::Over)?;
            if let Some(last) = Sampler::new(&process, settings.sampling())?.read() {
                readings.take(&last);
            }
            Ok(readings.usage(missed, result))
        })
    }
}

/// Calls once the first reading was taken; where none was, not at all. A panic ends the readings as a return does.
fn call<R>(work: impl FnOnce() -> R, first: &mpsc::Receiver<()>, handle: StopHandle) -> Option<R> {
    let result = first.recv().ok().map(|()| work());
    handle.stop();
    result
}

fn pair() -> Result<(StopHandle, StopListener), Error> {
    stop_pair().map_err(Error::Thread)
}

/// Reads to the end; how many readings were missed.
fn read(sampler: Sampler<'_>, listener: &StopListener, readings: &mut Readings) -> Result<u64, Error> {
    let outcome = sampler.run(listener, &mut |sample| {
        readings.take(sample);
        ControlFlow::Continue(())
    })?;
    Ok(outcome.missed)
}
