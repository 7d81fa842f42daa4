//! The code of other functions inside an instance: calls that the compiler replaced by the callee's body.
//!
//! Must not know: rows, what callers conclude.
//!
//! ```text
//! DW_TAG_subprogram               the instance
//! ├─ DW_TAG_inlined_subroutine    a call: its ranges, the line it stands on, the function called
//! │  └─ DW_TAG_inlined_subroutine   a call that the inlined code makes: one deeper
//! ├─ DW_TAG_lexical_block
//! │  └─ DW_TAG_inlined_subroutine a call
//! └─ DW_TAG_subprogram            another function: nested, or a class's inside this one
//! ```
//! Source: DWARF 5 §3.3.8.2.

use std::collections::{BTreeSet, HashMap};

use gimli::UnitOffset;

use crate::address::AddrRange;
use crate::debug_info::{DebugInfo, LoadedUnit};
use crate::ranges;
use crate::source_path::{SourceLine, file_of};
use crate::tree::{Facts, Link, facts_at, read_facts};

/// Longest chain of origins followed to a declaration.
const MOST_LINKS: usize = 8;

/// A call in whose place the compiler put the callee's body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InlinedCall {
    /// The callee's code, as the debug information lists it. Shape: in no order. A range may be empty: rows of the
    /// callee stand there all the same.
    pub ranges: Vec<AddrRange>,
    /// The line of the caller that the call stands on, where the debug information tells.
    pub line: Option<SourceLine>,
    /// Where the callee is declared, where the same unit tells.
    pub callee: Option<SourceLine>,
    /// How many inlined calls this one is inside of.
    pub depth: usize,
}

/// The calls inlined into the functions whose entries are at `offsets` of the unit, by offset.
///
/// Each entry is read once, however functions nest. With an error when the unit is malformed, and then what came
/// before.
pub(crate) fn calls<'a>(
    info: &DebugInfo<'a>,
    unit: &LoadedUnit<'a>,
    offsets: &BTreeSet<usize>,
) -> (HashMap<usize, Vec<InlinedCall>>, Option<gimli::Error>) {
    let mut calls: HashMap<usize, Vec<InlinedCall>> = HashMap::new();
    let mut found = |owner: Owner, facts: &Facts<'a>| {
        calls.entry(owner.function).or_default().push(InlinedCall {
            ranges: ranges::with_empty(info.dwarf(unit), &unit.unit, facts),
            line: line(info, unit, facts.call_file, facts.call_line),
            callee: callee(info, unit, facts),
            depth: owner.depth,
        });
    };
    let mut error = None;
    let mut next = offsets.first().copied();
    while let (Some(offset), None) = (next, error) {
        match below(unit, offset, offsets, &mut found) {
            Ok(end) => next = offsets.range(end.max(offset + 1)..).next().copied(),
            Err(malformed) => error = Some(malformed),
        }
    }
    (calls, error)
}

fn line<'a>(
    info: &DebugInfo<'a>,
    unit: &LoadedUnit<'a>,
    file: Option<u64>,
    line: Option<u64>,
) -> Option<SourceLine> {
    Some(SourceLine {
        file: file_of(info, unit, file?)?.into(),
        line: u32::try_from(line?).ok().filter(|line| *line > 0)?,
    })
}

/// The first entry of the call's chain of origins that says where it is declared.
fn callee<'a>(info: &DebugInfo<'a>, unit: &LoadedUnit<'a>, call: &Facts<'a>) -> Option<SourceLine> {
    let mut origin = call.origin?;
    for _ in 0..MOST_LINKS {
        let Link::Unit(offset) = origin else { return None };
        let (_, facts) = facts_at(&unit.unit, offset)?;
        if facts.decl_line.is_some() {
            return line(info, unit, facts.decl_file, facts.decl_line);
        }
        origin = facts.origin?;
    }
    None
}

/// A function that is asked for, and how many inlined calls are open below it.
#[derive(Clone, Copy)]
struct Owner {
    function: usize,
    depth: usize,
}

/// Gives `found` the inlined calls of the entry at `offset`, and of those of `offsets` below it; where it ends.
fn below<'a>(
    unit: &LoadedUnit<'a>,
    offset: usize,
    offsets: &BTreeSet<usize>,
    found: &mut impl FnMut(Owner, &Facts<'a>),
) -> gimli::Result<usize> {
    let header = &unit.unit.header;
    let mut entries = header.entries_raw(&unit.unit.abbreviations, Some(UnitOffset(offset)))?;
    let first = entries.next_depth();
    // Open functions and calls, and whose the calls below them are.
    let mut open: Vec<(isize, Option<Owner>)> = Vec::new();
    while !entries.is_empty() {
        let (at, depth) = (entries.next_offset().0, entries.next_depth());
        let abbreviation = entries.read_abbreviation()?;
        while open.pop_if(|(outer, _)| *outer >= depth).is_some() {}
        let Some(abbreviation) = abbreviation else {
            if entries.next_depth() <= first {
                break;
            }
            continue;
        };
        let owner = open.last().and_then(|(_, owner)| *owner);
        match (abbreviation.tag(), owner) {
            (gimli::DW_TAG_inlined_subroutine, Some(owner)) => {
                found(owner, &read_facts(&mut entries, abbreviation)?);
                let depth_below = owner.depth + 1;
                open.push((
                    depth,
                    Some(Owner {
                        depth: depth_below,
                        ..owner
                    }),
                ));
            }
            (gimli::DW_TAG_subprogram, _) => {
                entries.skip_attributes(abbreviation.attributes())?;
                let asked = offsets.get(&at);
                open.push((depth, asked.map(|&function| Owner { function, depth: 0 })));
            }
            _ => entries.skip_attributes(abbreviation.attributes())?,
        }
        if depth == first && !abbreviation.has_children() {
            break;
        }
    }
    Ok(entries.next_offset().0)
}
