//! Which functions are profiled: those asked for, those that the source marks, or the program's own.
//!
//! Must not know: processes, how a function is found in a file.

use std::path::Path;

use lineprof_dwarf::{
    Error, Found, Function, MalformedMark, Mark, MarkKind, ObjectFile, Query, Row, SourceLine,
};
use serde::{Deserialize, Serialize};

pub use lineprof_dwarf::{FilePattern, Pattern, PatternError};

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names of functions.
    pub functions: Vec<Pattern>,
    /// Files all of whose functions are meant.
    pub files: Vec<FilePattern>,
    /// Functions that are left out all the same.
    pub exclude: Vec<Pattern>,
    /// Who named the functions.
    pub by: By,
}

/// Who named the functions that are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum By {
    /// The user; where no function and no file is named, the program's own functions are meant.
    #[default]
    Name,
    /// Marks in the source.
    Mark,
}

/// What the marks of a file come to.
#[derive(Debug, Clone, Default)]
pub struct Marked {
    /// The functions that they mean; `None` when the file has no marks.
    pub selection: Option<Selection>,
    /// Notes that cannot be read.
    pub malformed: Vec<MalformedMark>,
}

impl Selection {
    /// Whether nothing was named: then the program's own functions are meant.
    pub fn is_default(&self) -> bool {
        self.functions.is_empty() && self.files.is_empty()
    }

    /// The functions that the source of `object` marks, less those that are left out.
    ///
    /// A mark of C may stand in another file than its function: then the name alone counts.
    ///
    /// # Errors
    /// The marks or the debug information cannot be read.
    pub fn marked(&self, object: &ObjectFile) -> Result<Marked, Error> {
        let found = object.marks()?;
        let functions: Vec<&Mark> = found
            .marks
            .iter()
            .filter(|mark| mark.kind == MarkKind::Function)
            .collect();
        if found.marks.is_empty() {
            return Ok(Marked {
                selection: None,
                malformed: found.malformed,
            });
        }
        // A name that is no pattern is none of a function; C lets its macro be given anything.
        let at_marks = functions
            .iter()
            .filter_map(|mark| Pattern::of_mark(mark).ok())
            .collect();
        let query = |patterns| Query {
            patterns,
            ..Query::default()
        };
        // Nothing that is named would be everything.
        let elsewhere = if functions.is_empty() {
            Vec::new()
        } else {
            object.select(&query(at_marks))?.unmatched
        };
        let pattern = |mark: &&Mark| match mark.lines {
            None if elsewhere.contains(&mark.to_string()) => Pattern::anywhere(mark).ok(),
            _ => Pattern::of_mark(mark).ok(),
        };
        let regions = found.marks.iter().filter(|mark| mark.kind == MarkKind::Region);
        let around = around_regions(object, &regions.collect::<Vec<_>>())?;
        Ok(Marked {
            selection: Some(Selection {
                functions: functions.iter().filter_map(pattern).chain(around).collect(),
                files: Vec::new(),
                exclude: self.exclude.clone(),
                by: By::Mark,
            }),
            malformed: found.malformed,
        })
    }

    /// The functions of `object` that are meant, in order of file and line, and what of the selection means none.
    ///
    /// # Errors
    /// The debug information cannot be read.
    pub fn resolve(&self, object: &ObjectFile) -> Result<Found, Error> {
        let mut found = object.select(&Query {
            patterns: self.functions.clone(),
            exclude: self.exclude.clone(),
            files: self.files.clone(),
        })?;
        if self.is_default() {
            let own = |line: &Option<SourceLine>| line.as_ref().is_some_and(|line| is_own(line.file.path()));
            found.functions.retain(|function| own(&function.declaration));
            found.inlined_only.retain(|function| own(&function.declaration));
        }
        let place = |f: &Function| {
            let declared = f.declaration.as_ref();
            (
                declared.map(|d| d.file.path().to_path_buf()),
                declared.map(|d| d.line),
                f.name.clone(),
            )
        };
        found.functions.sort_by_cached_key(place);
        Ok(found)
    }
}

/// The functions that the regions are in, by where they are declared; a region's own pattern where none is found.
fn around_regions(object: &ObjectFile, regions: &[&Mark]) -> Result<Vec<Pattern>, Error> {
    if regions.is_empty() {
        return Ok(Vec::new());
    }
    let in_files = object.all_functions_where(&|file| regions.iter().any(|mark| mark.is_in(file.path())))?;
    let mut around = Vec::new();
    for mark in regions {
        let mut innermost: Option<&SourceLine> = None;
        for function in &in_files {
            let declared = function.declaration.as_ref();
            let before = |line: &&SourceLine| line.line <= mark.line && mark.is_in(line.file.path());
            let Some(declared) = declared.filter(before) else {
                continue;
            };
            if innermost.is_none_or(|known| known.line < declared.line)
                && goes_on_to(object, function, mark.line)?
            {
                innermost = Some(declared);
            }
        }
        let mut place = (*mark).clone();
        if let Some(declared) = innermost {
            place.file = declared.file.path().to_path_buf();
            place.lines = Some((declared.line, declared.line));
        }
        around.push(Pattern::on_lines(&place));
    }
    Ok(around)
}

/// Whether code of the function is of `line`, or of one behind it in its file.
fn goes_on_to(object: &ObjectFile, function: &Function, line: u32) -> Result<bool, Error> {
    for instance in &function.instances {
        let declared = function.declaration.as_ref().map(|declared| &declared.file);
        let reaches = |row: &Row| row.line >= line && declared == Some(&row.file);
        if object.rows(instance)?.iter().any(reaches) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a source file is the program's own: not a system header, not a standard library, not a package that
/// a build tool fetched.
pub fn is_own(file: &Path) -> bool {
    let text = file.to_string_lossy();
    let system = [
        "/usr/include/",
        "/usr/lib/",
        "/usr/local/include/",
        "/usr/share/",
        "/rustc/",
        "/rust/deps/",
        "/build/glibc",
    ];
    // Rust's library sources with debug assertions, cargo's registry and git checkouts, rustup's toolchains.
    let fetched = [
        "/.cargo/registry/",
        "/cargo/registry/",
        "/.cargo/git/",
        "/.rustup/",
        "/library/std/src/",
    ];
    // Compiler support and start files: paths that a distribution's build left relative.
    let support = ["../sysdeps/", "../csu/", "./csu/", "/libgcc/"];
    !(text.is_empty()
        || system.iter().any(|prefix| text.starts_with(prefix))
        || fetched.iter().chain(&support).any(|part| text.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_libraries_and_packages_are_not_the_programs_own() {
        for foreign in [
            "/usr/include/c++/12/bits/stl_vector.h",
            "/usr/lib/gcc/x86_64-linux-gnu/12/include/emmintrin.h",
            "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/fmt/mod.rs",
            "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/serde-1.0.1/src/lib.rs",
            "",
        ] {
            assert!(!is_own(Path::new(foreign)), "{foreign}");
        }
        for own in ["/home/me/project/src/main.rs", "src/hot.c", "/srv/include/my.h"] {
            assert!(is_own(Path::new(own)), "{own}");
        }
    }
}
