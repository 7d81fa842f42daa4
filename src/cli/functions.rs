//! `lineprof functions BINARY [PATTERN]`: what can be profiled.
//!
//! Must not know: processes.

use std::process::ExitCode;

use super::args::Functions;

/// Lists the functions.
pub(crate) fn run(_functions: &Functions) -> ExitCode {
    ExitCode::from(super::FAILED)
}
