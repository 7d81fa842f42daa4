//! Patterns a user names functions and files with.
//!
//! Must not know: where names come from.
//!
//! | form | selects |
//! |---|---|
//! | `work`, `ns::Widget::draw` | functions whose path ends in these whole parts |
//! | `ns::max<int>` | only this instance; without the arguments, all instances |
//! | `ns::max(int, int)` | only this overload, where the linkage name tells parameters |
//! | `vfs_*`, `*::draw` | paths that match, or whose tail after some `::` does |
//! | `/^vfs_(read\|write)$/` | paths in which the regular expression is found |
//! | `file.c:name`, `src/*.c:work` | the same, only where the declaration is in such a file |
//!
//! A pattern without `::` also selects the function of exactly this linkage name and, when it selects nothing
//! else, the function of which it is another symbol (`malloc` is an alias of glibc's `__libc_malloc`).

use std::path::Path;
use std::str::FromStr;

use crate::glob;
use crate::marks::Mark;
use crate::name::{QualifiedName, base, base_of_part, parameter_list, parameters, split, without_space};
use crate::source_path::SourceLine;

/// Tails of a path a glob is tried on; a hostile name is nothing but colons.
const MOST_TAILS: usize = 256;

/// A pattern for names of functions.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    place: PlacePattern,
    name: NamePattern,
}

/// Where a function that is meant must be declared.
#[derive(Clone, Debug)]
enum PlacePattern {
    Anywhere,
    InFile(FilePattern),
    /// In the file of a mark, on the lines that it marks.
    AtMark(Box<Mark>),
}

#[derive(Clone, Debug)]
enum NamePattern {
    Path {
        parts: Vec<PartPattern>,
        parameters: Option<String>,
        linkage_name: Option<String>,
    },
    Glob(String),
    Regex(regex::Regex),
}

#[derive(Clone, Debug)]
struct PartPattern {
    /// Without white space.
    full: String,
    base: String,
    has_arguments: bool,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Nothing, or a path with an empty part as in `a::::b`.
    #[error("the pattern `{0}` has an empty part")]
    Empty(String),
    /// The regular expression between the slashes is not one.
    #[error("the pattern `{text}` is not a regular expression")]
    Regex {
        /// The whole pattern.
        text: String,
        /// What is wrong with it.
        #[source]
        source: regex::Error,
    },
}

/// A function's names as a pattern sees them.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a QualifiedName,
    pub(crate) linkage_name: Option<&'a str>,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        let trimmed = text.trim();
        let (file, name) = match split_file(trimmed) {
            Some((file, name)) => (Some(file.parse()?), name),
            None => (None, trimmed),
        };
        let pattern = |name| Pattern {
            text: trimmed.to_string(),
            place: file.map_or(PlacePattern::Anywhere, PlacePattern::InFile),
            name,
        };
        let slashes = name.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        if let Some(expression) = slashes {
            return match regex::Regex::new(expression) {
                Ok(regex) => Ok(pattern(NamePattern::Regex(regex))),
                Err(source) => Err(PatternError::Regex {
                    text: text.to_string(),
                    source,
                }),
            };
        }
        let is_operator = split(name)
            .last()
            .is_some_and(|leaf| leaf.starts_with("operator"));
        if glob::is_glob(outside_brackets(name)) && !is_operator {
            return Ok(pattern(NamePattern::Glob(name.to_string())));
        }
        let (path, parameters) = split_parameters(name);
        let parts: Vec<PartPattern> = split(path).into_iter().map(PartPattern::new).collect();
        if parts.iter().any(|part| part.full.is_empty()) {
            return Err(PatternError::Empty(text.to_string()));
        }
        let linkage_name = (parts.len() == 1).then(|| path.to_string());
        Ok(pattern(NamePattern::Path {
            parts,
            parameters,
            linkage_name,
        }))
    }
}

impl PartPattern {
    fn new(part: &str) -> PartPattern {
        let part = part.trim();
        let base = base_of_part(part);
        let has_arguments = base != part;
        PartPattern {
            full: without_space(part),
            base,
            has_arguments,
        }
    }

    fn matches(&self, part: &str) -> bool {
        if self.has_arguments {
            return without_space(part) == self.full;
        }
        base(part) == self.base || base_of_part(part) == self.base
    }
}

/// `file.c` and `name` of `file.c:name`; a single colon, since `::` separates the parts of a path.
fn split_file(text: &str) -> Option<(&str, &str)> {
    // `/…/` is a regular expression, in which colons are its own.
    if text.len() > 1 && text.starts_with('/') && text.ends_with('/') && !text.contains(":/") {
        return None;
    }
    let bytes = text.as_bytes();
    let single = |at: &usize| {
        let at = *at;
        bytes[at] == b':' && bytes.get(at + 1) != Some(&b':') && (at == 0 || bytes[at - 1] != b':')
    };
    let at = (1..bytes.len().saturating_sub(1)).find(single)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The name up to its first bracket: `char*` inside template arguments is no wild card.
fn outside_brackets(name: &str) -> &str {
    match name.find(['<', '(']) {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    }
}

fn split_parameters(name: &str) -> (&str, Option<String>) {
    // `operator()` ends in brackets that are its name, `<lambda()>` does not end in them.
    let list = if name.ends_with(')') {
        parameter_list(name)
    } else {
        None
    };
    let Some(list) = list else {
        return (name, None);
    };
    let path = name[..name.len() - list.len()].trim_end();
    if path.is_empty() || path.ends_with("operator") {
        return (name, None);
    }
    (path, Some(without_space(list)))
}

impl Pattern {
    /// A pattern for the functions of exactly this path or one that ends in it, whatever characters are in it; arguments of
    /// templates and generics do not count.
    pub fn of_path(path: &str) -> Pattern {
        let bases = split(path).into_iter().map(base_of_part);
        let parts = bases.map(|base| PartPattern {
            full: without_space(&base),
            base,
            has_arguments: false,
        });
        Pattern {
            text: path.to_string(),
            place: PlacePattern::Anywhere,
            name: NamePattern::Path {
                parts: parts.collect(),
                parameters: None,
                linkage_name: None,
            },
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A pattern for the function that `mark` means: of its name, in its file, on its lines where it has some.
    ///
    /// # Errors
    /// The mark's name is no pattern.
    pub fn of_mark(mark: &Mark) -> Result<Pattern, PatternError> {
        let pattern = Pattern::anywhere(mark)?;
        Ok(Pattern {
            place: PlacePattern::AtMark(Box::new(mark.clone())),
            ..pattern
        })
    }

    /// A pattern for whatever function is declared on the lines of `mark`.
    pub fn on_lines(mark: &Mark) -> Pattern {
        Pattern {
            text: mark.to_string(),
            place: PlacePattern::AtMark(Box::new(mark.clone())),
            name: NamePattern::Glob("*".to_string()),
        }
    }

    /// A pattern for functions of the name that `mark` has, wherever they are.
    ///
    /// # Errors
    /// The mark's name is no pattern.
    pub fn anywhere(mark: &Mark) -> Result<Pattern, PatternError> {
        Ok(Pattern {
            text: mark.to_string(),
            ..mark.name.parse()?
        })
    }

    /// Whether a function that is declared there can be meant, whatever its name.
    pub(crate) fn is_in_place(&self, declaration: Option<&SourceLine>) -> bool {
        match &self.place {
            PlacePattern::Anywhere => true,
            PlacePattern::InFile(file) => declaration.is_some_and(|line| file.matches(line.file.path())),
            PlacePattern::AtMark(mark) => declaration.is_some_and(|line| {
                let on_lines = |(first, last)| (first..=last).contains(&line.line);
                mark.is_in(line.file.path()) && mark.lines.is_none_or(on_lines)
            }),
        }
    }

    /// Whether it matters where a function is declared.
    pub(crate) fn has_place(&self) -> bool {
        !matches!(self.place, PlacePattern::Anywhere)
    }

    /// The base that a function's own name must have, where the pattern tells it.
    ///
    /// What [`Pattern::matches`] selects always passes [`Pattern::may_match_leaf`], and that is decided by this text.
    pub(crate) fn literal(&self) -> Option<&str> {
        let NamePattern::Path { parts, .. } = &self.name else {
            return None;
        };
        let base = parts.last()?.base.as_str();
        // Operators and impls are written in several ways; their spelling in the file is not known.
        let plain = |c: char| c.is_alphanumeric() || "_$#{}.~".contains(c);
        (base.chars().all(plain) && !base.starts_with("operator")).then_some(base)
    }

    /// What names are compared with when none matches: without file, parameters and wild cards; `None` for a regular
    /// expression.
    pub(crate) fn approximate(&self) -> Option<String> {
        match &self.name {
            NamePattern::Path { parts, .. } => {
                let bases: Vec<&str> = parts.iter().map(|part| part.base.as_str()).collect();
                Some(bases.join("::"))
            }
            NamePattern::Glob(glob) => Some(glob.replace(['*', '?', '[', ']'], "")),
            NamePattern::Regex(_) => None,
        }
    }

    /// The pattern as one symbol's name, when it can be one.
    pub(crate) fn symbol_name(&self) -> Option<&str> {
        match &self.name {
            NamePattern::Path {
                linkage_name,
                parameters: None,
                ..
            } => linkage_name.as_deref(),
            _ => None,
        }
    }

    /// A pattern for the function that has exactly this symbol.
    pub(crate) fn for_symbol(&self, name: &str) -> Pattern {
        let parts = vec![PartPattern::new(name)];
        let name = NamePattern::Path {
            parts,
            parameters: None,
            linkage_name: Some(name.to_string()),
        };
        Pattern {
            text: self.text.clone(),
            place: self.place.clone(),
            name,
        }
    }

    /// Whether a function whose own or linkage name is `leaf` can match at all.
    pub(crate) fn may_match_leaf(&self, leaf: &str) -> bool {
        self.literal().is_none_or(|literal| base(leaf) == literal)
    }

    /// Whether the names match; the file of the declaration is not looked at.
    pub(crate) fn matches(&self, candidate: &Candidate<'_>) -> bool {
        let name = candidate.name;
        match &self.name {
            NamePattern::Path {
                parts,
                parameters: wanted,
                linkage_name,
            } => {
                let named = tail_matches(parts, name)
                    || name
                        .through_type()
                        .is_some_and(|other| tail_matches(parts, &other))
                    || (linkage_name.is_some() && linkage_name.as_deref() == candidate.linkage_name);
                named
                    && wanted
                        .as_deref()
                        .is_none_or(|wanted| parameters_match(wanted, candidate))
            }
            NamePattern::Glob(glob) => {
                let text = if glob.contains(['<', '(']) {
                    name.full()
                } else {
                    name.plain()
                };
                tail_globs(glob, &text)
                    || name
                        .through_type()
                        .is_some_and(|other| tail_globs(glob, &other.plain()))
            }
            NamePattern::Regex(regex) => regex.is_match(&name.plain()) || regex.is_match(&name.full()),
        }
    }
}

fn tail_matches(parts: &[PartPattern], name: &QualifiedName) -> bool {
    // The leaf decides for most; `may_match_leaf` relies on this very comparison.
    parts.len() <= name.parts.len()
        && parts
            .iter()
            .rev()
            .zip(name.parts.iter().rev())
            .all(|(wanted, part)| wanted.matches(part))
}

fn tail_globs(glob: &str, text: &str) -> bool {
    let mut from = 0;
    for part in split(text).into_iter().take(MOST_TAILS) {
        if glob::matches(glob.as_bytes(), &text.as_bytes()[from..]) {
            return true;
        }
        from = (from + part.len() + 2).min(text.len());
    }
    false
}

fn parameters_match(wanted: &str, candidate: &Candidate<'_>) -> bool {
    // C and Rust linkage names tell no parameters; the list is then taken as decoration.
    candidate
        .linkage_name
        .and_then(parameters)
        .is_none_or(|list| without_space(&list) == wanted)
}

/// A pattern for source files: a trailing part of the path, with `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePattern {
    text: String,
}

impl FromStr for FilePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<FilePattern, PatternError> {
        let trimmed = text.trim();
        let trimmed = trimmed.strip_prefix("./").unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Err(PatternError::Empty(text.to_string()));
        }
        Ok(FilePattern {
            text: trimmed.to_string(),
        })
    }
}

impl FilePattern {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the path is such a file: whole parts at its end, all of it for a pattern that begins with `/`.
    pub fn matches(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_encoded_bytes();
        let pattern = self.text.as_bytes();
        if pattern.starts_with(b"/") {
            return glob::matches(pattern, path);
        }
        let starts = memchr::memchr_iter(b'/', path).map(|at| at + 1);
        std::iter::once(0)
            .chain(starts)
            .any(|start| glob::matches(pattern, &path[start..]))
    }
}

#[cfg(test)]
mod tests;
