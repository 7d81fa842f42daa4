//! A kernel that plays a scene: a race between two stops is an ordinary unit test.
//!
//! Must not know: sessions, what a test expects. It answers as ptrace(2) says and keeps a journal.
//!
//! ```text
//! test ─► Scene: threads with their acts ─► Core<Scene> ─► ptrace requests ─► checked, answered, logged
//!                      ▲                                        │
//!                      └── threads act while the tracer waits ◄─┘
//! ```
//! Strict: a request to a thread that is not in an observed stop panics (invariant 1), unless the thread
//! was killed: then it is ESRCH. The journal is printed when a test panics; the scene and its seed play the
//! same again. This file is the seam itself. Read on in [`act`] (what a scene is written in), [`turns`] (what
//! becomes of it), [`stops`] (how it is reported and goes on).

mod act;
mod ends;
mod failure;
mod memory;
mod mutant;
mod player;
mod processor;
mod scene;
mod signals;
mod stops;
mod turns;

pub(crate) use act::{Act, Happening, Order};
pub(crate) use failure::{Failure, failure};
pub(crate) use memory::site_at;
pub(crate) use mutant::Mutant;
pub(crate) use player::{Life, Player, registers};
pub(crate) use scene::{Scene, ShadowStack, Sleepers};

use super::procfs::{Mapping, Seccomp, SignalSets};
use super::{Activity, Answer, Go, Kernel, Origin, RawStatus, Seize, Signal, SignalInfo, WaitFor};
use crate::addr::{RemoteAddr, RemoteRange};
use crate::arch::Registers;
use crate::decode::decode;
use crate::ids::{Pid, Tid};
use memory::{TEXT, VDSO};
use nix::errno::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

impl Scene {
    fn log<T: std::fmt::Debug>(&mut self, call: String, answer: Answer<T>) -> Answer<T> {
        self.journal.push(format!("{call} = {answer:?}"));
        answer
    }
}

impl Kernel for Scene {
    fn wait(&mut self, who: WaitFor) -> Answer<Option<(Tid, RawStatus)>> {
        self.enter();
        let answer = self.take_stop(who).map(|stop| self.noted(stop));
        let told = answer.map(|stop| stop.map(|(tid, status)| (tid.0, decode(status))));
        self.journal.push(format!("wait({who:?}) = {told:?}"));
        answer
    }

    fn seize(&mut self, tid: Tid, _: Seize) -> Answer<()> {
        self.enter();
        let answer = self.thread_mut(tid).map(|t| t.traced = true);
        self.log(format!("seize({tid})"), answer)
    }

    fn interrupt(&mut self, tid: Tid) -> Answer<()> {
        self.enter();
        let answer = self.ask_to_stop(tid);
        self.log(format!("interrupt({tid})"), answer)
    }

    fn resume(&mut self, tid: Tid, go: Go, signal: Signal) -> Answer<()> {
        self.enter();
        let answer = self.in_stop(tid).map(|_| ());
        let answer = answer.map(|()| {
            let signal = self.passed(tid, go, signal);
            self.go_on(tid, go, signal);
        });
        if self.is(Mutant::AsksRunning) {
            self.in_stop(tid)?;
        }
        self.log(format!("resume({tid}, {go:?}, {})", signal.0), answer)
    }

    fn kill(&mut self, pid: Pid) -> Answer<()> {
        self.enter();
        self.kill_process(pid);
        self.log(format!("kill({pid})"), Ok(()))
    }

    fn detach(&mut self, tid: Tid, signal: Signal) -> Answer<()> {
        self.enter();
        let answer = self.in_stop(tid).map(|_| ());
        let answer = answer.map(|()| {
            self.thread(tid).traced = false;
            self.opened.remove(&tid);
            // A stop that was asked for is not made any more (`__ptrace_unlink`, kernel/ptrace.c).
            self.thread(tid).interrupted = false;
            if !self.is(Mutant::ForgetsThreads) {
                self.go_on(tid, Go::On, signal);
            }
        });
        self.log(format!("detach({tid}, {})", signal.0), answer)
    }

    fn registers(&mut self, tid: Tid) -> Answer<Registers> {
        self.enter();
        let answer = self.in_stop(tid).map(|t| t.regs);
        self.log(format!("registers({tid})"), answer)
    }

    fn set_registers(&mut self, tid: Tid, registers: &Registers) -> Answer<()> {
        self.enter();
        let answer = self.in_stop(tid).map(|t| t.regs = *registers);
        self.log(format!("set_registers({tid}, {registers:?})"), answer)
    }

    fn set_pc(&mut self, tid: Tid, pc: RemoteAddr) -> Answer<()> {
        self.enter();
        let forgotten = self.is(Mutant::ForgetsPc);
        let answer = self.in_stop(tid).map(|t| {
            if !forgotten {
                t.regs.set_pc(pc);
            }
        });
        self.log(format!("set_pc({tid}, {pc})"), answer)
    }

    fn origin(&mut self, tid: Tid) -> Answer<Origin> {
        self.enter();
        let answer = self.in_stop(tid).map(|t| t.origin);
        self.log(format!("origin({tid})"), answer)
    }

    fn signal_info(&mut self, tid: Tid) -> Answer<SignalInfo> {
        self.enter();
        self.log(format!("signal_info({tid})"), Err(Errno::ENOSYS))
    }

    fn set_signal_info(&mut self, tid: Tid, _: &SignalInfo) -> Answer<()> {
        self.enter();
        self.log(format!("set_signal_info({tid})"), Err(Errno::ENOSYS))
    }

    fn stop_before(&mut self, tid: Tid, at: Option<RemoteAddr>) -> Answer<()> {
        self.enter();
        self.log(format!("stop_before({tid}, {at:?})"), Err(Errno::ENOSYS))
    }

    fn breakpoint_is_queued(&mut self, tid: Tid) -> Answer<bool> {
        self.enter();
        let answer = self.in_stop(tid).map(|t| t.trap_queued);
        self.log(format!("breakpoint_is_queued({tid})"), answer)
    }

    fn event_message(&mut self, tid: Tid) -> Answer<u64> {
        self.enter();
        let answer = self.in_stop(tid).map(|t| t.message);
        self.log(format!("event_message({tid})"), answer)
    }

    fn signal_mask(&mut self, tid: Tid) -> Answer<u64> {
        self.enter();
        let answer = self.in_stop(tid).map(|t| t.mask);
        self.log(format!("signal_mask({tid})"), answer)
    }

    fn set_signal_mask(&mut self, tid: Tid, mask: u64) -> Answer<()> {
        self.enter();
        let answer = self.in_stop(tid).map(|t| t.mask = mask);
        self.log(format!("set_signal_mask({tid}, {mask:#x})"), answer)
    }

    fn read_memory(&mut self, tid: Tid, at: RemoteAddr, buffer: &mut [u8]) -> Answer<usize> {
        self.enter();
        let answer = self.read(tid, at.0, buffer);
        self.log(
            format!("read_memory({tid}, {at}, {} bytes)", buffer.len()),
            answer,
        )
    }

    fn write_memory(&mut self, tid: Tid, at: RemoteAddr, bytes: &[u8]) -> Answer<()> {
        self.enter();
        let answer = match self.to_write(at, bytes) {
            Some((at, bytes)) => self.write(tid, at, &bytes),
            None => Ok(()),
        };
        self.log(format!("write_memory({tid}, {at}, {bytes:x?})"), answer)
    }

    fn turn_to_new_memory(&mut self, tid: Tid) {
        self.opened.remove(&tid);
    }

    fn threads(&mut self, pid: Pid) -> Answer<Vec<Tid>> {
        Ok(self.living(pid))
    }

    fn process_of(&mut self, tid: Tid) -> Answer<Pid> {
        self.enter();
        let answer = self.thread_mut(tid).map(|t| t.process);
        self.log(format!("process_of({tid})"), answer)
    }

    fn activity(&mut self, _: Pid, tid: Tid) -> Answer<Activity> {
        self.enter();
        let in_exec = self.is_in_exec(tid);
        let on_its_way = self.on_its_way_to_sleep == Some(tid);
        if self.is(Mutant::WakesSleepers) {
            return Ok(Activity::Running);
        }
        let answer = self.thread_mut(tid).map(|t| match t.life {
            // It waits for the other threads to end.
            Life::Running if in_exec => Activity::Sleeping,
            Life::Running if on_its_way && t.interrupted => Activity::Sleeping,
            Life::Running => Activity::Running,
            Life::Sleeping => Activity::Sleeping,
            Life::Stopped | Life::Listening => Activity::Stopped,
            Life::Zombie => Activity::Dead,
        });
        self.log(format!("activity({tid})"), answer)
    }

    fn mappings(&mut self, tid: Tid) -> Answer<Vec<Mapping>> {
        self.enter();
        self.thread_mut(tid)?;
        let mapping = |start: u64, length: u64, inode, path: &str| Mapping {
            range: RemoteRange {
                start: RemoteAddr(start),
                end: RemoteAddr(start + length),
            },
            executable: true,
            writable: false,
            shared: false,
            offset: 0,
            device: (8, 1),
            inode,
            path: PathBuf::from(path),
        };
        Ok(vec![
            mapping(TEXT, 0x1000, 7, "/program"),
            mapping(VDSO, 0x1000, 0, "[vdso]"),
        ])
    }

    fn seccomp(&mut self, tid: Tid) -> Answer<Seccomp> {
        // The tracer's own thread is none of the scene's.
        Ok(self.thread_mut(tid).map_or(Seccomp::Free, |t| t.seccomp))
    }

    fn signal_sets(&mut self, tid: Tid) -> Answer<SignalSets> {
        self.enter();
        let answer = self.thread_mut(tid).map(|t| SignalSets {
            blocked: t.mask,
            caught: t.handlers.keys().fold(0, |set, signal| set | 1 << (signal - 1)),
            pending: t.pending.iter().fold(0, |set, signal| set | 1 << (signal - 1)),
            ..SignalSets::default()
        });
        self.log(format!("signal_sets({tid})"), answer)
    }

    fn has_shadow_stack(&mut self, _: Tid) -> Answer<bool> {
        Ok(self.shadow_stack == ShadowStack::Kept)
    }

    fn same_memory(&mut self, one: Tid, other: Tid) -> Answer<bool> {
        self.enter();
        // A thread that has ended has no memory any more: it compares as different.
        let memory = |t: &mut Player| (t.life != Life::Zombie).then_some(t.memory);
        let one_memory = self.thread_mut(one).map(memory);
        let other_memory = self.thread_mut(other).map(memory);
        let answer = match self.kcmp_refused {
            None => one_memory.and_then(|one| Ok(one == other_memory?)),
            Some(errno) => Err(errno),
        };
        self.log(format!("same_memory({one}, {other})"), answer)
    }

    /// A thread of a scene has none.
    fn take_descriptor(&mut self, tid: Tid, number: i32) -> Answer<OwnedFd> {
        self.log(format!("take_descriptor({tid}, {number})"), Err(Errno::ENOSYS))
    }

    fn send_descriptor(&mut self, _: BorrowedFd<'_>, _: BorrowedFd<'_>) -> Answer<()> {
        self.log("send_descriptor()".to_owned(), Err(Errno::ENOSYS))
    }
}

/// ESRCH for a thread that is gone or was killed; a panic for any other that is not in an observed stop.
fn refuse(tid: Tid, what: &str) -> Errno {
    panic!("invariant 1: a request to thread {tid}, which {what}");
}
