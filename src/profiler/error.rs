//! Why nothing could be profiled.
//!
//! Must not know: the words of hints; the command line finds them by matching.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::own::Failure;
use crate::select::By;

/// What stood in the way.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The executable or its debug information cannot be used.
    #[error(transparent)]
    File(#[from] lineprof_dwarf::Error),
    /// The process cannot be started or traced.
    #[error(transparent)]
    Trace(#[from] lineprof_tracer::Error),
    /// Nothing is selected.
    #[error("no function matches{}", .0.patterns())]
    NoMatch(NoMatch),
    /// The executable is not where the kernel says the process runs.
    #[error("the code of process {pid} is not mapped where its executable says")]
    NotMapped {
        /// The process.
        pid: u32,
    },
    /// The memory of the process cannot be read.
    #[error("cannot read the memory use of process {pid}")]
    Memory {
        /// The process.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// Memory changed, and the gate said nothing.
    #[error("the gate missed {events} changes of memory: what ran inline was told wrong")]
    Gate {
        /// Before how many events.
        events: u64,
    },
    /// What was to name a function or a file does not.
    #[error(transparent)]
    Pattern(#[from] lineprof_dwarf::PatternError),
    /// There is no such program in the folders of `PATH`.
    #[error("cannot find `{}`", .program.display())]
    NotFound {
        /// Its name, as it was given.
        program: PathBuf,
    },
    /// A program was to start in another folder than this process's.
    #[error("cannot start a program in another folder ({})", .directory.display())]
    Directory {
        /// The folder.
        directory: PathBuf,
    },
    /// Nothing with debug information is at an address that was to name a function.
    #[error("no function with debug information is at {address:#x} of process {pid}")]
    NoFunctionAt {
        /// The process.
        pid: i32,
        /// The address.
        address: u64,
    },
    /// It cannot be read what is mapped where in a process.
    #[error("cannot read the mappings of process {pid}")]
    Mappings {
        /// The process.
        pid: i32,
        /// What the system said.
        source: io::Error,
    },
    /// The process that was to trace this one cannot be started.
    #[error("cannot start `{} engine`, which traces this process", .program.display())]
    Helper {
        /// The executable.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process that was to trace this one said something else than was agreed: it may be of another version.
    #[error("`{} engine` says what this version does not understand", .program.display())]
    Words {
        /// The executable.
        program: PathBuf,
        /// What was wrong.
        source: io::Error,
    },
    /// The process that was to trace this one could not.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// The process that traced this one has ended without a report.
    #[error("the process that traced this one has ended without a report")]
    NoReport,
    /// The function that was called is known by no name: a pointer, or a boxed closure.
    #[error("a value of type `{type_name}` is no function that has a name")]
    NoName {
        /// Its type.
        type_name: &'static str,
    },
    /// Nothing was profiled so far.
    #[error("nothing was profiled so far")]
    Nothing,
    /// A table cannot be written.
    #[error("cannot write the table")]
    Table(#[source] io::Error),
    /// Nothing of what is selected may run inline, and nothing else was wanted.
    #[error("nothing of it can run inline: {0}")]
    NothingInline(lineprof_tracer::NotInline),
    /// No thread could be had.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// What was looked for in vain, and what there is instead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoMatch {
    /// The patterns, as they were given; none when the program's own functions were meant.
    pub wanted: Vec<String>,
    /// Who gave them.
    pub by: By,
    /// Names that are nearest to them.
    pub nearest: Vec<String>,
    /// Functions that match but are inlined everywhere, and how often.
    pub inlined: Vec<(String, usize)>,
    /// Whether functions match, and every one of them is to be left out.
    pub all_excluded: bool,
    /// Whether the program loads libraries, which may have what it has not.
    pub loads_libraries: bool,
}

impl NoMatch {
    fn patterns(&self) -> String {
        let quoted: Vec<String> = self.wanted.iter().map(|p| format!("`{p}`")).collect();
        if quoted.is_empty() {
            String::new()
        } else {
            format!(" {}", quoted.join(", "))
        }
    }
}
