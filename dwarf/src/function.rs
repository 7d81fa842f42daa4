//! What a look-up gives: functions and their instances.
//!
//! Must not know: how they were found.

use crate::optimised::Allocation;
use std::path::PathBuf;
use std::sync::Arc;

use crate::address::{AddrRange, FileAddr};
use crate::debug_info::UnitId;
use crate::name::closure_argument;
use crate::pattern::{FilePattern, Pattern};
use crate::source_path::SourceLine;

/// Which functions are wanted.
///
/// A function is selected when it matches any pattern or its declaration is in any file (both empty: every
/// function), and it matches no exclusion.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Names of functions.
    pub patterns: Vec<Pattern>,
    /// What is left out although it matches.
    pub exclude: Vec<Pattern>,
    /// Files all of whose functions are wanted.
    pub files: Vec<FilePattern>,
}

/// One source function: instances of a template or generic, copies of a `static inline` in several units,
/// constructors' variants and the compiler's clones are one.
///
/// Identity: file and line of the declaration, and the path without arguments.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Function {
    /// Readable path without template and generic arguments: `ns::Widget::draw`, `mycrate::index::build`.
    pub name: String,
    /// Where it is declared: at the definition where the debug information has that line; for functions
    /// without a declaration (gcc's lambdas), the line of the entry.
    pub declaration: Option<SourceLine>,
    /// Its out-of-line code, at least one, by entry address.
    pub instances: Vec<Instance>,
    /// How often it was inlined into others, over all units.
    pub inlined_copies: usize,
}

/// Out-of-line code of a function.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Instance {
    /// The path with template or generic arguments, where the debug information has them.
    pub name: String,
    /// The mangled name, where there is one.
    pub linkage_name: Option<String>,
    /// The code, cold parts included. Shape: sorted, not empty, no overlap.
    pub ranges: Vec<AddrRange>,
    /// Where calls arrive. Other ranges' starts are reached by jumps from inside only.
    pub entry: FileAddr,
    /// Whether the compiler optimised: told by the producer's `-O`, or by location lists.
    pub optimised: bool,
    /// What its callers can rely on, beyond the ABI.
    pub allocation: Allocation,
    pub(crate) unit: UnitId,
    /// Where its entry is in the unit.
    pub(crate) offset: usize,
}

impl Instance {
    /// The path of the closure whose type is the first argument of this instance of a generic Rust function.
    pub fn closure_argument(&self) -> Option<String> {
        closure_argument(&self.name)
    }
}

/// A selected function of which no out-of-line code is left.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InlinedFunction {
    /// As [`Function::name`].
    pub name: String,
    /// As [`Function::declaration`].
    pub declaration: Option<SourceLine>,
    /// How often it was inlined.
    pub copies: usize,
}

/// What a query found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Found {
    /// Functions that have code, by address.
    pub functions: Vec<Function>,
    /// Functions that were inlined everywhere, so that no code of their own is left.
    pub inlined_only: Vec<InlinedFunction>,
    /// The patterns for functions and for files that no function matches, not even one that is excluded.
    pub unmatched: Vec<String>,
    /// Files of split debug information that were not found: functions there are missing.
    pub missing_files: Vec<PathBuf>,
}

/// What makes two instances one function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) declared: Declared,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Declared {
    At(SourceLine),
    /// Nothing is known; then the entry is what tells functions of one name apart.
    Unknown(UnitId, usize),
}

impl Declared {
    pub(crate) fn line(&self) -> Option<SourceLine> {
        match self {
            Declared::At(line) => Some(SourceLine {
                file: Arc::clone(&line.file),
                line: line.line,
            }),
            Declared::Unknown(..) => None,
        }
    }
}
