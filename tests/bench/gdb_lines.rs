//! The job as it is scripted in gdb.
//!
//! Must not know: what it is compared with.

use super::support::Running;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Seconds and line events of `work` in `program` with this argument, as gdb's own Python measures them
/// (`gdb_lines.py`).
///
/// # Errors
/// What gdb said, where it did not come to an end.
pub(crate) fn gdb_lines(program: &Path, argument: u64) -> Result<(f64, f64), String> {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let out = folder.path().join("out.json");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/gdb_lines.py");
    let mut command = Command::new("gdb");
    command
        .env("LINES_OF", "work")
        .env("LINES_TO", &out)
        .args(["-nx", "-q", "-batch", "-x"])
        .arg(script);
    command.arg("--args").arg(program).arg(argument.to_string());
    let finished = Running::start(&mut command).finish();
    let text =
        std::fs::read_to_string(&out).map_err(|error| format!("{error}: {}", finished.stderr_text()))?;
    let measured: Value = serde_json::from_str(&text).expect("the script writes JSON");
    let number = |key: &str| measured[key].as_f64().expect("the script measures it");
    Ok((number("seconds"), number("events")))
}
