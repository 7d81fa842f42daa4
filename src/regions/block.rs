//! Where the block of a region's mark ends, found in the source's text.
//!
//! Must not know: what a region is for. It knows as much of C, C++ and Rust as tells a brace from one in a string.
//!
//! ```text
//! LINEPROF_REGION("load") { … }     the block that is given to it
//! LINEPROF_REGION("load"); …  }     the rest of the block that it stands in
//! ```
//! Preprocessor branches are all read, so braces must be paired in each of them.

use crate::source::SourceText;

/// What a mark begins with.
const MARKS: [&str; 2] = ["LINEPROF_REGION", "region!"];

/// The line on which the block of the mark on `line` ends; `None` where there is no mark or its block has no end.
pub(super) fn end(source: &SourceText, line: u32) -> Option<u32> {
    let first = source.line(line)?;
    let mark = MARKS.iter().find_map(|mark| first.find(mark))?;
    let mut at = Scan {
        line,
        depth: 0,
        brackets: 0,
        comment: false,
        seen: Seen::Mark,
    };
    let mut text = first.get(mark..)?;
    loop {
        if at.ends_in(text) {
            return Some(at.line);
        }
        at.line = at.line.checked_add(1)?;
        text = source.line(at.line)?;
    }
}

/// What stood behind the mark's brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// They are not closed yet.
    Mark,
    /// Nothing but space so far.
    Nothing,
    Block,
    Rest,
}

struct Scan {
    line: u32,
    /// Braces that are open since the mark.
    depth: i32,
    /// Round brackets that are.
    brackets: i32,
    comment: bool,
    seen: Seen,
}

impl Scan {
    /// Reads a line; whether the block ends in it.
    fn ends_in(&mut self, text: &str) -> bool {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if self.comment {
                let Some(end) = rest.find("*/") else { return false };
                self.comment = false;
                rest = &rest[end + 2..];
                continue;
            }
            if rest.starts_with("//") {
                return false;
            }
            if let Some(behind) = rest.strip_prefix("/*") {
                self.comment = true;
                rest = behind;
                continue;
            }
            if let Some(length) = literal(rest) {
                rest = &rest[length..];
                continue;
            }
            if self.ends_at(first) {
                return true;
            }
            rest = &rest[first.len_utf8()..];
        }
        false
    }

    fn ends_at(&mut self, letter: char) -> bool {
        if self.seen == Seen::Nothing && !letter.is_whitespace() {
            self.seen = if letter == '{' { Seen::Block } else { Seen::Rest };
        }
        match letter {
            '(' => self.brackets += 1,
            ')' => {
                self.brackets -= 1;
                if self.brackets == 0 && self.seen == Seen::Mark {
                    self.seen = Seen::Nothing;
                }
            }
            '{' => self.depth += 1,
            '}' => {
                self.depth -= 1;
                let open = if self.seen == Seen::Block { 0 } else { -1 };
                return self.depth <= open;
            }
            _ => {}
        }
        false
    }
}

/// How long the string or character is that `text` begins with; one that goes on in the next line ends with this.
fn literal(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let raw = ["r\"", "br\"", "r#", "br#"]
        .iter()
        .find(|start| text.starts_with(**start));
    if raw.is_some() {
        let hashes = text.find('"')? - text.find('r')? - 1;
        let close = format!("\"{}", "#".repeat(hashes));
        let open = text.find('"')? + 1;
        return Some(
            text[open..]
                .find(&close)
                .map_or(text.len(), |end| open + end + close.len()),
        );
    }
    let quote = *bytes.first()?;
    match quote {
        b'"' => {}
        // `'a` is a lifetime of Rust, `1'000` a number of C++: no character ends there.
        b'\'' if bytes.get(1) == Some(&b'\\') || text.chars().nth(2) == Some('\'') => {}
        _ => return None,
    }
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            byte if byte == quote => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    Some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(text: &str) -> Option<u32> {
        let line = text
            .lines()
            .position(|line| MARKS.iter().any(|mark| line.contains(mark)))?;
        end(
            &SourceText::new(text.as_bytes(), None),
            u32::try_from(line).ok()? + 1,
        )
    }

    #[test]
    fn a_mark_alone_covers_the_rest_of_its_block() {
        let text =
            "int f() {\n  if (x) {\n    LINEPROF_REGION(\"a\");\n    while (y) { z(); }\n    g();\n  }\n}\n";
        assert_eq!(end_of(text), Some(6));
        assert_eq!(
            end_of("fn f() {\n    lineprof::region!(\"a\");\n    g(|| { 1 });\n}\n"),
            Some(4)
        );
    }

    #[test]
    fn a_block_behind_the_mark_is_what_it_covers() {
        assert_eq!(
            end_of("int f() {\n  LINEPROF_REGION(\"a\") {\n    g();\n  }\n  h();\n}\n"),
            Some(4)
        );
        assert_eq!(
            end_of("int f() {\n  LINEPROF_REGION(\"a\")\n  {\n    if (x) { g(); }\n  }\n  h();\n}\n"),
            Some(5)
        );
    }

    #[test]
    fn braces_in_strings_comments_and_characters_are_none() {
        let text = "int f() {\n  LINEPROF_REGION(\"a}\");\n  g(\"}\\\"}\", '}', '\\''); // }\n  /* }\n } */ h();\n}\n";
        assert_eq!(end_of(text), Some(6));
        let text = "fn f<'a>() {\n  region!(\"a\");\n  let x: &'a str = r#\"}\"}\"#;\n  let y = b'}';\n}\n";
        assert_eq!(end_of(text), Some(5));
    }

    #[test]
    fn a_block_that_has_no_end_is_none() {
        assert_eq!(end_of("int f() {\n  LINEPROF_REGION(\"a\");\n"), None);
        assert_eq!(end(&SourceText::new(b"int f() {}\n", None), 1), None);
        assert_eq!(end(&SourceText::new(b"", None), 9), None);
    }
}
