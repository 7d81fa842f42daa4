//! What threads do when they run, one thing at a time.
//!
//! Must not know: requests' names. Instructions are in `processor`.

use super::act::Act;
use super::memory::IDLE;
use super::player::{Life, Player};
use super::scene::Scene;
use crate::addr::RemoteAddr;
use crate::arch::BREAKPOINT;
use crate::ids::{Pid, Tid};
use crate::sys::Origin;

impl Scene {
    /// The threads that run and have something to do.
    pub(super) fn able(&self) -> Vec<Tid> {
        let can = |(tid, t): (&Tid, &Player)| {
            let able = t.life == Life::Running && !self.execs.contains(tid);
            (able && (t.is_busy() || t.interrupted)).then_some(*tid)
        };
        self.threads.iter().filter_map(can).collect()
    }

    /// One thread does one thing; whether anybody could.
    pub(crate) fn advance(&mut self) -> bool {
        let able = self.able();
        if able.is_empty() {
            let Some(act) = self.last_acts.pop_front() else {
                return false;
            };
            self.journal.push(format!("-- at last: {act:?}"));
            let Some(by) = self.threads.keys().next().copied() else {
                return false;
            };
            // No thread's own act: nothing of it is taken away.
            self.thread(by).acts.push_front(act.clone());
            self.act(by, act);
            return true;
        }
        let number = if self.is_random() {
            self.chance(able.len() as u64) as usize
        } else {
            0
        };
        self.turns += 1;
        assert!(self.turns < 100 * self.most_requests, "nobody comes to an end");
        self.turn(able[number]);
        true
    }

    /// What a thread does when it runs: what came for it first, then its instruction, then its next act.
    pub(super) fn turn(&mut self, tid: Tid) {
        let traps_first = self.traps_before_pause || self.is_random() && self.chance(2) == 0;
        let thread = self.thread(tid);
        let pc = thread.regs.pc().0;
        if thread.interrupted && thread.traced {
            thread.interrupted = false;
            let memory = thread.memory;
            let next = if let (IDLE, Some(Act::Visit(at))) = (pc, thread.acts.front()) {
                *at
            } else {
                pc
            };
            if traps_first && self.byte(memory, next) == Some(BREAKPOINT) {
                let thread = self.thread(tid);
                thread.regs.set_pc(RemoteAddr(next + 1));
                thread.trap_queued = true;
                if self.own_breakpoints.contains(&next) {
                    self.run_own_breakpoint(tid, next);
                }
            }
            let group = self.thread(tid).group;
            return self.stop(
                tid,
                libc::PTRACE_EVENT_STOP,
                group.unwrap_or(libc::SIGTRAP),
                Origin::Other,
            );
        }
        if let Some(at) = thread.deliverable() {
            let signal = thread.pending.remove(at).expect("found");
            return self.stop(tid, 0, signal, Origin::Other);
        }
        if pc != IDLE {
            return self.run_instruction(tid);
        }
        match self.thread(tid).acts.front().cloned() {
            Some(Act::Visit(at)) => {
                let rounds = self.rounds;
                let thread = self.thread(tid);
                thread.regs.set_pc(RemoteAddr(at));
                thread.rounds = rounds;
            }
            Some(act) => {
                self.journal.push(format!("-- {tid}: {act:?}"));
                self.act(tid, act);
            }
            None => {}
        }
    }

    pub(super) fn act(&mut self, tid: Tid, act: Act) {
        let thread = self.thread(tid);
        let (process, memory) = (thread.process, thread.memory);
        if act != Act::OwnBreakpoint {
            thread.acts.pop_front();
        }
        match act {
            Act::Visit(_) => {}
            Act::Raise(signal) => self.signal(tid, signal),
            Act::OwnBreakpoint => {
                self.thread(tid).sent.push(libc::SIGTRAP);
                self.stop(tid, 0, libc::SIGTRAP, Origin::Breakpoint);
                self.thread(tid).acts.pop_front();
            }
            Act::Thread(child, acts) => self.make(tid, child, Player::new(process, memory, acts)),
            Act::Share(child, acts) => self.make(tid, child, Player::new(Pid(child), memory, acts)),
            Act::Vfork(child, acts) => {
                self.thread(tid).waits_for_child = Some(Tid(child));
                self.make(tid, child, Player::new(Pid(child), memory, acts));
            }
            Act::Fork(child, acts) => {
                let copy = self.memories[memory].clone();
                self.memories.push(copy);
                let memory = self.memories.len() - 1;
                self.make(tid, child, Player::new(Pid(child), memory, acts));
            }
            act @ (Act::Exec | Act::Become(_)) => {
                if let Act::Become(acts) = act {
                    self.thread(tid).becomes = acts;
                }
                self.execs.push(tid);
                for other in self.living(process) {
                    if other != tid {
                        self.doom(other);
                    }
                }
                self.finish_execs();
            }
            Act::Exit if self.thread(tid).traced => {
                self.stop(tid, libc::PTRACE_EVENT_EXIT, libc::SIGTRAP, Origin::Other);
            }
            Act::Exit => self.end(tid),
            Act::ExitGroup(code) => {
                for other in self.living(process) {
                    self.thread(other).code = Some(code);
                    self.doom(other);
                }
            }
            Act::Continue(leader) => {
                for other in self.living(Pid(leader)) {
                    self.thread(other).group = None;
                    if self.thread(other).life == Life::Listening {
                        self.stop(other, libc::PTRACE_EVENT_STOP, libc::SIGTRAP, Origin::Other);
                    }
                }
            }
            Act::Sleep => self.sleep(tid),
            Act::Wake(other) => self.wake_up(Tid(other)),
            Act::Ring(child) => self.end_child_of_tracer(Tid(child)),
            Act::Return => {
                let thread = self.thread(tid);
                let (pc, sp) = thread.frames.pop().expect("a handler was entered");
                thread.regs.set_pc(RemoteAddr(pc));
                thread.regs.set_sp(RemoteAddr(sp));
            }
        }
    }

    fn sleep(&mut self, tid: Tid) {
        let requests = self.requests;
        let thread = self.thread(tid);
        if thread.wake_ups > 0 {
            thread.wake_ups -= 1;
            return;
        }
        thread.life = Life::Sleeping;
        thread.asleep_since = requests;
    }

    fn wake_up(&mut self, tid: Tid) {
        match self.threads.get_mut(&tid) {
            Some(thread) if thread.life == Life::Sleeping && thread.waits_for_child.is_none() => {
                thread.life = Life::Running;
            }
            Some(thread) => thread.wake_ups += 1,
            None => {}
        }
    }

    pub(super) fn make(&mut self, parent: Tid, child: i32, mut thread: Player) {
        let traced = self.thread(parent).traced;
        let vfork = self.thread(parent).waits_for_child == Some(Tid(child));
        thread.traced = traced;
        thread.handlers = self.thread(parent).handlers.clone();
        thread.seccomp = self.thread(parent).seccomp;
        self.threads.insert(Tid(child), thread);
        if traced {
            self.thread(parent).message = u64::from(child.cast_unsigned());
            // Without CLONE_VFORK clone(2) gives either of two events for any flags: both are one to the decoder.
            let event = if vfork {
                libc::PTRACE_EVENT_VFORK
            } else {
                libc::PTRACE_EVENT_CLONE
            };
            self.stop(parent, event, libc::SIGTRAP, Origin::Other);
            self.stop(Tid(child), libc::PTRACE_EVENT_STOP, libc::SIGTRAP, Origin::Other);
        }
    }
}
