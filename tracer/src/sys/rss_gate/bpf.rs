//! bpf(2) and the one perf event, raw.
//!
//! Must not know: what the program does. One function, one call of the kernel.
//!
//! Source: bpf(2), perf_event_open(2), <linux/bpf.h>. A shorter attribute than the kernel's own stands for zeros.

use crate::sys::Answer;
use crate::sys::descriptors::owned;
use libc::{c_long, c_ulong};
use nix::errno::Errno;
use std::ffi::CStr;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

const BPF_MAP_CREATE: u32 = 0;
const BPF_PROG_LOAD: u32 = 5;
const BPF_OBJ_GET_INFO_BY_FD: u32 = 15;

const BPF_MAP_TYPE_ARRAY: u32 = 2;
/// Since 5.5.
const BPF_F_MMAPABLE: u32 = 1 << 10;
const BPF_PROG_TYPE_TRACEPOINT: u32 = 5;

/// What bpftool shows.
const NAME: [u8; 16] = *b"lineprof_gate\0\0\0";

/// No helper of the program is for GPL programs alone.
const LICENSE: &CStr = c"MIT";

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
struct InfoByDescriptor {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// # Safety
/// `attribute` is what `command` takes, and each address in it is good for what the command does with it.
unsafe fn bpf<T>(command: u32, attribute: &mut T) -> Answer<c_long> {
    let length = size_of::<T>();
    // SAFETY: the attribute is readable and writable for its length; the rest is the caller's promise.
    Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attribute), length) })
}

/// An array map of one element, which processes can map.
pub(super) fn make_map(length: u32) -> Answer<OwnedFd> {
    let mut attribute = MapCreate {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: length,
        max_entries: 1,
        map_flags: BPF_F_MMAPABLE,
        map_name: NAME,
        ..MapCreate::default()
    };
    // SAFETY: the attribute of this command holds no addresses.
    owned(unsafe { bpf(BPF_MAP_CREATE, &mut attribute) }?)
}

/// Loads a program for a tracepoint; where the kernel refuses it, what it says against it is logged.
pub(super) fn load_program(instructions: &[u64]) -> Answer<OwnedFd> {
    let loaded = load(instructions, &mut []);
    if let Err(errno @ (Errno::EINVAL | Errno::EACCES)) = loaded {
        let mut log = vec![0; 1 << 18];
        let _refused_again = load(instructions, &mut log);
        let said = CStr::from_bytes_until_nul(&log).unwrap_or_default();
        tracing::debug!(%errno, log = %said.to_string_lossy(), "the gate's program was refused");
    }
    loaded
}

fn load(instructions: &[u64], log: &mut [u8]) -> Answer<OwnedFd> {
    let mut attribute = ProgramLoad {
        prog_type: BPF_PROG_TYPE_TRACEPOINT,
        insn_cnt: length(instructions)?,
        insns: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        prog_name: NAME,
        ..ProgramLoad::default()
    };
    if !log.is_empty() {
        attribute.log_level = 1;
        attribute.log_size = length(log)?;
        attribute.log_buf = log.as_mut_ptr() as u64;
    }
    // SAFETY: the program is readable for its count of words, the license ends with a null, and the log is writable
    // for its length; all of them outlive the call.
    owned(unsafe { bpf(BPF_PROG_LOAD, &mut attribute) }?)
}

fn length<T>(of: &[T]) -> Answer<u32> {
    u32::try_from(of.len()).or(Err(Errno::E2BIG))
}

/// How often the kernel did not run the program since another one ran on that processor; `None` where it does not say.
///
/// Source: `recursion_misses` of struct bpf_prog_info, which is there since 5.12 and counts programs of
/// tracepoints since 6.7 (`trace_call_bpf`, kernel/trace/bpf_trace.c).
pub(super) fn missed_runs(program: BorrowedFd<'_>) -> Answer<Option<u64>> {
    const POSITION: usize = 208 / 8;
    let mut info = [0_u64; POSITION + 1];
    let mut attribute = InfoByDescriptor {
        bpf_fd: program.as_raw_fd().cast_unsigned(),
        info_len: 8 * length(&info)?,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY: `info` is readable and writable for `info_len` bytes; the counts of arrays in it are 0, so that the
    // kernel writes to none.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attribute) }?;
    let told = attribute.info_len as usize >= 8 * (POSITION + 1);
    Ok(told.then_some(info[POSITION]))
}

/// struct perf_event_attr as it was at first (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
#[derive(Default)]
struct EventAttribute {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

/// An event on the tracepoint `id`, for a program to be attached to.
///
/// It is this thread's and never counts: a program runs for all processes, on all processors, whatever the event
/// is for (`perf_trace_run_bpf_submit`, kernel/events/core.c, asks for the tracepoint's programs before it looks at
/// the events).
pub(super) fn open_event(id: u64) -> Answer<OwnedFd> {
    const PERF_TYPE_TRACEPOINT: u32 = 2;
    const DISABLED: u64 = 1;
    const THIS_THREAD: i32 = 0;
    const ANY_PROCESSOR: i32 = -1;
    const NO_GROUP: i32 = -1;
    const PERF_FLAG_FD_CLOEXEC: c_ulong = 8;
    let attribute = EventAttribute {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<EventAttribute>() as u32,
        config: id,
        flags: DISABLED,
        ..EventAttribute::default()
    };
    // SAFETY: the attribute is readable for the size that it states.
    owned(unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attribute,
            THIS_THREAD,
            ANY_PROCESSOR,
            NO_GROUP,
            PERF_FLAG_FD_CLOEXEC,
        )
    })
}

/// From now on `program` runs at the event's tracepoint, until the event's last descriptor is closed.
pub(super) fn attach(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Answer<()> {
    // _IOW('$', 8, __u32), <linux/perf_event.h>.
    const PERF_EVENT_IOC_SET_BPF: c_ulong = 0x4004_2408;
    // SAFETY: this request takes a descriptor as a number.
    let attached = unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()) };
    Errno::result(attached).map(drop)
}
