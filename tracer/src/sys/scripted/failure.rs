//! Failures that are looked for: without their noise, and with what was drawn up to them.
//!
//! Must not know: what is played.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether this thread's panics are expected.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST_CHOICES: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

/// How a scene failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it says, without numbers: another scene may fail alike.
    pub(crate) what: String,
    /// What was drawn up to it.
    pub(crate) choices: Vec<u64>,
}

/// Runs `plays`, which plays one scene; how it panics, if it does.
pub(crate) fn failure<T>(plays: impl FnOnce() -> T) -> Option<Failure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_quiet() {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let played = catch_unwind(AssertUnwindSafe(plays));
    QUIET.set(false);
    let said = played.err()?;
    let text = said.downcast_ref::<String>().map(String::as_str);
    let text = text.or(said.downcast_ref::<&str>().copied());
    let no_number = |c: &char| !c.is_ascii_digit();
    Some(Failure {
        what: text.unwrap_or_default().chars().filter(no_number).collect(),
        choices: LAST_CHOICES.take(),
    })
}

pub(super) fn is_quiet() -> bool {
    QUIET.get()
}

/// A scene has failed.
pub(super) fn failed(choices: Vec<u64>) {
    LAST_CHOICES.set(choices);
}
