//! The general registers of a stopped thread.
//!
//! Must not know: how they are read or written (`sys`), nor what a session does with them.

use super::SYSCALL_INSTRUCTION;
use crate::addr::RemoteAddr;
use std::fmt;

/// The registers as `PTRACE_GETREGS` gives them (`struct user_regs_struct`, <sys/user.h>).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Registers(pub(crate) libc::user_regs_struct);

impl Registers {
    /// The address of the next instruction.
    #[must_use]
    pub fn pc(&self) -> RemoteAddr {
        RemoteAddr(self.0.rip)
    }

    /// The stack pointer.
    #[must_use]
    pub fn sp(&self) -> RemoteAddr {
        RemoteAddr(self.0.rsp)
    }

    /// The register that DWARF numbers `number`, when it is a general one.
    ///
    /// Source: System V ABI for AMD64, figure 3.36.
    #[must_use]
    pub fn dwarf(&self, number: u16) -> Option<u64> {
        let r = &self.0;
        let general = [
            r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
            r.r14, r.r15, r.rip,
        ];
        general.get(usize::from(number)).copied()
    }

    /// Whether the numbers that a program computes with are those of `other`, its stack pointer among them.
    ///
    /// Not the flags: a fault leaves its resume flag in them (Intel SDM volume 3, 17.3.1.1).
    pub(crate) fn has_same_numbers(&self, other: &Self) -> bool {
        const GENERAL: std::ops::Range<u16> = 0..16;
        GENERAL
            .into_iter()
            .all(|number| self.dwarf(number) == other.dwarf(number))
    }

    /// The base of what is addressed by `gs`; 0 in a program that does not use it.
    pub(crate) fn gs_base(&self) -> u64 {
        self.0.gs_base
    }

    /// The base of what is addressed by `fs`: the thread's own memory.
    pub(crate) fn fs_base(&self) -> u64 {
        self.0.fs_base
    }

    pub(crate) fn set_gs_base(&mut self, base: u64) {
        self.0.gs_base = base;
    }

    pub(crate) fn set_pc(&mut self, pc: RemoteAddr) {
        self.0.rip = pc.0;
    }

    pub(crate) fn set_sp(&mut self, sp: RemoteAddr) {
        self.0.rsp = sp.0;
    }

    /// These registers made ready to run system call `number` at `instruction`, a `syscall`.
    ///
    /// Source: syscall(2), the x86-64 row. `orig_rax` is set to -1 so that the kernel sees no
    /// interrupted call to restart.
    pub(crate) fn for_syscall(&self, instruction: RemoteAddr, number: u64, arguments: [u64; 6]) -> Self {
        let mut regs = *self;
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        regs.0 = libc::user_regs_struct {
            rip: instruction.0,
            rax: number,
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..regs.0
        };
        regs
    }

    /// The registers before the system call that has just ended with EINTR, when to run it again is no other than to run it.
    ///
    /// Source: syscall(2), the x86-64 row; `arch_do_signal_or_restart` (arch/x86/kernel/signal.c) restarts calls so.
    pub(crate) fn before_interrupted_call(&self) -> Option<(Self, Limit)> {
        let number = self.0.orig_rax.cast_signed();
        if self.syscall_result() != -i64::from(libc::EINTR) || !END_WITH_EINTR.contains(&number) {
            return None;
        }
        let mut before = *self;
        before.0.rip = self.0.rip.wrapping_sub(SYSCALL_INSTRUCTION.len() as u64);
        before.0.rax = self.0.orig_rax;
        before.0.orig_rax = u64::MAX;
        // Milliseconds are an int, and -1 is for ever; a null pointer is no limit.
        let for_ever = match number {
            libc::SYS_epoll_wait | libc::SYS_epoll_pwait => self.0.r10 & 0x8000_0000 != 0,
            libc::SYS_epoll_pwait2 | libc::SYS_semtimedop => self.0.r10 == 0,
            libc::SYS_rt_sigtimedwait => self.0.rdx == 0,
            libc::SYS_semop => true,
            _ => false,
        };
        Some((before, if for_ever { Limit::None } else { Limit::Some }))
    }

    /// The registers before the system call that the kernel is about to run again by itself, as it would set them.
    ///
    /// Source: `arch_do_signal_or_restart` (arch/x86/kernel/signal.c); the numbers are those of <linux/errno.h>.
    pub(crate) fn before_restarted_call(&self) -> Option<Self> {
        const ERESTARTSYS: i64 = 512;
        const ERESTARTNOINTR: i64 = 513;
        const ERESTARTNOHAND: i64 = 514;
        const ERESTART_RESTARTBLOCK: i64 = 516;
        if self.0.orig_rax.cast_signed() < 0 {
            return None;
        }
        let number = match -self.syscall_result() {
            ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => self.0.orig_rax,
            ERESTART_RESTARTBLOCK => libc::SYS_restart_syscall.cast_unsigned(),
            _ => return None,
        };
        let mut before = *self;
        before.0.rip = self.0.rip.wrapping_sub(SYSCALL_INSTRUCTION.len() as u64);
        before.0.rax = number;
        before.0.orig_rax = u64::MAX;
        Some(before)
    }

    /// What the system call just left in the result register: a value, or minus an errno.
    pub(crate) fn syscall_result(&self) -> i64 {
        self.0.rax.cast_signed()
    }
}

/// Whether a system call ends by itself after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// It sleeps for as long as it takes.
    None,
    /// It does, or may.
    Some,
}

/// System calls that end with EINTR without a handler, and have done nothing then.
///
/// Source: signal(7). Those on sockets do so with a timeout, `read` and `write` among them. Not `close`: it has closed.
const END_WITH_EINTR: [i64; 21] = [
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_io_getevents,
    libc::SYS_io_uring_enter,
];

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registers")
            .field("pc", &self.pc())
            .field("sp", &self.sp())
            .finish_non_exhaustive()
    }
}
