//! How much memory the process has now.
//!
//! Must not know: events.
//!
//! Where a gate holds the sizes and one thread runs, they are added up; else /proc/self/statm is read, whose numbers the
//! kernel makes exact (6.16). A program may have closed our descriptor: then it is opened again, out of its way.

use crate::layout::{ANONYMOUS, Control, PAGE};
use crate::thread::Thread;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

const PREAD: u64 = 17;
const CLOSE: u64 = 3;
const RT_SIGPROCMASK: u64 = 14;
const GETPID: u64 = 39;
const FCNTL: u64 = 72;
const GETTID: u64 = 186;
const TGKILL: u64 = 234;
const OPENAT: u64 = 257;
const AT_FDCWD: u64 = -100_i64 as u64;
const O_CLOEXEC: u64 = 0o2_000_000;
const F_DUPFD_CLOEXEC: u64 = 1030;
const SIG_UNBLOCK: u64 = 1;
const SIG_SETMASK: u64 = 2;
/// Out of the way of a program that counts on the lowest numbers.
const LOWEST: u64 = 500;

/// A reading, in bytes, without what lineprof has in the process.
pub(crate) fn now(thread: Thread) -> u64 {
    let control = thread.control();
    let header = thread.header();
    let mut was_dirty = true;
    if header.gated != 0 {
        // SAFETY: the word is the gate's; it is set by the kernel at any time. First the word, then the sizes: a change
        // in between sets it again.
        was_dirty = unsafe { AtomicU64::from_ptr(thread.dirty()) }.swap(0, Ordering::SeqCst) != 0;
    }
    let own = control.own_pages * PAGE;
    if control.verify != 0 && header.gated != 0 {
        let told = statm(control);
        if !was_dirty && told != 0 && told.wrapping_sub(own) != header.memory {
            control.missed += 1;
        }
        return told.wrapping_sub(own);
    }
    if header.gated != 0 && control.threads == 1 {
        return sizes(control).wrapping_sub(own);
    }
    statm(control).wrapping_sub(own)
}

fn sizes(control: &Control) -> u64 {
    let sizes = (control.gate + control.gate_sizes) as *const u64;
    // Their order: files, anonymous, swap, shared (include/linux/mm_types_task.h).
    // SAFETY: four words of the gate's page, written by the kernel.
    let [files, anonymous, shared] =
        [0, 1, 3].map(|member| unsafe { sizes.add(member).read_volatile() });
    if control.gauge == ANONYMOUS {
        anonymous
    } else {
        files + anonymous + shared
    }
}

fn statm(control: &mut Control) -> u64 {
    for _ in 0..2 {
        if let Some(bytes) = read(control) {
            return bytes;
        }
        open(control);
    }
    0
}

fn read(control: &Control) -> Option<u64> {
    let mut text = [0_u8; 128];
    let buffer = text.as_mut_ptr() as u64;
    let length = system_call(PREAD, [control.statm as u64, buffer, 127, 0]);
    if length <= 0 {
        return None;
    }
    let mut numbers = [0_u64; 3];
    let (mut field, mut at) = (0_usize, 0_isize);
    while field < 3 && at < length as isize {
        // SAFETY: below the length that was read.
        let byte = unsafe { *text.as_ptr().offset(at) };
        at += 1;
        if byte == b' ' || byte == b'\n' {
            field += 1;
        } else if byte.is_ascii_digit() {
            // SAFETY: the loop ends at the third field.
            let number = unsafe { numbers.get_unchecked_mut(field) };
            *number = *number * 10 + u64::from(byte - b'0');
        } else {
            return None;
        }
    }
    let [_, resident, shared] = numbers;
    // A process whose leader has ended reads 0.
    if field < 3 || resident == 0 {
        return None;
    }
    let pages = if control.gauge == ANONYMOUS {
        resident - shared
    } else {
        resident
    };
    Some(pages * PAGE)
}

fn open(control: &mut Control) {
    let name = c"/proc/thread-self/statm".as_ptr() as u64;
    let low = system_call(OPENAT, [AT_FDCWD, name, O_CLOEXEC, 0]);
    if low < 0 {
        return;
    }
    let high = system_call(FCNTL, [low as u64, F_DUPFD_CLOEXEC, LOWEST, 0]);
    if high < 0 {
        control.statm = low;
        return;
    }
    system_call(CLOSE, [low as u64, 0, 0, 0]);
    control.statm = high;
}

/// Has a tracer stop this thread; without one nothing happens, since the signal is one that is ignored.
pub(crate) fn signal_to_self(signal: u64) {
    let only = 1_u64 << (signal - 1);
    let mut blocked = 0_u64;
    let (new, old) = (&raw const only as u64, &raw mut blocked as u64);
    system_call(RT_SIGPROCMASK, [SIG_UNBLOCK, new, old, 8]);
    let process = system_call(GETPID, [0; 4]) as u64;
    let thread = system_call(GETTID, [0; 4]) as u64;
    system_call(TGKILL, [process, thread, signal, 0]);
    system_call(RT_SIGPROCMASK, [SIG_SETMASK, old, 0, 8]);
}

fn system_call(number: u64, [first, second, third, fourth]: [u64; 4]) -> i64 {
    let result: i64;
    // SAFETY: syscall(2), the x86-64 row; the calls above write to variables of theirs alone.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}
