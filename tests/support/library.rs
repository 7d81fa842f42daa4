//! Programs that use lineprof as a library: built with the library that the tests themselves are built with.
//!
//! Must not know: what the programs do.

use super::build::build_dir;
use super::run::{Finished, Running};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The compiled library, and the folder of those that it needs.
fn library() -> &'static [PathBuf; 2] {
    static LIBRARY: OnceLock<[PathBuf; 2]> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        // What it builds is what this test was linked with: it is there already.
        command.args([
            "test",
            "--no-run",
            "--offline",
            "--test",
            "library",
            "--message-format=json",
        ]);
        command
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let finished = Running::start(&mut command).finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let library = finished
            .stdout_text()
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| {
                message["target"]["name"] == "lineprof" && message["target"]["kind"][0] == "lib"
            })
            .find_map(|message| Some(PathBuf::from(message["filenames"][0].as_str()?)))
            .expect("cargo names the library");
        // Cargo puts the one it names beside the folder of all others.
        let folder = library.parent().expect("a file is in a folder");
        let dependencies = if folder.ends_with("deps") {
            folder.to_path_buf()
        } else {
            folder.join("deps")
        };
        [library, dependencies]
    })
}

/// Compiles `source` as a program without optimisation and with debug information, linked with lineprof.
///
/// # Panics
/// When it does not compile.
pub(crate) fn compile_with_library(source: &Path) -> PathBuf {
    let [library, dependencies] = library();
    let stem = source.file_stem().expect("a source has a name");
    // The library changes under the same name, so nothing is kept.
    let folder = build_dir().join(format!("with-library-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    let binary = folder.join(stem);
    let mut command = Command::new("rustc");
    command
        .args(["--edition", "2024", "-g", "-C", "opt-level=0", "-o"])
        .arg(&binary)
        .arg("--extern")
        .arg(format!("lineprof={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg(source);
    let finished = Running::start(&mut command).finish();
    assert_eq!(
        finished.code(),
        0,
        "{}:\n{}",
        source.display(),
        finished.stderr_text()
    );
    binary
}

/// Runs a program that looks for `lineprof` in `PATH`, where it is the one that is tested.
pub(crate) fn run_with_lineprof(program: &Path, args: &[&str]) -> Finished {
    run_with_lineprof_in(Path::new("."), program, args)
}

/// The same in another folder.
pub(crate) fn run_with_lineprof_in(folder: &Path, program: &Path, args: &[&str]) -> Finished {
    let lineprof = Path::new(env!("CARGO_BIN_EXE_lineprof"));
    let mut folders = vec![lineprof.parent().expect("a file is in a folder").to_path_buf()];
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).expect("folders of PATH have no colon");
    let mut command = Command::new(program);
    Running::start(command.args(args).env("PATH", path).current_dir(folder)).finish()
}
