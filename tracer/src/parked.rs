//! Stops that were reaped while something else was waited for: each is acted on later, in its turn.
//!
//! Must not know: what a stop means, but for the end of a thread.
//!
//! A wait for one thread alone could last for ever: a leader's end is reported only after all other threads are
//! reaped, and a thread in an exec waits for the others to be let go (ptrace(2)). So waits are for all threads, and
//! an end that is met meanwhile is let go at once, for the one that is waited for may wait for it. It is told later.

use crate::decode::{Stop, decode};
use crate::ids::Tid;
use crate::sys::{Answer, Go, Kernel, RawStatus, Signal, WaitFor, gone_is_fine};
use std::collections::{HashSet, VecDeque};

/// The stops, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    stops: VecDeque<(Tid, RawStatus)>,
    /// Threads that were let end; their stop is among the others, and over.
    let_go: HashSet<Tid>,
}

impl Parked {
    /// The next to act on.
    pub(crate) fn next(&mut self) -> Option<(Tid, RawStatus)> {
        self.stops.pop_front()
    }

    /// Adds a stop.
    ///
    /// A thread reports again without having been let go only when it is killed: what it stopped for before is
    /// void then, but for its end.
    pub(crate) fn push(&mut self, tid: Tid, status: RawStatus) {
        self.stops
            .retain(|(other, before)| *other != tid || decode(*before) == Stop::Exiting);
        self.stops.push_back((tid, status));
    }

    pub(crate) fn push_first(&mut self, tid: Tid, status: RawStatus) {
        self.stops.push_front((tid, status));
    }

    pub(crate) fn holds(&self, tid: Tid) -> bool {
        self.stops.iter().any(|(parked, _)| *parked == tid)
    }

    /// Whether this thread was let end before its end is told.
    pub(crate) fn has_let_go(&self, tid: Tid) -> bool {
        self.let_go.contains(&tid)
    }

    /// The same, when its end is told now.
    pub(crate) fn had_let_go(&mut self, tid: Tid) -> bool {
        self.let_go.remove(&tid)
    }

    /// Adds a stop that came while something else was waited for.
    pub(crate) fn keep<K: Kernel>(&mut self, kernel: &mut K, tid: Tid, status: RawStatus) -> Answer<()> {
        self.push(tid, status);
        match decode(status) {
            Stop::Exiting => self.let_end(kernel, tid),
            Stop::Signal(_)
            | Stop::SystemCall
            | Stop::Pause
            | Stop::Group(_)
            | Stop::Child(_)
            | Stop::Executed
            | Stop::Ended(_) => Ok(()),
        }
    }

    /// Lets all threads end whose ends are parked.
    pub(crate) fn let_ends_go<K: Kernel>(&mut self, kernel: &mut K) -> Answer<()> {
        let ending = |(_, status): &&(Tid, RawStatus)| decode(*status) == Stop::Exiting;
        let ends: Vec<Tid> = self.stops.iter().filter(ending).map(|(tid, _)| *tid).collect();
        ends.into_iter().try_for_each(|tid| self.let_end(kernel, tid))
    }

    fn let_end<K: Kernel>(&mut self, kernel: &mut K, tid: Tid) -> Answer<()> {
        if !self.let_go.insert(tid) {
            return Ok(());
        }
        gone_is_fine(kernel.resume(tid, Go::On, Signal::NONE))
    }

    /// The next stop of one thread; whatever is reported before it is kept.
    pub(crate) fn wait_for<K: Kernel>(&mut self, kernel: &mut K, tid: Tid) -> Answer<RawStatus> {
        self.let_ends_go(kernel)?;
        loop {
            match kernel.wait(WaitFor::Any)? {
                Some((reported, status)) if reported == tid => return Ok(status),
                Some((other, status)) => self.keep(kernel, other, status)?,
                None => {}
            }
        }
    }
}
