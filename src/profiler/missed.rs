//! What was asked for and is not in the profile: patterns that select nothing, code that was inlined.
//!
//! Must not know: processes, words for people.

use std::path::PathBuf;

use lineprof_dwarf::{Error, FilePattern, Found, InlinedFunction, MalformedMark, ObjectFile, Pattern};

use super::NoMatch;
use crate::select::Selection;

/// How many names are offered when none matches.
const MOST_NAMES: usize = 5;

/// What was asked for and is not in the profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missed {
    /// Patterns for functions and files that no function matches.
    pub unmatched: Vec<String>,
    /// Functions that have no code of their own, and how often they were inlined; none where the program's own
    /// functions were meant.
    pub inlined_everywhere: Vec<(String, usize)>,
    /// Functions that have code, and how often they were inlined all the same.
    pub also_inlined: Vec<(String, usize)>,
    /// Files of split debug information that were not found.
    pub missing_files: Vec<PathBuf>,
    /// Marks of the source that cannot be read.
    pub malformed_marks: Vec<MalformedMark>,
}

fn copies(function: &InlinedFunction) -> (String, usize) {
    (function.name.clone(), function.copies)
}

impl Missed {
    /// Everything, so far.
    pub(super) fn all(selection: &Selection) -> Missed {
        let functions = selection.functions.iter().map(Pattern::as_str);
        let files = selection.files.iter().map(FilePattern::as_str);
        Missed {
            unmatched: functions.chain(files).map(str::to_owned).collect(),
            ..Missed::default()
        }
    }

    pub(super) fn new(selection: &Selection, found: &Found) -> Missed {
        let named = found.inlined_only.iter().filter(|_| !selection.is_default());
        let partly = found
            .functions
            .iter()
            .filter(|function| function.inlined_copies > 0);
        Missed {
            missing_files: found.missing_files.clone(),
            malformed_marks: Vec::new(),
            unmatched: found.unmatched.clone(),
            inlined_everywhere: named.map(copies).collect(),
            also_inlined: partly
                .map(|function| (function.name.clone(), function.inlined_copies))
                .collect(),
        }
    }
}

/// What there is instead of what was asked for, when `found` has nothing to profile.
pub(super) fn no_match(object: &ObjectFile, selection: &Selection, found: &Found) -> Result<NoMatch, Error> {
    let functions = selection.functions.iter().map(Pattern::as_str);
    let files = selection.files.iter().map(FilePattern::as_str);
    let mut nearest = Vec::new();
    for pattern in &selection.functions {
        if found
            .unmatched
            .iter()
            .any(|unmatched| unmatched == pattern.as_str())
        {
            nearest.extend(object.nearest_names(pattern, MOST_NAMES)?);
        }
    }
    for pattern in &selection.files {
        if found
            .unmatched
            .iter()
            .any(|unmatched| unmatched == pattern.as_str())
        {
            nearest.extend(object.nearest_files(pattern, MOST_NAMES)?);
        }
    }
    nearest.dedup();
    Ok(NoMatch {
        by: selection.by,
        wanted: functions.chain(files).map(str::to_owned).collect(),
        nearest,
        inlined: if selection.is_default() {
            Vec::new()
        } else {
            found.inlined_only.iter().map(copies).collect()
        },
        loads_libraries: object.interpreter().is_some(),
        all_excluded: found.unmatched.is_empty() && !selection.exclude.is_empty(),
    })
}
