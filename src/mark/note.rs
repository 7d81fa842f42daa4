//! The tokens that put a note into the file.
//!
//! Must not know: what is marked. The format is told in lineprof's `dwarf/src/marks.rs`, which reads it.
//!
//! ```text
//! const _: () = {
//!     #[used]
//!     #[unsafe(link_section = ".note.lineprof")]
//!     static NOTE: [u32; 15] = [9, 40, 1, u32::from_ne_bytes(*b"line"), …];
//! };
//! ```
//! An array of words and no struct: its bytes lie as they are written, on a multiple of four. The lint `unsafe_code`
//! says nothing of what a macro of another crate expands to, also where it is forbidden.

use std::ops::RangeInclusive;

use proc_macro::{Span, TokenStream};

use crate::failure::Failure;

/// The version of the format.
const VERSION: u32 = 1;

/// What is marked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Function = 1,
    Region = 2,
}

/// A note.
#[derive(Debug)]
pub(crate) struct Note<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    /// What is marked, where that is known.
    pub(crate) lines: Option<RangeInclusive<usize>>,
}

impl Note<'_> {
    /// A statement and item that leaves the note.
    pub(crate) fn tokens(&self) -> Result<TokenStream, Failure> {
        let mark = Span::call_site();
        let words = self.words(mark.start().line(), &mark.file());
        let code = format!(
            "#[cfg(target_os = \"linux\")] const _: () = {{ #[used] #[unsafe(link_section = \".note.lineprof\")] \
             static NOTE: [::core::primitive::u32; {}] = [{}]; }};",
            words.len(),
            words.join(", ")
        );
        code.parse().map_err(|error: proc_macro::LexError| {
            Failure::new(mark, format!("cannot make a note of it: {error}"))
        })
    }

    /// The words of the note, as expressions.
    fn words(&self, line: usize, file: &str) -> Vec<String> {
        let known = self.lines.clone().map(RangeInclusive::into_inner);
        let (first, last) = known.unwrap_or_default();
        let text = text(&format!("{}\0{file}\0", self.name));
        let size = 4 * (4 + text.len());
        let mut words = vec!["9".to_owned(), size.to_string(), (self.kind as u32).to_string()];
        words.extend(self::text("lineprof\0"));
        words.extend([VERSION as usize, line, first, last].map(|word| word.to_string()));
        words.extend(text);
        words
    }
}

/// The text in words of four bytes, the last filled up with zeros.
fn text(text: &str) -> Vec<String> {
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        format!("::core::primitive::u32::from_ne_bytes({word:?})")
    };
    text.as_bytes().chunks(4).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_the_words_that_its_reader_expects() {
        let note = Note {
            kind: Kind::Function,
            name: "work",
            lines: Some(3..=9),
        };
        let bytes = |text: &str| format!("::core::primitive::u32::from_ne_bytes({:?})", text.as_bytes());
        let texts = ["line", "prof", "\0\0\0\0", "work", "\0a.r", "s\0\0\0"].map(bytes);
        let [line, prof, end, work, a_r, s] = texts.each_ref().map(String::as_str);
        let expected = ["9", "28", "1", line, prof, end, "1", "3", "3", "9", work, a_r, s];
        assert_eq!(note.words(3, "a.rs"), expected);
    }
}
