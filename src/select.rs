//! Which functions are profiled: those asked for, or the program's own.
//!
//! Must not know: processes, how a function is found in a file.

use std::path::Path;

use lineprof_dwarf::{Error, Found, Function, ObjectFile, Query, SourceLine};

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
}

impl Selection {
    /// Whether nothing was named: then the program's own functions are meant.
    pub fn is_default(&self) -> bool {
        self.functions.is_empty() && self.files.is_empty()
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
