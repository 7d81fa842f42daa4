//! Proves: a test function is profiled by its path in the binary that `cargo test --no-run` makes.

/// An index from words to the positions at which they stand.
pub mod index {
    use std::collections::BTreeMap;

    /// Builds the index of a text.
    pub fn build(text: &str) -> BTreeMap<String, Vec<usize>> { //@ function calls=2
        let mut index: BTreeMap<String, Vec<usize>> = BTreeMap::new(); //@ hits=2
        for (position, word) in text.split_whitespace().enumerate() { //@ hits=12
            index.entry(word.to_string()).or_default().push(position); //@ hits=10
        }
        index //@ hits=2
    } //@ hits=2
}

#[cfg(test)]
mod tests {
    use super::index;

    #[test]
    fn words_are_found_at_their_positions() { //@ function calls=1
        let index = index::build("a rose is a rose"); //@ hits=1
        assert_eq!(index["rose"], [1, 4]);
        let again = index::build("is a rose a rose"); //@ hits=1
        let mut words = 0; //@ hits=1
        for positions in again.values() { //@ hits=4
            words += positions.len(); //@ hits=3
        }
        assert_eq!(words, 5);
    } //@ hits=1

    #[test]
    fn an_empty_text_has_no_words() {
        assert!("".is_empty());
    }
}
