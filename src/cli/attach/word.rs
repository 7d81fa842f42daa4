//! What the engine tells the front: a line of JSON each.
//!
//! Must not know: who does what with it. Both ends are the same executable, so it has no version.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use lineprof::profile::Report;
use serde::{Deserialize, Serialize};

use crate::cli::hint::Failure;

/// One thing told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// These are going to be profiled.
    Selected { functions: usize, sites: usize },
    /// Nothing matches these.
    Unmatched { patterns: Vec<String> },
    /// A library has functions that are profiled.
    Loaded {
        path: PathBuf,
        functions: usize,
        sites: usize,
    },
    /// The process is attached to and every site is planted.
    Running { pid: i32 },
    /// It has ended, and others are followed still.
    FirstEnded,
    /// The process has been given back, and this came of it. Nothing follows.
    Report(Report),
    /// Nothing came of it. Nothing follows.
    Failed(Failure),
}

impl Word {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()
    }

    /// The next word; `None` when the other end is closed.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Option<Word>> {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_as_they_were_sent_and_a_cut_one_is_an_error() {
        let mut pipe = Vec::new();
        let failure = Failure::new("two\nlines").hint("a hint");
        Word::Running { pid: 7 }.write(&mut pipe).expect("memory");
        Word::Failed(failure.clone()).write(&mut pipe).expect("memory");
        pipe.extend(b"{\"Running\":{\"p");
        let mut from = pipe.as_slice();
        let word = Word::read(&mut from).expect("whole").expect("a word");
        assert!(matches!(word, Word::Running { pid: 7 }));
        let word = Word::read(&mut from).expect("whole").expect("a word");
        assert!(matches!(word, Word::Failed(read) if read == failure));
        assert!(Word::read(&mut from).is_err(), "the other end died within a word");
        assert!(Word::read(&mut from).expect("closed").is_none());
    }
}
