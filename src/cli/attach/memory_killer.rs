//! Which of the two processes the kernel takes when memory runs out: the front, by whose death nothing is lost.
//!
//! Must not know: what either does.
//!
//! Source: proc(5), `oom_score_adj`: added to a process's score, from -1000 to 1000; the greatest score goes first.

use std::fs;

const OWN: &str = "/proc/self/oom_score_adj";

/// This process goes late. Only the privileged may; else it stays as it is.
pub(super) fn go_late() {
    adjust(-500, i32::min);
}

/// This process goes early.
pub(super) fn go_early() {
    adjust(500, i32::max);
}

/// What somebody has set further in the same direction stays.
fn adjust(to: i32, further: fn(i32, i32) -> i32) {
    let now = fs::read_to_string(OWN)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let to = now.map_or(to, |now| further(now, to));
    if let Err(error) = fs::write(OWN, to.to_string()) {
        tracing::debug!(to, %error, "the memory killer's score stays as it is");
    }
}
