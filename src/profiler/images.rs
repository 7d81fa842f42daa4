//! The files that are mapped into the process, and which of their functions are profiled.
//!
//! Must not know: what is measured. It plants nothing; it tells what has come and what has gone.
//!
//! ```text
//! the dynamic loader stops at `_dl_debug_state` whenever it has mapped or unmapped something
//!   mappings ─► gone: forget where it was      (dlclose)
//!            └► new: open, select, add to the plan; known: only where it is now      (start, dlopen)
//! ```
//! Source: <link.h>, `struct r_debug`: `r_brk` is called at each change, twice or more; glibc and musl give the
//! function this name.

use std::ops::Range;
use std::path::{Path, PathBuf};

use lineprof_dwarf::{AddrRange, DebugSearch, FileAddr, ObjectFile, Segment};
use lineprof_tracer::{Mapping, Pid, RemoteAddr, RemoteRange, SiteRequest, code};

use super::missed::Missed;
use crate::image::LoadBias;
use crate::planner::{self, Planned};
use crate::select::{By, Selection};

/// What the loader calls.
const LOADER_STOPS_AT: &str = "_dl_debug_state";
/// The longest instruction (Intel SDM volume 2, 2.3.11).
const LONGEST_INSTRUCTION: u64 = 15;

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileKey {
    device: (u32, u32),
    inode: u64,
}

impl FileKey {
    fn of(mapping: &Mapping) -> FileKey {
        FileKey {
            device: mapping.device,
            inode: mapping.inode,
        }
    }
}

/// A file that was looked at.
#[derive(Debug, Clone)]
struct Known {
    file: FileKey,
    segments: Vec<Segment>,
    /// Its sites, as positions in the plan.
    sites: Range<u32>,
    /// Where its code is mapped, while it is.
    at: Option<RemoteRange>,
}

/// A file of the process that is there and was not there before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// Where it lies.
    pub(super) bias: LoadBias,
    /// Its sites, as positions in the plan; none when nothing of it is profiled.
    pub(super) sites: Range<u32>,
    /// The file, when it is met for the first time.
    pub(super) first: Option<Met>,
}

/// A library that is met for the first time.
#[derive(Debug)]
pub(super) struct Met {
    /// Its path, as the process sees it.
    pub(super) path: PathBuf,
    /// The file.
    pub(super) object: ObjectFile,
    /// How many of its functions are profiled.
    pub(super) functions: usize,
}

impl PartialEq for Met {
    fn eq(&self, other: &Met) -> bool {
        self.path == other.path
    }
}

impl Eq for Met {}

/// Folders of the system's own libraries.
const SYSTEM: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// The files of one process.
#[derive(Debug, Clone)]
pub(super) struct Images {
    selection: Selection,
    /// What of it the program itself has not: for that alone the system's libraries are searched. `*` is not meant
    /// for the whole of a libc that happens to have debug information.
    in_vain: Selection,
    known: Vec<Known>,
}

impl Images {
    /// With the program's own file, whose sites are the plan's first.
    pub(super) fn new(
        selection: &Selection,
        program: &ObjectFile,
        planned: &Planned,
        missed: &Missed,
        at: &Mapping,
    ) -> Images {
        let own = Known {
            file: FileKey::of(at),
            segments: program.segments().to_vec(),
            sites: 0..count(planned),
            at: Some(at.range),
        };
        Images {
            selection: selection.clone(),
            in_vain: in_vain(selection, missed),
            known: vec![own],
        }
    }

    /// Where code was that is mapped no more.
    pub(super) fn gone(&mut self, mappings: &[Mapping]) -> Vec<RemoteRange> {
        let mut gone = Vec::new();
        for known in &mut self.known {
            let Some(range) = known.at else { continue };
            let there =
                |m: &Mapping| m.executable && FileKey::of(m) == known.file && m.range.contains(range.start);
            if !mappings.iter().any(there) {
                known.at = None;
                gone.push(range);
            }
        }
        gone
    }

    /// Files whose code is mapped since this was asked last; the functions of new ones are added to the plan.
    ///
    /// A library without debug information, or whose file cannot be opened, has no functions to profile.
    pub(super) fn came(
        &mut self,
        pid: Pid,
        mappings: &[Mapping],
        planned: &mut Planned,
        missed: &mut Missed,
    ) -> Vec<Came> {
        let code = |m: &&Mapping| m.executable && !m.shared && m.inode != 0;
        let mut came = Vec::new();
        for mapping in mappings.iter().filter(code) {
            let file = FileKey::of(mapping);
            let (place, first) = match self.known.iter().position(|known| known.file == file) {
                Some(place) if self.known[place].at.is_some() => continue,
                Some(place) => (place, None),
                None => (self.known.len(), self.meet(pid, mapping, planned, missed)),
            };
            let known = &mut self.known[place];
            known.at = Some(mapping.range);
            if let Some(bias) = LoadBias::find(&known.segments, mappings, file.inode) {
                let sites = known.sites.clone();
                came.push(Came { bias, sites, first });
            }
        }
        came
    }

    /// Looks at a file for the first time.
    fn meet(
        &mut self,
        pid: Pid,
        mapping: &Mapping,
        planned: &mut Planned,
        missed: &mut Missed,
    ) -> Option<Met> {
        let before = count(planned);
        let functions_before = planned.plan.functions.len();
        let object = open(pid, mapping);
        let added = object.as_ref().and_then(|object| {
            let system = SYSTEM.iter().any(|folder| mapping.path.starts_with(folder));
            if self.selection.by == By::Mark {
                // Marks mean functions of their own file.
                let marked = self.selection.marked(object).ok().filter(|_| !system)?;
                missed.malformed_marks.extend(marked.malformed);
                let found = marked.selection?.resolve(object).ok()?;
                missed.unmatched.extend(found.unmatched);
                return planner::extend(planned, object, &found.functions).ok();
            }
            let selection = if system { &self.in_vain } else { &self.selection };
            if selection.is_default() {
                return None;
            }
            let found = selection.resolve(object).ok()?;
            missed
                .unmatched
                .retain(|pattern| found.unmatched.contains(pattern));
            planner::extend(planned, object, &found.functions).ok()
        });
        if added.is_none() {
            tracing::debug!(path = %mapping.path.display(), "nothing of it can be profiled");
        }
        self.known.push(Known {
            file: FileKey::of(mapping),
            segments: object
                .as_ref()
                .map_or_else(Vec::new, |object| object.segments().to_vec()),
            sites: before..count(planned),
            at: None,
        });
        Some(Met {
            path: mapping.path.clone(),
            object: object?,
            functions: planned.plan.functions.len() - functions_before,
        })
    }
}

/// The file of a mapping, as its process sees it.
pub(super) fn open(pid: Pid, mapping: &Mapping) -> Option<ObjectFile> {
    use std::os::unix::fs::MetadataExt;
    // As the process sees it: it may live in another mount namespace.
    let inside = mapping.path.strip_prefix("/").ok()?;
    let path = Path::new("/proc").join(pid.to_string()).join("root").join(inside);
    let is_the_mapped_one = std::fs::metadata(&path).ok()?.ino() == mapping.inode;
    let mut search = DebugSearch::default();
    if let Some(folder) = mapping.path.parent() {
        search = search.for_program_in(folder);
    }
    is_the_mapped_one
        .then(|| ObjectFile::open(&path, &search).ok())
        .flatten()
}

/// The patterns of `selection` that select nothing.
fn in_vain(selection: &Selection, missed: &Missed) -> Selection {
    let absent = |pattern: &str| missed.unmatched.iter().any(|unmatched| unmatched == pattern);
    let functions = selection.functions.iter().filter(|p| absent(p.as_str()));
    let files = selection.files.iter().filter(|p| absent(p.as_str()));
    Selection {
        functions: functions.cloned().collect(),
        files: files.cloned().collect(),
        exclude: selection.exclude.clone(),
        by: selection.by,
    }
}

fn count(planned: &Planned) -> u32 {
    // A plan of 2^32 sites would take hundreds of gigabytes.
    u32::try_from(planned.plan.sites.len()).unwrap_or(u32::MAX)
}

/// The mapping of the code of the file that `path` leads to.
pub(super) fn code_of(path: &Path, mappings: &[Mapping]) -> Option<Mapping> {
    use std::os::unix::fs::MetadataExt;
    let inode = std::fs::metadata(path).ok()?.ino();
    let code = |m: &&Mapping| m.inode == inode && m.executable && !m.shared;
    mappings.iter().find(code).cloned()
}

/// Where the loader stops for us; `None` when the program is static or its loader has no such place.
pub(super) fn loader_stop(program: &ObjectFile, pid: Pid, mappings: &[Mapping]) -> Option<SiteRequest> {
    let inside = program.interpreter()?.strip_prefix("/").ok()?;
    let path = Path::new("/proc").join(pid.to_string()).join("root").join(inside);
    let mapping = code_of(&path, mappings)?;
    let loader = ObjectFile::open(&path, &DebugSearch::default()).ok()?;
    let bias = LoadBias::find(loader.segments(), mappings, mapping.inode)?;
    site_at(&loader, loader.symbol(LOADER_STOPS_AT)?, bias)
}

/// Where the program itself begins, when the loader has done its work.
pub(super) fn start_of(program: &ObjectFile, bias: LoadBias) -> Option<SiteRequest> {
    site_at(program, program.start(), bias)
}

/// A site at an instruction, behind a landing pad: nothing else may stand there.
fn site_at(object: &ObjectFile, address: FileAddr, bias: LoadBias) -> Option<SiteRequest> {
    let bytes = |start: FileAddr| {
        // Near the end of the segment there may be fewer.
        (1..=LONGEST_INSTRUCTION).rev().find_map(|length| {
            let end = FileAddr(start.0 + length);
            object.code(AddrRange { start, end })
        })
    };
    let pad = code::landing_pad_length(bytes(address)?) as u64;
    let address = FileAddr(address.0 + pad);
    let bytes = bytes(address)?;
    let length = usize::from(code::decode(bytes).first()?.length);
    Some(SiteRequest {
        address: RemoteAddr(bias.remote(address).0),
        instruction: bytes.get(..length)?.to_vec(),
    })
}
