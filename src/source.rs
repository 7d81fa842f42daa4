//! The text of source files.
//!
//! Must not know: functions, measurements.
//!
//! The paths come out of debug information, so whoever made the program chose them: a named pipe, a terminal, a device
//! that never ends, a sparse file of a terabyte. A file is opened without waiting and without becoming anybody's
//! terminal, looked at before a byte is read, and read up to a limit. Symbolic links are followed, since source trees
//! are full of them; a caller with more rights than the program's owner decides before it asks.
//!
//! Read on in `report::escape`, which makes the text safe to show.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::report::escape;

/// No file longer than this is read.
const MOST_BYTES: u64 = 16 << 20;

/// No more of a line than this is given, in bytes.
const LONGEST_LINE: usize = 4096;

/// Reads source files, each once.
#[derive(Debug, Default)]
pub struct SourceCache {
    files: HashMap<PathBuf, Result<SourceText, Unreadable>>,
}

/// Why a file has no text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The system refused: mostly there is no such file.
    #[error("cannot read the source: {0}")]
    Io(#[source] io::Error),
    /// It is a directory, a device, a pipe.
    #[error("not a regular file")]
    NotRegular,
    /// It is longer than any source.
    #[error("longer than {MOST_BYTES} bytes")]
    TooLong,
}

/// The text of a file.
#[derive(Debug)]
pub struct SourceText {
    text: String,
    /// Where each line begins in `text`.
    starts: Vec<usize>,
    modified: Option<SystemTime>,
}

impl SourceCache {
    /// A cache with nothing in it.
    pub fn new() -> SourceCache {
        SourceCache::default()
    }

    /// The text of `path`, read at most once.
    ///
    /// # Errors
    /// [`Unreadable`], remembered as well.
    pub fn read(&mut self, path: &Path) -> Result<&SourceText, &Unreadable> {
        if !self.files.contains_key(path) {
            self.files.insert(path.to_owned(), read(path));
        }
        self.files[path].as_ref()
    }

    /// The files read so far that were changed after `built`, sorted: their lines may not be those of the program.
    pub fn newer_than(&self, built: SystemTime) -> Vec<&Path> {
        let newer = |source: &SourceText| source.modified.is_some_and(|modified| modified > built);
        let mut paths: Vec<&Path> = self
            .files
            .iter()
            .filter(|(_, source)| source.as_ref().is_ok_and(newer))
            .map(|(path, _)| path.as_path())
            .collect();
        paths.sort_unstable();
        paths
    }
}

impl SourceText {
    /// A text that is already in memory.
    pub fn new(bytes: &[u8], modified: Option<SystemTime>) -> SourceText {
        let text = escape::valid(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        let ends = text
            .bytes()
            .enumerate()
            .filter(|&(_, byte)| byte == b'\n')
            .map(|(end, _)| end + 1);
        let starts = std::iter::once(0)
            .chain(ends)
            .filter(|&start| start < text.len())
            .collect();
        SourceText {
            text,
            starts,
            modified,
        }
    }

    /// The line `number`, from 1, without its end; `None` when there are fewer.
    pub fn line(&self, number: u32) -> Option<&str> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        let rest = &self.text[*self.starts.get(place)?..];
        let line = rest.split('\n').next().unwrap_or(rest);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let fits = (0..=LONGEST_LINE.min(line.len()))
            .rev()
            .find(|&end| line.is_char_boundary(end));
        fits.map(|end| &line[..end])
    }

    /// When the file was last changed, where the file system says so.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }
}

fn read(path: &Path) -> Result<SourceText, Unreadable> {
    // Without O_NONBLOCK opening a named pipe waits for a writer; without O_NOCTTY a terminal becomes ours (open(2)).
    // The standard library adds O_CLOEXEC.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(Unreadable::Io)?;
    let metadata = file.metadata().map_err(Unreadable::Io)?;
    if !metadata.is_file() {
        return Err(Unreadable::NotRegular);
    }
    if metadata.len() > MOST_BYTES {
        return Err(Unreadable::TooLong);
    }
    let mut bytes = Vec::new();
    // Files of /proc say they are empty and may never end, so the length read counts too.
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(Unreadable::Io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Unreadable::TooLong);
    }
    Ok(SourceText::new(&bytes, metadata.modified().ok()))
}

#[cfg(test)]
mod tests;
