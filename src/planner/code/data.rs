//! Data among the code of a function: tables that it reads. A breakpoint there would be read as a part of them.
//!
//! Must not know: lines.
//!
//! ```text
//! lea table(%rip), %rdx       names a place in the function that no path leads to: data
//! movslq (%rdx,%rcx,4), %rax
//! add %rdx, %rax
//! jmp *%rax
//! table: .long a - table, b - table        as far as such distances go, else up to the next place that is reached
//! a: …                                     decoded anew: read as code, the table may end within an instruction
//! ```
//! Compilers put their tables elsewhere; code that is written by hand may do this.

use std::collections::BTreeSet;

use lineprof_dwarf::{AddrRange, FileAddr};
use lineprof_tracer::code::Named;

use super::{InstanceCode, Instruction};

/// Each of these is decoded around; what has more is left as it is read.
const MOST_TABLES: usize = 64;

/// Takes the data of `range`, whose bytes are given, out of the instructions.
pub(super) fn leave_out(code: &mut InstanceCode, bytes: &[u8], range: AddrRange) {
    // Hardly any function names a place of its own: the rest costs this look alone.
    let mut own = code.instructions.range(range.start..range.end);
    if !own.any(|(_, instruction)| place_named(instruction).is_some_and(|(place, _)| range.contains(place))) {
        return;
    }
    let mut roots = vec![range.start];
    for _ in 0..MOST_TABLES {
        let reached = reached(code, &roots);
        let Some((start, targets)) = first_table(code, &reached, bytes, range) else {
            return;
        };
        let next = reached.range(start..).next().copied();
        let end = targets.iter().copied().chain(next).min().unwrap_or(range.end);
        let data = AddrRange { start, end };
        code.data.push(data);
        decode_around(code, bytes, range, data);
        roots.extend(targets);
    }
}

/// All that direct paths from `roots` lead to.
fn reached(code: &InstanceCode, roots: &[FileAddr]) -> BTreeSet<FileAddr> {
    let mut seen = BTreeSet::new();
    let mut open = roots.to_vec();
    while let Some(address) = open.pop() {
        if code.instructions.contains_key(&address) && seen.insert(address) {
            open.extend(code.successors(address));
        }
    }
    seen
}

/// The place that an instruction names, and whether it only takes the address.
fn place_named(instruction: &Instruction) -> Option<(FileAddr, bool)> {
    let (offset, taken) = match instruction.names? {
        Named::Address(offset) => (offset, true),
        Named::Memory(offset) => (offset, false),
    };
    Some((super::at(instruction.base, offset), taken))
}

/// The first place in `range` that reached code names, that is not reached and is data; with where it leads.
///
/// An address that is taken may be that of code (a label of a computed goto): only a table of distances is data then.
fn first_table(
    code: &InstanceCode,
    reached: &BTreeSet<FileAddr>,
    bytes: &[u8],
    range: AddrRange,
) -> Option<(FileAddr, Vec<FileAddr>)> {
    let mut found: Option<(FileAddr, Vec<FileAddr>)> = None;
    for address in reached {
        let Some((place, taken)) = code.instruction(*address).and_then(place_named) else {
            continue;
        };
        if !range.contains(place) || reached.contains(&place) || code.is_data(place) {
            continue;
        }
        let targets = table(bytes, range, place);
        let is_first = found.as_ref().is_none_or(|(first, _)| place < *first);
        if is_first && !(taken && targets.is_empty()) {
            found = Some((place, targets));
        }
    }
    found
}

/// Where a table of distances from its own start leads; it ends where the first of these places begins.
fn table(bytes: &[u8], range: AddrRange, start: FileAddr) -> Vec<FileAddr> {
    let mut targets: Vec<FileAddr> = Vec::new();
    let from = usize::try_from(start.0 - range.start.0).unwrap_or(usize::MAX);
    let entries = bytes.get(from..).unwrap_or_default().as_chunks().0;
    for (entry, place) in entries.iter().zip((start.0..).step_by(4)) {
        let target = FileAddr(start.0.wrapping_add_signed(i64::from(i32::from_le_bytes(*entry))));
        let is_over = targets.iter().any(|target| start < *target && target.0 <= place);
        if is_over || !range.contains(target) || target == start {
            break;
        }
        targets.push(target);
    }
    // Those in front of the table are no end of it.
    targets.retain(|target| *target > start);
    targets
}

/// Decodes what lies behind `data` anew.
fn decode_around(code: &mut InstanceCode, bytes: &[u8], range: AddrRange, data: AddrRange) {
    code.instructions.retain(|address, instruction| {
        let end = address.0 + u64::from(instruction.length);
        !range.contains(*address) || end <= data.start.0
    });
    code.unreadable
        .retain(|unreadable| !range.contains(unreadable.start));
    let behind = AddrRange {
        start: data.end,
        end: range.end,
    };
    let from = usize::try_from(data.end.0 - range.start.0).unwrap_or(usize::MAX);
    code.decode_range(bytes.get(from..).unwrap_or_default(), behind);
}
