//! `*` and `?` over a text.
//!
//! Must not know: what the text is. `*` matches any run, `::` and `/` included; `?` one character. There are no
//! character classes: `[` is part of names (`operator[]`).

/// Whether `pattern` matches all of `text`.
///
/// The usual two-pointer walk: only the last `*` is ever tried again, so the time is bounded by the product of
/// the lengths and there is no recursion.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Whether `text` has a wild card.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("vfs_*", "vfs_read", true),
            ("vfs_*", "xvfs_read", false),
            ("*::draw", "ns::Widget::draw", true),
            ("*work*", "a::work::{closure#0}", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "aab", true),
            ("*a*b", "aaba", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
