//! `lineprof peak`: the greatest memory of sampled runs, as `mprof peak` prints it.
//!
//! Must not know: who wrote the files.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lineprof::report::escape::Escaped;
use lineprof::timeline::{Content, ReadError};

use super::args;
use super::hint::{self, Failure};
use super::shelf::Shelf;

/// Prints the peaks.
pub(crate) fn run(args: &args::Peaks) -> ExitCode {
    print(args).map_or_else(|failure| failure.say(), |()| ExitCode::SUCCESS)
}

fn print(args: &args::Peaks) -> Result<(), Failure> {
    for path in files(&args.profiles)? {
        let content = read(&path)?;
        print!("{}", peaks(&path, &content, args.func.as_deref())?);
    }
    Ok(())
}

/// The files that are meant: the newest where none is named.
pub(crate) fn files(words: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let shelf = Shelf::of_this_folder()?;
    if !words.is_empty() {
        return shelf.files(words);
    }
    let newest = shelf.newest().ok_or_else(|| {
        Failure::new("there is no sampled run in this folder: no file mprofile_*.dat")
            .hint("`lineprof sample PROGRAM` makes one; or name a file")
    })?;
    eprintln!(
        "lineprof: using the newest, {}",
        Escaped(&newest.display().to_string())
    );
    Ok(vec![newest])
}

/// Reads a file of readings.
pub(crate) fn read(path: &Path) -> Result<Content, Failure> {
    let name = path.display();
    let content = File::open(path)
        .map_err(ReadError::from)
        .and_then(|file| Content::read(BufReader::new(file)));
    content.map_err(|error| match error {
        ReadError::Io(error) => Failure::new(format!("cannot read {name}: {}", hint::reason(&error))),
        error => Failure::new(format!("cannot read {name}: {error}"))
            .hint("`lineprof sample` and `mprof run` write such files; a damaged line can be deleted"),
    })
}

fn peaks(path: &Path, content: &Content, function: Option<&str>) -> Result<String, Failure> {
    let name = path.display().to_string();
    let name = Escaped(&name);
    let peak = match function {
        None => content.peak().map(Some).ok_or_else(|| {
            Failure::new(format!("{name} has no readings")).hint(
                "the program may have ended before the first: `lineprof memit` asks the kernel for its peak",
            )
        })?,
        Some(function) => content.peak_within(function),
    };
    let Some(peak) = peak else {
        return Ok(format!("{name}\tNaN MiB\n"));
    };
    let mut text = format!("{name}\t{:.3} MiB\n", peak.0);
    for child in &content.children {
        if let Some(peak) = child.peak() {
            text += &format!("  Child {}\t\t\t{:.3} MiB\n", Escaped(&child.name), peak.0);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str, function: Option<&str>) -> Result<String, Failure> {
        let content = Content::read(text.as_bytes()).expect("a timeline");
        peaks(Path::new("a.dat"), &content, function)
    }

    #[test]
    fn peaks_are_printed_as_mprof_prints_them() {
        let text = "MEM 182.5044 10\nMEM 1 11\nCHLD 4794 48.5271 10\nFUNC f 1 10.5 1 11.5 0\n";
        let all = "a.dat\t182.504 MiB\n  Child 4794\t\t\t48.527 MiB\n";
        assert_eq!(printed(text, None), Ok(all.to_string()));
        let within = "a.dat\t1.000 MiB\n  Child 4794\t\t\t48.527 MiB\n";
        assert_eq!(printed(text, Some("f")), Ok(within.to_string()));
        assert_eq!(printed(text, Some("g")), Ok("a.dat\tNaN MiB\n".to_string()));
    }

    #[test]
    fn a_file_without_readings_says_so() {
        let failure = printed("CMDLINE true\n", None).expect_err("there is nothing");
        assert!(failure.message.contains("no readings"), "{failure:?}");
    }
}
