//! One process whose memory is read again and again, and never another that gets its number.
//!
//! Must not know: when it is read, and for whom.
//!
//! The file is opened by number while the process's folder of /proc is held, and the folder says afterwards whether the
//! number was its own all the time (`Identity`). From then on it is the descriptor that is read.

use std::io;

use lineprof_tracer::{Identity, Pid, Tid};

use super::descent::{Child, parent_in, threads};
use crate::metric::{MemoryReader, Reading};
use crate::profile::Metric;
use crate::units::Bytes;

/// A descendant whose memory lineprof may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub pid: Pid,
}

/// A process and its open file.
#[derive(Debug)]
pub(super) struct Member {
    pid: Pid,
    tid: Tid,
    reader: MemoryReader,
}

impl Member {
    /// Begins to read a process.
    ///
    /// # Errors
    /// It is gone, or its memory may not be read.
    pub(super) fn open(identity: &Identity, metric: Metric, reading: Reading) -> io::Result<Member> {
        let pid = identity.pid();
        let tid = pid.leader();
        let reader = MemoryReader::open(pid, tid, metric, reading)?;
        if identity.is_there() {
            Ok(Member { pid, tid, reader })
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Its memory now; `None` where there is none: it has ended.
    pub(super) fn read(&mut self, identity: &Identity) -> Option<Bytes> {
        let seen = |value: Option<Bytes>| value.filter(|bytes| bytes.0 > 0);
        if let Some(value) = seen(self.reader.read_now(self.tid)) {
            return Some(value);
        }
        // The thread has ended; others may go on. The file of one of them is taken while the number is still the process's.
        let found = threads(&identity.folder()).map(Tid).find_map(|tid| {
            let value = seen(self.reader.read_now(tid))?;
            self.tid = tid;
            Some(value)
        })?;
        identity.is_there().then_some(found)
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }
}

/// A descendant, as long as it is one.
#[derive(Debug)]
pub(super) struct Descendant {
    identity: Identity,
    /// `None` where it may not be read, which is found out once.
    member: Option<Member>,
}

/// A descendant that was met for the first time.
#[derive(Debug)]
pub(super) enum Met {
    Readable(Descendant),
    Unreadable(Descendant, Unreadable),
    /// Gone already, or no descendant any more.
    Gone,
}

impl Descendant {
    pub(super) fn meet(child: Child, metric: Metric, reading: Reading) -> Met {
        let Ok(identity) = Identity::of(child.pid) else {
            return Met::Gone;
        };
        // Whoever has the number now may be another than the one that was in the list.
        if parent_in(&identity.folder()) != Some(child.parent) {
            return Met::Gone;
        }
        match Member::open(&identity, metric, reading) {
            Ok(member) => Met::Readable(Descendant {
                identity,
                member: Some(member),
            }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let unreadable = Unreadable { pid: child.pid };
                let member = None;
                Met::Unreadable(Descendant { identity, member }, unreadable)
            }
            Err(_) => Met::Gone,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.identity.is_there()
    }

    /// Its memory now; `None` where there is none or it may not be read.
    pub(super) fn read(&mut self) -> Option<(Pid, Bytes)> {
        let member = self.member.as_mut()?;
        Some((member.pid(), member.read(&self.identity)?))
    }
}
