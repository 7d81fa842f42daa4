//! What the process that traces tells the one that asked for it: a line of JSON each.
//!
//! Must not know: who does what with it. Both ends are one executable at the command line; a program that profiles
//! itself may have found another version of it, whose words it does not understand.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::profile::{Crossing, Profile, Report};
use crate::select::By;
use crate::units::Bytes;

/// What is written to ask for the end of the profile; end of file means that nobody is there any more.
pub const STOP: &[u8] = b"stop\n";

/// What is written to ask how it stands.
pub const SO_FAR: &[u8] = b"look\n";

/// A failure, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The exit code that goes with it.
    pub code: u8,
    /// What failed, and why.
    pub message: String,
    /// What to do next, a line each.
    pub hints: Vec<String>,
}

/// One thing told.
#[derive(Debug, Serialize, Deserialize)]
pub enum Word {
    /// These are going to be profiled.
    Selected {
        /// What they were chosen by.
        by: By,
        /// How many functions.
        functions: usize,
        /// How many sites.
        sites: usize,
    },
    /// Nothing matches these.
    Unmatched {
        /// As they were given.
        patterns: Vec<String>,
    },
    /// A library has functions that are profiled.
    Loaded {
        /// The library, as the process sees it.
        path: PathBuf,
        /// How many functions.
        functions: usize,
        /// How many sites.
        sites: usize,
    },
    /// The process is attached to and every site is planted.
    Running {
        /// The process.
        pid: i32,
    },
    /// Memory has crossed a limit.
    Crossed(Box<Crossing>),
    /// It has ended, and others are followed still.
    FirstEnded,
    /// How it stands; asked for.
    SoFar {
        /// What was recorded, as `profiler::SoFar` has it.
        profile: Box<Profile>,
        /// The memory of the process now.
        memory: Bytes,
    },
    /// The program has ended, or was given back, with this end of its own; before the report.
    Exited {
        /// As a shell has it: 128 + n for a signal n.
        code: u8,
    },
    /// The process has been given back, and this came of it. Nothing follows.
    Report {
        /// What came of it.
        report: Report,
        /// The process, where it was left stopped.
        left_stopped: Option<i32>,
    },
    /// Nothing came of it. Nothing follows.
    Failed(Failure),
}

impl Word {
    /// Writes it as a line.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()
    }

    /// The next word; `None` when the other end is closed.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Word>> {
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
        let failure = Failure {
            code: 125,
            message: "two\nlines".into(),
            hints: vec!["a hint".into()],
        };
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
