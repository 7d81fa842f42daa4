//! A process by more than its number, which another may get once it has ended and been reaped.
//!
//! Must not know: what is done to it.
//!
//! ```text
//! Identity::of(pid) ─► look at its files by the number ─► attach by the number ─► is it still there?
//! ```
//! A folder of /proc that is held open stays that of its process: once it is reaped, nothing in it can be read, whoever
//! has the number by then (`struct pid` in kernel/pid.c; the folder's inode keeps it). While it is there, nobody else
//! can have the number: so whatever was done by the number in between was done to this process.

use crate::error::{Error, Kind, Operation, Result, Subject};
use crate::ids::Pid;
use crate::sys::procfs;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// A process, as it was known when this was made.
#[derive(Debug)]
pub struct Identity {
    pid: Pid,
    folder: File,
}

impl Identity {
    /// The process that has this number now.
    ///
    /// # Errors
    /// There is none.
    pub fn of(pid: Pid) -> Result<Self> {
        let failed = |kind| Error::from_kind(Operation::Attach, Subject::Process(pid), kind);
        if pid.0 <= 0 {
            return Err(failed(Kind::NoSuchProcess));
        }
        match File::open(format!("/proc/{pid}")) {
            Ok(folder) => Ok(Self { pid, folder }),
            Err(error) => {
                let errno = procfs::gone_or(&error);
                Err(Error::from_errno(Operation::Attach, Subject::Process(pid), errno))
            }
        }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its folder of /proc, whoever has its number: below it there is nothing to read once the process is gone.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()))
    }

    /// Whether its number is its own still, though it may be a zombie.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.check().is_ok()
    }

    /// Fails when the process is gone; whoever has its number now is another.
    pub(crate) fn check(&self) -> Result<()> {
        let file = format!("/proc/self/fd/{}/stat", self.folder.as_raw_fd());
        match procfs::read(&file) {
            Ok(_) => Ok(()),
            Err(errno) => Err(Error::from_errno(
                Operation::Attach,
                Subject::Process(self.pid),
                errno,
            )),
        }
    }
}
