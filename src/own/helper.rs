//! The process that traces this one, from its start to its report.
//!
//! Must not know: what is profiled.

use std::ffi::OsString;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::word::{STOP, Word};
use crate::profile::{Profile, Report};
use crate::profiler::Error;

/// A `lineprof engine` that traces this process.
///
/// Dropping it lets this process go, and waits until it is.
#[derive(Debug)]
pub(super) struct Helper {
    program: PathBuf,
    child: Child,
    /// `None` once it was asked to end.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// What is waited for.
enum Heard {
    /// Every site is planted.
    Running,
    /// The end.
    Report(Report),
}

impl Helper {
    /// Starts it, and returns when every line is watched.
    ///
    /// # Errors
    /// It cannot be started, or it cannot trace this process.
    pub(super) fn attach(program: &Path, words: &[OsString]) -> Result<Helper, Error> {
        let failed = |source| Error::Helper {
            program: program.to_owned(),
            source,
        };
        lineprof_tracer::let_descendants_trace();
        let mut child = Command::new(program)
            .arg("engine")
            .arg("--pid")
            .arg(std::process::id().to_string())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both pipes were asked for");
        };
        let mut helper = Helper {
            program: program.to_owned(),
            child,
            to: Some(to),
            from: BufReader::new(from),
        };
        match helper.hear()? {
            Heard::Running => Ok(helper),
            Heard::Report(_) => Err(Error::NoReport),
        }
    }

    /// Ends the profile; what came of it.
    ///
    /// # Errors
    /// It had none to tell.
    pub(super) fn finish(mut self) -> Result<Profile, Error> {
        self.ask_to_end();
        loop {
            if let Heard::Report(report) = self.hear()? {
                let profile = report.into_profiles().into_iter().next();
                return profile.ok_or(Error::NoReport);
            }
        }
    }

    /// The next word that matters; a failure, and the end without a report, are errors.
    fn hear(&mut self) -> Result<Heard, Error> {
        loop {
            let word = Word::read(&mut self.from).map_err(|source| Error::Words {
                program: self.program.clone(),
                source,
            })?;
            match word {
                Some(Word::Running { .. }) => return Ok(Heard::Running),
                Some(Word::Report { report, .. }) => return Ok(Heard::Report(report)),
                Some(Word::Failed(failure)) => return Err(Error::Refused(failure)),
                None => return Err(Error::NoReport),
                Some(
                    Word::Selected { .. }
                    | Word::Unmatched { .. }
                    | Word::Loaded { .. }
                    | Word::Crossed(_)
                    | Word::SoFar { .. }
                    | Word::Exited { .. }
                    | Word::FirstEnded,
                ) => {}
            }
        }
    }

    fn ask_to_end(&mut self) {
        if let Some(mut to) = self.to.take() {
            // One that has ended already has told its last word.
            let _ended = to.write_all(STOP);
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.ask_to_end();
        // What it still tells has to go somewhere: it would wait with a full pipe. Nobody hears it.
        let _unheard = io::copy(&mut self.from, &mut io::sink());
        // Its end lets go of threads that were left asleep. A program that waits for all its children may have taken it.
        let _taken = self.child.wait();
    }
}
