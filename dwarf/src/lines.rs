//! A unit's line table, decoded once.
//!
//! Must not know: functions. It answers for address ranges.
//!
//! Rows of all sequences are kept in address order, and in file order within one address: several rows of one
//! address are several events for a profiler. Sequences may overlap, run backwards or wrap around in hostile
//! files; sorting makes that harmless.

use std::collections::HashMap;
use std::sync::Arc;

use crate::address::{AddrRange, FileAddr};
use crate::debug_info::{DebugInfo, LoadedUnit};
use crate::source_path::{SourceLine, SourcePath, file_of};

/// Rows of one unit; the largest known unit has 2 million.
const MOST_ROWS: usize = 50_000_000;

/// A row of the line table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// First address of the row.
    pub address: FileAddr,
    /// The source file; of an empty path when the line table names none.
    pub file: Arc<SourcePath>,
    /// The line, from 1; 0 when the code belongs to no line.
    pub line: u32,
    /// Whether a statement begins here (`is_stmt`, DWARF 5 §6.2.2).
    pub is_statement: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    address: u64,
    file: u32,
    line: u32,
    is_statement: bool,
}

/// A unit's rows and the files they name.
#[derive(Debug)]
pub(crate) struct LineTable {
    rows: Vec<Stored>,
    files: HashMap<u32, Arc<SourcePath>>,
}

/// Why there is no line table.
#[derive(Debug)]
pub(crate) enum NoTable {
    Malformed(gimli::Error),
    TooManyRows(usize),
}

impl LineTable {
    pub(crate) fn empty() -> LineTable {
        LineTable {
            rows: Vec::new(),
            files: HashMap::new(),
        }
    }

    pub(crate) fn read<'a>(info: &DebugInfo<'a>, unit: &LoadedUnit<'a>) -> Result<LineTable, NoTable> {
        let mut table = LineTable::empty();
        let Some(program) = unit.unit.line_program.clone() else {
            return Ok(table);
        };
        let mut rows = program.rows();
        while let Some((_, row)) = rows.next_row().map_err(NoTable::Malformed)? {
            if row.end_sequence() {
                continue;
            }
            if table.rows.len() >= MOST_ROWS {
                return Err(NoTable::TooManyRows(MOST_ROWS));
            }
            table.rows.push(Stored {
                address: row.address(),
                file: u32::try_from(row.file_index()).unwrap_or(u32::MAX),
                // A line beyond 32 bits is no line of a real file.
                line: row
                    .line()
                    .map_or(0, |line| u32::try_from(line.get()).unwrap_or(0)),
                is_statement: row.is_stmt(),
            });
        }
        // Stable: rows of one address keep the order of the file.
        table.rows.sort_by_key(|row| row.address);
        let nowhere = Arc::new(SourcePath::new(std::path::PathBuf::new()));
        for row in &table.rows {
            table.files.entry(row.file).or_insert_with(|| {
                file_of(info, unit, u64::from(row.file)).map_or_else(|| Arc::clone(&nowhere), Arc::new)
            });
        }
        Ok(table)
    }

    /// File and line of the first row at an address that has a line.
    pub(crate) fn line_at(&self, address: FileAddr) -> Option<SourceLine> {
        let first = self.rows.partition_point(|row| row.address < address.0);
        let mut here = self
            .rows
            .iter()
            .skip(first)
            .take_while(|row| row.address == address.0);
        let row = here.find(|row| row.line != 0)?;
        Some(SourceLine {
            file: Arc::clone(self.files.get(&row.file)?),
            line: row.line,
        })
    }

    /// The rows inside `ranges`, which are sorted and do not overlap.
    pub(crate) fn rows(&self, ranges: &[AddrRange]) -> Vec<Row> {
        let mut rows = Vec::new();
        for range in ranges {
            let first = self.rows.partition_point(|row| row.address < range.start.0);
            let inside = self
                .rows
                .iter()
                .skip(first)
                .take_while(|row| row.address < range.end.0);
            rows.extend(inside.filter_map(|row| {
                Some(Row {
                    address: FileAddr(row.address),
                    file: Arc::clone(self.files.get(&row.file)?),
                    line: row.line,
                    is_statement: row.is_statement,
                })
            }));
        }
        rows
    }
}
