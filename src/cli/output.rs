//! Where a report goes, and in which format.
//!
//! Must not know: what is in it.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lineprof::profile::Report;
use lineprof::report::{Table, write_json};
use lineprof::source::SourceCache;

use super::args::Format;

/// Where a report is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    Stdout,
    Stderr,
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Stdout => f.write_str("stdout"),
            Destination::Stderr => f.write_str("stderr"),
            Destination::File(path) => path.display().fmt(f),
        }
    }
}

impl Destination {
    /// Where the user wants it; `default` where nothing was said.
    pub(crate) fn new(output: Option<&Path>, default: Destination) -> Destination {
        match output {
            None => default,
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path.to_owned()),
        }
    }

    /// The format: what was said, else what the name's ending says, else a table.
    pub(crate) fn format(&self, said: Option<Format>) -> Format {
        let by_name = match self {
            Destination::File(path) if path.extension().is_some_and(|e| e == "json") => Format::Json,
            Destination::File(_) | Destination::Stdout | Destination::Stderr => Format::Table,
        };
        said.unwrap_or(by_name)
    }

    /// Fails when the file cannot be written, before anything has run.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self {
            Destination::Stdout | Destination::Stderr => Ok(()),
            Destination::File(path) => {
                let existed = path.exists();
                File::options().create(true).append(true).open(path)?;
                if existed {
                    Ok(())
                } else {
                    std::fs::remove_file(path)
                }
            }
        }
    }
}

/// Writes the report.
pub(crate) fn write(
    report: &Report,
    to: &Destination,
    format: Format,
    precision: u8,
    sources: &mut SourceCache,
) -> io::Result<()> {
    let mut text = Vec::new();
    match format {
        Format::Table => Table {
            precision: usize::from(precision),
        }
        .write_report(report, sources, &mut text)?,
        Format::Json => write_json(report, &mut text)?,
    }
    match to {
        Destination::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(&text)?;
            out.flush()
        }
        Destination::Stderr => io::stderr().lock().write_all(&text),
        Destination::File(path) => std::fs::write(path, &text),
    }
}
