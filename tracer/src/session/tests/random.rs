//! Random scenes: threads that clone, exec, end, get signals and are killed at any step; the invariants hold in each.
//!
//! Must not know: requests' names.
//!
//! ```text
//! seed ─► case ─► plays ─► invariants        fails ─► smaller and smaller cases ─► the smallest, as Rust code
//! ```
//! A failure prints a case to be pasted into a test as `Case { … }.holds()`, with the journal of what was asked and
//! answered in it: the choices of the order are written in the case, so that it plays the same again. `LINEPROF_STRESS=1`
//! plays a hundred times as many.

mod case;
mod generate;
mod invariants;
mod shrink;

use super::*;
use crate::sys::scripted::{Failure, Mutant, failure};
use case::Case;

const SCENES: u64 = 1000;

fn seeds() -> std::ops::Range<u64> {
    let times = if std::env::var_os("LINEPROF_STRESS").is_some() {
        100
    } else {
        1
    };
    1..1 + SCENES * times
}

/// How a case fails, if it does.
fn failing(case: &Case, mutant: Option<Mutant>) -> Option<Failure> {
    failure(|| case.holds_for(mutant))
}

fn every_case_holds(engine: Engine) {
    for seed in seeds() {
        let case = generate::case(engine, seed);
        if let Some(failure) = failing(&case, None) {
            eprintln!("seed {seed} fails: {}", failure.what);
            let smallest = shrink::shrunk(&case, |case| failing(case, None));
            eprintln!("the smallest case that does:\n{smallest}\n.holds();");
            smallest.holds();
            unreachable!("it failed before, and plays the same");
        }
    }
}

#[test]
fn c029_c030_c069_c094_every_invariant_holds_in_any_scene_displaced() {
    every_case_holds(Engine::Displaced);
}

#[test]
fn c029_c030_c069_c094_every_invariant_holds_in_any_scene_in_place() {
    every_case_holds(Engine::InPlace);
}

#[test]
fn every_fault_that_a_session_could_have_is_noticed() {
    for mutant in Mutant::ALL {
        for engine in BOTH {
            let mut cases = (1..SCENES).map(|seed| generate::case(engine, seed));
            let noticed = cases.any(|case| failing(&case, Some(mutant)).is_some());
            assert!(noticed, "{mutant:?}, {engine:?}");
        }
    }
}

#[test]
fn a_failure_is_shrunk_to_what_it_needs() {
    let fails = |case: &Case| failing(case, Some(Mutant::KeepsSignals));
    let mut cases = (1..).map(|seed| generate::case(Engine::Displaced, seed));
    let case = cases.find(|case| fails(case).is_some()).expect("one fails");
    let smallest = shrink::shrunk(&case, fails);
    let acts: usize = smallest.threads.iter().map(|(_, acts)| acts.len()).sum();
    assert!(acts + smallest.happenings.len() <= 2, "{smallest}");
    assert!(fails(&smallest).is_some(), "{smallest}");
}

#[test]
fn a_case_plays_the_same_each_time_also_from_the_choices_written_down() {
    for engine in BOTH {
        for seed in 1..20 {
            let case = generate::case(engine, seed);
            let journal = case.holds_for(None);
            assert_eq!(journal, case.holds_for(None), "seed {seed}");
            let mut written = case.clone();
            written.order = Order::Written(case.play(None).core.kernel.choices.clone());
            assert_eq!(
                written.play(None).core.kernel.journal,
                case.play(None).core.kernel.journal
            );
        }
    }
}
