//! One call of one function, profiled.
//!
//! Must not know: how the process that traces is talked to.
//!
//! A function is known by its type's name. All closures of one function have the same, so a closure is known by the
//! address of [`call`], of which the compiler makes a copy for each: the copy's debug information names the closure.

use super::LineProfiler;
use crate::profile::Profile;
use crate::profiler::Error;

/// Calls `work`, and prints on stderr the table of what its lines cost: the same that `lineprof --function` prints.
///
/// Only the lines of `work` itself are in the table: of a closure its own, not those of the function around it. What
/// it calls counts on the lines that call it. An optimised program has no code of a closure's own, nor of a function that
/// is called here alone: there `work` is a function with `#[inline(never)]`. The program needs debug information, and `lineprof` in `PATH`; see
/// [`LineProfiler`] for another place, other functions and other ways to take the result.
///
/// ```no_run
/// # fn main() -> Result<(), lineprof::Error> {
/// let sum = lineprof::show_results(|| {
///     let numbers: Vec<u64> = (0..1_000_000).collect();
///     numbers.iter().sum::<u64>()
/// })?;
/// assert_eq!(sum, 499_999_500_000);
/// # Ok(()) }
/// ```
///
/// # Errors
/// When this process cannot be profiled; `work` has not run then. When the table cannot be made or printed; it has.
pub fn show_results<T, F: FnOnce() -> T>(work: F) -> Result<T, Error> {
    let mut profiler = LineProfiler::new();
    let result = profiler.run(work)?;
    profiler.print_stats()?;
    Ok(result)
}

/// Calls `work`; what it returns, and what its lines cost.
///
/// ```no_run
/// # fn main() -> Result<(), lineprof::Error> {
/// let (text, profile) = lineprof::profile_call(|| "x".repeat(1 << 20))?;
/// assert_eq!(text.len(), 1 << 20);
/// assert_eq!(profile.functions[0].calls, 1);
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`show_results`].
pub fn profile_call<T, F: FnOnce() -> T>(work: F) -> Result<(T, Profile), Error> {
    let mut profiler = LineProfiler::new();
    let result = profiler.run(work)?;
    Ok((result, profiler.snapshot()?))
}

/// Calls `work`.
///
/// Not inlined: one of its copies calls one closure and no other.
#[inline(never)]
pub(super) fn call<F: FnOnce() -> T, T>(work: F) -> T {
    work()
}

/// How a function is told to who traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// By a path.
    Path(String),
    /// By the address of its copy of [`call`].
    CalledBy(usize),
}

/// How the function `F` is known.
pub(super) fn known<F: FnOnce() -> T, T>() -> Result<Known, Error> {
    let type_name = std::any::type_name::<F>();
    // The address is known while the process runs only: two crates may have a copy each, and the code that calls is this.
    let address = call::<F, T> as fn(F) -> T as usize;
    known_by(type_name, address).ok_or(Error::NoName { type_name })
}

fn known_by(type_name: &str, address: usize) -> Option<Known> {
    // A reference to a function, or to a closure, is called as what it refers to.
    let name = type_name
        .trim_start_matches(['&', ' '])
        .trim_start_matches("mut ");
    if name.ends_with("{{closure}}") {
        return (name == type_name).then_some(Known::CalledBy(address));
    }
    let is_path = name.contains("::") && !name.starts_with(['(', '[', '*']);
    // `fn(i32)`, `extern "C" fn()`, `for<'a> fn(&'a str)`: no path is before the word.
    let is_pointer = name.find("fn(").is_some_and(|at| !name[..at].contains("::"));
    let is_type = is_pointer || name.starts_with("dyn ") || name.starts_with("alloc::boxed::Box<");
    (is_path && !is_type).then(|| Known::Path(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<Known> {
        Some(Known::Path(text.to_owned()))
    }

    #[test]
    fn functions_are_known_by_paths_and_closures_by_addresses() {
        assert_eq!(known_by("app::work", 7), path("app::work"));
        assert_eq!(known_by("&app::work", 7), path("app::work"));
        assert_eq!(
            known_by("<app::A as app::Tr>::work", 7),
            path("<app::A as app::Tr>::work")
        );
        assert_eq!(known_by("app::main::{{closure}}", 7), Some(Known::CalledBy(7)));
    }

    #[test]
    fn what_has_no_name_is_not_guessed() {
        for name in [
            "fn() -> app::A",
            "alloc::boxed::Box<dyn core::ops::function::FnOnce<()>>",
            "&mut app::main::{{closure}}",
        ] {
            assert_eq!(known_by(name, 7), None, "{name}");
        }
    }
}
