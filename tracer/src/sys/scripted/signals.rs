//! Signals: how they come, and what the program does with them.
//!
//! Must not know: requests' names.

use super::act::Act;
use super::memory::{IDLE, is_slot};
use super::player::Life;
use super::scene::Scene;
use crate::addr::RemoteAddr;
use crate::ids::{Pid, Tid};
use crate::sys::Origin;

impl Scene {
    /// A signal comes for a thread, whatever it is doing.
    pub(crate) fn signal(&mut self, tid: Tid, signal: i32) {
        if let Ok(thread) = self.thread_mut(tid) {
            thread.pending.push_back(signal);
            thread.sent.push(signal);
            if thread.life == Life::Sleeping && thread.waits_for_child.is_none() {
                thread.life = Life::Running;
            }
        }
    }

    /// The program takes a signal.
    pub(super) fn give(&mut self, tid: Tid, signal: i32) {
        let thread = self.thread(tid);
        let pc = thread.regs.pc().0;
        thread.given.push((signal, pc));
        assert!(!is_slot(pc), "thread {tid} sees itself in a slot");
        let process = thread.process;
        if signal == libc::SIGSTOP {
            return self.stop_group(process, signal);
        }
        let Some(acts) = thread.handlers.get(&signal).cloned() else {
            return;
        };
        let sp = thread.regs.sp();
        thread.frames.push((pc, sp.0));
        thread.regs.set_pc(RemoteAddr(IDLE));
        thread.regs.set_sp(sp.minus(0x400));
        thread.acts.push_front(Act::Return);
        for act in acts.into_iter().rev() {
            thread.acts.push_front(act);
        }
    }

    pub(super) fn stop_group(&mut self, process: Pid, signal: i32) {
        for tid in self.living(process) {
            let thread = self.thread(tid);
            thread.group = Some(signal);
            if matches!(thread.life, Life::Running | Life::Sleeping) && thread.traced {
                self.stop(tid, libc::PTRACE_EVENT_STOP, signal, Origin::Other);
            }
        }
    }
}
