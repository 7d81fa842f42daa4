//! The smallest case that still fails: the choices that were drawn are written down, then whatever can go goes.
//!
//! Must not know: what fails.

use super::super::*;
use super::case::Case;
use crate::sys::scripted::Failure;

/// The most cases that are tried.
const MOST: usize = 2000;

/// A case with as little in it as still `fails` alike.
pub(crate) fn shrunk(case: &Case, mut fails: impl FnMut(&Case) -> Option<Failure>) -> Case {
    let Some(first) = fails(case) else {
        return case.clone();
    };
    let mut smallest = case.clone();
    smallest.order = Order::Written(first.choices);
    let mut tried = 0;
    loop {
        let before = smallest.clone();
        let mut number = 0;
        while let Some(smaller) = smaller(&smallest, number) {
            tried += 1;
            if tried > MOST {
                return smallest;
            }
            let alike = |failure: Failure| failure.what == first.what;
            if smaller != smallest && fails(&smaller).is_some_and(alike) {
                smallest = smaller;
            } else {
                number += 1;
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// The `number`th way to make a case smaller; `None` behind the last.
fn smaller(case: &Case, number: usize) -> Option<Case> {
    let mut smaller = case.clone();
    let mut left = number;
    let mut is_it = |count: usize| {
        let found = (left < count).then_some(left);
        left = left.saturating_sub(count);
        found
    };
    // The leader stays.
    if let Some(thread) = is_it(case.threads.len().saturating_sub(1)) {
        smaller.threads.remove(thread + 1);
    } else if let Some(one) = is_it(case.happenings.len()) {
        smaller.happenings.remove(one);
    } else if let Some(one) = is_it(case.code.len()) {
        smaller.code.remove(one);
    } else if let Some(one) = is_it(case.handler.len()) {
        smaller.handler.remove(one);
    } else if let Some(one) = is_it(acts_of(case)) {
        let mut at = one;
        for (_, acts) in &mut smaller.threads {
            if remove(acts, &mut at) {
                break;
            }
        }
    } else if let Some(one) = is_it(2) {
        smaller.exit_stops |= one == 0;
        smaller.kcmp |= one == 1;
    } else if let Order::Written(choices) = &mut smaller.order {
        let size = choices.len();
        // Halves, then smaller and smaller pieces of it, are made the first that there is.
        let mut piece = size.div_ceil(2);
        let mut first = left;
        while first >= size.div_ceil(piece.max(1)) {
            if piece <= 1 {
                return None;
            }
            first -= size.div_ceil(piece);
            piece = piece.div_ceil(2);
        }
        let begin = first * piece;
        let end = (begin + piece).min(size);
        choices[begin..end].fill(0);
        while choices.last() == Some(&0) {
            choices.pop();
        }
    } else {
        return None;
    }
    Some(smaller)
}

fn acts_of(case: &Case) -> usize {
    case.threads.iter().map(|(_, acts)| count(acts)).sum()
}

fn count(acts: &[Act]) -> usize {
    acts.iter()
        .map(|act| 1 + inner(act).map_or(0, |acts| count(acts)))
        .sum()
}

fn inner(act: &Act) -> Option<&Vec<Act>> {
    match act {
        Thread(_, acts) | Fork(_, acts) | Vfork(_, acts) | Share(_, acts) => Some(acts),
        _ => None,
    }
}

/// Removes the `at`th act, counted as `count` does.
fn remove(acts: &mut Vec<Act>, at: &mut usize) -> bool {
    for number in 0..acts.len() {
        if *at == 0 {
            acts.remove(number);
            return true;
        }
        *at -= 1;
        if let Thread(_, acts) | Fork(_, acts) | Vfork(_, acts) | Share(_, acts) = &mut acts[number]
            && remove(acts, at)
        {
            return true;
        }
    }
    false
}
