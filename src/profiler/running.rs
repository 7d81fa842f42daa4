//! A profile that goes on while the program that asked for it does something else.
//!
//! Must not know: what is profiled.
//!
//! ```text
//! start ─► thread: profile() ──► "running" ─► start returns
//!                     ▲
//!   stop: drops the handle │  wait: only waits
//! ```

use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use super::builder::merged;
use super::{Error, Observer, Outcome, Pid, Profiled, Progress, Settings, StopHandle, Target, profile};
use crate::profile::{Profile, Profiles, ProfilesSchema};

/// A profile that goes on; made by [`Profiler::start`](super::Profiler::start).
///
/// Dropping it ends the profile: an attached process is given back, a started one runs on without lineprof.
#[derive(Debug)]
pub struct Running {
    /// First, so that it is dropped first: the thread is waited for then.
    handle: Option<StopHandle>,
    pid: u32,
    thread: Option<JoinHandle<Result<Outcome, Error>>>,
}

/// What the thread tells before it goes on alone.
enum Word {
    Stoppable(StopHandle),
    Running(Pid),
}

struct Teller(Sender<Word>);

impl Observer for Teller {
    fn progress(&mut self, progress: Progress) {
        if let Progress::Running { pid } = progress {
            // Nobody listens once it runs.
            let _nobody = self.0.send(Word::Running(pid));
        }
    }

    fn stoppable(&mut self, handle: StopHandle) {
        let _nobody = self.0.send(Word::Stoppable(handle));
    }
}

impl Running {
    pub(super) fn start(target: Target, settings: Settings) -> Result<Running, Error> {
        let (teller, words) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("lineprof".into())
            .spawn(move || profile(&target, &settings, &mut Teller(teller)))
            .map_err(Error::Thread)?;
        let mut running = Running {
            handle: None,
            pid: 0,
            thread: Some(thread),
        };
        loop {
            match words.recv() {
                Ok(Word::Stoppable(handle)) => running.handle = Some(handle),
                Ok(Word::Running(Pid(pid))) => {
                    running.pid = pid.cast_unsigned();
                    return Ok(running);
                }
                Err(mpsc::RecvError) => match running.outcome() {
                    Err(error) => return Err(error),
                    Ok(_) => unreachable!("a profile that came to an end told that the process ran"),
                },
            }
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the profile and leaves the process running.
    ///
    /// # Errors
    /// As [`Profiler::run`](super::Profiler::run).
    pub fn stop(mut self) -> Result<Profile, Error> {
        self.handle = None;
        self.wait()
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// As [`Profiler::run`](super::Profiler::run).
    pub fn wait(self) -> Result<Profile, Error> {
        let profiles = self.wait_each()?;
        match merged(profiles.processes) {
            Some(profile) => Ok(profile),
            None => unreachable!("there is a profile where there is no error"),
        }
    }

    /// The same, with a profile for each process that was followed.
    ///
    /// # Errors
    /// As [`Profiler::run`](super::Profiler::run).
    pub fn wait_each(mut self) -> Result<Profiles, Error> {
        let outcome = self.outcome()?;
        Ok(Profiles {
            schema: ProfilesSchema::default(),
            processes: outcome.profiled.into_iter().map(with_notes).collect(),
        })
    }

    fn outcome(&mut self) -> Result<Outcome, Error> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!("it is waited for once"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            // Nobody is left to hear what came of it.
            let _unheard = thread.join();
        }
    }
}

/// What was asked for and is not there stands in the profile's notes.
fn with_notes(profiled: Profiled) -> Profile {
    let mut profile = profiled.profile;
    let missed = profiled.missed;
    let unmatched = missed
        .unmatched
        .iter()
        .map(|pattern| format!("no function matches `{pattern}`"));
    let inlined = missed.inlined_everywhere.iter().map(|(name, _)| {
        format!("the compiler inlined every call of {name}: what they do is in the tables of their callers")
    });
    profile.notes.extend(unmatched.chain(inlined));
    profile
}
