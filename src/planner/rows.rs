//! Which rows of the line table begin a line: the lines of each address.
//!
//! Must not know: plans, processes. Rows and code in, lines by address out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lineprof_dwarf::{FileAddr, Instance, Row};

use super::code::InstanceCode;

/// A line of the source as a row names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowLine<'r> {
    pub(super) file: &'r Path,
    pub(super) line: u32,
}

fn line_of(row: &Row) -> Option<RowLine<'_>> {
    (row.line != 0).then(|| RowLine {
        file: row.file.path(),
        line: row.line,
    })
}

/// The lines that begin at each address, in the order of their rows.
///
/// - Rows with `is_stmt` and a line.
/// - Optimised code: a line that has no such row uses its other rows (gcc gives whole functions none).
/// - Unoptimised code: a place that is jumped to and begins no line begins the one that covers it. Without these
///   a loop that closes on one line, and a line that is reached over the end of another, would not be seen.
pub(super) fn lines_by_address<'r>(
    rows: &'r [Row],
    instance: &Instance,
    code: &InstanceCode,
) -> BTreeMap<FileAddr, Vec<RowLine<'r>>> {
    let with_statement: BTreeSet<RowLine<'_>> = rows
        .iter()
        .filter(|row| row.is_statement)
        .filter_map(line_of)
        .collect();
    let mut lines: BTreeMap<FileAddr, Vec<RowLine<'r>>> = BTreeMap::new();
    for row in rows {
        let Some(line) = line_of(row) else { continue };
        if row.is_statement || (instance.optimised && !with_statement.contains(&line)) {
            let here = lines.entry(row.address).or_default();
            if here.last() != Some(&line) {
                here.push(line);
            }
        }
    }
    if !instance.optimised {
        for target in code.jump_targets() {
            let covering = rows.partition_point(|row| row.address <= target).checked_sub(1);
            if let Some(line) = covering.and_then(|index| line_of(&rows[index])) {
                lines.entry(target).or_insert_with(|| vec![line]);
            }
        }
    }
    lines
}
