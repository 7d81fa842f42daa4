//! Ends of threads and processes, and exec, which ends all threads but one.
//!
//! Must not know: what threads do when they run. ptrace(2), "Death under ptrace" and "execve(2) under ptrace".

use super::player::{Life, Player, registers};
use super::scene::Scene;
use super::stops::stop_status;
use crate::ids::{Pid, Tid};
use crate::sys::Origin;

impl Scene {
    /// SIGKILL for a whole process.
    pub(crate) fn kill_process(&mut self, process: Pid) {
        self.journal.push(format!("-- process {process} is killed"));
        for tid in self.living(process) {
            self.doom(tid);
        }
    }

    /// The thread leaves whatever stop it is in, and dies.
    pub(super) fn doom(&mut self, tid: Tid) {
        let exit_stops = self.exit_stops;
        let thread = self.thread(tid);
        let exiting = stop_status(libc::PTRACE_EVENT_EXIT, libc::SIGTRAP);
        if thread.life == Life::Zombie || thread.life == Life::Stopped && thread.status == exiting {
            thread.killed = true;
            return;
        }
        thread.killed = true;
        self.reports.retain(|t| *t != tid);
        let thread = self.thread(tid);
        if exit_stops && thread.traced {
            self.stop(tid, libc::PTRACE_EVENT_EXIT, libc::SIGTRAP, Origin::Other);
        } else {
            self.end(tid);
        }
    }

    /// A process that is no tracee but a child of the tracer ends: a wait tells of it.
    pub(super) fn end_child_of_tracer(&mut self, tid: Tid) {
        self.journal.push(format!("-- the tracer's child {tid} ends"));
        let mut child = Player::new(Pid(tid.0), 0, Vec::new());
        child.life = Life::Zombie;
        child.traced = true;
        self.threads.insert(tid, child);
        self.reports.push_back(tid);
    }

    pub(super) fn end(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        thread.life = Life::Zombie;
        thread.observed = false;
        let process = thread.process;
        if tid != process.leader() || self.living(process).len() == 1 {
            self.announce_end(tid);
        }
        self.finish_execs();
    }

    pub(super) fn announce_end(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        let wait_status = match thread.code {
            Some(code) => code << 8,
            None if thread.killed => libc::SIGKILL,
            None => 0,
        };
        thread.status = wait_status;
        let child_of = self.threads.iter().find(|(_, t)| t.waits_for_child == Some(tid));
        if let Some(parent) = child_of.map(|(parent, _)| *parent) {
            self.wake(parent);
        }
        if self.thread(tid).traced {
            self.reports.push_back(tid);
        } else {
            self.bury(tid);
        }
    }

    pub(super) fn bury(&mut self, tid: Tid) {
        let thread = self.threads.remove(&tid).expect("a thread of the scene");
        let process = thread.process;
        self.opened.remove(&tid);
        self.history.push((tid, thread));
        // The leader's end is reported when all others are gone (ptrace(2)).
        let others = self.living(process);
        if others == [process.leader()] && self.thread(process.leader()).life == Life::Zombie {
            self.announce_end(process.leader());
        }
        self.finish_execs();
    }

    pub(crate) fn wake(&mut self, tid: Tid) {
        let Ok(thread) = self.thread_mut(tid) else { return };
        thread.waits_for_child = None;
        if thread.life == Life::Sleeping {
            thread.life = Life::Running;
        }
    }

    pub(super) fn is_in_exec(&self, tid: Tid) -> bool {
        self.execs.contains(&tid)
    }

    /// An exec goes on when the other threads have gone; it is reported by the leader's number.
    pub(super) fn finish_execs(&mut self) {
        for tid in self.execs.clone() {
            let Ok(thread) = self.thread_mut(tid) else {
                self.execs.retain(|t| *t != tid);
                continue;
            };
            let process = thread.process;
            let leader = process.leader();
            let left = |t: &Tid| *t != tid && !(*t == leader && self.threads[t].life == Life::Zombie);
            if self.living(process).iter().any(left) || self.threads[&tid].killed {
                continue;
            }
            self.execs.retain(|t| *t != tid);
            let mut thread = self.threads.remove(&tid).expect("found above");
            if tid != leader
                && let Some(old) = self.threads.remove(&leader)
            {
                self.history.push((leader, old));
                self.history.push((tid, thread.clone()));
                thread.visited.clear();
                thread.given.clear();
                thread.sent = thread.pending.iter().copied().collect();
                thread.replaced = true;
            }
            self.memories.push(self.program.clone());
            thread.memory = self.memories.len() - 1;
            thread.acts = std::mem::take(&mut thread.becomes).into();
            thread.handlers.clear();
            thread.frames.clear();
            thread.regs = registers();
            thread.message = u64::from(tid.0.cast_unsigned());
            self.threads.insert(leader, thread);
            let parent = self
                .threads
                .iter()
                .find(|(_, t)| t.waits_for_child == Some(leader));
            if let Some(parent) = parent.map(|(parent, _)| *parent) {
                self.wake(parent);
            }
            self.stop(leader, libc::PTRACE_EVENT_EXEC, libc::SIGTRAP, Origin::Other);
        }
    }
}
