//! The processor: a visit runs the instruction that lies in memory, at its place or in the slot the session chose.
//!
//! Must not know: signals, children.

use super::act::Act;
use super::memory::{IDLE, TEXT, VDSO, is_slot, put};
use super::scene::Scene;
use crate::addr::RemoteAddr;
use crate::arch::BREAKPOINT;
use crate::ids::Tid;
use crate::sys::{Go, Origin};

const TRAP_FLAG: u64 = 0x100;
pub(super) const PUSHF: u8 = 0x9C;
const INT1: u8 = 0xF1;

impl Scene {
    /// The thread's processor runs what lies at its pc.
    pub(super) fn run_instruction(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        let (pc, memory, go) = (thread.regs.pc().0, thread.memory, thread.go);
        let code: Vec<u8> = (pc..pc + 15).map_while(|at| self.byte(memory, at)).collect();
        let stepping = go == Go::Step;
        if self.own_breakpoints.contains(&pc) {
            self.run_own_breakpoint(tid, pc);
        }
        if code.first() == Some(&BREAKPOINT) {
            self.thread(tid).regs.set_pc(RemoteAddr(pc + 1));
            return self.stop(tid, 0, libc::SIGTRAP, Origin::Breakpoint);
        }
        if pc == VDSO + 0x40 {
            return self.injected_call(tid);
        }
        let Some(Act::Visit(site)) = self.thread(tid).acts.front().cloned() else {
            return self.run_jump_back(tid, pc, &code);
        };
        if is_slot(pc) && code.starts_with(&[0xE9]) {
            return self.run_jump_back(tid, pc, &code);
        }
        if !is_slot(pc) && pc != site {
            return self.run_jump_back(tid, pc, &code);
        }
        match code.as_slice() {
            [0x0F, 0x05, ..] if go == Go::ToSystemCall => {
                // At the entry the pc is behind the instruction.
                self.thread(tid).regs.set_pc(RemoteAddr(IDLE));
                self.visit_done(tid, site);
                return self.stop(tid, 0, libc::SIGTRAP | 0x80, Origin::Other);
            }
            [PUSHF, ..] => {
                let thread = self.thread(tid);
                let top = thread.regs.sp().minus(8);
                thread.regs.set_sp(top);
                let flags = thread.regs.0.eflags | if stepping { TRAP_FLAG } else { 0 };
                put(&mut self.memories[memory], top.0, &flags.to_le_bytes());
            }
            [0xF3, ..] if self.thread(tid).rounds > 1 => {
                self.thread(tid).rounds -= 1;
                if stepping {
                    self.end_step(tid);
                }
                return;
            }
            [INT1, ..] => {
                self.visit_done(tid, site);
                self.thread(tid).regs.set_pc(RemoteAddr(IDLE));
                self.thread(tid).sent.push(libc::SIGTRAP);
                return self.stop(tid, 0, libc::SIGTRAP, Origin::CauseUnknown);
            }
            _ => {}
        }
        self.visit_done(tid, site);
        let length = crate::code::decode(&code)
            .first()
            .map_or(1, |i| u64::from(i.length));
        let next = if is_slot(pc) { pc + length } else { IDLE };
        self.thread(tid).regs.set_pc(RemoteAddr(next));
        if stepping {
            self.end_step(tid);
        }
    }

    fn end_step(&mut self, tid: Tid) {
        let origin = if self.is_random() && self.chance(4) == 3 {
            Origin::CauseUnknown
        } else {
            self.origin_of_steps
        };
        self.stop(tid, 0, libc::SIGTRAP, origin);
    }

    /// The program's own `int3`: its signal is the program's.
    pub(super) fn run_own_breakpoint(&mut self, tid: Tid, at: u64) {
        self.visit_done(tid, at);
        self.thread(tid).sent.push(libc::SIGTRAP);
    }

    pub(super) fn visit_done(&mut self, tid: Tid, site: u64) {
        let thread = self.thread(tid);
        thread.visited.push(site);
        thread.acts.pop_front();
    }

    /// A slot's last instruction; or a thread that was put behind the instruction it had run in a slot.
    pub(super) fn run_jump_back(&mut self, tid: Tid, pc: u64, code: &[u8]) {
        if is_slot(pc) {
            assert!(
                code.starts_with(&[0xE9]),
                "thread {tid} runs at {pc:#x}, in no slot"
            );
            let distance = i32::from_le_bytes(code[1..5].try_into().expect("four bytes"));
            let target = (pc + 5).wrapping_add_signed(i64::from(distance));
            let site = *self.thread(tid).visited.last().expect("it has just run");
            assert!(
                target > site && target <= site + 15,
                "{tid} goes from {pc:#x} to {target:#x}"
            );
        } else {
            let code_begins = (pc - TEXT).is_multiple_of(16);
            assert!(
                !code_begins,
                "thread {tid} runs at {pc:#x}, which it was not to visit"
            );
        }
        self.thread(tid).regs.set_pc(RemoteAddr(IDLE));
    }

    pub(super) fn injected_call(&mut self, tid: Tid) {
        let thread = self.thread(tid);
        if thread.go != Go::ToSystemCall {
            panic!("thread {tid} runs a system call that nobody watches");
        }
        if thread.in_call {
            thread.in_call = false;
            let (at, size, memory) = (thread.regs.0.rdi, thread.regs.0.rsi, thread.memory);
            assert_eq!(
                thread.regs.0.rax,
                libc::SYS_mmap.cast_unsigned(),
                "the only call injected"
            );
            thread.regs.0.rax = at;
            put(&mut self.memories[memory], at, &vec![0; size as usize]);
        } else {
            thread.in_call = true;
        }
        self.stop(tid, 0, libc::SIGTRAP | 0x80, Origin::Other);
    }
}
