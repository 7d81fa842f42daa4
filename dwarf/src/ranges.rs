//! The code of one instance of a function: its ranges and its entry.
//!
//! Must not know: names, lines.
//!
//! Linkers leave entries of functions they dropped (`--gc-sections`, COMDAT): their addresses become 0, 1, -1 or
//! -2 (DWARF 6 calls them tombstones). A range counts only when it lies in an executable segment.

use gimli::{AttributeValue, Dwarf, RawRngListEntry, Unit};

use crate::address::{AddrRange, FileAddr, normalised};
use crate::debug_info::Slice;
use crate::image::Image;
use crate::tree::{Facts, Value};

/// A function's ranges; a hostile list repeats without end.
const MOST_RANGES: usize = 1 << 16;

/// Where a function's code is.
#[derive(Debug)]
pub(crate) struct Code {
    /// Sorted, joined, not empty.
    pub(crate) ranges: Vec<AddrRange>,
    /// Where calls arrive, if the debug information tells.
    pub(crate) entry: Entry,
}

/// How the entry is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// By `DW_AT_entry_pc`, `DW_AT_low_pc` or since there is one range only.
    Told(FileAddr),
    /// One of several ranges' starts; this is the first of the list.
    OneOfSeveral(FileAddr),
}

pub(crate) fn code<'a>(
    image: &Image,
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    facts: &Facts<'a>,
) -> Option<Code> {
    let low = facts.low_pc.and_then(|value| address(dwarf, unit, value));
    let real: Vec<AddrRange> = listed(dwarf, unit, facts)?
        .into_iter()
        .filter(|range| is_real(image, *range))
        .collect();
    let first = real.first()?.start;
    let ranges = normalised(real);
    let inside = |address: &FileAddr| ranges.iter().any(|range| range.contains(*address));
    let told = facts.entry_pc.and_then(|value| match value {
        // DWARF 5 §2.18: a constant is an offset from the entry's base address.
        AttributeValue::Udata(offset) => Some(FileAddr(low.unwrap_or(first).0.checked_add(offset)?)),
        value => address(dwarf, unit, value),
    });
    let low_with_ranges = low.filter(|address| ranges.iter().any(|range| range.start == *address));
    let entry = match (told.filter(inside), low_with_ranges, ranges.as_slice()) {
        (Some(entry), _, _) | (None, Some(entry), _) => Entry::Told(entry),
        (None, None, [only]) => Entry::Told(only.start),
        (None, None, _) => Entry::OneOfSeveral(first),
    };
    Some(Code { ranges, entry })
}

/// An entry's ranges, as they are listed.
fn listed<'a>(dwarf: &Dwarf<Slice<'a>>, unit: &Unit<Slice<'a>>, facts: &Facts<'a>) -> Option<Vec<AddrRange>> {
    match facts.ranges {
        Some(value) => list(dwarf, unit, value),
        None => single(dwarf, unit, address(dwarf, unit, facts.low_pc?)?, facts.high_pc?),
    }
}

/// An entry's ranges as they are listed, empty ones included: of inlined code nothing may be left but a place.
pub(crate) fn with_empty<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    facts: &Facts<'a>,
) -> Vec<AddrRange> {
    let mut ranges = listed(dwarf, unit, facts).unwrap_or_default();
    ranges.extend(
        facts
            .ranges
            .and_then(|value| empty(dwarf, unit, value))
            .unwrap_or_default(),
    );
    ranges
}

/// The empty ranges of a list, which gimli leaves out.
fn empty<'a>(dwarf: &Dwarf<Slice<'a>>, unit: &Unit<Slice<'a>>, value: Value<'a>) -> Option<Vec<AddrRange>> {
    let offset = dwarf.attr_ranges_offset(unit, value).ok()??;
    let mut list = dwarf.raw_ranges(unit, offset).ok()?;
    let mut base = unit.low_pc;
    let mut ranges = Vec::new();
    while let Ok(Some(entry)) = list.next() {
        let start = match entry {
            RawRngListEntry::BaseAddress { addr } => {
                base = addr;
                continue;
            }
            RawRngListEntry::BaseAddressx { addr } => {
                base = dwarf.address(unit, addr).ok()?;
                continue;
            }
            RawRngListEntry::AddressOrOffsetPair { begin, end }
            | RawRngListEntry::OffsetPair { begin, end } => (begin == end).then(|| base.wrapping_add(begin)),
            RawRngListEntry::StartEnd { begin, end } => (begin == end).then_some(begin),
            RawRngListEntry::StartLength { begin, length } => (length == 0).then_some(begin),
            RawRngListEntry::StartxLength { begin, length: 0 } => dwarf.address(unit, begin).ok(),
            RawRngListEntry::StartxLength { .. } | RawRngListEntry::StartxEndx { .. } => None,
        };
        ranges.extend(start.map(|at| AddrRange {
            start: FileAddr(at),
            end: FileAddr(at),
        }));
        if ranges.len() >= MOST_RANGES {
            break;
        }
    }
    Some(ranges)
}

fn address(dwarf: &Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>, value: Value<'_>) -> Option<FileAddr> {
    match value {
        AttributeValue::Addr(address) => Some(FileAddr(address)),
        AttributeValue::DebugAddrIndex(index) => dwarf.address(unit, index).ok().map(FileAddr),
        _ => None,
    }
}

fn single<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    start: FileAddr,
    high: Value<'a>,
) -> Option<Vec<AddrRange>> {
    // DWARF 4 §2.17.2: a constant is the size, an address the end.
    let end = match high {
        AttributeValue::Udata(size) => FileAddr(start.0.checked_add(size)?),
        other => match other.udata_value() {
            Some(size) => FileAddr(start.0.checked_add(size)?),
            None => address(dwarf, unit, other)?,
        },
    };
    Some(vec![AddrRange { start, end }])
}

fn list<'a>(dwarf: &Dwarf<Slice<'a>>, unit: &Unit<Slice<'a>>, value: Value<'a>) -> Option<Vec<AddrRange>> {
    let mut list = dwarf.attr_ranges(unit, value).ok()??;
    let mut ranges = Vec::new();
    // A list that breaks off keeps what came before.
    while let Ok(Some(range)) = list.next() {
        ranges.push(AddrRange {
            start: FileAddr(range.begin),
            end: FileAddr(range.end),
        });
        if ranges.len() >= MOST_RANGES {
            break;
        }
    }
    Some(ranges)
}

fn is_real(image: &Image, range: AddrRange) -> bool {
    // 0 is tested apart: old linkers make one executable segment that begins there with the ELF header.
    range.start.0 != 0
        && !range.is_empty()
        && image.is_code(range.start)
        && image.is_code(FileAddr(range.end.0 - 1))
}
