//! "Did you mean": names near to one that was not found.
//!
//! Must not know: where the names come from.
//!
//! | kinship | `resize_table` is near to | for names of at least |
//! |---|---|---|
//! | the same but for case, or its words in another order | `Resize_Table`, `table_resize` | 1 letter |
//! | a slip of the keyboard, one for three letters at most | `resize_tabel` | 3 letters |
//! | the beginning | `resize_table_slow` | 1 letter |
//! | a part, better a whole word | `lua_resize_table` | 3 letters |
//!
//! Only the last parts of paths are compared; the paths decide between equals.

use std::collections::BTreeSet;

use crate::name::split;

/// Names longer than this are not compared; the distance takes the product of the lengths.
const LONGEST: usize = 200;

/// The fewest letters that a slip or a part of a name can be told by.
const FEWEST: usize = 3;

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
    cut(split(name).last().copied().unwrap_or(name))
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// How far two leaves are apart; `None` when they have too little in common.
fn distance(wanted: &str, leaf: &str) -> Option<usize> {
    let (small, small_leaf) = (wanted.to_lowercase(), leaf.to_lowercase());
    if small == small_leaf || sorted_words(wanted) == sorted_words(leaf) {
        return Some(0);
    }
    let letters = small.chars().count();
    let slips = strsim::damerau_levenshtein(&small, &small_leaf);
    if letters >= FEWEST && slips <= letters / 3 {
        return Some(slips);
    }
    if small_leaf.starts_with(&small) {
        return Some(1);
    }
    if letters >= FEWEST && small_leaf.contains(&small) {
        let is_word = words(leaf).contains(&small);
        return Some(if is_word { 2 } else { 3 });
    }
    None
}

fn sorted_words(name: &str) -> Vec<String> {
    let mut words = words(name);
    words.sort();
    words
}

/// The words of `snake_case` and `camelCase`, in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = '_';
    for letter in name.chars() {
        let begins = !letter.is_alphanumeric() || letter.is_uppercase() && previous.is_lowercase();
        if begins {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        previous = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(wanted: &str, names: &[&str]) -> Vec<String> {
        nearest(wanted, names.iter().map(ToString::to_string), 5)
    }

    #[test]
    fn near_leaves_come_first_and_far_ones_not_at_all() {
        let names = ["ns::work", "rework", "wok", "play", "ns::work"];
        assert_eq!(near("work", &names), ["ns::work", "wok", "rework"]);
        assert_eq!(near("multipy", &["multiply", "main", "mul"]), ["multiply"]);
    }

    #[test]
    fn one_or_two_letters_are_near_to_what_they_begin_only() {
        let names = ["a", "f", "go", "xor", "luaX_next", "Xalloc"];
        assert_eq!(near("x", &names), ["xor", "Xalloc"]);
        assert_eq!(near("fo", &names), [""; 0]);
    }

    #[test]
    fn a_whole_word_is_nearer_than_a_part_of_one() {
        let names = ["presize", "luaH_resize", "size"];
        assert_eq!(near("resize", &names), ["presize", "size", "luaH_resize"]);
        assert_eq!(
            near("reinsert", &["unreinserted", "table_reinsert"]),
            ["table_reinsert", "unreinserted"]
        );
    }

    #[test]
    fn words_may_have_another_order_and_case() {
        assert_eq!(near("table_resize", &["resizeTable", "retable"]), ["resizeTable"]);
    }
}
