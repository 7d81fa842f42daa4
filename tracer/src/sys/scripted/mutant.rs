//! Faults that a session could have, made at the seam: a suite of scenes that does not notice them proves nothing.
//!
//! Must not know: which check notices which fault.

use super::memory::is_text;
use super::scene::Scene;
use crate::addr::RemoteAddr;
use crate::arch::BREAKPOINT;
use crate::ids::Tid;
use crate::sys::{Go, RawStatus, Signal};

/// What the session forgets or does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A thread goes on without the signal that it stopped for.
    KeepsSignals,
    /// A thread gets the signal that it stopped for a second time.
    DoublesSignals,
    /// An original byte is not put back.
    ForgetsBytes,
    /// The pc is left as it is.
    ForgetsPc,
    /// A thread in a stop is never let go.
    ForgetsThreads,
    /// A stop that was waited for is forgotten, every twentieth.
    LosesStops,
    /// A thread that runs is asked for its registers.
    AsksRunning,
    /// Two bytes of code are written at once.
    WritesTwoBytes,
    /// A breakpoint is put into the middle of an instruction.
    WritesInTheMiddle,
    /// Threads that sleep are taken to run, and interrupted.
    WakesSleepers,
}

impl Mutant {
    pub(crate) const ALL: [Self; 10] = [
        Self::KeepsSignals,
        Self::DoublesSignals,
        Self::ForgetsBytes,
        Self::ForgetsPc,
        Self::ForgetsThreads,
        Self::LosesStops,
        Self::AsksRunning,
        Self::WritesTwoBytes,
        Self::WritesInTheMiddle,
        Self::WakesSleepers,
    ];
}

impl Scene {
    /// Whether the session has this fault, once the scene has begun.
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.begun && self.mutant == Some(mutant)
    }

    /// A stop as the session takes note of it.
    pub(super) fn noted(&self, stop: Option<(Tid, RawStatus)>) -> Option<(Tid, RawStatus)> {
        let lost = self.is(Mutant::LosesStops) && self.requests.is_multiple_of(20);
        stop.filter(|_| !lost)
    }

    /// The signal that goes with a request to go on.
    pub(super) fn passed(&mut self, tid: Tid, go: Go, signal: Signal) -> Signal {
        if self.is(Mutant::DoublesSignals) && signal != Signal::NONE && go == Go::On {
            let thread = self.thread(tid);
            thread.pending.push_back(signal.0);
        }
        if self.is(Mutant::KeepsSignals) {
            return Signal::NONE;
        }
        signal
    }

    /// What a request to write memory writes; `None` where it is forgotten.
    pub(super) fn to_write(&self, at: RemoteAddr, bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
        let whole = Some((at.0, bytes.to_vec()));
        if !is_text(at.0) {
            return whole;
        }
        match self.mutant.filter(|_| self.begun) {
            Some(Mutant::ForgetsBytes) if bytes != [BREAKPOINT] => None,
            Some(Mutant::WritesTwoBytes) => Some((at.0, [bytes, &[0x89]].concat())),
            Some(Mutant::WritesInTheMiddle) => Some((at.0 + 1, bytes.to_vec())),
            _ => whole,
        }
    }
}
