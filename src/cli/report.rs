//! `lineprof report`: a report made earlier, shown again.
//!
//! Must not know: how it was made.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lineprof::profile::Report;
use lineprof::source::SourceCache;

use super::args;
use super::hint::{self, Failure};
use super::kept;
use super::output::Destination;
use super::profile;

/// Shows a report.
pub(crate) fn run(args: &args::Report) -> ExitCode {
    if args.list {
        return list();
    }
    let path = match args.file.clone().map_or_else(newest, Ok) {
        Ok(path) => path,
        Err(failure) => return failure.say(),
    };
    let report = match read(&path) {
        Ok(report) => report,
        Err(failure) => return failure.say(),
    };
    let to = Destination::new(args.writing.output.as_deref(), Destination::Stdout);
    profile::write(&report, &to, &args.writing, &mut SourceCache::new())
        .map_or_else(|failure| failure.say(), |()| ExitCode::SUCCESS)
}

fn list() -> ExitCode {
    match kept::all() {
        Ok(paths) => {
            for path in paths {
                println!("{}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => Failure::new(format!("cannot list reports: {}", hint::reason(&error))).say(),
    }
}

fn newest() -> Result<PathBuf, Failure> {
    let none = || {
        Failure::new("no report is kept")
            .hint("a report is kept when lineprof is killed while it is attached; `lineprof report FILE` shows a JSON report")
    };
    let paths = kept::all().map_err(|error| none().hint(hint::reason(&error)))?;
    paths.into_iter().next().ok_or_else(none)
}

fn read(path: &Path) -> Result<Report, Failure> {
    let text = std::fs::read(path).map_err(|error| {
        Failure::new(format!(
            "cannot read {}: {}",
            path.display(),
            hint::reason(&error)
        ))
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        Failure::new(format!("{} is no lineprof report: {error}", path.display()))
            .hint("`lineprof -o profile.json …` writes one")
    })
}
