//! "Did you mean": names near to one that was not found.
//!
//! Must not know: where the names come from.

use std::collections::BTreeSet;

use crate::name::split;

/// Names longer than this are not compared; the distance takes the product of the lengths.
const LONGEST: usize = 200;

/// The `most` names whose last part is nearest to that of `wanted`, nearest first, each once.
pub(crate) fn nearest(wanted: &str, names: impl Iterator<Item = String>, most: usize) -> Vec<String> {
    let leaf = last_part(wanted);
    let names: BTreeSet<String> = names.collect();
    let mut scored: Vec<(usize, usize, String)> = names
        .into_iter()
        .filter_map(|name| {
            let distance = distance(&leaf, &last_part(&name))?;
            Some((distance, strsim::levenshtein(&cut(wanted), &cut(&name)), name))
        })
        .collect();
    scored.sort();
    scored.into_iter().take(most).map(|(.., name)| name).collect()
}

fn last_part(name: &str) -> String {
    cut(split(name).last().copied().unwrap_or(name)).to_lowercase()
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The distance of two leaves; `None` when they have too little in common.
fn distance(wanted: &str, leaf: &str) -> Option<usize> {
    // A third of the letters, as compilers' own suggestions allow.
    let limit = wanted.chars().count().div_ceil(3).max(1);
    let distance = strsim::damerau_levenshtein(wanted, leaf);
    let part = wanted.chars().count() >= 3 && leaf.contains(wanted);
    if part {
        Some(distance.min(limit))
    } else {
        (distance <= limit).then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_leaves_come_first_and_far_ones_not_at_all() {
        let names = ["ns::work", "rework", "wrok", "play", "ns::work"].map(str::to_string);
        assert_eq!(nearest("worj", names.into_iter(), 5), ["ns::work", "wrok"]);
    }
}
