//! Reports that nobody was there to take: written when a front is gone, shown by `lineprof report`.
//!
//! Must not know: why nobody was there.
//!
//! ```text
//! $XDG_STATE_HOME/lineprof/2026-03-01T12:00:00Z-4711.json     (default ~/.local/state; mode 0600, the newest 32)
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use lineprof::profile::Report;
use lineprof::report::write_json;

/// How many are kept.
const MOST: usize = 32;

/// Where they are.
///
/// Source: XDG Base Directory Specification, `XDG_STATE_HOME`.
fn folder() -> io::Result<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    match state.filter(|path| path.is_absolute()).or_else(home) {
        Some(state) => Ok(state.join("lineprof")),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "neither XDG_STATE_HOME nor HOME is set",
        )),
    }
}

/// Keeps a report; where.
pub(crate) fn keep(report: &Report) -> io::Result<Option<PathBuf>> {
    let Some(first) = report.profiles().first() else {
        return Ok(None);
    };
    let folder = folder()?;
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let name = format!("{}-{}.json", first.started, first.pid);
    let path = folder.join(&name);
    let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let mut text = Vec::new();
    write_json(report, &mut text)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    let old = all()?.into_iter().skip(MOST);
    old.for_each(|path| {
        // Another engine may have removed it.
        let _gone = fs::remove_file(path);
    });
    Ok(Some(path))
}

/// All that are kept, the newest first.
pub(crate) fn all() -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder()?) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    // The names begin with the time, in an order that text has too.
    paths.sort_by(|one, other| other.cmp(one));
    Ok(paths)
}
