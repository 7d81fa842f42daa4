//! A program's file, read and planned.
//!
//! Must not know: processes.

use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use lineprof_dwarf::{DebugSearch, Mark, ObjectFile};

use super::missed::{self, Missed};
use super::{Error, Pending, Settings};
use crate::metric;
use crate::planner::{self, Planned};
use crate::select::Selection;
use crate::units::Bytes;

/// What is known before anything runs.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) object: Rc<ObjectFile>,
    pub(super) planned: Planned,
    pub(super) built: Option<SystemTime>,
    pub(super) granularity: Bytes,
    pub(super) missed: Missed,
    /// What is meant in this program: what was asked for, or what its source marks.
    pub(super) selection: Selection,
    /// Marks of regions, of its own file.
    pub(super) regions: Vec<Mark>,
    /// Why the program's own file has nothing to profile; a library may have.
    pub(super) vain: Option<Rc<Error>>,
}

impl Prepared {
    pub(super) fn new(program: &Path, executable: &Path, settings: &Settings) -> Result<Prepared, Error> {
        let mut search = DebugSearch::default();
        if let Some(directory) = executable.parent() {
            search = search.for_program_in(directory);
        }
        let object = ObjectFile::open(program, &search)?;
        let (selection, malformed) = if settings.selection.is_default() {
            let marked = settings.selection.marked(&object)?;
            (
                marked.selection.unwrap_or_else(|| settings.selection.clone()),
                marked.malformed,
            )
        } else {
            (settings.selection.clone(), Vec::new())
        };
        let may_have_libraries = object.interpreter().is_some() && !selection.is_default();
        let (planned, mut missed, vain) = match plan(&object, &selection) {
            Ok((planned, missed)) => (planned, missed, None),
            Err(vain) if may_have_libraries => {
                let vain = (settings.pending == Pending::Fail).then(|| Rc::new(vain));
                (Planned::default(), Missed::all(&selection), vain)
            }
            Err(vain) => return Err(vain),
        };
        missed.malformed_marks = malformed;
        let regions = object.marks()?.marks;
        let metadata = std::fs::metadata(program).ok();
        let granularity =
            metric::granularity(settings.metric, settings.reading).map_err(|source| Error::Memory {
                pid: std::process::id(),
                source,
            })?;
        Ok(Prepared {
            object: Rc::new(object),
            planned,
            built: metadata.and_then(|m| m.modified().ok()),
            granularity,
            missed,
            selection,
            regions,
            vain,
        })
    }
}

/// The plan for the program's own file, and what of the selection is not in it.
fn plan(object: &ObjectFile, selection: &Selection) -> Result<(Planned, Missed), Error> {
    let found = selection.resolve(object)?;
    if found.functions.is_empty() {
        let vain = missed::no_match(object, selection, &found)?;
        return Err(Error::NoMatch(vain));
    }
    let planned = planner::plan(object, &found.functions)?;
    Ok((planned, Missed::new(selection, &found)))
}
