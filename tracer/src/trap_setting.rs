//! The program's own setting for SIGTRAP, kept through our hits.
//!
//! Must not know: sites, engines, what a hit is told of.
//!
//! The kernel forces the signal of an `int3` and of a single step. On a thread that blocks SIGTRAP it
//! unblocks it and sets the action's handler to the default; where SIGTRAP is ignored it sets the default
//! too (`force_sig_info_to_task`, kernel/signal.c). Both are for good, so after each hit they are put back:
//! the mask by ptrace(2), the handler by a call of rt_sigaction(2) in the stopped thread.
//!
//! ```text
//! before the hit (not seen)          after it (seen)                     put back
//! blocked, handler h                 open, default, h's other words      blocked, h
//! ignored                            open, default                       ignored
//! blocked, default                   open, default                       blocked
//! ```
//! Nothing in the state after a hit tells the handler, nor whether SIGTRAP alone was blocked. So they are
//! looked at while they can be seen: at the begin of the session, at the birth of a thread, when the program
//! takes a SIGTRAP of its own, and at the first hits of a thread and some of the later ones. What is not seen
//! is not put back:
//! - a handler, when SIGTRAP was blocked after it was set and before the next of these looks;
//! - "ignored", when the program set it after the session began;
//! - a mask that the program set after the session began, and that blocks SIGTRAP and not all signals,
//!   where there is no handler;
//! - a handler, where a seccomp filter of the program forbids the call.

use crate::address_space::may_inject;
use crate::decode::{Stop, decode};
use crate::ids::Tid;
use crate::session::Core;
use crate::sys::{Answer, Go, Kernel, Origin, Signal};
use nix::errno::Errno;

/// Every hit of a thread up to this one is looked at, and one of as many later on: a look costs as much
/// as a hit.
const LOOKED_AT: u32 = 64;

/// The standard signals that can be blocked, but for SIGTRAP.
const OTHERS: u64 = 0x7FFF_FFFF & !TRAP & !Signal(libc::SIGKILL).bit() & !Signal(libc::SIGSTOP).bit();
const TRAP: u64 = Signal::TRAP.bit();

/// Handlers that are none, and the flag of one that serves once (<asm-generic/signal-defs.h>).
const DEFAULT: u64 = 0;
const IGNORE: u64 = 1;
const ONE_SHOT: u64 = 0x8000_0000;

/// Whether calls can be run in the thread: at a signal of its own they would take the signal away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    Calls,
    NoCalls,
}

/// What a process does with SIGTRAP, where that is not the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrapAction {
    handler: u64,
    /// Flags, restorer and mask, which the kernel leaves as they are; `None` as long as nobody has looked.
    rest: Option<[u64; 3]>,
}

/// What the action after a hit tells of the hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The handler is still there: nothing was forced here.
    Intact,
    /// A handler was reset: by this thread, unless another was as fast.
    Reset,
    /// There was no handler to be reset.
    Nothing,
}

/// Whether SIGTRAP was blocked when a hit left the mask `after`; `before` is the mask at the last look.
fn was_blocked(before: Option<u64>, after: u64, told: Told, threads: usize) -> bool {
    // Who blocks all signals blocks this one too.
    if after & OTHERS == OTHERS {
        return true;
    }
    match told {
        Told::Intact => false,
        Told::Reset => threads == 1 || before != Some(after),
        Told::Nothing => before == Some(after | TRAP),
    }
}

/// The arguments that set SIGTRAP's action from one place and put the former one to another (rt_sigaction(2)).
fn rt_sigaction(from: u64, to: u64) -> [u64; 6] {
    const SET_SIZE: u64 = 8;
    [u64::from(libc::SIGTRAP.cast_unsigned()), from, to, SET_SIZE, 0, 0]
}

impl TrapAction {
    /// Whether `seen` is what a hit makes of this action, and not one that the program has set itself.
    fn is_reset_to(self, seen: Self) -> bool {
        let one_shot = matches!(seen.rest, Some([flags, _, _]) if flags & ONE_SHOT != 0);
        seen.handler == DEFAULT && !one_shot && (self.rest.is_none() || self.rest == seen.rest)
    }
}

impl<K: Kernel> Core<K> {
    /// Looks at a thread that the session begins with; it may be running.
    pub(crate) fn begin_trap_setting(&mut self, tid: Tid) -> Answer<()> {
        let sets = self.kernel.signal_sets(tid)?;
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return Ok(());
        };
        tracee.signals.blocked = Some(sets.blocked);
        if sets.ignored & TRAP != 0 {
            let ignored = TrapAction {
                handler: IGNORE,
                rest: None,
            };
            self.trap_actions.insert(tracee.process, ignored);
        }
        Ok(())
    }

    /// A child begins with its parent's mask and actions (clone(2), pthread_create(3)).
    pub(crate) fn inherit_trap_setting(&mut self, parent: Tid, child: Tid) {
        let of = |tid| self.tracees.get(&tid).map(|t| (t.process, t.signals.blocked));
        let (Some((from, blocked)), Some((to, _))) = (of(parent), of(child)) else {
            return;
        };
        if let Some(tracee) = self.tracees.get_mut(&child) {
            tracee.signals.blocked = blocked;
        }
        match self.trap_actions.get(&from).copied() {
            Some(action) => self.trap_actions.insert(to, action),
            None => self.trap_actions.remove(&to),
        };
    }

    /// At the first stop of a thread: it has done nothing yet, and may block all signals before its first hit.
    pub(crate) fn learn_at_birth(&mut self, tid: Tid) -> Answer<()> {
        if self.known_trap_action(tid).is_none() && self.kernel.signal_sets(tid)?.caught & TRAP != 0 {
            self.learn_trap_action(tid)?;
        }
        Ok(())
    }

    /// Hands a SIGTRAP of its own to the program.
    ///
    /// Its handler most often blocks the signal, and then the next hit resets it: so the thread is stopped where the
    /// handler begins (`signal_setup_done`, kernel/signal.c, traps a step there without a forced signal).
    pub(crate) fn deliver_trap(&mut self, tid: Tid) -> Answer<()> {
        if self.kernel.signal_sets(tid)?.caught & TRAP == 0 {
            return self.resume(tid, Go::On, Signal::TRAP);
        }
        self.kernel.resume(tid, Go::Step, Signal::TRAP)?;
        let status = self.parked.wait_for(&mut self.kernel, tid)?;
        if decode(status) != Stop::Signal(Signal::TRAP) || self.kernel.origin(tid)? != Origin::Other {
            self.parked.push(tid, status);
            return Ok(());
        }
        self.learn_trap_action(tid)?;
        let blocked = self.kernel.signal_mask(tid)?;
        self.saw_blocked(tid, blocked);
        self.resume(tid, Go::On, Signal::NONE)
    }

    /// Puts the setting back that the program had before a hit, as far as it is known.
    ///
    /// *State*: `tid` stands in a stop that follows a hit and will not be stepped again.
    pub(crate) fn keep_trap_setting(&mut self, tid: Tid, allowed: Allowed) -> Answer<()> {
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return Ok(());
        };
        let (process, before) = (tracee.process, tracee.signals.blocked);
        tracee.signals.hits = tracee.signals.hits.wrapping_add(1);
        let due = tracee.signals.hits <= LOOKED_AT || tracee.signals.hits.is_multiple_of(LOOKED_AT);
        let known = self.trap_actions.get(&process).copied();
        let open = before.is_some_and(|mask| mask & TRAP == 0);
        if !due && known.is_none() && open {
            return Ok(());
        }
        let after = self.kernel.signal_mask(tid)?;
        let may_be_reset = known.is_some_and(|a| a.handler == IGNORE || before != Some(after));
        let told = if due || may_be_reset {
            self.keep_trap_action(tid, due, allowed)?
        } else {
            Told::Nothing
        };
        let threads = self.tracees.values().filter(|t| t.process == process).count();
        let mut blocked = after;
        if was_blocked(before, after, told, threads) {
            blocked |= TRAP;
            self.kernel.set_signal_mask(tid, blocked)?;
        }
        self.saw_blocked(tid, blocked);
        Ok(())
    }

    fn saw_blocked(&mut self, tid: Tid, blocked: u64) {
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.signals.blocked = Some(blocked);
        }
    }

    fn keep_trap_action(&mut self, tid: Tid, due: bool, allowed: Allowed) -> Answer<Told> {
        let known = self.known_trap_action(tid);
        let sets = self.kernel.signal_sets(tid)?;
        let (caught, ignored) = (sets.caught & TRAP != 0, sets.ignored & TRAP != 0);
        if caught || ignored {
            if allowed == Allowed::Calls && (due || known.is_none()) {
                self.learn_trap_action(tid)?;
            }
            return Ok(if caught { Told::Intact } else { Told::Nothing });
        }
        let Some(known) = known else {
            return Ok(Told::Nothing);
        };
        if allowed == Allowed::Calls {
            let put_back = |seen| known.is_reset_to(seen).then_some(known.handler);
            let now = self.exchange_trap_action(tid, put_back)?;
            if now.is_some_and(|action| action.handler == DEFAULT) {
                return Ok(Told::Nothing);
            }
        }
        Ok(if known.handler == IGNORE {
            Told::Nothing
        } else {
            Told::Reset
        })
    }

    fn known_trap_action(&self, tid: Tid) -> Option<TrapAction> {
        let process = self.tracees.get(&tid)?.process;
        self.trap_actions.get(&process).copied()
    }

    fn learn_trap_action(&mut self, tid: Tid) -> Answer<()> {
        self.exchange_trap_action(tid, |_| None).map(drop)
    }

    /// Looks at the action, sets the handler that `wanted` answers with, and takes note of what it is now.
    ///
    /// `None` where no call can be run.
    fn exchange_trap_action(
        &mut self,
        tid: Tid,
        wanted: impl FnOnce(TrapAction) -> Option<u64>,
    ) -> Answer<Option<TrapAction>> {
        let Some((process, space)) = self.tracees.get(&tid).map(|t| (t.process, t.space)) else {
            return Ok(None);
        };
        if !may_inject(&mut self.kernel, tid)? {
            tracing::debug!(%tid, "the action of SIGTRAP is left: no call may be run");
            return Ok(None);
        }
        let caller = &mut self.spaces[space].caller;
        let exchanged = caller.with_page(&mut self.kernel, tid, &mut self.parked, |page| {
            let (here, nowhere) = (page.address.0, 0);
            page.call(libc::SYS_rt_sigaction, rt_sigaction(nowhere, here))?;
            // Source: `struct sigaction` of the kernel, <asm/signal.h>.
            let [handler, flags, restorer, mask] = page.read()?;
            let rest = Some([flags, restorer, mask]);
            let mut action = TrapAction { handler, rest };
            if let Some(handler) = wanted(action) {
                page.write(&[handler])?;
                page.call(libc::SYS_rt_sigaction, rt_sigaction(here, nowhere))?;
                action.handler = handler;
            }
            Ok(action)
        });
        match exchanged {
            Ok(action) => {
                if action.handler == DEFAULT {
                    self.trap_actions.remove(&process);
                } else {
                    self.trap_actions.insert(process, action);
                }
                Ok(Some(action))
            }
            Err(Errno::ESRCH) => Err(Errno::ESRCH),
            Err(errno) => {
                tracing::debug!(%tid, %errno, "the action of SIGTRAP is left");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USR1: u64 = 1 << (libc::SIGUSR1 - 1);

    #[test]
    fn a_thread_that_blocks_all_other_signals_blocked_this_one_too() {
        for told in [Told::Intact, Told::Reset, Told::Nothing] {
            assert!(was_blocked(None, OTHERS, told, 2));
            assert!(was_blocked(Some(OTHERS), !TRAP, told, 2));
            assert!(!was_blocked(None, OTHERS & !USR1, told, 2) || told == Told::Reset);
        }
    }

    #[test]
    fn a_handler_that_is_still_there_was_not_forced() {
        // The program's own handler has returned: its mask is open again.
        assert!(!was_blocked(Some(TRAP), 0, Told::Intact, 1));
    }

    #[test]
    fn a_handler_that_was_reset_was_forced_by_this_thread_or_by_another() {
        assert!(was_blocked(Some(0), 0, Told::Reset, 1));
        assert!(was_blocked(Some(0), USR1, Told::Reset, 2));
        assert!(!was_blocked(Some(0), 0, Told::Reset, 2), "another was as fast");
    }

    #[test]
    fn without_a_handler_a_mask_that_is_otherwise_the_same_is_the_same() {
        assert!(was_blocked(Some(USR1 | TRAP), USR1, Told::Nothing, 1));
        assert!(!was_blocked(Some(USR1 | TRAP), 0, Told::Nothing, 1));
        assert!(!was_blocked(None, 0, Told::Nothing, 1));
    }

    #[test]
    fn an_action_that_the_program_has_set_is_not_taken_for_one_that_was_reset() {
        let action = |handler, flags| TrapAction {
            handler,
            rest: Some([flags, 0x7000, 0]),
        };
        let ours = action(0x40_1000, 4);
        assert!(ours.is_reset_to(action(DEFAULT, 4)));
        assert!(!ours.is_reset_to(action(DEFAULT, 0x1000_0000)));
        assert!(!ours.is_reset_to(action(0x40_2000, 4)));
        let once = action(0x40_1000, ONE_SHOT);
        assert!(!once.is_reset_to(action(DEFAULT, ONE_SHOT)), "it has served");
        let ignored = TrapAction {
            handler: IGNORE,
            rest: None,
        };
        assert!(ignored.is_reset_to(action(DEFAULT, 4)));
    }
}
