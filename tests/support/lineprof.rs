//! Running lineprof: its options put together, its report read.
//!
//! Must not know: test programs' contents.

use super::report::Report;
use super::run::{Finished, Running};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The engines: every suite runs on all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Displaced,
    InPlace,
    Inline,
}

impl Engine {
    pub(crate) const ALL: [Engine; 3] = [Engine::Displaced, Engine::InPlace, Engine::Inline];

    /// The value of `--engine`.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Engine::Displaced => "displaced",
            Engine::InPlace => "in-place",
            Engine::Inline => "inline",
        }
    }
}

/// A run of lineprof that is being put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineprof {
    options: Vec<OsString>,
    /// Where it runs, and the program with it; the test's own folder when not said.
    folder: Option<PathBuf>,
}

impl Lineprof {
    pub(crate) fn new() -> Lineprof {
        Lineprof::default()
    }

    pub(crate) fn option(mut self, option: impl Into<OsString>) -> Lineprof {
        self.options.push(option.into());
        self
    }

    pub(crate) fn options<S: Into<OsString>>(mut self, options: impl IntoIterator<Item = S>) -> Lineprof {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    pub(crate) fn engine(self, engine: Engine) -> Lineprof {
        self.options(["--engine", engine.option()])
    }

    pub(crate) fn metric(self, metric: &str) -> Lineprof {
        self.options(["--metric", metric])
    }

    pub(crate) fn functions<S: AsRef<str>>(self, patterns: &[S]) -> Lineprof {
        patterns
            .iter()
            .fold(self, |run, pattern| run.options(["--function", pattern.as_ref()]))
    }

    pub(crate) fn folder(mut self, folder: impl Into<PathBuf>) -> Lineprof {
        self.folder = Some(folder.into());
        self
    }

    /// The command, for tests that end it by a signal.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lineprof"));
        command.args(&self.options);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs lineprof with its options alone.
    pub(crate) fn run_alone(&self) -> Finished {
        Running::start(&mut self.command()).finish()
    }

    /// Runs `program` under lineprof.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Finished {
        Running::start(self.command().arg("--").arg(program).args(args)).finish()
    }

    /// Runs `program` under lineprof and reads the report that it writes to a file.
    ///
    /// # Panics
    /// When there is no report, or it does not keep the contract.
    pub(crate) fn report<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> (Report, Finished) {
        let (text, finished) = self.report_text(program, args);
        (Report::parse(&text), finished)
    }

    /// Like [`Lineprof::report`], the text of the report as it was written.
    pub(crate) fn report_text<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> (String, Finished) {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let file = folder.path().join("report.json");
        let finished = self.clone().option("-o").option(&file).run(program, args);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!(
                "no report ({error}) of {} after exit code {}:\n{}",
                program.display(),
                finished.code(),
                finished.stderr_text()
            )
        });
        (text, finished)
    }
}
