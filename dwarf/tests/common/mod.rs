//! Programs compiled for a test, and the places their source marks.
//!
//! Must not know: what a test asserts. Lines are named by `//@ name` in the source, never by number.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use lineprof_dwarf::{DebugSearch, Function, Instance, ObjectFile, Query, Row};
use tempfile::TempDir;

/// A directory with sources and what was built of them, removed at the end.
pub(crate) struct Workshop {
    directory: TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Workshop {
        Workshop {
            directory: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // Some temporary directories are symbolic links; compilers record where they lead.
        self.directory.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a command line, split at spaces, in the directory.
    pub(crate) fn run(&self, line: &str) {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(self.path("."));
        let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub(crate) fn open(&self, name: &str) -> ObjectFile {
        ObjectFile::open(&self.path(name), &self.search()).unwrap()
    }

    /// A search that sees only this directory.
    pub(crate) fn search(&self) -> DebugSearch {
        DebugSearch::in_roots(vec![self.path("debug-root")])
    }
}

/// Whether a compiler is there; tests of compilers beyond gcc and rustc say so and pass without it.
pub(crate) fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: no {tool} on this machine");
    }
    found
}

pub(crate) fn query(patterns: &[&str]) -> Query {
    Query {
        patterns: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        ..Query::default()
    }
}

/// The functions of one pattern; the fast search and the full scan must agree.
pub(crate) fn find(file: &ObjectFile, pattern: &str) -> Vec<Function> {
    let query = query(&[pattern]);
    let fast = file.functions(&query).unwrap();
    let full = file.functions_full_scan(&query).unwrap();
    assert_eq!(format!("{fast:#?}"), format!("{full:#?}"), "{pattern}");
    fast
}

/// The only function of a pattern.
pub(crate) fn find_one(file: &ObjectFile, pattern: &str) -> Function {
    let mut found = find(file, pattern);
    assert_eq!(found.len(), 1, "{pattern}: {found:#?}");
    found.remove(0)
}

/// The line marked `//@ name`.
pub(crate) fn line(source: &str, name: &str) -> u32 {
    let marker = format!("//@ {name}");
    let mut lines = source
        .lines()
        .enumerate()
        .filter(|(_, text)| text.ends_with(&marker));
    let (index, _) = lines
        .next()
        .unwrap_or_else(|| panic!("no line is marked {marker}"));
    assert!(lines.next().is_none(), "{marker} twice");
    u32::try_from(index).unwrap() + 1
}

/// The lines of an instance's statements, each once, in order.
pub(crate) fn statement_lines(file: &ObjectFile, instance: &Instance) -> Vec<u32> {
    let rows: Vec<Row> = file.rows(instance).unwrap();
    assert!(rows.is_sorted_by_key(|row| row.address));
    assert!(
        rows.iter()
            .all(|row| instance.ranges.iter().any(|range| range.contains(row.address)))
    );
    let mut lines: Vec<u32> = rows
        .iter()
        .filter(|row| row.is_statement && row.line != 0)
        .map(|row| row.line)
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Whether the path's last part is `name`.
pub(crate) fn is_file(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|last| last == name)
}
