//! A system call that ended only because of us is made once more, so that the program sees no EINTR.
//!
//! Must not know: why a thread was interrupted, who sent a signal.
//!
//! ```text
//! runs? yes ─► epoll_wait ─► interrupt ─► pause: EINTR in the result ─► pc := the `syscall` ─► epoll_wait
//!       └────── no way to ask for a stop "unless it sleeps by then" ─────┘
//! ```
//! Only threads that run are interrupted, but one may go to sleep between the look and the interrupt. Most calls the
//! kernel restarts by itself; `epoll_wait`, `semop`, `sigtimedwait` and socket calls with a timeout end with EINTR, handler
//! or not (signal(7), "Interruption of system calls and library functions by signal handlers"). Their time begins anew,
//! which is late by no more than passed between the look and the interrupt.
//!
//! A signal that the program ignores ends these calls too, but only under a tracer, which is asked about each signal
//! (`sig_ignored`, kernel/signal.c). A call without a time limit is made again. One with a limit ends with EINTR: it
//! would begin its time anew at each such signal, and perhaps never end.

use crate::arch::Limit;
use crate::ids::Tid;
use crate::session::Core;
use crate::sys::{Answer, Kernel, Signal};

impl<K: Kernel> Core<K> {
    /// Makes a thread run its system call again when that has ended for our interrupt and for nothing else.
    ///
    /// *State*: `tid` is in a pause, after which it goes on without a signal.
    pub(crate) fn call_again(&mut self, tid: Tid) -> Answer<()> {
        let Some((again, _)) = self.kernel.registers(tid)?.before_interrupted_call() else {
            return Ok(());
        };
        // A program may count on the EINTR of a signal that it handles: its handler is about to run.
        let signals = self.kernel.signal_sets(tid)?;
        if signals.will_be_handled() {
            return Ok(());
        }
        self.kernel.set_registers(tid, &again)
    }

    /// Makes a thread run its system call again when that has ended for a signal that the program ignores.
    ///
    /// *State*: `tid` is in the stop at which `signal` is to be delivered.
    pub(crate) fn call_again_at_ignored(&mut self, tid: Tid, signal: Signal) -> Answer<()> {
        let interrupted = self.kernel.registers(tid)?.before_interrupted_call();
        let Some((again, Limit::None)) = interrupted else {
            return Ok(());
        };
        let signals = self.kernel.signal_sets(tid)?;
        let by_default = IGNORED_BY_DEFAULT.contains(&signal.0) && signals.caught & signal.bit() == 0;
        if !by_default && signals.ignored & signal.bit() == 0 {
            return Ok(());
        }
        if signals.will_be_handled() {
            return Ok(());
        }
        self.kernel.set_registers(tid, &again)
    }
}

/// What is ignored where the program has said nothing (signal(7)); SIGCONT does its work when it is sent.
const IGNORED_BY_DEFAULT: [i32; 4] = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
