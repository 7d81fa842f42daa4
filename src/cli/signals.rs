//! Who hears a signal that is meant for lineprof.
//!
//! Must not know: reports.
//!
//! | | SIGINT, SIGQUIT | SIGTERM, SIGHUP | SIGTSTP, SIGTTIN, SIGTTOU |
//! |---|---|---|---|
//! | a program was started | the terminal sends it to the program too: its business | handed on to the program | lineprof stops once the program has |
//! | attached | detach and report | detach and report | as for every program |
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

/// Whose business it is that a terminal stops the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobControl {
    /// lineprof stops like every program.
    Own,
    /// The signal comes to the program too, which needs lineprof to take it: a lineprof that stopped first would let
    /// the program take it after the SIGCONT that was to end it.
    OfTheProgram,
}

/// What a terminal, or an access to it from the background, stops a job with (termios(3); tty_ioctl(4), TOSTOP).
const TERMINAL_STOPS: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// Stops this process as its program was stopped, so that the shell sees a stopped job; returns when it goes on.
///
/// A program that somebody stopped by SIGSTOP is not a job that was stopped: whoever continues it means it alone.
pub(crate) fn stop_with_the_program(by: lineprof::profiler::Signal) {
    let Some(signal) = TERMINAL_STOPS.into_iter().find(|signal| *signal as i32 == by.0) else {
        return;
    };
    let only: SigSet = [signal].into_iter().collect();
    // Raised before it is let through: if one is pending for the process already, both are taken as one stop, since
    // SIGCONT throws away the other (signal(7); prepare_signal, kernel/signal.c).
    let stopped = nix::sys::signal::raise(signal)
        .and_then(|()| only.thread_unblock())
        .and_then(|()| only.thread_block());
    if let Err(errno) = stopped {
        tracing::warn!(%errno, "cannot stop with the program");
    }
}

/// The program is traced no more: a terminal stops lineprof as it stops every program, from this thread on.
pub(crate) fn leave_to_the_terminal() {
    if let Err(errno) = TERMINAL_STOPS.into_iter().collect::<SigSet>().thread_unblock() {
        tracing::warn!(%errno, "cannot be stopped by the terminal");
    }
}

/// The thread that takes signals.
#[derive(Clone)]
pub(crate) struct Signals {
    reaction: Arc<Mutex<Reaction>>,
}

impl Signals {
    /// Takes the signals from here on. Threads made later inherit that they are blocked.
    pub(crate) fn take(job_control: JobControl) -> nix::Result<Signals> {
        if job_control == JobControl::OfTheProgram {
            TERMINAL_STOPS.into_iter().collect::<SigSet>().thread_block()?;
        }
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
