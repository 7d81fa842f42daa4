//! Marks: notes that a program's source leaves in its file, to say what is to be profiled.
//!
//! Must not know: what a mark sets off, who wrote it. The writers are `src/lineprof.h` and `src/mark/note.rs`.
//!
//! A mark is a note (gabi, Note Section) in a section `.note.lineprof`, its words in the order of the processor:
//!
//! ```text
//! 00  9                  size of the name
//! 04  size               of all that follows the name
//! 08  type               1: a function, 2: a region
//! 0c  "lineprof" 0 0 0 0 the name, padded
//! 18  1                  version; a reader refuses others
//! 1c  line               of the mark
//! 20  first, last        lines of what is marked; 0 where the writer does not know (C)
//! 28  name 0 file 0      text, then zeros up to a multiple of four
//! ```
//! `name` is what `--function` would be given (a region: its own name), `file` what the compiler calls the source: often
//! a path that begins at the folder in which it was run. Nothing is an address, so nothing is relocated. Words and texts
//! may be added behind the file; a reader leaves them alone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::NoteIterator;

use crate::error::Error;
use crate::image::Image;

const SECTION: &str = ".note.lineprof";
const NAME: &[u8] = b"lineprof";
const VERSION: u32 = 1;
/// Version, line, first and last line.
const WORDS: usize = 4;

/// What is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MarkKind {
    /// A function.
    Function,
    /// Lines of a function.
    Region,
}

/// A mark in the source of a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Mark {
    /// The source file, as the compiler calls it.
    pub file: PathBuf,
    /// The line of the mark, from 1.
    pub line: u32,
    /// What is marked.
    pub kind: MarkKind,
    /// A function's name as it was written: a pattern; a region's own name.
    pub name: String,
    /// The lines that are marked, where the writer knows them. Shape: first and last, from 1.
    pub lines: Option<(u32, u32)>,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (marked at {}:{})",
            self.name,
            self.file.display(),
            self.line
        )
    }
}

impl Mark {
    /// Whether debug information that names `path` means the file of the mark.
    ///
    /// The compiler was run in some folder: there the mark's path begins, and its `..` lead out of it.
    pub fn is_in(&self, path: &Path) -> bool {
        let outside = |part: &Component<'_>| matches!(part, Component::CurDir | Component::ParentDir);
        let tail: PathBuf = self.file.components().skip_while(outside).collect();
        !tail.as_os_str().is_empty() && (path.ends_with(&tail) || resolved(path).ends_with(resolved(&tail)))
    }
}

/// The path without `..`, which lead out of the part in front of them.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            resolved.pop();
        } else {
            resolved.push(part);
        }
    }
    resolved
}

/// The marks of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marks {
    /// In order of file and line; each once, however often code with it was copied.
    pub marks: Vec<Mark>,
    /// Notes that are none, with where they begin in the section.
    pub malformed: Vec<MalformedMark>,
}

/// A note that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mark at {offset:#x} of {SECTION} {reason}")]
#[non_exhaustive]
pub struct MalformedMark {
    /// In the section.
    pub offset: u64,
    /// Why.
    pub reason: MalformedReason,
}

/// Why a note cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedReason {
    /// Its header is not one, so nothing behind it can be found either.
    #[error("breaks off")]
    Broken,
    /// Its name is not `lineprof`.
    #[error("is somebody else's note")]
    Foreign,
    /// It is of a version that is not known.
    #[error("is of version {0}: a newer lineprof reads it")]
    Version(u32),
    /// It is of a type that is not known.
    #[error("is of type {0}: a newer lineprof reads it")]
    Type(u32),
    /// Its words or texts are not complete.
    #[error("is incomplete")]
    Incomplete,
}

/// The marks of a file.
///
/// # Errors
/// The section is compressed and cannot be inflated.
pub(crate) fn marks(image: &Image) -> Result<Marks, Error> {
    Ok(read(image.section(SECTION)?))
}

fn read(section: &[u8]) -> Marks {
    let mut marks = BTreeSet::new();
    let mut malformed = Vec::new();
    let mut rest = section;
    while !rest.is_empty() {
        let offset = (section.len() - rest.len()) as u64;
        let mut refuse = |reason| malformed.push(MalformedMark { offset, reason });
        // One note at a time: the iterator does not tell where it stands.
        let note = NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, 4, rest)
            .map(|mut notes| notes.next());
        let Ok(Ok(Some(note))) = note else {
            refuse(MalformedReason::Broken);
            break;
        };
        match mark(note.name(), note.n_type(LittleEndian).0, note.desc()) {
            Ok(mark) => {
                marks.insert(mark);
            }
            Err(reason) => refuse(reason),
        }
        rest = behind(rest, note.name_bytes().len(), note.desc().len());
    }
    Marks {
        marks: marks.into_iter().collect(),
        malformed,
    }
}

/// What follows a note with a name and a descriptor of these sizes.
fn behind(notes: &[u8], name: usize, descriptor: usize) -> &[u8] {
    const HEADER: usize = 12;
    let size = HEADER + name.next_multiple_of(4) + descriptor.next_multiple_of(4);
    notes.get(size..).unwrap_or_default()
}

fn mark(name: &[u8], kind: u32, descriptor: &[u8]) -> Result<Mark, MalformedReason> {
    if name != NAME {
        return Err(MalformedReason::Foreign);
    }
    let (words, text) = descriptor
        .as_chunks::<4>()
        .0
        .split_at_checked(WORDS)
        .ok_or(MalformedReason::Incomplete)?;
    let [version, line, first, last] = words else {
        return Err(MalformedReason::Incomplete);
    };
    let [version, line, first, last] = [version, line, first, last].map(|word| u32::from_le_bytes(*word));
    if version != VERSION {
        return Err(MalformedReason::Version(version));
    }
    let kind = match kind {
        1 => MarkKind::Function,
        2 => MarkKind::Region,
        other => return Err(MalformedReason::Type(other)),
    };
    let mut texts = text.as_flattened().split_inclusive(|byte| *byte == 0);
    let mut text = || texts.next()?.strip_suffix(&[0]).filter(|text| !text.is_empty());
    let (Some(name), Some(file)) = (text(), text()) else {
        return Err(MalformedReason::Incomplete);
    };
    Ok(Mark {
        file: PathBuf::from(OsStr::from_bytes(file)),
        line,
        kind,
        name: String::from_utf8_lossy(name).into_owned(),
        lines: (first != 0 && first <= last).then_some((first, last)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, words: [u32; 4], text: &[u8]) -> Vec<u8> {
        let mut padded = text.to_vec();
        padded.resize(text.len().next_multiple_of(4), 0);
        let header = [name.len() as u32, (16 + padded.len()) as u32, kind];
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(name);
        bytes.resize(12 + name.len().next_multiple_of(4), 0);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(padded);
        bytes
    }

    fn work(line: u32) -> Vec<u8> {
        note(b"lineprof\0", 1, [1, line, 0, 0], b"work\0src/a.c\0")
    }

    fn reasons(section: &[u8]) -> Vec<MalformedReason> {
        read(section).malformed.iter().map(|one| one.reason).collect()
    }

    #[test]
    fn a_mark_has_its_name_file_and_line() {
        let marks = read(&work(12));
        let expected = Mark {
            file: "src/a.c".into(),
            line: 12,
            kind: MarkKind::Function,
            name: "work".to_owned(),
            lines: None,
        };
        assert_eq!((marks.marks, marks.malformed), (vec![expected], vec![]));
    }

    #[test]
    fn copies_of_a_mark_are_one_and_all_are_in_order() {
        let marks = read(&[work(12), work(3), work(12)].concat()).marks;
        assert_eq!(marks.iter().map(|mark| mark.line).collect::<Vec<_>>(), [3, 12]);
    }

    #[test]
    fn a_region_has_lines_unless_they_are_none() {
        let region = |first, last| {
            read(&note(b"lineprof\0", 2, [1, 5, first, last], b"load\0a.rs\0"))
                .marks
                .remove(0)
        };
        assert_eq!(
            (region(5, 9).kind, region(5, 9).lines),
            (MarkKind::Region, Some((5, 9)))
        );
        assert_eq!((region(0, 9).lines, region(9, 5).lines), (None, None));
    }

    #[test]
    fn what_is_no_mark_is_told_and_what_follows_is_read() {
        let name = b"lineprof\0";
        let cases = [
            (
                note(b"GNU\0", 1, [1, 1, 0, 0], b"a\0b\0"),
                MalformedReason::Foreign,
            ),
            (
                note(name, 1, [2, 1, 0, 0], b"a\0b\0"),
                MalformedReason::Version(2),
            ),
            (note(name, 9, [1, 1, 0, 0], b"a\0b\0"), MalformedReason::Type(9)),
            (
                note(name, 1, [1, 1, 0, 0], b"a\0bcdefg"),
                MalformedReason::Incomplete,
            ),
            (note(name, 1, [1, 1, 0, 0], b"\0b\0"), MalformedReason::Incomplete),
            (note(name, 1, [1, 1, 0, 0], b""), MalformedReason::Incomplete),
        ];
        for (bytes, reason) in cases {
            let marks = read(&[bytes, work(7)].concat());
            assert_eq!(
                marks.malformed.iter().map(|one| one.reason).collect::<Vec<_>>(),
                [reason]
            );
            assert_eq!(marks.marks.len(), 1, "{reason}");
        }
    }

    #[test]
    fn a_section_that_breaks_off_is_read_up_to_there() {
        let whole = [work(1), work(2)].concat();
        let first = work(1).len();
        for end in first + 1..whole.len() {
            let marks = read(&whole[..end]);
            assert_eq!(marks.marks.len(), 1, "{end} bytes");
            assert_eq!(marks.malformed[0].offset, first as u64);
        }
        assert_eq!(reasons(&[0xff; 12]), [MalformedReason::Broken]);
        assert_eq!(reasons(&[0]), [MalformedReason::Broken]);
    }

    #[test]
    fn any_bytes_are_read_to_their_end() {
        let whole = [work(1), work(2), work(3)].concat();
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let marks = read(&bytes);
                assert!(marks.marks.len() + marks.malformed.len() <= bytes.len() / 12 + 1);
            }
        }
    }

    #[test]
    fn the_file_of_a_mark_begins_where_the_compiler_was_run() {
        let mark = |file: &str| Mark {
            file: file.into(),
            ..read(&work(1)).marks.remove(0)
        };
        for (file, path) in [
            ("a.c", "/home/me/src/a.c"),
            ("./src/a.c", "/home/me/src/a.c"),
            ("../src/a.c", "/home/me/build/../src/a.c"),
            ("../src/a.c", "/home/me/src/a.c"),
            ("lib/../src/a.c", "/home/me/lib/../src/a.c"),
            ("/home/me/src/a.c", "/home/me/src/a.c"),
        ] {
            assert!(mark(file).is_in(Path::new(path)), "{file} {path}");
        }
        for (file, path) in [
            ("a.c", "/home/me/src/ba.c"),
            ("lib/a.c", "/home/me/src/a.c"),
            ("..", "/a/.."),
        ] {
            assert!(!mark(file).is_in(Path::new(path)), "{file} {path}");
        }
    }
}
