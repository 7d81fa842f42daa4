//! What to do about an error, in a line.
//!
//! Must not know: how the error came about.

use std::error::Error;

/// The message and all its causes, each said once.
pub(crate) fn message(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
