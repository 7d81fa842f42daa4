//! `lineprof header`: the marks of C and C++, for who has lineprof and not its source.
//!
//! Must not know: what the marks look like.

use std::io::{self, Write};
use std::process::ExitCode;

use super::hint::{self, Failure};

const HEADER: &str = include_str!("../lineprof.h");

/// Prints it.
pub(crate) fn run() -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(HEADER.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => Failure::new(format!("cannot write the header: {}", hint::reason(&error))).say(),
    }
}
