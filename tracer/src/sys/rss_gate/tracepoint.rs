//! The tracepoint `kmem:rss_stat` as the kernel describes it: its number, and where its fields are.
//!
//! Must not know: who attaches to it. Most systems have tracefs mounted, a container has not: then it is mounted here
//! at no place, so that nobody else sees it, and it is gone with its descriptor.
//!
//! Source: Documentation/trace/events.rst, "Event formats".

use super::{GateRefused, Step};
use crate::sys::Answer;
use crate::sys::descriptors::owned;
use crate::sys::procfs::errno_of;
use libc::c_char;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::ptr;

/// Where it is mounted, where it is.
const MOUNTED: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Where the fields of an event are, in bytes from its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) mm_id: i16,
    pub(super) curr: i16,
    pub(super) member: i16,
    pub(super) size: i16,
}

/// The tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tracepoint {
    /// What perf_event_open(2) calls it.
    pub(super) id: u64,
    pub(super) fields: Fields,
}

impl Tracepoint {
    /// Asks the kernel.
    pub(super) fn look_up() -> Result<Self, GateRefused> {
        let failed = |errno| GateRefused::from_errno(Step::ReadTracepoint, errno);
        for place in MOUNTED {
            match open_directory(Path::new(place)).and_then(|directory| Self::read(&directory)) {
                Ok(read) => return read,
                // Not mounted here, or not for us.
                Err(errno) => tracing::debug!(%errno, place, "no tracefs"),
            }
        }
        let unseen = mount_unseen().map_err(failed)?;
        match Self::read(&unseen) {
            Ok(read) => read,
            Err(Errno::ENOENT) => Err(GateRefused::NoTracepoint),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Reads it below `directory`; an errno where it is not there at all.
    fn read(directory: &OwnedFd) -> Answer<Result<Self, GateRefused>> {
        let read = |name| {
            let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
            let mut file = File::from(openat(directory, name, flags, Mode::empty())?);
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(|e| errno_of(&e))?;
            Ok(text)
        };
        let id = read("events/kmem/rss_stat/id")?;
        let id = id.trim().parse().or(Err(Errno::EIO))?;
        let format = read("events/kmem/rss_stat/format")?;
        Ok(fields_of(&format).map(|fields| Self { id, fields }))
    }
}

/// The fields, each with the length that the program reads.
fn fields_of(format: &str) -> Result<Fields, GateRefused> {
    let find = |name, length| {
        let offset = format.lines().find_map(|line| offset_in(line, name, length));
        offset.ok_or(GateRefused::NoField { name, length })
    };
    Ok(Fields {
        mm_id: find("mm_id", 4)?,
        curr: find("curr", 4)?,
        member: find("member", 4)?,
        size: find("size", 8)?,
    })
}

/// The offset, when the line describes the field `name` of this length.
fn offset_in(line: &str, name: &str, length: u8) -> Option<i16> {
    // field:unsigned int mm_id;   offset:8;   size:4;   signed:0;     with tabs
    let mut parts = line.trim().split(';').map(str::trim);
    let declaration = parts.next()?.strip_prefix("field:")?;
    if declaration.rsplit(' ').next()? != name {
        return None;
    }
    let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
    let size: u8 = parts.next()?.strip_prefix("size:")?.parse().ok()?;
    // The kernel lets a program read at a multiple of the length alone.
    (size == length && offset % i16::from(length) == 0).then_some(offset)
}

fn open_directory(path: &Path) -> Answer<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::empty())
}

/// Tracefs, mounted nowhere.
///
/// Source: <linux/mount.h>; the calls are there since 5.2 and have no wrappers in libc.
fn mount_unseen() -> Answer<OwnedFd> {
    const FSOPEN_CLOEXEC: u32 = 1;
    const FSCONFIG_CMD_CREATE: u32 = 6;
    const FSMOUNT_CLOEXEC: u32 = 1;
    const NO_ATTRIBUTES: u32 = 0;
    let nothing = ptr::null::<c_char>();
    // SAFETY: the name is a null-terminated string, and the kernel only reads it.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), FSOPEN_CLOEXEC) };
    let context = owned(context)?;
    let fd = context.as_raw_fd();
    // SAFETY: this command takes neither key nor value: both are null.
    let created = unsafe { libc::syscall(libc::SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, nothing, nothing, 0) };
    Errno::result(created)?;
    // SAFETY: fsmount takes numbers only.
    let mount = unsafe { libc::syscall(libc::SYS_fsmount, fd, FSMOUNT_CLOEXEC, NO_ATTRIBUTES) };
    owned(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "\
name: rss_stat
ID: 646
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:unsigned int mm_id;	offset:8;	size:4;	signed:0;
	field:unsigned int curr;	offset:12;	size:4;	signed:0;
	field:int member;	offset:16;	size:4;	signed:1;
	field:long size;	offset:24;	size:8;	signed:1;

print fmt: \"mm_id=%u curr=%d type=%s size=%ldB\", REC->mm_id, REC->curr
";

    #[test]
    fn fields_are_found_by_their_names() {
        let expected = Fields {
            mm_id: 8,
            curr: 12,
            member: 16,
            size: 24,
        };
        assert_eq!(fields_of(FORMAT), Ok(expected));
    }

    #[test]
    fn a_field_that_is_missing_shorter_or_askew_is_refused_by_its_name() {
        let of_curr = Err(GateRefused::NoField {
            name: "curr",
            length: 4,
        });
        assert_eq!(fields_of(&FORMAT.replace(" curr;", " current;")), of_curr);
        assert_eq!(
            fields_of(&FORMAT.replace("offset:12;	size:4", "offset:12;	size:1")),
            of_curr
        );
        assert_eq!(fields_of(&FORMAT.replace("offset:12", "offset:13")), of_curr);
        assert!(fields_of("").is_err());
    }
}
