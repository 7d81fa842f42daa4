//! `lineprof demo`: a table to learn from, of a program that lineprof carries with it.
//!
//! Must not know: how anything is measured.
//!
//! ```text
//! src/demo/program.rs ─ build.rs ─► bytes in this executable ─► a temporary file ─► profiled ─► table, legend
//! ```

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lineprof::profile::Profile;
use lineprof::profiler::{SignalMask, Target};
use lineprof::source::SourceText;

use super::args::{self, Demo, Format};
use super::breaking::Heir;
use super::hint::{self, Failure};
use super::output::Destination;
use super::profile;

/// The program, as `build.rs` compiled it.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo"));

/// Its source, for when the file that it was compiled from is not on this machine.
const SOURCE: &str = include_str!("../demo/program.rs");

/// How to read the table.
const LEGEND: &str = "
How to read it:
  Mem usage    the most memory the process had just after the line; the first row shows what it began with
  Increment    what the line added in all its runs, its calls included; negative is given back
  Occurrences  how often the line ran: the `for` runs once more than its body, to find the end
In this program:
  `kept.push(filled(…))` grows by 10 MiB in 4 runs, and the table of `filled` tells which line of it does
  `vec![0_u8; …]` only asks for 16 MiB: they become resident when `table.fill(1)` first writes them
  `kept.truncate(1)` and `drop(table)` give back, the closing brace frees the rest: the lines add up to 0
";

/// Profiles the demo; prints its table and how to read it.
pub(crate) fn run(args: &Demo) -> ExitCode {
    let blocked = SignalMask::of_this_thread();
    let place = match Place::make() {
        Ok(place) => place,
        Err(error) => return cannot_write(&error).say(),
    };
    let target = Target::Launch {
        program: place.program(),
        arguments: vec![OsString::from("demo")],
        environment: Vec::new(),
        blocked,
    };
    let words = args::Profile {
        functions: ["demo::work", "demo::filled"]
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect(),
        writing: args.writing.clone(),
        ..args::Profile::default()
    };
    let to = Destination::new(args.writing.output.as_deref(), Destination::Stdout);
    let legend = to.format(args.writing.format) == Format::Table && to == Destination::Stdout;
    let code = profile::carry_out(&target, &words, &Heir::Nobody, &to, &mut with_text);
    if legend && code == ExitCode::SUCCESS {
        // A reader that has gone does not want it.
        let _closed = io::stdout().lock().write_all(LEGEND.as_bytes());
    }
    code
}

fn cannot_write(error: &io::Error) -> Failure {
    let folder = std::env::temp_dir();
    Failure::new(format!(
        "cannot write the demo's program to {}: {}",
        folder.display(),
        hint::reason(error)
    ))
    .hint("set TMPDIR to a folder that can be written and that programs may run from")
}

/// Gives lines their text where the source file is not to be found.
fn with_text(profile: &mut Profile) {
    let source = SourceText::new(SOURCE.as_bytes(), None);
    let lines = profile
        .functions
        .iter_mut()
        .flat_map(|function| &mut function.lines);
    for line in lines.filter(|line| line.file.is_none() && line.text.is_none()) {
        line.text = source.line(line.line).map(str::to_owned);
    }
}

/// A folder of our own with the program in it; gone when dropped.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
}

impl Place {
    fn make() -> io::Result<Place> {
        let own = std::process::id();
        // Somebody else's folder, or that of a demo that was killed, is left alone.
        let names =
            (0..16).map(|attempt| std::env::temp_dir().join(format!("lineprof-demo-{own}-{attempt}")));
        let mut failure = io::Error::from(io::ErrorKind::AlreadyExists);
        for folder in names {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Place { folder }.filled(),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn filled(self) -> io::Result<Place> {
        let mut file: File = File::options()
            .write(true)
            .create_new(true)
            .mode(0o700)
            .open(self.program())?;
        file.write_all(PROGRAM)?;
        Ok(self)
    }

    fn program(&self) -> PathBuf {
        Path::new(&self.folder).join("demo")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be taken away is left to whoever cleans up temporary files.
        let _left = fs::remove_dir_all(&self.folder);
    }
}
