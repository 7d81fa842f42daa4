//! Parsers of /proc.
//!
//! Must not know: sessions. Text in, values out; nothing is trusted: a thread's name may hold
//! parentheses and newlines, a path may end in ` (deleted)` without being deleted.

use super::{Activity, Answer};
use crate::addr::{RemoteAddr, RemoteRange};
use crate::ids::{Pid, Tid};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One line of /proc/PID/maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where it lies.
    pub range: RemoteRange,
    /// Whether the processor may execute it.
    pub executable: bool,
    /// Whether the program may write to it.
    pub writable: bool,
    /// Whether writes to it go to the file and to other processes.
    pub shared: bool,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The device and inode of the file; zeros for anonymous memory.
    pub device: (u32, u32),
    /// See `device`.
    pub inode: u64,
    /// The path or the pseudo-name (`[heap]`), as the kernel shows it.
    pub path: PathBuf,
}

#[cfg(test)]
impl Mapping {
    /// Code of no file.
    pub(crate) fn of_test(start: u64, end: u64) -> Self {
        Self {
            range: RemoteRange {
                start: RemoteAddr(start),
                end: RemoteAddr(end),
            },
            executable: true,
            writable: false,
            shared: false,
            offset: 0,
            device: (0, 0),
            inode: 0,
            path: PathBuf::new(),
        }
    }
}

/// What stands in front of a thread's system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seccomp {
    /// Nothing.
    Free,
    /// Only `read`, `write`, `_exit` and `sigreturn`.
    Strict,
    /// This many filters.
    Filters(u32),
}

/// Signals, one bit each, by what is done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignalSets {
    /// The thread holds them back.
    pub(crate) blocked: u64,
    /// The process ignores them.
    pub(crate) ignored: u64,
    /// The process has a handler for them.
    pub(crate) caught: u64,
    /// They have come for the thread or its process and were not taken yet.
    pub(crate) pending: u64,
}

impl SignalSets {
    /// Whether a handler is about to run.
    pub(crate) fn will_be_handled(&self) -> bool {
        self.pending & self.caught & !self.blocked != 0
    }
}

/// The parts of a memory, in bytes; `None` for one that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Resident pages of files.
    pub(crate) file: Option<u64>,
    /// Resident anonymous pages.
    pub(crate) anonymous: Option<u64>,
    /// Pages that are swapped out: not resident.
    pub(crate) swapped: Option<u64>,
    /// Resident pages of shared anonymous memory and tmpfs.
    pub(crate) shared: Option<u64>,
}

impl Sizes {
    /// What /proc/PID/statm calls resident; `None` as long as a part is not known, or is nonsense.
    pub(crate) fn resident(&self) -> Option<u64> {
        self.file?.checked_add(self.anonymous?)?.checked_add(self.shared?)
    }
}

/// The system's answer as an errno.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

pub(crate) fn read(path: &str) -> Answer<Vec<u8>> {
    fs::read(path).map_err(|e| gone_or(&e))
}

/// /proc/PID/… of a process that ends while it is read.
pub(crate) fn gone_or(error: &io::Error) -> Errno {
    match errno_of(error) {
        Errno::ENOENT => Errno::ESRCH,
        other => other,
    }
}

/// The mappings of a process, by one of its threads.
pub(crate) fn mappings(tid: Tid) -> Answer<Vec<Mapping>> {
    Ok(read(&format!("/proc/{tid}/maps"))?
        .split(|b| *b == b'\n')
        .filter_map(parse_mapping)
        .collect())
}

fn parse_mapping(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let start = rest.iter().position(|b| *b != b' ')?;
        let end = rest[start..]
            .iter()
            .position(|b| *b == b' ')
            .map_or(rest.len(), |n| start + n);
        let word = std::str::from_utf8(&rest[start..end]).ok()?;
        rest = &rest[end..];
        Some(word)
    };
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = field()?.split_once('-')?;
    let (start, end) = (RemoteAddr(hex(start)?), RemoteAddr(hex(end)?));
    let permissions = field()?.as_bytes();
    let offset = hex(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let device = (u32::try_from(hex(major)?).ok()?, u32::try_from(hex(minor)?).ok()?);
    let inode = field()?.parse().ok()?;
    let path = rest
        .iter()
        .position(|b| *b != b' ')
        .map_or(&[][..], |n| &rest[n..]);
    Some(Mapping {
        range: RemoteRange { start, end },
        executable: permissions.get(2) == Some(&b'x'),
        writable: permissions.get(1) == Some(&b'w'),
        shared: permissions.get(3) == Some(&b's'),
        offset,
        device,
        inode,
        path: PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())),
    })
}

/// The processes that can be seen from here.
pub(crate) fn processes() -> Answer<Vec<Pid>> {
    Ok(numbers("/proc")?.map(Pid).collect())
}

/// The threads of a process.
pub(crate) fn threads(pid: Pid) -> Answer<Vec<Tid>> {
    Ok(numbers(&format!("/proc/{pid}/task"))?.map(Tid).collect())
}

/// How many threads a process has, by the kernel's count.
pub(crate) fn thread_count(pid: Pid) -> Answer<usize> {
    let count = status_field(pid.leader(), "Threads")?;
    count.and_then(|count| count.parse().ok()).ok_or(Errno::EIO)
}

/// The entries of a directory that are numbers.
fn numbers(directory: &str) -> Answer<impl Iterator<Item = i32> + use<>> {
    let entries = fs::read_dir(directory).map_err(|e| gone_or(&e))?;
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(entries.flatten().filter_map(number))
}

/// A path below /proc, made without an allocation: the stop path has none.
struct ProcPath {
    bytes: [u8; 64],
    length: usize,
}

impl ProcPath {
    fn new(path: std::fmt::Arguments<'_>) -> Self {
        let mut bytes = [0; 64];
        let mut rest = &mut bytes[..];
        // Two numbers and some words: it fits, and a path that was cut off names nothing.
        let _fits = rest.write_fmt(path);
        let length = 64 - rest.len();
        Self { bytes, length }
    }
}

impl AsRef<Path> for ProcPath {
    fn as_ref(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.bytes[..self.length]))
    }
}

/// What `parse` makes of /proc/TID/status, which is read without an allocation where it is no longer than most.
fn with_status<T>(tid: Tid, parse: impl FnOnce(&[u8]) -> T) -> Answer<T> {
    let path = ProcPath::new(format_args!("/proc/{tid}/status"));
    let mut file = fs::File::open(&path).map_err(|e| gone_or(&e))?;
    let mut text = [0; 8192];
    let mut length = 0;
    while length < text.len() {
        match file.read(&mut text[length..]).map_err(|e| gone_or(&e))? {
            0 => return Ok(parse(&text[..length])),
            read => length += read,
        }
    }
    // A user may have thousands of groups (proc(5), Groups).
    Ok(parse(&fs::read(&path).map_err(|e| gone_or(&e))?))
}

/// A field of /proc/TID/status, without its name and the blanks around it.
pub(crate) fn status_field(tid: Tid, name: &str) -> Answer<Option<String>> {
    with_status(tid, |status| {
        field_of(status, name).map(|value| String::from_utf8_lossy(value).into_owned())
    })
}

fn field_of<'a>(status: &'a [u8], name: &str) -> Option<&'a [u8]> {
    // The command's name stands in the first line; the kernel escapes newlines in it.
    status.split(|b| *b == b'\n').find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        Some(value.trim_ascii())
    })
}

/// The number in a field.
fn number_of<T: std::str::FromStr>(status: &[u8], name: &str) -> Option<T> {
    std::str::from_utf8(field_of(status, name)?).ok()?.parse().ok()
}

/// The thread group of a thread.
pub(crate) fn process_of(tid: Tid) -> Answer<Pid> {
    let tgid = with_status(tid, |status| number_of(status, "Tgid"))?;
    tgid.map(Pid).ok_or(Errno::ESRCH)
}

/// The thread that traces a thread, if there is one.
pub(crate) fn tracer_of(tid: Tid) -> Answer<Option<Tid>> {
    let tracer = with_status(tid, |status| number_of(status, "TracerPid"))?;
    Ok(tracer.filter(|number| *number != 0).map(Tid))
}

/// The process that a thread belongs to and its name, for people: they cannot end a thread.
pub(crate) fn process_and_name(tid: Tid) -> (Pid, String) {
    // One that is gone had been this, and there is no more to say of it.
    let process = process_of(tid).unwrap_or(Pid(tid.0));
    let name = status_field(process.leader(), "Name").ok().flatten();
    (process, name.unwrap_or_default())
}

/// Where a process has which number: the innermost pid namespace it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PidNamespace {
    /// The device of the namespace's file, as the kernel numbers it: `MKDEV`, <linux/kdev_t.h>.
    pub(crate) device: u64,
    /// Its inode.
    pub(crate) inode: u64,
    /// The process's number in it.
    pub(crate) pid_in_it: Pid,
}

/// The pid namespace of a process, and its number there.
pub(crate) fn pid_namespace(pid: Pid) -> Answer<PidNamespace> {
    const MINOR_BITS: u32 = 20;
    let file = fs::metadata(format!("/proc/{pid}/ns/pid")).map_err(|e| gone_or(&e))?;
    let (major, minor) = (libc::major(file.dev()), libc::minor(file.dev()));
    // proc_pid_status(5): the innermost is the last; before 4.1 there is no such line.
    let innermost = with_status(pid.leader(), |status| {
        let all = std::str::from_utf8(field_of(status, "NSpid")?).ok()?;
        all.split_ascii_whitespace().last()?.parse().ok()
    })?;
    Ok(PidNamespace {
        device: u64::from(major) << MINOR_BITS | u64::from(minor),
        inode: file.ino(),
        pid_in_it: innermost.map(Pid).ok_or(Errno::ENOSYS)?,
    })
}

/// Where a thread that sleeps in a system call stands: its stack pointer and pc; `None` for one that does not sleep.
///
/// Source: proc_pid_syscall(5).
pub(crate) fn sleeps_at(pid: Pid, tid: Tid) -> Option<(RemoteAddr, RemoteAddr)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
    let mut words = text.split_whitespace().rev();
    let mut address = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let (pc, sp) = (address()?, address()?);
    Some((RemoteAddr(sp), RemoteAddr(pc)))
}

/// The parts of a process's memory.
pub(crate) fn sizes(pid: Pid) -> Answer<Sizes> {
    with_status(pid.leader(), |status| Sizes {
        file: bytes_of(status, "RssFile"),
        anonymous: bytes_of(status, "RssAnon"),
        swapped: bytes_of(status, "VmSwap"),
        shared: bytes_of(status, "RssShmem"),
    })
}

/// The most resident memory that a process's memory has had, in bytes.
///
/// Source: proc_pid_status(5), `VmHWM`; a new memory (fork, exec) begins its own count.
pub(crate) fn most_resident(pid: Pid) -> Answer<u64> {
    with_status(pid.leader(), |status| bytes_of(status, "VmHWM"))?.ok_or(Errno::ESRCH)
}

/// The bytes in a field that is in kibibytes.
fn bytes_of(status: &[u8], name: &str) -> Option<u64> {
    let number = std::str::from_utf8(field_of(status, name)?)
        .ok()?
        .strip_suffix("kB")?;
    Some(number.trim().parse::<u64>().ok()? * 1024)
}

/// What stands in front of a thread's system calls.
pub(crate) fn seccomp(tid: Tid) -> Answer<Seccomp> {
    with_status(tid, |status| {
        let number = |name| number_of(status, name).unwrap_or(0);
        match number("Seccomp") {
            0 => Seccomp::Free,
            1 => Seccomp::Strict,
            // Seccomp_filters is there since 5.9; without it, there is at least one.
            _ => Seccomp::Filters(number("Seccomp_filters").max(1)),
        }
    })
}

/// Whether the processor keeps a second stack of the thread's return addresses.
///
/// Source: Documentation/arch/x86/shstk.rst; the line is there since 6.6, where the processor has it.
pub(crate) fn has_shadow_stack(tid: Tid) -> Answer<bool> {
    with_status(tid, |status| {
        let features = field_of(status, "x86_Thread_features");
        features.is_some_and(|all| lists(all, "shstk"))
    })
}

fn lists(features: &[u8], name: &str) -> bool {
    let mut features = features.split(u8::is_ascii_whitespace);
    features.any(|feature| feature == name.as_bytes())
}

/// What a thread and its process do with signals.
pub(crate) fn signal_sets(tid: Tid) -> Answer<SignalSets> {
    with_status(tid, |status| {
        let set = |name| {
            let digits = std::str::from_utf8(field_of(status, name)?).ok()?;
            u64::from_str_radix(digits, 16).ok()
        };
        Some(SignalSets {
            blocked: set("SigBlk")?,
            ignored: set("SigIgn")?,
            caught: set("SigCgt")?,
            pending: set("SigPnd")? | set("ShdPnd")?,
        })
    })?
    .ok_or(Errno::EIO)
}

/// What a thread is doing.
pub(crate) fn activity(pid: Pid, tid: Tid) -> Answer<Activity> {
    // One read: this is asked for each running thread at each step in place.
    let mut stat = [0; 256];
    let path = ProcPath::new(format_args!("/proc/{pid}/task/{tid}/stat"));
    let mut file = fs::File::open(path).map_err(|e| gone_or(&e))?;
    let length = file.read(&mut stat).map_err(|e| gone_or(&e))?;
    // proc(5): the state follows the name, which is in parentheses and may hold any of them.
    let behind = stat[..length]
        .iter()
        .rposition(|b| *b == b')')
        .ok_or(Errno::EIO)?;
    Ok(match stat.get(behind + 2) {
        Some(b'R') => Activity::Running,
        Some(b'S' | b'D' | b'I') => Activity::Sleeping,
        Some(b'T' | b't') => Activity::Stopped,
        _ => Activity::Dead,
    })
}

/// A number of /proc/PID/stat, by its place in proc_pid_stat(5), which counts from one.
fn stat_field(pid: Pid, place: usize) -> Answer<u64> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let behind = stat.iter().rposition(|b| *b == b')').ok_or(Errno::EIO)?;
    let fields = String::from_utf8_lossy(&stat[behind + 1..]);
    // The state, field 3, is the first behind the name.
    let field = fields.split_whitespace().nth(place - 3);
    field.and_then(|f| f.parse().ok()).ok_or(Errno::EIO)
}

/// Whether a process is a thread of the kernel: it has no memory of its own.
pub(crate) fn is_kernel_thread(pid: Pid) -> Answer<bool> {
    // The flags word. PF_KTHREAD.
    Ok(stat_field(pid, 9)? & 0x0020_0000 != 0)
}

/// The page faults of the children that a process has waited for; every process has some.
pub(crate) fn faults_of_children(pid: Pid) -> Answer<u64> {
    Ok(stat_field(pid, 11)?.saturating_add(stat_field(pid, 13)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_keeps_blanks_and_suffixes_of_its_path() {
        let line = b"7f1000-7f3000 r-xp 00001000 fd:01 4711                       /a dir/lib (deleted).so";
        let mapping = parse_mapping(line).expect("a mapping");
        assert_eq!(mapping.range.start, RemoteAddr(0x7f_1000));
        assert_eq!(mapping.range.end, RemoteAddr(0x7f_3000));
        assert!(mapping.executable && !mapping.writable && !mapping.shared);
        assert_eq!(
            (mapping.offset, mapping.inode, mapping.device),
            (0x1000, 4711, (0xfd, 1))
        );
        assert_eq!(mapping.path, PathBuf::from("/a dir/lib (deleted).so"));
    }

    #[test]
    fn anonymous_memory_has_no_path_and_broken_lines_are_skipped() {
        let mapping = parse_mapping(b"10000-20000 rw-s 00000000 00:00 0 ").expect("a mapping");
        assert_eq!(mapping.path, PathBuf::new());
        assert!(mapping.shared && mapping.writable && !mapping.executable);
        for broken in [&b""[..], b"10000", b"x-y r-xp 0 0:0 0", b"1-2 r-xp 0 00 0"] {
            assert_eq!(parse_mapping(broken), None);
        }
    }

    #[test]
    fn a_name_that_looks_like_a_field_is_no_field() {
        let status = b"Name:\tTgid: 1\nUmask:\t0022\nTgid:\t4711\nTracerPid:\t0\n";
        assert_eq!(field_of(status, "Tgid"), Some(&b"4711"[..]));
        assert_eq!(field_of(status, "Seccomp"), None);
    }

    #[test]
    fn c041_the_features_that_are_locked_are_not_those_in_use() {
        let has =
            |status: &[u8]| field_of(status, "x86_Thread_features").is_some_and(|all| lists(all, "shstk"));
        assert!(has(
            b"Name:\ta\nx86_Thread_features:\twrss shstk \nx86_Thread_features_locked:\t\n"
        ));
        assert!(!has(
            b"x86_Thread_features:\t\nx86_Thread_features_locked:\tshstk \n"
        ));
        assert!(!has(b"Name:\tshstk\n"));
    }

    #[test]
    fn sizes_are_bytes_and_those_that_are_missing_are_not_known() {
        let status = b"Name:\tVmSwap: 7 kB\nRssAnon:\t     124 kB\nRssFile:\t       0 kB\n";
        assert_eq!(bytes_of(status, "RssAnon"), Some(124 * 1024));
        assert_eq!(bytes_of(status, "RssFile"), Some(0));
        assert_eq!(bytes_of(status, "VmSwap"), None);
    }

    #[test]
    fn this_process_is_read_as_it_is() {
        let pid = Pid(std::process::id().cast_signed());
        assert_eq!(process_of(pid.leader()), Ok(pid));
        assert!(threads(pid).expect("own threads").contains(&pid.leader()));
        assert!(processes().expect("/proc is there").contains(&pid));
        assert_eq!(is_kernel_thread(pid), Ok(false));
        let signals = signal_sets(pid.leader()).expect("own signals");
        // Rust's runtime ignores SIGPIPE and handles SIGSEGV.
        assert_ne!(signals.ignored & 1 << (libc::SIGPIPE - 1), 0);
        assert_ne!(signals.caught & 1 << (libc::SIGSEGV - 1), 0);
        assert!(
            mappings(pid.leader())
                .expect("own mappings")
                .iter()
                .any(|m| m.executable)
        );
        assert_eq!(tracer_of(Tid(-1)), Err(Errno::ESRCH));
    }
}
