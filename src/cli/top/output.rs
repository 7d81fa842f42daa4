//! What the program writes while the view has the terminal: kept in a file without a name, shown line by line.
//!
//! Must not know: what the program is.
//!
//! A stream that is no terminal stays what it is: `lineprof top ./app < in > out` feeds and fills files as ever. Only what
//! would go to the terminal is kept, and written there once the view is closed.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use lineprof::report::escape;

/// What is read at once; a program that writes faster is caught up with by leaving out.
const PIECE: u64 = 64 << 10;

/// A line of the program's that has no end is shown in pieces of this.
const LONGEST: usize = 4096;

/// The file.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    read: u64,
    /// A line that is not at its end.
    rest: Vec<u8>,
}

impl Output {
    /// A file that nobody else sees, in the folder for temporary files.
    pub(super) fn new() -> io::Result<Output> {
        // A name is needed to open it for appending: stdout and stderr write to one end.
        let named = tempfile::NamedTempFile::new()?;
        let file = File::options().read(true).append(true).open(named.path())?;
        Ok(Output {
            file,
            read: 0,
            rest: Vec::new(),
        })
    }

    /// Has `command` write here what would go to the terminal.
    pub(super) fn take(&self, command: &mut Command) -> io::Result<()> {
        if io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        if io::stdout().is_terminal() {
            command.stdout(self.file.try_clone()?);
        }
        if io::stderr().is_terminal() {
            command.stderr(self.file.try_clone()?);
        }
        Ok(())
    }

    /// The lines that were written since.
    pub(super) fn lines(&mut self) -> io::Result<Vec<String>> {
        let end = self.file.metadata()?.len();
        if end.saturating_sub(self.read) > PIECE {
            self.read = end - PIECE;
            self.rest.clear();
        }
        let mut piece = vec![0; (end - self.read.min(end)) as usize];
        let got = self.file.read_at(&mut piece, self.read)?;
        self.read += got as u64;
        Ok(split(&mut self.rest, &piece[..got]))
    }

    /// Writes all of it to `to`.
    pub(super) fn write_all(mut self, to: &mut impl Write) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        // What a program that goes on writes from now on is not waited for.
        let end = self.file.metadata()?.len();
        io::copy(&mut (&self.file).take(end), to)?;
        to.flush()
    }
}

/// The lines that `piece` ends; what follows the last end is kept in `rest`.
fn split(rest: &mut Vec<u8>, piece: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for byte in piece {
        if *byte == b'\n' || rest.len() >= LONGEST {
            let line = std::mem::take(rest);
            lines.push(escape::valid(line.strip_suffix(b"\r").unwrap_or(&line)));
        }
        if *byte != b'\n' {
            rest.push(*byte);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_when_it_is_at_its_end() {
        let mut rest = Vec::new();
        assert_eq!(split(&mut rest, b"one\r\ntw"), ["one"]);
        assert_eq!(split(&mut rest, b"o\n\nthree"), ["two", ""]);
        assert_eq!(rest, b"three");
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let mut rest = Vec::new();
        let lines = split(&mut rest, &[b'x'; 2 * LONGEST + 1]);
        assert_eq!(lines, ["x".repeat(LONGEST), "x".repeat(LONGEST)]);
        assert_eq!(rest, b"x");
    }

    #[test]
    fn what_was_written_is_read_once_and_written_whole() {
        let mut output = Output::new().expect("the temporary folder is writable");
        let mut other = output.file.try_clone().expect("descriptors");
        other.write_all(b"one\ntwo").expect("a file");
        assert_eq!(output.lines().expect("a file"), ["one"]);
        other.write_all(b"!\n").expect("a file");
        assert_eq!(output.lines().expect("a file"), ["two!"]);
        assert_eq!(output.lines().expect("a file"), [""; 0]);
        let mut all = Vec::new();
        output.write_all(&mut all).expect("memory");
        assert_eq!(all, b"one\ntwo!\n");
    }
}
