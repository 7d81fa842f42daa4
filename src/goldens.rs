//! Golden files: what a test expects, for people to read.
//!
//! Must not know: what is in them.
//!
//! `LINEPROF_UPDATE=1` writes them anew; a test that fails shows the lines that differ and says so.

use std::path::{Path, PathBuf};

/// The path of a golden file of the module `module`.
pub(crate) fn path(module: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(module)
        .join("goldens")
        .join(name)
}

/// Compares `actual` with the golden file.
#[track_caller]
pub(crate) fn check(module: &str, name: &str, actual: &str) {
    let path = path(module, name);
    if std::env::var_os("LINEPROF_UPDATE").is_some_and(|value| value == "1") {
        if let Err(error) = std::fs::write(&path, actual) {
            panic!("cannot write {}: {error}", path.display());
        }
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected == actual {
        return;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.split('\n').collect(), actual.split('\n').collect());
    let before = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - before;
    let after = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(|(old, new)| old == new)
        .count();
    let mut difference = String::new();
    for (sign, lines) in [
        ('-', &old[before..old.len() - after]),
        ('+', &new[before..new.len() - after]),
    ] {
        for line in lines {
            difference.push_str(&format!("{sign}{line}\n"));
        }
    }
    panic!(
        "{name} differs from line {}:\n{difference}run the tests with LINEPROF_UPDATE=1 to take the new text",
        before + 1
    );
}
