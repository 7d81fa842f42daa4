//! A system call run by a stopped tracee, after which it is as it was.
//!
//! Must not know: what the call is for.
//!
//! The tracee must be in a signal-delivery-stop in user mode: nothing is interrupted, so there is
//! nothing to restart. All its signals are held meanwhile; both its mask and its registers are put back.
//! CRIU's compel and rr's AutoRemoteSyscalls do the same.

use crate::addr::RemoteAddr;
use crate::arch::{Registers, SYSCALL_INSTRUCTION};
use crate::decode::{Stop, decode};
use crate::ids::Tid;
use crate::sys::{Answer, Go, Kernel, RawStatus, Signal, wait_for};
use nix::errno::Errno;
use std::collections::VecDeque;

/// Runs system call `number` in `tid`; its result, or its errno.
///
/// A thread that ends meanwhile is ESRCH here, and its last stop is parked: the session tells of it.
///
/// *State*: `tid` is stopped as the module says. It is in another kind of stop afterwards, with the same
/// registers.
pub(crate) fn remote_call<K: Kernel>(
    kernel: &mut K,
    tid: Tid,
    number: i64,
    arguments: [u64; 6],
    parked: &mut VecDeque<(Tid, RawStatus)>,
) -> Answer<u64> {
    let instruction = find_syscall(kernel, tid)?;
    let saved = kernel.registers(tid)?;
    let mask = kernel.signal_mask(tid)?;
    kernel.set_signal_mask(tid, u64::MAX)?;
    let ready = saved.for_syscall(instruction, number.cast_unsigned(), arguments);
    let ran = kernel
        .set_registers(tid, &ready)
        .and_then(|()| run(kernel, tid, parked));
    // Both are put back whatever came of it; a tracee that has died meanwhile reports that by itself.
    let restored = kernel
        .set_registers(tid, &saved)
        .and(kernel.set_signal_mask(tid, mask));
    let result = ran?.syscall_result();
    restored?;
    // Source: syscall(2); results from -4095 to -1 are errors.
    if (-4095..0).contains(&result) {
        return Err(Errno::from_raw(i32::try_from(-result).unwrap_or(libc::EIO)));
    }
    Ok(result.cast_unsigned())
}

/// Lets the tracee enter and leave one system call.
fn run<K: Kernel>(kernel: &mut K, tid: Tid, parked: &mut VecDeque<(Tid, RawStatus)>) -> Answer<Registers> {
    let mut group_stop = false;
    for _ in 0..2 {
        kernel.resume(tid, Go::ToSystemCall, Signal::NONE)?;
        loop {
            let status = wait_for(kernel, tid, parked)?;
            match decode(status) {
                Stop::SystemCall => break,
                // SIGSTOP: no mask holds it.
                Stop::Signal(signal) => kernel.resume(tid, Go::ToSystemCall, signal)?,
                Stop::Group(_) => {
                    group_stop = true;
                    kernel.resume(tid, Go::ToSystemCall, Signal::NONE)?;
                }
                // A pause that somebody asked for meanwhile.
                Stop::Pause | Stop::Child => {
                    kernel.resume(tid, Go::ToSystemCall, Signal::NONE)?;
                }
                // A leader that died unseen comes back as the thread that has called exec.
                Stop::Executed | Stop::Exiting | Stop::Ended(_) => {
                    parked.push_back((tid, status));
                    return Err(Errno::ESRCH);
                }
            }
        }
    }
    if group_stop {
        // The kernel does not report a group-stop again to one that was made to go on; an interrupted one
        // reports the group-stop it belongs to (ptrace(2), PTRACE_EVENT_STOP).
        kernel.interrupt(tid)?;
    }
    kernel.registers(tid)
}

/// A `syscall` instruction in the tracee's memory: every vdso has one.
fn find_syscall<K: Kernel>(kernel: &mut K, tid: Tid) -> Answer<RemoteAddr> {
    let mappings = kernel.mappings(tid)?;
    let vdso = mappings
        .iter()
        .find(|m| m.path.as_os_str() == "[vdso]" && m.executable)
        .ok_or(Errno::ENOSYS)?;
    let length = vdso.range.end.0.saturating_sub(vdso.range.start.0).min(1 << 20);
    let mut code = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = kernel.read_memory(tid, vdso.range.start, &mut code)?;
    let found = code[..read]
        .windows(SYSCALL_INSTRUCTION.len())
        .position(|w| w == SYSCALL_INSTRUCTION);
    found
        .map(|offset| vdso.range.start.plus(offset as u64))
        .ok_or(Errno::ENOSYS)
}
