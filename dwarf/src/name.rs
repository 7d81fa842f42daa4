//! Names of functions: parts of a path, with and without template or generic arguments.
//!
//! Must not know: files, DWARF entries, patterns.
//!
//! ```text
//! ns::Widget<int>::max<int>      parts  ns | Widget<int> | max<int>
//!                                bases  ns | Widget      | max
//! <a::Foo<T> as b::Clone>::clone parts  <a::Foo<T> as b::Clone> | clone
//!                                bases  <a::Foo as b::Clone>    | clone
//! ```
//! The *base* of a part is what one source function is called, whatever its instance.

use std::fmt::{self, Write};

/// A demangled name never grows longer; hostile names double with each letter.
const MOST_DEMANGLED: usize = 64 << 10;
/// A longer mangled name is not demangled.
const MOST_MANGLED: usize = 16 << 10;

/// The part without its template or generic arguments.
pub(crate) fn base(part: &str) -> &str {
    if let Some(rest) = part.strip_prefix("operator")
        && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    {
        return operator_base(part, rest);
    }
    if part.starts_with('<') {
        return part;
    }
    // D writes instances as `work!int` and `work!(int, long)`.
    let bang = part.find('!').filter(|&at| at > 0 && !part[..at].contains('<'));
    if let Some(at) = bang {
        return &part[..at];
    }
    match part.find('<') {
        Some(open) if part.ends_with('>') && closes_at_end(&part[open..]) => part[..open].trim_end(),
        _ => part,
    }
}

/// As [`base`], and without the arguments inside an impl's `<Type as Trait>`.
pub(crate) fn base_of_part(part: &str) -> String {
    if !part.starts_with('<') {
        return base(part).to_string();
    }
    let mut depth = 0_usize;
    let mut kept = String::with_capacity(part.len());
    let mut previous = ' ';
    for c in part.chars() {
        let arrow = previous == '-' && c == '>';
        if c == '<' {
            depth += 1;
        }
        if depth <= 1 {
            kept.push(c);
        }
        if c == '>' && !arrow {
            depth = depth.saturating_sub(1);
        }
        previous = c;
    }
    kept
}

fn operator_base<'a>(part: &'a str, rest: &str) -> &'a str {
    const SYMBOLS: [&str; 17] = [
        "<<=", ">>=", "<=>", "->*", "()", "[]", "<<", ">>", "<=", ">=", "->", "<", ">", "new[]", "delete[]",
        "new", "delete",
    ];
    let trimmed = rest.trim_start();
    let known = SYMBOLS
        .iter()
        .find(|symbol| trimmed.starts_with(**symbol))
        .map_or(0, |symbol| symbol.len());
    let symbol = if known > 0 {
        known
    } else {
        trimmed.find('<').unwrap_or(trimmed.len())
    };
    let end = part.len() - trimmed.len() + symbol;
    let arguments = part[end..].trim_start();
    if arguments.starts_with('<') && arguments.ends_with('>') {
        part[..end].trim_end()
    } else {
        part
    }
}

/// Whether the bracket that opens `text` is closed by its last character.
fn closes_at_end(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut previous = b' ';
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        match byte {
            b'<' => depth += 1,
            b'>' if previous == b'-' => {}
            b'>' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1 == text.len();
                }
            }
            _ => {}
        }
        previous = byte;
    }
    false
}

/// The parts of a path, split at `::` outside of brackets.
pub(crate) fn split(path: &str) -> Vec<&str> {
    let bytes = path.as_bytes();
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0_usize, 0, 0);
    while at < bytes.len() {
        // `operator<` and its like are no brackets; the operator's name goes up to its argument list.
        if depth == 0 && at == start && path[at..].starts_with("operator") {
            let rest = &path[at + 8..];
            if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                parts.push(&path[start..]);
                return parts;
            }
        }
        match bytes[at] {
            b'<' | b'(' | b'{' | b'[' => depth += 1,
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                parts.push(&path[start..at]);
                at += 2;
                start = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&path[start..]);
    parts
}

/// The type of an impl's part: `a::Foo<T>` of `<a::Foo<T> as b::Clone>` and of `<impl b::Clone for a::Foo<T>>`.
fn type_of_impl(part: &str) -> Option<&str> {
    let inner = part.strip_prefix('<')?.strip_suffix('>')?;
    if let Some(rest) = inner.strip_prefix("impl ") {
        return Some(rest.split_once(" for ").map_or(rest, |(_, of)| of));
    }
    let mut depth = 0_usize;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'<' => depth += 1,
            b'>' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 && inner[at..].starts_with(" as ") => return Some(&inner[..at]),
            _ => {}
        }
    }
    Some(inner)
}

/// The path of the closure whose type is the first argument of a generic function: `a::f::{closure#1}` of
/// `call<a::f::{closure_env#1}<u8>, ()>`.
///
/// Source: rustc, `compiler_debuginfo/src/type_names.rs`: the type of `{closure#1}` is called `{closure_env#1}`.
pub(crate) fn closure_argument(name: &str) -> Option<String> {
    let last = split(name).pop()?;
    let arguments = last
        .strip_prefix(base(last))?
        .strip_prefix('<')?
        .strip_suffix('>')?;
    let mut depth = 0_usize;
    let mut previous = ' ';
    let end = arguments.find(|c: char| {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if previous == '-' => {}
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return true,
            _ => {}
        }
        previous = c;
        false
    });
    let first = arguments.get(..end.unwrap_or(arguments.len()))?.trim();
    let mut parts: Vec<String> = split(first).into_iter().map(base_of_part).collect();
    let number = parts.pop()?.strip_prefix("{closure_env#")?.to_string();
    parts.push(format!("{{closure#{number}"));
    Some(parts.join("::"))
}

/// A text without white space, to compare `max<int, long>` with `max<int,long>`.
pub(crate) fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// A function's path, outermost scope first, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct QualifiedName {
    pub(crate) parts: Vec<String>,
}

impl QualifiedName {
    /// The path with all arguments.
    pub(crate) fn full(&self) -> String {
        self.parts.join("::")
    }

    /// The path without template and generic arguments.
    pub(crate) fn plain(&self) -> String {
        let bases: Vec<String> = self.parts.iter().map(|part| base_of_part(part)).collect();
        bases.join("::")
    }

    /// The path in which the innermost impl's part is replaced by the path of its type.
    pub(crate) fn through_type(&self) -> Option<QualifiedName> {
        let scopes = self.parts.get(..self.parts.len().checked_sub(1)?)?;
        let at = scopes.iter().rposition(|part| part.starts_with('<'))?;
        let of = type_of_impl(self.parts.get(at)?)?;
        let mut parts: Vec<String> = split(of).into_iter().map(str::to_string).collect();
        parts.extend(self.parts.iter().skip(at + 1).cloned());
        Some(QualifiedName { parts })
    }

    /// Rust's trait implementations are called `{impl#3}` in DWARF; the linkage name says which they are.
    pub(crate) fn resolve_impl(&mut self, linkage_name: Option<&str>) {
        let Some(at) = self.parts.iter().rposition(|part| part.starts_with("{impl#")) else {
            return;
        };
        let Some(demangled) = linkage_name.and_then(demangle_rust) else {
            return;
        };
        let theirs = split(&demangled);
        let below = self.parts.len() - (at + 1);
        let Some(above) = theirs.len().checked_sub(below).filter(|&above| above > 0) else {
            return;
        };
        let mut parts: Vec<String> = theirs
            .iter()
            .take(above)
            .map(|part| (*part).to_string())
            .collect();
        parts.extend(self.parts.drain(at + 1..));
        self.parts = parts;
    }
}

/// A text that refuses to grow beyond its limit.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.0.len() + more.len() > MOST_DEMANGLED {
            return Err(fmt::Error);
        }
        self.0.push_str(more);
        Ok(())
    }
}

fn demangle_rust(mangled: &str) -> Option<String> {
    if mangled.len() > MOST_MANGLED {
        return None;
    }
    let name = rustc_demangle::try_demangle(mangled).ok()?;
    let mut text = Bounded(String::new());
    write!(text, "{name:#}").ok()?;
    Some(text.0)
}

/// The readable name of a symbol: of C++ without parameters' types, of Rust without its hash; else the symbol itself.
pub(crate) fn demangled(symbol: &str) -> String {
    demangle_rust(symbol)
        .or_else(|| demangle_cpp(symbol))
        .unwrap_or_else(|| symbol.to_owned())
}

fn demangle_cpp(mangled: &str) -> Option<String> {
    if mangled.len() > MOST_MANGLED || !mangled.starts_with("_Z") {
        return None;
    }
    let symbol = cpp_demangle::Symbol::new(mangled).ok()?;
    let mut text = Bounded(String::new());
    let options = cpp_demangle::DemangleOptions::new().no_return_type().no_params();
    symbol.structured_demangle(&mut text, &options).ok()?;
    Some(text.0)
}

/// The parameter list of a C++ function, `(int, char const*)`, from its linkage name.
pub(crate) fn parameters(mangled: &str) -> Option<String> {
    if mangled.len() > MOST_MANGLED || !mangled.starts_with("_Z") {
        return None;
    }
    let symbol = cpp_demangle::Symbol::new(mangled).ok()?;
    let mut text = Bounded(String::new());
    symbol
        .structured_demangle(&mut text, &cpp_demangle::DemangleOptions::new().no_return_type())
        .ok()?;
    parameter_list(&text.0).map(str::to_string)
}

/// The last bracketed list of `f(int) const`.
pub(crate) fn parameter_list(text: &str) -> Option<&str> {
    let end = text.rfind(')')? + 1;
    let mut depth = 0_usize;
    for (at, byte) in text
        .bytes()
        .enumerate()
        .take(end)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        match byte {
            b')' => depth += 1,
            b'(' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(&text[at..end]);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_drops_arguments_and_keeps_operators() {
        let cases = [
            ("max<int>", "max"),
            ("max", "max"),
            ("map<int, vector<char> >", "map"),
            ("operator<", "operator<"),
            ("operator<< <char>", "operator<<"),
            ("operator<=><int>", "operator<=>"),
            ("operator->", "operator->"),
            ("operator()<int>", "operator()"),
            ("operator int", "operator int"),
            ("operators<int>", "operators"),
            ("{closure#0}<i32>", "{closure#0}"),
            ("<lambda(int)>", "<lambda(int)>"),
            ("work!int", "work"),
            ("work!(int, long)", "work"),
            ("f<fn(i32) -> u8>", "f"),
            ("a<b>c", "a<b>c"),
        ];
        for (part, expected) in cases {
            assert_eq!(base(part), expected, "{part}");
        }
    }

    #[test]
    fn impl_parts_lose_their_inner_arguments_only() {
        assert_eq!(
            base_of_part("<a::Foo<T> as b::Tr<fn() -> u8>>"),
            "<a::Foo as b::Tr>"
        );
    }

    #[test]
    fn split_ignores_separators_in_brackets() {
        assert_eq!(split("a::B<c::D>::e"), ["a", "B<c::D>", "e"]);
        assert_eq!(split("<a::B as c::D>::e"), ["<a::B as c::D>", "e"]);
        assert_eq!(split("a::operator<"), ["a", "operator<"]);
        assert_eq!(split("a::{closure#0}"), ["a", "{closure#0}"]);
    }

    #[test]
    fn impl_number_becomes_type_and_trait() {
        let parts = ["k", "{impl#0}", "clone"].map(str::to_string).to_vec();
        let mut name = QualifiedName { parts };
        let legacy = "_ZN45_$LT$k..Foo$u20$as$u20$core..clone..Clone$GT$5clone17h0123456789abcdefE";
        name.resolve_impl(Some(legacy));
        assert_eq!(name.full(), "<k::Foo as core::clone::Clone>::clone");
        assert_eq!(name.through_type().unwrap().full(), "k::Foo::clone");
    }

    #[test]
    fn parameters_come_from_the_linkage_name() {
        assert_eq!(
            parameters("_ZN2ns3maxEiPKc").as_deref(),
            Some("(int, char const*)")
        );
        assert_eq!(parameters("main"), None);
    }

    #[test]
    fn closures_are_known_by_the_function_that_calls_them() {
        let cases = [
            (
                "own::call<app::main::{closure_env#1}, ()>",
                Some("app::main::{closure#1}"),
            ),
            (
                "own::call<app::work::{closure_env#0}<u8, fn() -> i8>, (u8, u8)>",
                Some("app::work::{closure#0}"),
            ),
            (
                "call<app::main::{closure#0}::{closure_env#2}, ()>",
                Some("app::main::{closure#0}::{closure#2}"),
            ),
            ("call<fn() -> u32, u32>", None),
            ("call", None),
            ("call<>", None),
        ];
        for (name, expected) in cases {
            assert_eq!(closure_argument(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn names_of_any_shape_do_not_panic() {
        let pieces = [
            "<", ">", "::", ":", "operator", "(", ")", "{", "}", "-", "!", " as ", "é", "impl ", " for ", "a",
        ];
        let mut number = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                number = number
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(number >> 60) as usize]);
            }
            let parts: Vec<String> = split(&text).into_iter().map(str::to_string).collect();
            assert_eq!(parts.join("::"), text);
            let mut name = QualifiedName { parts };
            assert!(text.starts_with(base(&text)));
            name.resolve_impl(Some(&text));
            let _ = (
                name.plain(),
                name.through_type(),
                parameter_list(&text),
                parameters(&text),
                closure_argument(&text),
            );
        }
    }
}
