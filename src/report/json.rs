//! The JSON report.
//!
//! Must not know: which fields there are; `profile` is the contract.
//!
//! JSON itself escapes C0 controls only. The report may be shown on a terminal all the same, so what else a terminal
//! obeys is escaped too: outside strings JSON is plain ASCII, hence such a character is always inside one.

use std::io::{self, Write};

use serde::Serialize;

use super::escape::is_obeyed;

/// Writes a [`Profile`](crate::profile::Profile) or [`Profiles`](crate::profile::Profiles), indented, with a newline
/// at the end.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_json(report: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|character| character != '\n' && is_obeyed(character)) {
        let (safe, from) = rest.split_at(at);
        let mut characters = from.chars();
        out.write_all(safe.as_bytes())?;
        if let Some(obeyed) = characters.next() {
            // All of them are in the Basic Multilingual Plane: one unit of four digits (RFC 8259, section 7).
            write!(out, "\\u{:04x}", u32::from(obeyed))?;
        }
        rest = characters.as_str();
    }
    writeln!(out, "{rest}")
}
