//! The real mprof, which `tests/get_mprof` puts into the target folder.
//!
//! Must not know: what it is asked.

use super::{Finished, Running};
use std::path::Path;
use std::process::Command;

/// Runs mprof in `folder`; its pictures need no display.
pub(crate) fn mprof(folder: &Path, arguments: &[&str]) -> Finished {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mprof/bin/mprof");
    let mut command = Command::new(&program);
    command
        .current_dir(folder)
        .env("MPLBACKEND", "Agg")
        .args(arguments);
    Running::start(&mut command).finish()
}
