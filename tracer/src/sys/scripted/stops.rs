//! Stops: how a thread comes into one, how it is reported, and how it goes on.
//!
//! Must not know: what threads do when they run. ptrace(2), "Stopped tracees", is the source of every rule.

use super::act::{Act, Order};
use super::player::{Life, Player};
use super::processor::PUSHF;
use super::refuse;
use super::scene::{Scene, Sleepers};
use crate::arch::BREAKPOINT;
use crate::ids::Tid;
use crate::sys::{Answer, Go, Origin, RawStatus, Signal, WaitFor};
use nix::errno::Errno;

pub(super) fn stop_status(event: i32, signal: i32) -> i32 {
    (event << 16) | (signal << 8) | 0x7F
}

impl Scene {
    /// The thread, when it may be asked: see the module.
    pub(super) fn in_stop(&mut self, tid: Tid) -> Answer<&mut Player> {
        let thread = self.thread_mut(tid)?;
        let stopped = matches!(thread.life, Life::Stopped) && thread.observed;
        // A number that has gone over to the thread that called exec: nothing has told the session yet.
        if !stopped && (thread.killed || thread.replaced) {
            return Err(Errno::ESRCH);
        }
        if !stopped || !thread.traced {
            let what = format!("is {:?}, observed {}", thread.life, thread.observed);
            return Err(refuse(tid, &what));
        }
        Ok(thread)
    }

    pub(super) fn ask_to_stop(&mut self, tid: Tid) -> Answer<()> {
        let may_wake = self.sleepers == Sleepers::MayBeWoken;
        let requests = self.requests;
        let thread = self.thread_mut(tid)?;
        if thread.life == Life::Zombie || !thread.traced {
            return Err(Errno::ESRCH);
        }
        // One that has fallen asleep since it was looked at is woken: nobody can know.
        assert!(
            thread.life != Life::Sleeping || thread.killed || may_wake || thread.asleep_since == requests,
            "an interrupt would make the system call of {tid} fail with EINTR"
        );
        thread.interrupted = true;
        if thread.life == Life::Sleeping && thread.waits_for_child.is_none() {
            thread.life = Life::Running;
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, tid: Tid, event: i32, signal: i32, origin: Origin) {
        let traced = self.thread(tid).traced;
        if !traced {
            return self.untraced(tid, event, signal, origin);
        }
        let thread = self.thread(tid);
        thread.life = Life::Stopped;
        thread.status = stop_status(event, signal);
        thread.observed = false;
        thread.origin = origin;
        self.reports.push_back(tid);
    }

    /// What becomes of a stop that nobody traces: signals act, events are nothing.
    pub(super) fn untraced(&mut self, tid: Tid, event: i32, signal: i32, origin: Origin) {
        if event == 0 && origin == Origin::Breakpoint {
            let at = self.thread(tid).regs.pc().0.wrapping_sub(1);
            let own_byte = self.own_breakpoints.contains(&at);
            let ours = !own_byte && self.thread(tid).acts.front() != Some(&Act::OwnBreakpoint);
            assert!(
                !ours,
                "thread {tid} is not traced and ran into a breakpoint of ours"
            );
        }
        if event == 0 {
            self.give(tid, signal);
        }
    }

    pub(super) fn take_stop(&mut self, who: WaitFor) -> Answer<Option<(Tid, RawStatus)>> {
        if self.order == Order::FirstOfList {
            self.run_until_all_have_stopped();
        }
        let mut yields = 4;
        loop {
            let found = match who {
                WaitFor::Only(tid) => self.reports.iter().position(|t| *t == tid),
                WaitFor::Soon(recent) => {
                    let mut hot = recent.threads();
                    hot.find_map(|tid| self.reports.iter().position(|t| *t == tid))
                }
                WaitFor::Any | WaitFor::AnyNow if self.reports.is_empty() => None,
                WaitFor::Any | WaitFor::AnyNow => Some(match self.order {
                    Order::AsHappened => 0,
                    Order::FirstOfList => {
                        let first = self.reports.iter().min();
                        self.reports.iter().position(|t| Some(t) == first).unwrap_or(0)
                    }
                    Order::NewestFirst => self.reports.len() - 1,
                    Order::Random(_) | Order::Written(_) => {
                        let count = self.reports.len() as u64;
                        self.chance(count) as usize
                    }
                }),
            };
            if let Some(tid) = found.and_then(|at| self.reports.remove(at)) {
                return Ok(Some((tid, RawStatus(self.report(tid)))));
            }
            match who {
                WaitFor::AnyNow => return Ok(None),
                // The processor is given up: somebody runs, but not for long.
                WaitFor::Soon(_) if yields > 0 && !self.able().is_empty() => yields -= 1,
                WaitFor::Soon(_) => return Ok(None),
                WaitFor::Only(tid) if !self.threads.contains_key(&tid) => return Err(Errno::ECHILD),
                WaitFor::Any if !self.threads.values().any(|t| t.traced) => return Err(Errno::ECHILD),
                WaitFor::Any | WaitFor::Only(_) => {}
            }
            assert!(
                self.advance(),
                "the tracer waits ({who:?}) and nobody will ever report"
            );
        }
    }

    /// As on as many processors as there are threads.
    fn run_until_all_have_stopped(&mut self) {
        while !self.able().is_empty() {
            self.advance();
        }
    }

    pub(super) fn report(&mut self, tid: Tid) -> i32 {
        let thread = self.thread(tid);
        let status = thread.status;
        thread.observed = true;
        if thread.life == Life::Zombie {
            self.bury(tid);
        }
        status
    }

    /// A stopped thread goes on.
    pub(super) fn go_on(&mut self, tid: Tid, go: Go, signal: Signal) {
        let thread = self.thread(tid);
        let status = thread.status;
        let (event, stopped_by) = (status >> 16, (status >> 8) & 0xFF);
        thread.go = go;
        thread.life = match go {
            Go::Listen => Life::Listening,
            _ if thread.waits_for_child.is_some() => Life::Sleeping,
            _ => Life::Running,
        };
        let pc = thread.regs.pc().0;
        if event == libc::PTRACE_EVENT_EXIT {
            return self.end(tid);
        }
        if thread.interrupted && go == Go::Listen {
            thread.interrupted = false;
            return self.stop(tid, libc::PTRACE_EVENT_STOP, stopped_by, Origin::Other);
        }
        if event == libc::PTRACE_EVENT_STOP && thread.trap_queued && thread.traced {
            thread.trap_queued = false;
            return self.stop(tid, 0, libc::SIGTRAP, Origin::Breakpoint);
        }
        assert!(
            !thread.trap_queued,
            "thread {tid} is let go with its trap still queued"
        );
        let late = self.is_late(tid, pc);
        assert!(
            !late,
            "invariant 7: thread {tid} goes on at {pc:#x}, one byte late"
        );
        if event == 0 && signal != Signal::NONE {
            assert_eq!(signal.0, stopped_by, "the signal it stopped for");
            self.give(tid, signal.0);
        } else {
            assert!(signal == Signal::NONE, "a signal made up: {} for {tid}", signal.0);
        }
    }

    /// Whether the thread would go on in the middle of the instruction it is to visit.
    pub(super) fn is_late(&mut self, tid: Tid, pc: u64) -> bool {
        let at = pc.wrapping_sub(1);
        let is_next = self.thread(tid).acts.front() == Some(&Act::Visit(at));
        // Behind an instruction of one byte that has run it is where it would be without us.
        let behind = match self.program.get(&at) {
            Some(&BREAKPOINT) => true,
            Some(&PUSHF) => self.thread(tid).visited.contains(&at),
            _ => false,
        };
        is_next && !behind
    }

    /// The tracer's thread ends: the kernel lets its tracees go, with the signals they stopped for.
    pub(crate) fn end_of_tracer(&mut self) {
        let tids: Vec<Tid> = self.threads.keys().copied().collect();
        for tid in tids {
            // Gone with an exec of one that was let go just now.
            let Ok(thread) = self.thread_mut(tid) else {
                continue;
            };
            let stopped = thread.life == Life::Stopped;
            let (event, signal) = (thread.status >> 16, (thread.status >> 8) & 0x7F);
            let pauses = stopped && event == libc::PTRACE_EVENT_STOP && signal == libc::SIGTRAP;
            // Not in vfork(2), which no signal interrupts.
            let may_fail = thread.traced && !thread.killed && thread.waits_for_child.is_none();
            let asked = may_fail && (thread.interrupted || pauses);
            assert!(
                !asked,
                "{tid} was asked to stop: its system call fails with EINTR"
            );
            if stopped && thread.traced {
                let passed_on = if event == 0 && thread.status >> 15 & 1 == 0 {
                    signal
                } else {
                    0
                };
                self.reports.retain(|t| *t != tid);
                let trap = passed_on == libc::SIGTRAP && self.thread(tid).origin == Origin::Breakpoint;
                let at = self.thread(tid).regs.pc().0.wrapping_sub(1);
                let next = self.thread(tid).acts.front().cloned();
                let own = self.own_breakpoints.contains(&at) || next == Some(Act::OwnBreakpoint);
                let at_site = !self.thread(tid).is_idle();
                assert!(!(trap && !own && at_site), "{tid} dies of our breakpoint");
                self.go_on(tid, Go::On, Signal(passed_on));
            }
            if let Ok(thread) = self.thread_mut(tid) {
                thread.traced = false;
                thread.interrupted = false;
            }
        }
    }
}
