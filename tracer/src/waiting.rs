//! Which stop is acted on next: each thread has its turn, and a crowd that sleeps costs little.
//!
//! Must not know: what a stop means.

use crate::ids::Tid;
use crate::recent::Recent;
use crate::session::Core;
use crate::sys::{Answer, Kernel, RawStatus, WaitFor};
use crate::tracee::State;

/// From so many on the threads that hit last are looked at before all others.
const MANY_THREADS: usize = 32;

/// How many answers one thread can have while another waits, with `tracees` of them.
///
/// A round costs one more system call, which looks at each: so the more there are, the rarer it is. With 2,000 a
/// hit pays 0.4 us for it and another thread waits 0.7 ms at most.
pub(crate) fn waits_a_round(tracees: usize) -> usize {
    (tracees / 32).max(8)
}

impl<K: Kernel> Core<K> {
    /// The next stop to act on, of any thread.
    ///
    /// wait4(2) answers with the first stopped thread of a list: a thread that stops again at once hides those
    /// behind it for as long as it likes (measured: five of eight hot threads never got on). So from time
    /// to time all stops are taken in, and each has its turn.
    pub(crate) fn next_stop(&mut self) -> Answer<(Tid, RawStatus)> {
        loop {
            if let Some(parked) = self.parked.next() {
                return Ok(parked);
            }
            if self.tracees.len() > 1 && self.waits_since_round >= waits_a_round(self.tracees.len()) {
                self.waits_since_round = 0;
                while let Some((tid, status)) = self.kernel.wait(WaitFor::AnyNow)? {
                    self.parked.push(tid, status);
                }
                continue;
            }
            self.waits_since_round += 1;
            if let Some(stop) = self.stop_of_recent()? {
                return Ok(stop);
            }
            if let Some(stop) = self.kernel.wait(WaitFor::Any)? {
                return Ok(stop);
            }
        }
    }

    /// The next stop of a thread that hit of late, where looking at all would cost more than a hit.
    fn stop_of_recent(&mut self) -> Answer<Option<(Tid, RawStatus)>> {
        if self.tracees.len() < MANY_THREADS {
            return Ok(None);
        }
        let runs = |tid| matches!(self.tracees.get(&tid), Some(t) if t.state == State::Running);
        let recent = self.recent.among(runs);
        if recent.is_empty() {
            return Ok(None);
        }
        let stop = self.kernel.wait(WaitFor::Soon(recent))?;
        if stop.is_none() {
            self.recent = Recent::default();
        }
        Ok(stop)
    }
}
