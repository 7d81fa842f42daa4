//! Which function an address of a process is in.
//!
//! Must not know: how a profile is made.
//!
//! A program knows its functions by their addresses: of a pointer to one, and of the code that is made to call one
//! closure and no other. Names alone do not tell two closures of one function apart.
//!
//! ```text
//! address ─► mapping ─► file, bias ─► the instance there: call<app::main::{closure_env#1}, ()> ─► app::main::{closure#1}
//! ```

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lineprof_dwarf::{DebugSearch, FileAddr, Instance, ObjectFile};
use lineprof_tracer::{Mapping, Pid, RemoteAddr, mappings};

use super::Error;
use crate::image::LoadBias;
use crate::select::Pattern;

/// A pattern for the function in whose code `at` is.
///
/// # Errors
/// The process or its file cannot be read, or nothing that has debug information is there.
pub fn function_at(pid: Pid, at: RemoteAddr) -> Result<Pattern, Error> {
    let (name, _) = find(pid, at)?;
    Ok(Pattern::of_path(&name))
}

/// A pattern for the closure that the generic function at `at` has as its first argument.
///
/// # Errors
/// As [`function_at`], and when that is no such function.
pub fn closure_called_at(pid: Pid, at: RemoteAddr) -> Result<Pattern, Error> {
    let (_, instance) = find(pid, at)?;
    let closure = instance.closure_argument().ok_or(Error::NoFunctionAt {
        pid: pid.0,
        address: at.0,
    })?;
    Ok(Pattern::of_path(&closure))
}

fn find(pid: Pid, at: RemoteAddr) -> Result<(String, Instance), Error> {
    let nothing = || Error::NoFunctionAt {
        pid: pid.0,
        address: at.0,
    };
    let mappings = mappings(pid).map_err(|source| Error::Mappings { pid: pid.0, source })?;
    let mapping = mappings
        .iter()
        .find(|m| m.executable && m.range.contains(at))
        .ok_or_else(nothing)?;
    let path = file_of(pid, mapping).ok_or_else(nothing)?;
    let mut search = DebugSearch::default();
    if let Some(folder) = mapping.path.parent() {
        search = search.for_program_in(folder);
    }
    let object = ObjectFile::open(&path, &search)?;
    let bias = LoadBias::find(object.segments(), &mappings, mapping.inode).ok_or_else(nothing)?;
    let address = FileAddr(at.0.wrapping_sub(bias.remote(FileAddr(0)).0));
    object.function_at(address)?.ok_or_else(nothing)
}

/// The mapped file: the program's own by the kernel's link, others where the process sees them.
fn file_of(pid: Pid, mapping: &Mapping) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.ino() == mapping.inode);
    let own = PathBuf::from(format!("/proc/{pid}/exe"));
    let inside = mapping.path.strip_prefix("/").ok()?;
    let seen = Path::new("/proc").join(pid.to_string()).join("root").join(inside);
    [own, seen].into_iter().find(is_it)
}
