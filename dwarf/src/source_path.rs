//! Source files as line tables name them.
//!
//! Must not know: the file system. A path is what the compiler wrote; whether such a file exists, and whether
//! it is the one that was compiled, is for the reader of source text to find out (the MD5 helps).

use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use gimli::{AttributeValue, FileEntry, LineProgramHeader};

use crate::debug_info::{DebugInfo, LoadedUnit, Slice};

/// A source file: compilation directory, include directory and file name joined.
///
/// Two are equal when their paths are: one unit may add an MD5 that another leaves out.
#[derive(Clone, Debug)]
pub struct SourcePath {
    path: PathBuf,
    md5: Option<[u8; 16]>,
}

impl PartialEq for SourcePath {
    fn eq(&self, other: &SourcePath) -> bool {
        self.path == other.path
    }
}

impl Eq for SourcePath {}

impl Hash for SourcePath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

impl SourcePath {
    /// The file's path; absolute where the unit's compilation directory makes it so, empty when the line table
    /// names no such file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The MD5 of the text that was compiled (DWARF 5 §6.2.4.1, `DW_LNCT_MD5`).
    pub fn md5(&self) -> Option<[u8; 16]> {
        self.md5
    }

    pub(crate) fn new(path: PathBuf) -> SourcePath {
        SourcePath { path, md5: None }
    }
}

/// A line of a source file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceLine {
    /// The file.
    pub file: Arc<SourcePath>,
    /// The line, from 1.
    pub line: u32,
}

/// The source path that `index` names in a unit's line table.
///
/// Source: DWARF 5 §6.2.4, where file 0 is the unit's own; DWARF 4 §6.2.4, where files count from 1.
pub(crate) fn file_of<'a>(info: &DebugInfo<'a>, unit: &LoadedUnit<'a>, index: u64) -> Option<SourcePath> {
    let header = unit.unit.line_program.as_ref()?.header();
    // DWARF 4 §2.14: `DW_AT_decl_file` 0 means that no source file is specified.
    if header.version() <= 4 && index == 0 {
        return None;
    }
    let entry = header.file(index)?;
    Some(path_of_entry(info, unit, header, entry))
}

fn path_of_entry<'a>(
    info: &DebugInfo<'a>,
    unit: &LoadedUnit<'a>,
    header: &LineProgramHeader<Slice<'a>>,
    entry: &FileEntry<Slice<'a>>,
) -> SourcePath {
    let compilation = unit
        .unit
        .comp_dir
        .map(|directory| directory.slice())
        .unwrap_or_default();
    let directory = entry
        .directory(header)
        .map(|value| text(info, unit, value))
        .unwrap_or_default();
    let name = text(info, unit, entry.path_name());
    // `Path::join` starts anew at an absolute path, which is what the line table means by one.
    let joined = os_path(compilation).join(os_path(directory)).join(os_path(name));
    let md5 = header.file_has_md5().then(|| *entry.md5());
    SourcePath {
        path: without_dots(&joined),
        md5,
    }
}

fn text<'a>(info: &DebugInfo<'a>, unit: &LoadedUnit<'a>, value: AttributeValue<Slice<'a>>) -> &'a [u8] {
    info.line_string(unit, value).unwrap_or_default()
}

fn os_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The path without `.` parts. `..` stays: what it leads to depends on symbolic links.
fn without_dots(path: &Path) -> PathBuf {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .collect()
}
