//! A system call that we interrupted is made once more, so that the program sees no EINTR.
//!
//! Must not know: why a thread was interrupted.
//!
//! ```text
//! runs? yes ─► epoll_wait ─► interrupt ─► pause: EINTR in the result ─► pc := the `syscall` ─► epoll_wait
//!       └────── no way to ask for a stop "unless it sleeps by then" ─────┘
//! ```
//! Only threads that run are interrupted, but one may go to sleep between the look and the interrupt. Most calls the
//! kernel restarts by itself; `epoll_wait`, `semop`, `sigtimedwait` and socket calls with a timeout end with EINTR, handler
//! or not (signal(7), "Interruption of system calls and library functions by signal handlers"). Their time begins anew,
//! which is late by no more than passed between the look and the interrupt.

use crate::ids::Tid;
use crate::session::Core;
use crate::sys::{Answer, Kernel};

impl<K: Kernel> Core<K> {
    /// Makes a thread run its system call again when that has ended for our interrupt and for nothing else.
    ///
    /// *State*: `tid` is in a pause, after which it goes on without a signal.
    pub(crate) fn call_again(&mut self, tid: Tid) -> Answer<()> {
        let Some(again) = self.kernel.registers(tid)?.before_interrupted_call() else {
            return Ok(());
        };
        // A program may count on the EINTR of a signal that it handles: its handler is about to run.
        let signals = self.kernel.signal_sets(tid)?;
        if signals.pending & signals.caught & !signals.blocked != 0 {
            return Ok(());
        }
        self.kernel.set_registers(tid, &again)
    }
}
