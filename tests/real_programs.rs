//! Lua and sqlite, every line of them: what runs inline is told as with the displaced engine, to the byte.
//!
//! Must not know: what these programs do.

mod support;

use nix::sys::personality::{self, Persona};
use support::{Engine, Function, Lineprof, Real, Report, lua, sqlite};

fn profiled(program: &Real, engine: Engine) -> Report {
    let (report, finished) = Lineprof::new()
        .folder(&program.folder)
        .engine(engine)
        .metric("anon")
        .options(["--file", program.files])
        .report(&program.binary, &program.arguments);
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    report
}

/// At least `share` of a hundred sites are inline, and all that is told is the same.
fn inline_is_displaced(program: &Real, share: f64) {
    // Where its stack and heap begin decides which line touches a page first: they are at one place, for all that this
    // thread starts (personality(2)).
    let before = personality::get().expect("a personality");
    personality::set(before | Persona::ADDR_NO_RANDOMIZE).expect("it can be set");
    let [displaced, inline] = [Engine::Displaced, Engine::Inline].map(|engine| profiled(program, engine));
    let of_hundred = 100.0 * inline.tracing.inline as f64 / inline.tracing.sites as f64;
    println!(
        "{}: {} of {} sites inline, {of_hundred:.2} %; {} stops instead of {}",
        program.binary.display(),
        inline.tracing.inline,
        inline.tracing.sites,
        inline.tracing.stops,
        displaced.tracing.stops
    );
    assert!(of_hundred >= share, "{of_hundred:.2} % of the sites are inline");
    assert!(inline.tracing.stops * 100 < displaced.tracing.stops);
    let name = |function: &Function| format!("{}:{} {}", function.file, function.line, function.name);
    assert_eq!(
        displaced.functions.iter().map(name).collect::<Vec<_>>(),
        inline.functions.iter().map(name).collect::<Vec<_>>()
    );
    let mut differences = Vec::new();
    for (left, right) in displaced.functions.iter().zip(&inline.functions) {
        if left != right {
            let of = |function: &Function| {
                let numbers = (
                    function.calls,
                    function.baseline,
                    function.increment,
                    function.peak,
                );
                format!("{numbers:?}")
            };
            differences.push(format!("{}: {} inline {}", name(left), of(left), of(right)));
            let lines = left
                .lines
                .iter()
                .zip(&right.lines)
                .filter(|(left, right)| left != right);
            differences.extend(lines.map(|(left, right)| format!("  {left:?}\n  {right:?}")));
        }
    }
    assert_eq!(
        differences.len(),
        0,
        "displaced, then inline:\n{}",
        differences
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn lua_with_its_computed_goto() {
    inline_is_displaced(&lua(&["-O0", "-g"], "lua"), 99.0);
}

#[test]
fn lua_optimised() {
    inline_is_displaced(&lua(&["-O2", "-g"], "lua"), 99.0);
}

#[test]
fn sqlite_at_work() {
    inline_is_displaced(&sqlite(&["-O0", "-g"], 1), 99.0);
}

#[test]
fn sqlite_optimised_at_work() {
    inline_is_displaced(&sqlite(&["-O2", "-g"], 1), 99.0);
}
