//! The real kernel: ptrace(2), wait4(2), kcmp(2) and /proc/TID/mem.
//!
//! Must not know: why an operation is asked for. One operation, one call; errno goes up as it came.

use super::descriptors;
use super::procfs::{self, Mapping, Seccomp, SignalSets, errno_of};
use super::{Activity, Answer, Go, Kernel, Origin, RawStatus, Seize, Signal, SignalInfo, WaitFor};
use crate::addr::RemoteAddr;
use crate::arch::Registers;
use crate::ids::{Pid, Tid};
use libc::{c_long, c_uint, c_void};
use nix::errno::Errno;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::marker::PhantomData;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr;

/// The kernel, and the memory files that are kept open: one for each process.
#[derive(Debug, Default)]
pub(crate) struct Linux {
    memory: HashMap<Tid, File>,
    /// ptrace(2) knows the tracer as a thread, and so does wait4(2) here; a kernel may let that thread alone write code
    /// (`proc_mem.force_override=ptrace`). Every operation takes this structure, which stays on its thread.
    _one_thread: PhantomData<*const ()>,
}

/// `TRAP_BRKPT`, `TRAP_TRACE` and `SI_KERNEL`, <asm-generic/siginfo.h>; the last is what `int3` carries (measured).
///
/// The first is the kernel's guess at an `int1` where DR6 names no cause (`exc_debug_user`, arch/x86/kernel/traps.c). In a
/// virtual machine a single step may come so: 13 of 30 million did (measured, 6.18).
const TRAP_BRKPT: i32 = 1;
const TRAP_TRACE: i32 = 2;
const SI_KERNEL: i32 = 0x80;
/// What the processor's invalid-opcode exception comes as (`handle_invalid_op`, arch/x86/kernel/traps.c).
const ILL_ILLOPN: i32 = 2;

/// Every tracee and child, to wait4(2).
const ANY: i32 = -1;

/// How often the processor is given up in vain before a thread is taken to be busy: the scheduler may come back
/// to this thread several times. All together cost less than one wait for any of 2,000 threads.
const YIELDS: u32 = 24;

/// A request whose last two arguments are plain numbers.
fn ptrace(request: c_uint, tid: Tid, address: u64, number: u64) -> Answer<c_long> {
    // SAFETY: the kernel takes both words as numbers for the requests this is called with; it reads and
    // writes no memory of this process.
    let result = unsafe { libc::ptrace(request, tid.0, address as *mut c_void, number as *mut c_void) };
    Errno::result(result)
}

/// A request that fills a buffer of this process.
fn ptrace_fill<T>(request: c_uint, tid: Tid, address: u64, into: &mut MaybeUninit<T>) -> Answer<c_long> {
    // SAFETY: `into` is writable for the whole of T, which is the type that the request fills
    // (ptrace(2)); callers pair them below.
    let result = unsafe { libc::ptrace(request, tid.0, address as *mut c_void, into.as_mut_ptr()) };
    Errno::result(result)
}

/// A request that reads a buffer of this process.
fn ptrace_give<T>(request: c_uint, tid: Tid, address: u64, from: &T) -> Answer<c_long> {
    // SAFETY: `from` is readable for the whole of T, which is the type that the request reads
    // (ptrace(2)); the kernel does not write through it.
    let result = unsafe { libc::ptrace(request, tid.0, address as *mut c_void, ptr::from_ref(from)) };
    Errno::result(result)
}

impl Linux {
    /// wait4(2) for one thread or for [`ANY`].
    fn wait_for(&mut self, pid: i32, flags: i32) -> Answer<Option<(Tid, RawStatus)>> {
        // __WNOTHREAD: children and tracees of this thread alone; another session may live next door.
        let flags = flags | libc::__WALL | libc::__WNOTHREAD;
        let mut status = 0;
        loop {
            // SAFETY: `status` is writable for the call; no resource usage is asked for.
            let result = unsafe { libc::wait4(pid, &raw mut status, flags, ptr::null_mut()) };
            match Errno::result(result) {
                Ok(0) => return Ok(None),
                Ok(tid) => {
                    let tid = Tid(tid);
                    if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                        self.memory.remove(&tid);
                    }
                    return Ok(Some((tid, RawStatus(status))));
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn memory(&mut self, tid: Tid) -> Answer<&File> {
        use std::collections::hash_map::Entry;
        match self.memory.entry(tid) {
            Entry::Occupied(file) => Ok(file.into_mut()),
            Entry::Vacant(place) => {
                // The thread's own entry: the one of a leader that has ended has no memory any more.
                let path = format!("/proc/{tid}/mem");
                let file =
                    OpenOptions::new()
                        .read(true)
                        .write(true)
                        .open(path)
                        .map_err(|e| match errno_of(&e) {
                            // The thread has been reaped.
                            Errno::ENOENT => Errno::ESRCH,
                            other => other,
                        })?;
                Ok(place.insert(file))
            }
        }
    }
}

impl Kernel for Linux {
    fn wait(&mut self, who: WaitFor) -> Answer<Option<(Tid, RawStatus)>> {
        match who {
            WaitFor::Any => self.wait_for(ANY, 0),
            WaitFor::AnyNow => self.wait_for(ANY, libc::WNOHANG),
            WaitFor::Only(tid) => self.wait_for(tid.0, 0),
            WaitFor::Soon(recent) => {
                for _ in 0..YIELDS {
                    for tid in recent.threads() {
                        match self.wait_for(tid.0, libc::WNOHANG) {
                            // One that is gone has no stop to tell.
                            Ok(None) | Err(Errno::ECHILD) => {}
                            answer => return answer,
                        }
                    }
                    // It cannot fail on Linux (sched_yield(2)).
                    let _always = nix::sched::sched_yield();
                }
                Ok(None)
            }
        }
    }

    fn seize(&mut self, tid: Tid, mode: Seize) -> Answer<()> {
        let mut options = libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_TRACEEXIT
            | libc::PTRACE_O_TRACESYSGOOD;
        if mode == Seize::DiesWithTracer {
            options |= libc::PTRACE_O_EXITKILL;
        }
        ptrace(libc::PTRACE_SEIZE, tid, 0, u64::from(options.cast_unsigned())).map(drop)
    }

    fn interrupt(&mut self, tid: Tid) -> Answer<()> {
        ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0).map(drop)
    }

    fn resume(&mut self, tid: Tid, go: Go, signal: Signal) -> Answer<()> {
        let request = match go {
            Go::On => libc::PTRACE_CONT,
            Go::Step => libc::PTRACE_SINGLESTEP,
            Go::ToSystemCall => libc::PTRACE_SYSCALL,
            Go::Listen => libc::PTRACE_LISTEN,
        };
        ptrace(request, tid, 0, u64::from(signal.0.cast_unsigned())).map(drop)
    }

    fn kill(&mut self, pid: Pid) -> Answer<()> {
        let pid = nix::unistd::Pid::from_raw(pid.0);
        nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL)
    }

    fn detach(&mut self, tid: Tid, signal: Signal) -> Answer<()> {
        self.memory.remove(&tid);
        ptrace(libc::PTRACE_DETACH, tid, 0, u64::from(signal.0.cast_unsigned())).map(drop)
    }

    fn registers(&mut self, tid: Tid) -> Answer<Registers> {
        let mut regs = MaybeUninit::<libc::user_regs_struct>::uninit();
        ptrace_fill(libc::PTRACE_GETREGS, tid, 0, &mut regs)?;
        // SAFETY: PTRACE_GETREGS fills the whole structure when it succeeds.
        Ok(Registers(unsafe { regs.assume_init() }))
    }

    fn set_registers(&mut self, tid: Tid, registers: &Registers) -> Answer<()> {
        ptrace_give(libc::PTRACE_SETREGS, tid, 0, &registers.0).map(drop)
    }

    fn set_pc(&mut self, tid: Tid, pc: RemoteAddr) -> Answer<()> {
        let offset = offset_of!(libc::user, regs) + offset_of!(libc::user_regs_struct, rip);
        ptrace(libc::PTRACE_POKEUSER, tid, offset as u64, pc.0).map(drop)
    }

    fn origin(&mut self, tid: Tid) -> Answer<Origin> {
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        ptrace_fill(libc::PTRACE_GETSIGINFO, tid, 0, &mut info)?;
        // SAFETY: PTRACE_GETSIGINFO fills the structure when it succeeds.
        let info = unsafe { info.assume_init() };
        Ok(match (info.si_signo, info.si_code) {
            (libc::SIGTRAP, SI_KERNEL) => Origin::Breakpoint,
            (libc::SIGTRAP, TRAP_TRACE) => Origin::Step,
            (libc::SIGTRAP, TRAP_BRKPT) => Origin::CauseUnknown,
            (libc::SIGILL, ILL_ILLOPN) => Origin::NoInstruction,
            _ => Origin::Other,
        })
    }

    fn signal_info(&mut self, tid: Tid) -> Answer<SignalInfo> {
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        ptrace_fill(libc::PTRACE_GETSIGINFO, tid, 0, &mut info)?;
        // SAFETY: PTRACE_GETSIGINFO fills the structure when it succeeds.
        Ok(SignalInfo(unsafe { info.assume_init() }))
    }

    fn set_signal_info(&mut self, tid: Tid, info: &SignalInfo) -> Answer<()> {
        ptrace_give(libc::PTRACE_SETSIGINFO, tid, 0, &info.0).map(drop)
    }

    fn stop_before(&mut self, tid: Tid, at: Option<RemoteAddr>) -> Answer<()> {
        let register = |number: usize| (offset_of!(libc::user, u_debugreg) + number * 8) as u64;
        // Intel SDM volume 3, 17.2.4: bit 0 of DR7 enables DR0, whose other bits 0 mean an instruction.
        ptrace(libc::PTRACE_POKEUSER, tid, register(7), 0)?;
        if let Some(at) = at {
            ptrace(libc::PTRACE_POKEUSER, tid, register(0), at.0)?;
            ptrace(libc::PTRACE_POKEUSER, tid, register(7), 1)?;
        }
        Ok(())
    }

    fn breakpoint_is_queued(&mut self, tid: Tid) -> Answer<bool> {
        const MOST: usize = 32;
        let arguments = libc::ptrace_peeksiginfo_args {
            off: 0,
            flags: 0,
            nr: MOST as i32,
        };
        let mut queue = [MaybeUninit::<libc::siginfo_t>::uninit(); MOST];
        // SAFETY: `arguments` is readable and `queue` has room for the `nr` entries it names (ptrace(2),
        // PTRACE_PEEKSIGINFO).
        let result = unsafe {
            libc::ptrace(
                libc::PTRACE_PEEKSIGINFO,
                tid.0,
                &raw const arguments,
                queue.as_mut_ptr(),
            )
        };
        let filled = usize::try_from(Errno::result(result)?).unwrap_or(0);
        Ok(queue.iter().take(filled).any(|info| {
            // SAFETY: the kernel filled the first `filled` entries.
            let info = unsafe { info.assume_init_ref() };
            info.si_signo == libc::SIGTRAP && info.si_code == SI_KERNEL
        }))
    }

    fn event_message(&mut self, tid: Tid) -> Answer<u64> {
        let mut message = MaybeUninit::<libc::c_ulong>::uninit();
        ptrace_fill(libc::PTRACE_GETEVENTMSG, tid, 0, &mut message)?;
        // SAFETY: PTRACE_GETEVENTMSG fills the word when it succeeds.
        Ok(unsafe { message.assume_init() })
    }

    fn signal_mask(&mut self, tid: Tid) -> Answer<u64> {
        let mut mask = MaybeUninit::<u64>::uninit();
        ptrace_fill(PTRACE_GETSIGMASK, tid, size_of::<u64>() as u64, &mut mask)?;
        // SAFETY: PTRACE_GETSIGMASK fills the 8 bytes whose number it was given.
        Ok(unsafe { mask.assume_init() })
    }

    fn set_signal_mask(&mut self, tid: Tid, mask: u64) -> Answer<()> {
        ptrace_give(PTRACE_SETSIGMASK, tid, size_of::<u64>() as u64, &mask).map(drop)
    }

    fn read_memory(&mut self, tid: Tid, at: RemoteAddr, buffer: &mut [u8]) -> Answer<usize> {
        let file = self.memory(tid)?;
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], at.0 + done as u64) {
                // Memory that nobody uses any more reads as empty (mem_rw, fs/proc/base.c); a hole is EIO.
                Ok(0) if done == 0 => return Err(Errno::ESRCH),
                Ok(0) => break,
                Ok(n) => done += n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(errno_of(&e)),
            }
        }
        Ok(done)
    }

    fn write_memory(&mut self, tid: Tid, at: RemoteAddr, bytes: &[u8]) -> Answer<()> {
        let written = self
            .memory(tid)?
            .write_all_at(bytes, at.0)
            .map_err(|e| errno_of(&e));
        match written {
            // The kernel may be told not to let /proc/TID/mem pass over protection (proc_mem.force_override,
            // 6.12); PTRACE_POKETEXT still may, a word at a time, on a stopped thread.
            Err(errno @ (Errno::EIO | Errno::EFAULT | Errno::EPERM)) => match poke(tid, at, bytes) {
                // It runs. One that has gone is known by its memory: that is what was refused.
                Err(Errno::ESRCH) => Err(errno),
                poked => poked,
            },
            other => other,
        }
    }

    fn turn_to_new_memory(&mut self, tid: Tid) {
        self.memory.remove(&tid);
    }

    fn threads(&mut self, pid: Pid) -> Answer<Vec<Tid>> {
        procfs::threads(pid)
    }

    fn process_of(&mut self, tid: Tid) -> Answer<Pid> {
        procfs::process_of(tid)
    }

    fn activity(&mut self, pid: Pid, tid: Tid) -> Answer<Activity> {
        procfs::activity(pid, tid)
    }

    fn mappings(&mut self, tid: Tid) -> Answer<Vec<Mapping>> {
        let mappings = procfs::mappings(tid)?;
        // The file of a thread that has ended is empty until it is reaped.
        if mappings.is_empty() {
            return Err(Errno::ESRCH);
        }
        Ok(mappings)
    }

    fn seccomp(&mut self, tid: Tid) -> Answer<Seccomp> {
        procfs::seccomp(tid)
    }

    fn signal_sets(&mut self, tid: Tid) -> Answer<SignalSets> {
        procfs::signal_sets(tid)
    }

    fn has_shadow_stack(&mut self, tid: Tid) -> Answer<bool> {
        procfs::has_shadow_stack(tid)
    }

    fn same_memory(&mut self, one: Tid, other: Tid) -> Answer<bool> {
        // KCMP_VM, <linux/kcmp.h>.
        const KCMP_VM: i32 = 1;
        // SAFETY: kcmp takes numbers only.
        let result = unsafe { libc::syscall(libc::SYS_kcmp, one.0, other.0, KCMP_VM, 0_u64, 0_u64) };
        Errno::result(result).map(|order| order == 0)
    }

    fn take_descriptor(&mut self, tid: Tid, number: i32) -> Answer<OwnedFd> {
        descriptors::take(tid, number)
    }

    fn send_descriptor(&mut self, over: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> Answer<()> {
        descriptors::send(over, descriptor)
    }
}

/// Not in the libc crate. Source: <linux/ptrace.h>.
const PTRACE_GETSIGMASK: c_uint = 0x420A;
const PTRACE_SETSIGMASK: c_uint = 0x420B;

fn poke(tid: Tid, at: RemoteAddr, bytes: &[u8]) -> Answer<()> {
    const WORD: usize = size_of::<c_long>();
    for (number, chunk) in bytes.chunks(WORD).enumerate() {
        let address = at.0 + (number * WORD) as u64;
        let mut word = if chunk.len() == WORD {
            [0; WORD]
        } else {
            // PTRACE_PEEKTEXT answers in the result itself: errno alone tells a failure from -1.
            Errno::clear();
            // SAFETY: the kernel takes the address as a number; it writes no memory of this process.
            let old = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, tid.0, address as *mut c_void, 0) };
            if old == -1 && Errno::last_raw() != 0 {
                return Err(Errno::last());
            }
            old.to_ne_bytes()
        };
        word[..chunk.len()].copy_from_slice(chunk);
        ptrace(libc::PTRACE_POKETEXT, tid, address, u64::from_ne_bytes(word))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Implemented once for every type and once more for those that another thread may have: for these it is not
    /// known which one is meant, and the test does not compile.
    trait StaysOnItsThread<Which> {
        fn holds() {}
    }
    impl<T> StaysOnItsThread<()> for T {}
    impl<T: Send> StaysOnItsThread<PhantomData<T>> for T {}

    #[test]
    fn c021_the_kernel_is_asked_by_the_thread_alone_that_began() {
        <Linux as StaysOnItsThread<_>>::holds();
        <crate::Session as StaysOnItsThread<_>>::holds();
    }
}
