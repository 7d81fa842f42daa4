//! A file's bytes, mapped instead of read: of a file of hundreds of megabytes only the touched pages cost.
//!
//! Must not know: what the bytes mean. This file holds the crate's only `unsafe`.

use std::fs::{File, OpenOptions};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, ErrorKind, Operation};

/// Which file this is, to see that two paths name the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// A regular file, mapped read-only.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Option<memmap2::Mmap>,
    id: FileId,
}

impl Mapped {
    /// Opens `path` without waiting for it and maps it.
    pub(crate) fn open(path: &Path) -> Result<Mapped, Error> {
        // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever (open(2)).
        const O_NONBLOCK: i32 = 0o4000;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(path)
            .map_err(|source| Error::io(path, source))?;
        let metadata = file.metadata().map_err(|source| Error::io(path, source))?;
        if !metadata.is_file() {
            return Err(Error::new(Operation::Open, path, ErrorKind::NotRegularFile));
        }
        let id = FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        // mmap(2) refuses a length of 0.
        let map = if metadata.len() == 0 {
            None
        } else {
            Some(map(&file, path)?)
        };
        Ok(Mapped { map, id })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }
}

#[allow(unsafe_code)]
fn map(file: &File, path: &Path) -> Result<memmap2::Mmap, Error> {
    // SAFETY: the mapping is private and read-only, so this process never changes it. Another process that
    // writes to the file can change the bytes below us: every reader of this crate treats them as untrusted and
    // checks bounds against the mapping's length, never against a value it read before. Truncation raises SIGBUS,
    // as for every tool that maps object files; linkers and package managers replace files, they do not cut them.
    let mapped = unsafe { memmap2::Mmap::map(file) };
    mapped.map_err(|source| Error::io(path, source))
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}
