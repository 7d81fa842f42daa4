//! Finding the files that hold a program's debug information when it does not hold it itself.
//!
//! Must not know: DWARF, or what the files are wanted for. It compares build-ids and checksums only.
//!
//! Order, as GDB has it ("Separate Debug Files"): by build-id under each root, then by `.gnu_debuglink` beside
//! the program, in `.debug/` there, and under each root in the program's own directory. A file counts only
//! when it is regular and its build-id (or, without one, its CRC) is the right one: a debug file of another
//! build would give wrong lines without any sign of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::image::Image;

/// Where separate debug files are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DebugSearch {
    /// Directories that hold `.build-id/ab/cdef.debug` and copies of the system's directories.
    pub roots: Vec<PathBuf>,
    /// The directory of the program, when the path it is opened by says nothing of it (`/proc/PID/exe`).
    pub program_directory: Option<PathBuf>,
}

impl Default for DebugSearch {
    fn default() -> DebugSearch {
        DebugSearch {
            roots: vec![PathBuf::from("/usr/lib/debug")],
            program_directory: None,
        }
    }
}

impl DebugSearch {
    /// A search in `roots` only.
    pub fn in_roots(roots: Vec<PathBuf>) -> DebugSearch {
        DebugSearch {
            roots,
            program_directory: None,
        }
    }

    /// The same search for a program that lives in `directory`.
    pub fn for_program_in(mut self, directory: &Path) -> DebugSearch {
        self.program_directory = Some(directory.to_path_buf());
        self
    }

    /// Where the files that belong to `program` stand beside it.
    pub(crate) fn directories_of(&self, program: &Image) -> Vec<PathBuf> {
        let path = program.path().canonicalize().ok();
        let own = path.and_then(|path| Some(path.parent()?.to_path_buf()));
        self.program_directory.iter().cloned().chain(own).collect()
    }
}

/// The separate debug file of `image`, if one is found and is of the same build.
pub(crate) fn debug_file(image: &Image, search: &DebugSearch) -> Option<Image> {
    by_build_id(image, search).or_else(|| by_debug_link(image, search))
}

fn by_build_id(image: &Image, search: &DebugSearch) -> Option<Image> {
    let relative = build_id_path(image.build_id()?)?;
    search
        .roots
        .iter()
        .find_map(|root| accepted(image, &root.join(&relative), None))
}

/// `.build-id/ab/cdef….debug`.
fn build_id_path(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first()?;
    if rest.is_empty() {
        return None;
    }
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(PathBuf::from(format!(".build-id/{first:02x}/{rest}.debug")))
}

fn by_debug_link(image: &Image, search: &DebugSearch) -> Option<Image> {
    let link = image.debug_link()?;
    // The link is a bare file name; one with directories in it is not followed out of the places searched.
    let name = Path::new(OsStr::from_bytes(&link.name)).file_name()?;
    let directories = search.directories_of(image);
    let beside = directories
        .iter()
        .flat_map(|directory| [directory.join(name), directory.join(".debug").join(name)]);
    let below_roots = directories.iter().flat_map(|directory| {
        let inner = directory.strip_prefix("/").unwrap_or(directory);
        search.roots.iter().map(move |root| root.join(inner).join(name))
    });
    beside
        .chain(below_roots)
        .find_map(|path| accepted(image, &path, Some(link.crc)))
}

/// The file at `path` if it holds debug information of the same build as `image`.
fn accepted(image: &Image, path: &Path, crc: Option<u32>) -> Option<Image> {
    let found = Image::open(path).ok()?;
    if found.id() == image.id() || !found.has_section(".debug_info") {
        return None;
    }
    match (image.build_id(), found.build_id()) {
        (Some(wanted), Some(has)) if wanted == has => Some(found),
        (Some(_), Some(_)) => None,
        // Without build-ids on both sides the link's checksum over the whole file decides.
        _ => (crc? == crc32fast::hash(found.bytes())).then_some(found),
    }
}

/// The supplementary file of `image`, if it is found and has the right build-id.
pub(crate) fn supplementary_file(image: &Image, search: &DebugSearch) -> Option<Image> {
    let link = image.alt_link()?;
    let named = Path::new(OsStr::from_bytes(&link.name));
    let beside = image
        .path()
        .canonicalize()
        .ok()
        .and_then(|path| Some(path.parent()?.join(named)));
    let mut candidates: Vec<PathBuf> = beside.into_iter().collect();
    for root in &search.roots {
        candidates.extend(build_id_path(&link.build_id).map(|relative| root.join(relative)));
        // Debian names `/usr/lib/debug/.dwz/…` relative to the debug file; keep it working under another root.
        candidates.extend(named.file_name().map(|name| root.join(".dwz").join(name)));
    }
    let right =
        |found: &Image| found.id() != image.id() && found.build_id() == Some(link.build_id.as_slice());
    candidates
        .iter()
        .find_map(|path| Image::open_supplementary(path).ok().filter(right))
}
