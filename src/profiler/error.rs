//! Why nothing could be profiled.
//!
//! Must not know: the words of hints; the command line finds them by matching.

use std::io;

use thiserror::Error;

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
    /// No thread could be had.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// What was looked for in vain, and what there is instead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoMatch {
    /// The patterns, as they were given; none when the program's own functions were meant.
    pub wanted: Vec<String>,
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
