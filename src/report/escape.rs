//! Makes text from a program safe to show on a terminal.
//!
//! Must not know: what the text is.
//!
//! A symbol's name is chosen by whoever made the program, and a terminal obeys what is in it: titles and clipboards are
//! set by C0 and C1 controls, and bidirectional controls make a line read as what it is not. All of them, and line
//! separators, are written as escapes; bytes that are no UTF-8 are written as `\xNN` when they become text.

use std::fmt::{self, Display, Write};

use unicode_width::UnicodeWidthChar;

/// Text with nothing in it that a terminal obeys: one line, no tabs.
///
/// ```
/// use lineprof::report::escape::Escaped;
/// assert_eq!(Escaped("a\u{1b}[31m\u{202e}b").to_string(), r"a\x1b[31m\u{202e}b");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'text>(pub &'text str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|character| write_escaped(character, f))
    }
}

/// A line of source: as [`Escaped`], with tabs expanded to columns that are multiples of eight from its first.
///
/// The table's own columns stand before it, so tabs left alone would move the line's beginning. A character takes as
/// many columns as a terminal gives it: two for 表, none for a combining accent (UAX #11).
#[derive(Debug, Clone, Copy)]
pub struct EscapedSource<'text>(pub &'text str);

const TAB: usize = 8;

impl Display for EscapedSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut column = 0;
        for character in self.0.chars() {
            if character == '\t' {
                let width = TAB - column % TAB;
                write!(f, "{:width$}", "")?;
                column += width;
            } else {
                write_escaped(character, f)?;
                column += character.width().unwrap_or(1);
            }
        }
        Ok(())
    }
}

/// Whether a terminal, or whoever lays out its text, does something at this character instead of showing it.
pub(super) fn is_obeyed(character: char) -> bool {
    match character {
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => true,
        // ARABIC LETTER MARK and the marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9).
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Line and paragraph separators.
        '\u{2028}' | '\u{2029}' => true,
        _ => false,
    }
}

fn write_escaped(character: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match character {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        obeyed if obeyed.is_ascii() && is_obeyed(obeyed) => write!(f, "\\x{:02x}", u32::from(obeyed)),
        obeyed if is_obeyed(obeyed) => write!(f, "\\u{{{:x}}}", u32::from(obeyed)),
        harmless => f.write_char(harmless),
    }
}

/// Bytes as text: every byte that is not part of valid UTF-8 becomes `\xNN`.
///
/// ```
/// assert_eq!(lineprof::report::escape::valid(b"caf\xe9"), r"caf\xe9");
/// ```
pub fn valid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_is_left() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        for text in [Escaped(&all).to_string(), EscapedSource(&all).to_string()] {
            assert!(!text.contains(char::is_control));
            assert!(!text.contains(['\u{61c}', '\u{200e}', '\u{200f}']));
            assert!(
                !text
                    .chars()
                    .any(|c| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            );
        }
    }

    #[test]
    fn a_title_sequence_is_shown_not_obeyed() {
        assert_eq!(Escaped("f\x1b]0;owned\x07").to_string(), r"f\x1b]0;owned\x07");
    }

    #[test]
    fn a_tab_behind_wide_characters_ends_where_an_editor_ends_it() {
        let wide = EscapedSource("表表表\t|").to_string();
        let combined = EscapedSource("e\u{301}\t|").to_string();
        assert_eq!(
            (wide.as_str(), combined.as_str()),
            ("表表表  |", "e\u{301}       |")
        );
    }

    #[test]
    fn tabs_of_source_go_to_columns_from_its_own_beginning() {
        assert_eq!(EscapedSource("\tif (a)\tb").to_string(), "        if (a)  b");
    }
}
