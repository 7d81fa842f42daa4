//! What can go wrong with a file: operation, file, kind, cause.
//!
//! Must not know: the words of a command line. Callers choose their hint from the kind.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A file could not give what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {kind}", path.display())]
#[non_exhaustive]
pub struct Error {
    /// What was being done.
    pub operation: Operation,
    /// The file it was done to.
    pub path: PathBuf,
    /// Why it could not be done.
    pub kind: ErrorKind,
    /// What the layer below said.
    #[source]
    pub source: Option<Cause>,
}

/// What was being done when an [`Error`] came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Opening and mapping the file.
    Open,
    /// Reading ELF headers, section headers or a section.
    ReadElf,
    /// Reading functions from debug information.
    ReadFunctions,
    /// Reading a line table.
    ReadLines,
    /// Reading where exceptions land.
    ReadLandingPads,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Open => "open",
            Operation::ReadElf => "read the ELF file",
            Operation::ReadFunctions => "read the functions of",
            Operation::ReadLines => "read the lines of",
            Operation::ReadLandingPads => "read the landing pads of",
        })
    }
}

/// Why a file could not give what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No file has this path.
    #[error("no such file")]
    NotFound,
    /// The file may not be read by this user.
    #[error("permission denied")]
    PermissionDenied,
    /// The path names a directory, a device, a pipe or a socket.
    #[error("not a regular file")]
    NotRegularFile,
    /// Opening or mapping failed for another reason; the source says which.
    #[error("input/output error")]
    Io,
    /// The file does not begin as an ELF file does.
    #[error("not an ELF file")]
    NotElf,
    /// The file is a script; its first line names the interpreter.
    #[error("a script, not a native program (it begins with `{0}`)")]
    Script(String),
    /// The file is for another processor.
    #[error("a program for {name}, not for x86-64")]
    WrongArchitecture {
        /// The processor's name, or its ELF machine number.
        name: String,
    },
    /// The file is a 32-bit or a big-endian ELF file.
    #[error("not a 64-bit little-endian ELF file")]
    WrongClass,
    /// The file is an object file or a core dump, which no process runs.
    #[error("neither a program nor a shared object")]
    NotLoadable,
    /// Neither the file nor a separate debug file holds debug information.
    #[error("no debug information")]
    NoDebugInfo {
        /// Whether the file has a symbol table, so functions have names but no lines.
        has_symbols: bool,
        /// The separate debug file that the file names (`.gnu_debuglink`) and that was not found.
        debug_link: Option<String>,
    },
    /// The supplementary file that the debug information needs (`.gnu_debugaltlink`) was not found.
    #[error("the supplementary debug file `{name}` was not found")]
    NoSupplementaryFile {
        /// The file's name as the debug information has it.
        name: String,
    },
    /// The debug information is in `.dwo` or `.dwp` files, and some are not there.
    #[error("its debug information is in {}{}, not to be found", .missing.display(), and_others(.others))]
    SplitDebugInfo {
        /// One that is missing, where the program says that it was built.
        missing: PathBuf,
        /// How many others are missing.
        others: usize,
    },
    /// A compressed section claims a size beyond the limit, or its format is unknown.
    #[error("the compressed section {section} is too large or of an unknown format")]
    Compression {
        /// The section's name.
        section: String,
    },
    /// The bytes contradict the format.
    #[error("malformed {section} at offset {offset:#x}")]
    Malformed {
        /// The section's name, or `ELF header`.
        section: String,
        /// Where in the section, as near as known.
        offset: u64,
    },
    /// A table is larger than this crate is ready to hold.
    #[error("more than {most} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        most: u64,
    },
}

fn and_others(others: &usize) -> String {
    match others {
        0 => String::new(),
        1 => " and 1 other file".to_string(),
        more => format!(" and {more} other files"),
    }
}

/// What the layer below said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The operating system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The ELF reader's error.
    #[error(transparent)]
    Elf(#[from] object::read::Error),
    /// The DWARF reader's error.
    #[error(transparent)]
    Dwarf(#[from] gimli::Error),
}

impl Error {
    pub(crate) fn new(operation: Operation, path: &Path, kind: ErrorKind) -> Error {
        Error {
            operation,
            path: path.to_path_buf(),
            kind,
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Cause>) -> Error {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Error {
        let kind = match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Io,
        };
        Error::new(Operation::Open, path, kind).with_source(source)
    }

    pub(crate) fn elf(path: &Path, source: object::read::Error) -> Error {
        let kind = ErrorKind::Malformed {
            section: "ELF header".into(),
            offset: 0,
        };
        Error::new(Operation::ReadElf, path, kind).with_source(source)
    }

    pub(crate) fn malformed(
        operation: Operation,
        path: &Path,
        section: &str,
        offset: u64,
        source: gimli::Error,
    ) -> Error {
        let kind = ErrorKind::Malformed {
            section: section.into(),
            offset,
        };
        Error::new(operation, path, kind).with_source(source)
    }
}
