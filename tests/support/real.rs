//! Programs that others wrote, built from the sources that crates carry: Lua and sqlite.
//!
//! Must not know: what is tested with them.

use super::build::compile;
use super::program::testprogs;
use super::run::run;
use std::path::{Path, PathBuf};

/// A program to be profiled as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Real {
    pub(crate) binary: PathBuf,
    /// Where it runs.
    pub(crate) folder: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Its own sources, for `--file`.
    pub(crate) files: &'static str,
}

/// Lua with the options `more` and a script that runs through much of the interpreter: its counts are the same in
/// every run.
pub(crate) fn lua(more: &[&str], name: &str) -> Real {
    let sources = sources("lua-src", "lua-5.4.9");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&sources)
        .expect("the sources of Lua are readable")
        .map(|entry| entry.expect("the sources of Lua are readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    files.push(testprogs().join("lua/main.c"));
    // A cache of one string and a fixed seed: what is counted must not depend on addresses or time.
    let fixed = [
        "cc",
        "-std=gnu99",
        "-DSTRCACHE_N=1",
        "-DSTRCACHE_M=2",
        "-Dluai_makeseed(L)=42u",
        "-lm",
    ];
    Real {
        binary: build(&fixed, more, &sources, &files, name),
        folder: testprogs().join("lua"),
        // By its name alone: Lua keeps the string, and its length counts.
        arguments: vec!["script.lua".to_string()],
        files: "*/lua-5.4.9/*",
    }
}

/// sqlite with the options `more`, and so many rows to work on.
pub(crate) fn sqlite(more: &[&str], rows: u32) -> Real {
    let sources = sources("libsqlite3-sys", "sqlite3");
    let files = [sources.join("sqlite3.c"), testprogs().join("sqlite/main.c")];
    let fixed = [
        "cc",
        "-DSQLITE_THREADSAFE=0",
        "-DSQLITE_OMIT_LOAD_EXTENSION",
        "-lm",
    ];
    Real {
        binary: build(&fixed, more, &sources, &files, "sqlite"),
        folder: testprogs().join("sqlite"),
        arguments: vec![rows.to_string()],
        files: "*/sqlite3.c",
    }
}

fn build(fixed: &[&str], more: &[&str], include: &Path, files: &[PathBuf], name: &str) -> PathBuf {
    let include = format!("-I{}", include.display());
    let words = fixed.iter().chain(more).copied().chain([include.as_str()]);
    let words: Vec<String> = words.map(str::to_string).collect();
    compile(&words, files, name)
}

/// A folder of a crate that the tests depend on for the sources that it carries.
fn sources(name: &str, folder: &str) -> PathBuf {
    let finished = run(
        Path::new(env!("CARGO")),
        &[
            "metadata",
            "--format-version=1",
            "--offline",
            // The packages of other platforms need not have been downloaded.
            "--filter-platform",
            "host-tuple",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ],
    );
    assert_eq!(
        finished.code(),
        0,
        "cargo metadata fails:\n{}",
        finished.stderr_text()
    );
    let metadata: serde_json::Value = serde_json::from_slice(&finished.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let package = packages
        .iter()
        .find(|package| package["name"] == name)
        .expect("it is a dependency");
    let manifest = package["manifest_path"]
        .as_str()
        .expect("a package has a manifest");
    Path::new(manifest)
        .parent()
        .expect("a manifest lies in a folder")
        .join(folder)
}
