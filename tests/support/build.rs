//! Building test programs: once for each source, command line and compiler, whatever runs at the same time.
//!
//! Must not know: what the programs do.
//!
//! ```text
//! target/tmp/testprogs/<hash of source, includes, command line, compiler version>/<stem of the source>
//! ```
//!
//! A build happens in a folder of its own that is renamed when it is complete, so that tests which run in parallel,
//! in one process or in several, see a whole binary or none.

use super::program::{Program, testprogs};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A built test program.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    /// The `Build:` line that made it.
    pub(crate) build: String,
}

/// Where everything is built that tests build; below the target folder.
pub(crate) fn build_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("testprogs")
}

impl Program {
    /// Builds all the binaries that the header asks for, in its order.
    pub(crate) fn build_all(&self) -> Vec<Binary> {
        self.builds.iter().map(|build| self.build(build)).collect()
    }

    /// Builds the first binary that the header asks for.
    pub(crate) fn build_first(&self) -> Binary {
        self.build(&self.builds[0])
    }

    /// Builds with the command `build`, a compiler and its flags.
    ///
    /// # Panics
    /// When the compiler fails, with what it says.
    pub(crate) fn build(&self, build: &str) -> Binary {
        let mut words: Vec<String> = build.split_whitespace().map(str::to_string).collect();
        if words[0] == "rustc" {
            words.extend(["--edition".to_string(), "2024".to_string()]);
        }
        let stem = self
            .source
            .file_stem()
            .expect("a source has a name")
            .to_string_lossy()
            .into_owned();
        let path = compile(&words, std::slice::from_ref(&self.source), &stem);
        Binary {
            path,
            build: build.to_string(),
        }
    }
}

/// Runs the compiler `words` over `sources` and gives back the path of the binary called `stem`.
///
/// Shape: the binary's folder is its own and also holds what else the compiler leaves (notes for gcov).
///
/// # Panics
/// When the compiler cannot be run or fails.
pub(crate) fn compile(words: &[String], sources: &[PathBuf], stem: &str) -> PathBuf {
    let version = Command::new(&words[0])
        .arg("--version")
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "cannot run `{}`, which the tests need to build test programs: {error}",
                words[0]
            )
        });
    let mut hasher = DefaultHasher::new();
    (words, stem, &version.stdout).hash(&mut hasher);
    for source in sources.iter().cloned().chain(includes()) {
        source.hash(&mut hasher);
        std::fs::read(&source)
            .expect("a source is readable")
            .hash(&mut hasher);
    }
    let folder = build_dir().join(format!("{:016x}", hasher.finish()));
    let binary = folder.join(stem);
    if binary.exists() {
        return binary;
    }

    static BUILDS: AtomicU32 = AtomicU32::new(0);
    let number = BUILDS.fetch_add(1, Ordering::Relaxed);
    let temporary = build_dir().join(format!("building-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&temporary).expect("the target folder is writable");
    let mut command = Command::new(&words[0]);
    command.current_dir(&temporary).args(&words[1..]);
    if words[0] == "rustc" {
        command.args(sources);
    } else {
        // Libraries named in the flags come after what needs them.
        let (libraries, flags): (Vec<_>, Vec<_>) = words[1..].iter().partition(|word| word.starts_with("-l"));
        command = Command::new(&words[0]);
        command
            .current_dir(&temporary)
            .args(flags)
            .args(sources)
            .args(libraries);
    }
    let output = command.arg("-o").arg(stem).output().expect("the compiler runs");
    assert!(
        output.status.success(),
        "{command:?} fails:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if let Err(error) = std::fs::rename(&temporary, &folder) {
        // Another test was first; its binary is the same.
        assert!(
            binary.exists(),
            "cannot rename {} to {}: {error}",
            temporary.display(),
            folder.display()
        );
        std::fs::remove_dir_all(&temporary).expect("the own folder can be removed");
    }
    binary
}

fn includes() -> impl Iterator<Item = PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(testprogs().join("include"))
        .expect("testprogs/include is readable")
        .map(|entry| entry.expect("testprogs/include is readable").path())
        .collect();
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lineprof.h"));
    files.sort();
    files.into_iter()
}
