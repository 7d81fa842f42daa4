//! Which units can hold anything about a function of a given name.
//!
//! Must not know: patterns, paths, what a match is. It takes a test on names and literals every matching name
//! begins with.
//!
//! A unit is left out only when it cannot matter, so the answer equals the full scan's:
//!
//! 1. A function's name is a string: in `.debug_str` or `.debug_line_str` (of either file) or inside
//!    `.debug_info`. A string that passes the test begins with the literal, so each occurrence of the literal is
//!    tried, also in the middle of other strings: linkers share tails.
//! 2. An entry with that name holds the string's offset (`DW_FORM_strp` and its like), the string itself
//!    (`DW_FORM_string`), or an index of the unit's part of `.debug_str_offsets` that holds the offset
//!    (`DW_FORM_strx`). Searching those bytes finds every such unit. What matches by accident is read in vain.
//! 3. An entry without a name refers to one that has it. In the same unit, 2 has found it. In another unit
//!    (`DW_FORM_ref_addr`: link-time optimisation, dwz), the entry's offset is searched as the strings' were, until
//!    nothing new comes up (`search.rs`).
//!
//! Searching bytes runs at the speed of memory: 28 ms for the 174 MB of a kernel's debug information, where
//! reading the entries takes 270 to 750 ms. Offsets with many false hits and names with many offsets end in
//! [`Candidates::Every`].

use std::cell::Cell;
use std::collections::BTreeSet;

use gimli::{DW_AT_str_offsets_base, Section};
use memchr::memmem;

use crate::debug_info::{Book, DebugInfo, LONGEST_NAME, UnitId, Volume, end_of, start_of};

/// More offsets than this are not searched one by one.
const MOST_NEEDLES: usize = 64;

/// More bytes of names than this are not tried: in a hostile file the literal begins at every few bytes of one string of
/// megabytes.
const MOST_TRIED: usize = 64 << 20;

/// Which units to read.
#[derive(Debug)]
pub(crate) enum Candidates {
    /// Only these can matter.
    Only(BTreeSet<UnitId>),
    /// Too many to tell apart cheaply.
    Every,
}

/// Units that hold a name that begins with one of `literals` and passes `test`.
pub(crate) fn by_name(info: &DebugInfo<'_>, literals: &[&str], test: &dyn Fn(&str) -> bool) -> Candidates {
    let mut found = BTreeSet::new();
    let test = &Test {
        passes: test,
        left: Cell::new(MOST_TRIED),
    };
    for book in [Book::Main, Book::Supplementary] {
        let Some(volume) = info.volume(book) else {
            continue;
        };
        let dwarf = &volume.dwarf;
        let strings = offsets(dwarf.debug_str.reader().slice(), literals, test);
        let mut needles = strings.clone();
        needles.extend(offsets(dwarf.debug_line_str.reader().slice(), literals, test));
        if let (Book::Main, Some(other)) = (book, info.volume(Book::Supplementary)) {
            needles.extend(offsets(other.dwarf.debug_str.reader().slice(), literals, test));
        }
        needles.sort_unstable();
        needles.dedup();
        if needles.len() > MOST_NEEDLES {
            return Candidates::Every;
        }
        let in_book = |index| UnitId { book, index };
        found.extend(units_with(volume, &needles).into_iter().map(in_book));
        found.extend(units_with_inline(volume, literals, test).into_iter().map(in_book));
        found.extend(units_with_index(volume, &strings).into_iter().map(in_book));
    }
    if test.is_given_up() {
        return Candidates::Every;
    }
    Candidates::Only(found)
}

/// A test on names that is given up after too much of it.
struct Test<'t> {
    passes: &'t dyn Fn(&str) -> bool,
    /// Bytes that may still be looked at.
    left: Cell<usize>,
}

impl Test<'_> {
    /// Whether the string at `at` passes; it never does when the test has been given up.
    fn passes(&self, section: &[u8], at: usize) -> bool {
        if self.is_given_up() {
            return false;
        }
        let rest = section.get(at..).unwrap_or(&[]);
        // No longer than names are read anywhere.
        let rest = rest.get(..rest.len().min(LONGEST_NAME)).unwrap_or(rest);
        let text = rest
            .get(..memchr::memchr(0, rest).unwrap_or(rest.len()))
            .unwrap_or(&[]);
        self.left.set(self.left.get().saturating_sub(text.len() + 1));
        (self.passes)(&String::from_utf8_lossy(text))
    }

    fn is_given_up(&self) -> bool {
        self.left.get() == 0
    }
}

/// Units of `book` that hold one of the offsets, as a reference to an entry has it.
pub(crate) fn by_reference(info: &DebugInfo<'_>, book: Book, offsets: &[usize]) -> Candidates {
    if offsets.len() > MOST_NEEDLES {
        return Candidates::Every;
    }
    let Some(volume) = info.volume(book) else {
        return Candidates::Only(BTreeSet::new());
    };
    let mut needles: Vec<u32> = offsets.iter().map(|&offset| low_word(offset)).collect();
    needles.sort_unstable();
    needles.dedup();
    Candidates::Only(
        units_with(volume, &needles)
            .into_iter()
            .map(|index| UnitId { book, index })
            .collect(),
    )
}

/// Whether entries of the main file can refer to entries of other units for their name.
pub(crate) fn has_links_between_units(info: &DebugInfo<'_>) -> bool {
    let has = |book: Book| {
        info.volume(book).is_some_and(|volume| {
            let abbreviations = volume.dwarf.debug_abbrev.reader().slice();
            // DW_AT_abstract_origin 0x31 and DW_AT_specification 0x47 as DW_FORM_ref_addr 0x10 or DW_FORM_indirect
            // 0x16, each one byte of LEB128 (DWARF 5 §7.5.3). Other bytes may look the same: that only costs time.
            [[0x31, 0x10], [0x47, 0x10], [0x31, 0x16], [0x47, 0x16]]
                .iter()
                .any(|pair| memmem::find(abbreviations, pair).is_some())
        })
    };
    info.volume(Book::Supplementary).is_some() || has(Book::Main)
}

/// The part of an offset that is there in the 4-byte and, little-endian, in the 8-byte forms.
fn low_word(offset: usize) -> u32 {
    (offset & 0xffff_ffff) as u32
}

/// Where strings that pass `test` begin.
fn offsets(section: &[u8], literals: &[&str], test: &Test<'_>) -> Vec<u32> {
    let mut found = Vec::new();
    for literal in literals {
        for at in memmem::find_iter(section, literal.as_bytes()) {
            if test.passes(section, at) {
                found.push(low_word(at));
                // Beyond the limit the caller gives up; do not collect millions.
                if found.len() > MOST_NEEDLES {
                    return found;
                }
            }
        }
    }
    found
}

/// Units in which one of the needles occurs, in any alignment.
fn units_with(volume: &Volume<'_>, needles: &[u32]) -> BTreeSet<usize> {
    let section = volume.dwarf.debug_info.reader().slice();
    let needles: Vec<[u8; 4]> = needles.iter().map(|needle| needle.to_le_bytes()).collect();
    let mut found = BTreeSet::new();
    // Few needles are fastest one by one; many in one pass with several at a time.
    let together = (needles.len() > 3)
        .then(|| aho_corasick::packed::Searcher::new(&needles))
        .flatten();
    if let Some(searcher) = together {
        each_unit(volume, &mut found, |from| {
            let span = aho_corasick::Span {
                start: from,
                end: section.len(),
            };
            searcher.find_in(section, span).map(|hit| hit.start())
        });
    } else {
        for needle in &needles {
            let finder = memmem::Finder::new(needle);
            each_unit(volume, &mut found, |from| {
                Some(from + finder.find(section.get(from..)?)?)
            });
        }
    }
    found
}

/// Calls `next` for the next occurrence from an offset on, and goes on behind the unit that holds it.
fn each_unit(volume: &Volume<'_>, found: &mut BTreeSet<usize>, next: impl Fn(usize) -> Option<usize>) {
    let mut from = 0;
    while let Some(at) = next(from) {
        let index = volume
            .headers
            .partition_point(|header| start_of(header) <= at)
            .saturating_sub(1);
        let Some(header) = volume.headers.get(index) else {
            return;
        };
        if at < end_of(header) {
            found.insert(index);
        }
        from = end_of(header).max(at + 1);
    }
}

/// Units that hold such a name themselves (`DW_FORM_string`).
fn units_with_inline(volume: &Volume<'_>, literals: &[&str], test: &Test<'_>) -> BTreeSet<usize> {
    let section = volume.dwarf.debug_info.reader().slice();
    let mut found = BTreeSet::new();
    for literal in literals {
        let finder = memmem::Finder::new(literal.as_bytes());
        each_unit(volume, &mut found, |from| {
            let hits = finder.find_iter(section.get(from..)?);
            hits.map(|at| from + at).find(|&at| test.passes(section, at))
        });
    }
    found
}

/// Units whose part of `.debug_str_offsets` holds one of the string offsets.
fn units_with_index(volume: &Volume<'_>, strings: &[u32]) -> BTreeSet<usize> {
    let section = volume.dwarf.debug_str_offsets.reader().slice();
    let mut hits: Vec<usize> = Vec::new();
    for string in strings {
        hits.extend(memmem::find_iter(section, &string.to_le_bytes()));
    }
    if hits.is_empty() {
        return BTreeSet::new();
    }
    let uses = |index: &usize| match part_of_unit(volume, *index, section) {
        Part::None => false,
        Part::Unknown => true,
        Part::Known(range) => hits.iter().any(|hit| range.contains(hit)),
    };
    (0..volume.headers.len()).filter(uses).collect()
}

/// A unit's part of `.debug_str_offsets`.
enum Part {
    None,
    Unknown,
    Known(std::ops::Range<usize>),
}

fn part_of_unit(volume: &Volume<'_>, index: usize, section: &[u8]) -> Part {
    let Some(header) = volume.headers.get(index) else {
        return Part::None;
    };
    if header.version() < 5 {
        return Part::None;
    }
    let Ok(abbreviations) = volume.dwarf.abbreviations(header) else {
        return Part::Unknown;
    };
    let mut entries = header.entries(&abbreviations);
    let Ok(Some(root)) = entries.next_dfs() else {
        return Part::Unknown;
    };
    let base = match root.attr_value(DW_AT_str_offsets_base) {
        Some(gimli::AttributeValue::DebugStrOffsetsBase(base)) => base.0,
        // Without a base gimli takes the default, the first part.
        _ => return Part::Unknown,
    };
    // DWARF 5 §7.26: length (4), version (2), padding (2), then the offsets; the length counts from the version.
    match word_at(section, base.wrapping_sub(8)) {
        Some(length) if length < 0xffff_fff0 => Part::Known(base..(base - 4).saturating_add(length as usize)),
        _ => Part::Unknown,
    }
}

fn word_at(section: &[u8], at: usize) -> Option<u32> {
    let bytes: [u8; 4] = section.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}
