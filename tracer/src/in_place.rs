//! The in-place engine: lift the byte, step one instruction, plant it again.
//!
//! Must not know: copies of instructions. It is the reference for the other engines, and what remains
//! where an instruction can run nowhere else.
//!
//! ```text
//! hold every running thread of the space ─► lift ─► step ─► plant again ─► let them go
//! ```
//! A thread asleep in a system call is not woken: an interrupt there makes `epoll_wait`, `semop` and
//! others fail with EINTR (measured). One that wakes up by itself within the step could pass the
//! lifted site unseen; it never runs a changed instruction.

use crate::address_space::Lifted;
use crate::arch::{SteppingHazard, stepping_hazard};
use crate::decode::{Stop, decode};
use crate::ids::{Pid, SiteId, SpaceId, Tid};
use crate::session::Core;
use crate::sys::{Activity, Answer, Go, Kernel, Origin, RawStatus, Signal, WaitFor, gone_is_fine};
use crate::tracee::{State, Tracee};
use crate::trap_setting::Allowed;
use nix::errno::Errno;
use std::ops::Bound;

/// The trap flag in the flags register (Intel SDM volume 1, 3.4.3).
const TRAP_FLAG: u64 = 1 << 8;

/// How a step ended.
enum Stepped {
    /// The instruction has run.
    Done,
    /// A signal came before the instruction ran.
    CutShort(Signal),
    /// The instruction has run, and another stop is to be looked at.
    Then(RawStatus),
}

/// Whether the trap of a thread that is stepped is the step's.
///
/// A virtual machine does not always tell that it is (`sys::linux`). Handed on, it would kill the program.
fn is_of_step(origin: Origin, hazard: SteppingHazard) -> bool {
    match origin {
        Origin::Step => true,
        Origin::CauseUnknown => hazard != SteppingHazard::RaisesDebug,
        Origin::Breakpoint | Origin::NoInstruction | Origin::Other => false,
    }
}

/// Which of the other threads are to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Those that run: nobody is woken.
    Running,
    /// And those that sleep and block or ignore `SIGSEGV`: a fault would change that.
    AlsoWithoutFaults,
    /// All.
    All,
}

impl<K: Kernel> Core<K> {
    /// Runs the instruction under `site` at its own place and lets the thread go on.
    ///
    /// *State*: `tid` is stopped with its pc at the site.
    pub(crate) fn step_over(&mut self, tid: Tid, site: SiteId) -> Answer<()> {
        let enters_kernel = stepping_hazard(&self.spaces[self.space_of(tid)].sites.get(site).original)
            == SteppingHazard::EntersKernel;
        // The mask at once: a SIGTRAP that waits to be unblocked must not come before the step does. The action after
        // the step, whose trap would reset it again; but at the entry of a system call no other can be run, and to
        // get there takes no trap.
        self.keep_trap_setting(
            tid,
            if enters_kernel {
                Allowed::Calls
            } else {
                Allowed::NoCalls
            },
        )?;
        let stepped = self.while_held(tid, Whom::Running, |core, _| core.step_lifted(tid, site))?;
        match stepped {
            Stepped::Done => {
                if !enters_kernel {
                    self.keep_trap_setting(tid, Allowed::Calls)?;
                }
                self.resume(tid, Go::On, Signal::NONE)
            }
            Stepped::CutShort(signal) => {
                let registers = self.kernel.registers(tid)?;
                if let Some(tracee) = self.tracees.get_mut(&tid) {
                    tracee.retries.push(site, registers);
                }
                self.resume(tid, Go::On, signal)
            }
            Stepped::Then(status) => {
                self.parked.push(tid, status);
                Ok(())
            }
        }
    }

    /// Does something while the threads that are meant are held, which it is told; lets them go afterwards, whatever came
    /// of it.
    ///
    /// # Errors
    /// ESRCH when `tid` is killed meanwhile, or what `act` answers.
    pub(crate) fn while_held<T>(
        &mut self,
        tid: Tid,
        whom: Whom,
        act: impl FnOnce(&mut Self, &mut Vec<Tid>) -> Answer<T>,
    ) -> Answer<T> {
        // Kept from time to time: a step allocates nothing.
        let mut held = std::mem::take(&mut self.held);
        let acted = match self.hold_others(tid, whom, &mut held) {
            Ok(()) => act(self, &mut held),
            Err(errno) => Err(errno),
        };
        for other in held.drain(..) {
            // It was killed while it was held, and its next stop is here already.
            if self.parked.holds(other) {
                continue;
            }
            gone_is_fine(self.resume(other, Go::On, Signal::NONE))?;
        }
        self.held = held;
        acted
    }

    /// Stops the threads that are meant; those that stopped for a reason of their own are parked.
    ///
    /// # Errors
    /// ESRCH when `tid` is killed meanwhile; those in `held` are to be let go in any case.
    fn hold_others(&mut self, tid: Tid, whom: Whom, held: &mut Vec<Tid>) -> Answer<()> {
        // Those that have stopped by themselves need no interrupt, and there may be many.
        while let Some((reported, status)) = self.kernel.wait(WaitFor::AnyNow)? {
            self.parked.keep(&mut self.kernel, reported, status)?;
            if reported == tid {
                return Err(Errno::ESRCH);
            }
        }
        self.parked.let_ends_go(&mut self.kernel)?;
        let mut last = Tid(0);
        while let Some((other, process)) = self.next_that_runs(last, tid) {
            last = other;
            let runs = self.kernel.activity(process, other) == Ok(Activity::Running);
            let meant = match whom {
                Whom::Running => runs,
                Whom::AlsoWithoutFaults => runs || self.takes_no_fault(other),
                Whom::All => true,
            };
            if self.may_wait_for_child(other) || !meant {
                continue;
            }
            match self.kernel.interrupt(other) {
                Ok(()) => {}
                Err(Errno::ESRCH) => continue,
                Err(errno) => return Err(errno),
            }
            let Some(status) = self.wait_beside(tid, other, process)? else {
                continue;
            };
            match decode(status) {
                Stop::Pause => {
                    if let Some(tracee) = self.tracees.get_mut(&other) {
                        tracee.state = State::Stopped;
                    }
                    held.push(other);
                    gone_is_fine(self.call_again(other))?;
                }
                // Its own stop comes first; the one asked for is reported once it goes on.
                Stop::Signal(_)
                | Stop::SystemCall
                | Stop::Group(_)
                | Stop::Child(_)
                | Stop::Executed
                | Stop::Exiting
                | Stop::Ended(_) => self.parked.keep(&mut self.kernel, other, status)?,
            }
        }
        Ok(())
    }

    /// Whether the kernel would change the program's setting for `SIGSEGV` at a fault of the thread
    /// (`force_sig_info_to_task`, kernel/signal.c).
    fn takes_no_fault(&mut self, tid: Tid) -> bool {
        let fault = Signal(libc::SIGSEGV).bit();
        let sets = self.kernel.signal_sets(tid);
        sets.is_ok_and(|sets| (sets.blocked | sets.ignored) & fault != 0)
    }

    /// The first behind `last` that runs as far as is known, other than `tid`.
    fn next_that_runs(&self, last: Tid, tid: Tid) -> Option<(Tid, Pid)> {
        let behind = self.tracees.range((Bound::Excluded(last), Bound::Unbounded));
        let space = self.space_of(tid);
        let running = |(other, tracee): (&Tid, &Tracee)| {
            let beside = *other != tid && tracee.space == space;
            let runs = beside && tracee.state == State::Running && !self.parked.holds(*other);
            runs.then_some((*other, tracee.process))
        };
        behind.filter_map(running).next()
    }

    /// The next stop of `other`; whatever else is reported before it is parked.
    ///
    /// A wait for `other` alone could last for ever: it may be in an exec, which waits for all its siblings to
    /// end, and they wait for their ends to be looked at. `None` when it has gone into an exec unseen.
    ///
    /// # Errors
    /// ESRCH when `tid`, which is stopped, reports again: it is being killed.
    pub(crate) fn wait_beside(&mut self, tid: Tid, other: Tid, process: Pid) -> Answer<Option<RawStatus>> {
        loop {
            let Some((reported, status)) = self.kernel.wait(WaitFor::Any)? else {
                continue;
            };
            if reported == other {
                return Ok(Some(status));
            }
            self.parked.keep(&mut self.kernel, reported, status)?;
            if reported == tid {
                return Err(Errno::ESRCH);
            }
            match decode(status) {
                Stop::Executed | Stop::Ended(_) if reported == process.leader() => return Ok(None),
                Stop::Signal(_)
                | Stop::SystemCall
                | Stop::Pause
                | Stop::Group(_)
                | Stop::Child(_)
                | Stop::Executed
                | Stop::Exiting
                | Stop::Ended(_) => {}
            }
        }
    }

    fn step_lifted(&mut self, tid: Tid, site: SiteId) -> Answer<Stepped> {
        let space = self.space_of(tid);
        if self.spaces[space].lift(&mut self.kernel, tid, site)? == Lifted::Rewritten {
            // What stands there now runs when the thread goes on.
            return Ok(Stepped::Done);
        }
        let stepped = self.step(tid, site);
        match self.spaces[space].plant_again(&mut self.kernel, tid, site) {
            Ok(()) => stepped,
            // The whole process has gone; the stop that told of it is still to be acted on.
            Err(_) if matches!(stepped, Err(_) | Ok(Stepped::Then(_))) => stepped,
            Err(errno) => Err(errno),
        }
    }

    fn step(&mut self, tid: Tid, site: SiteId) -> Answer<Stepped> {
        let space = self.space_of(tid);
        let stepped = self.spaces[space].sites.get(site);
        let address = stepped.address;
        let hazard = stepping_hazard(&stepped.original);
        // At the entry of a system call the instruction has run; waiting for its end could take for ever.
        let go = if hazard == SteppingHazard::EntersKernel {
            Go::ToSystemCall
        } else {
            Go::Step
        };
        loop {
            self.kernel.resume(tid, go, Signal::NONE)?;
            let status = self.parked.wait_for(&mut self.kernel, tid)?;
            match decode(status) {
                Stop::SystemCall => return Ok(Stepped::Done),
                Stop::Signal(Signal::TRAP) if is_of_step(self.kernel.origin(tid)?, hazard) => {
                    if self.kernel.registers(tid)?.pc() != address {
                        self.clear_pushed_trap_flag(tid, hazard)?;
                        return Ok(Stepped::Done);
                    }
                    // A repeated string instruction traps after each round with the pc where it was; so does
                    // a jump to itself, which is a new arrival.
                    if self.jumps_to_itself(space, site) {
                        return Ok(Stepped::Done);
                    }
                }
                Stop::Signal(signal) => {
                    let ran = self.kernel.registers(tid)?.pc() != address;
                    return Ok(if ran {
                        Stepped::Then(status)
                    } else {
                        Stepped::CutShort(signal)
                    });
                }
                // Asked for by somebody meanwhile: the step goes on.
                Stop::Pause => {}
                Stop::Group(_) | Stop::Child(_) | Stop::Executed | Stop::Exiting | Stop::Ended(_) => {
                    return Ok(Stepped::Then(status));
                }
            }
        }
    }

    fn jumps_to_itself(&self, space: SpaceId, site: SiteId) -> bool {
        use crate::code::{CodeOffset, Flow};
        let decoded = crate::code::decode(&self.spaces[space].sites.get(site).original);
        matches!(
            decoded.first().map(|i| i.flow),
            Some(Flow::Jump(CodeOffset(0)) | Flow::Branch(CodeOffset(0)))
        )
    }

    fn clear_pushed_trap_flag(&mut self, tid: Tid, hazard: SteppingHazard) -> Answer<()> {
        if hazard != SteppingHazard::PushesFlags {
            return Ok(());
        }
        let top = self.kernel.registers(tid)?.sp();
        let mut flags = [0; 8];
        self.kernel.read_memory(tid, top, &mut flags)?;
        let flags = u64::from_le_bytes(flags) & !TRAP_FLAG;
        self.kernel.write_memory(tid, top, &flags.to_le_bytes())
    }
}
