//! Who hears a signal that is meant for lineprof.
//!
//! Must not know: reports.
//!
//! | | SIGINT, SIGQUIT | SIGTERM, SIGHUP |
//! |---|---|---|
//! | a program was started | the terminal sends it to the program too: its business | handed on to the program |
//! | attached | detach and report | detach and report |
//!
//! The signals are blocked in every thread and taken by one that does nothing else: no handler runs, and no system
//! call is interrupted.

use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

/// What a signal does at the moment.
enum Reaction {
    /// Nothing has been started yet: lineprof itself ends.
    End,
    /// To this process.
    HandOn(Pid),
    /// Asks for the end of the session, once.
    Stop(Option<Box<dyn FnOnce() + Send>>),
}

/// The thread that takes signals.
#[derive(Clone)]
pub(crate) struct Signals {
    reaction: Arc<Mutex<Reaction>>,
}

impl Signals {
    /// Takes the signals from here on. Threads made later inherit that they are blocked.
    pub(crate) fn take() -> nix::Result<Signals> {
        let set: SigSet = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP]
            .into_iter()
            .collect();
        set.thread_block()?;
        let signals = Signals {
            reaction: Arc::new(Mutex::new(Reaction::End)),
        };
        let reaction = Arc::clone(&signals.reaction);
        std::thread::spawn(move || {
            while let Ok(signal) = set.wait() {
                react(&reaction, signal);
            }
        });
        Ok(signals)
    }

    fn set(&self, reaction: Reaction) {
        *self.reaction.lock().unwrap_or_else(PoisonError::into_inner) = reaction;
    }

    /// A program was started: signals are its business.
    pub(crate) fn hand_on(&self, pid: i32) {
        self.set(Reaction::HandOn(Pid::from_raw(pid)));
    }

    /// A process is attached to: signals end the session, by `ask`.
    pub(crate) fn stop(&self, ask: Box<dyn FnOnce() + Send>) {
        self.set(Reaction::Stop(Some(ask)));
    }
}

fn react(reaction: &Mutex<Reaction>, signal: Signal) {
    match &mut *reaction.lock().unwrap_or_else(PoisonError::into_inner) {
        Reaction::End => std::process::exit(128 + signal as i32),
        // A program that has ended meanwhile does not mind.
        Reaction::HandOn(pid) if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) => {
            let _gone = kill(*pid, signal);
        }
        Reaction::HandOn(_) => {}
        Reaction::Stop(ask) => match ask.take() {
            Some(ask) => ask(),
            // Asked again: the report is not waited for. The engine gives the process back all the same.
            None => std::process::exit(128 + signal as i32),
        },
    }
}
