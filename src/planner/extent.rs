//! Where a function ends in its file.
//!
//! Must not know: plans, machine code.
//!
//! Debug information has the line on which a function begins and not the one on which it ends. That is the last line
//! that its code names; but where the compiler put the body of another function of the file in the place of a call,
//! rows there are of that function's lines, before or far behind.
//!
//! ```text
//! 10  static int half(int n) {…}    ◄── inside a call's ranges: not counted
//! 20  int work(int n) {             ◄── declared
//! 21      return half(n) + late(n); ◄── outside of calls' ranges, and lines that calls stand on
//! 22  }                             ◄── last
//! 90  static int late(int n) {…}    ◄── inside a call's ranges: not counted
//! ```
//! Where inlined code begins and ends, one address has rows of both functions (gcc's location views). There a line
//! is the caller's unless a callee is declared between it and the caller's last certain line. Sometimes no trace of an
//! inlined call is left but its rows: then it helps to know where the next function begins.

use std::ops::Range;
use std::path::Path;

use lineprof_dwarf::{AddrRange, FileAddr, InlinedCall, Row, SourceLine};

/// The last line of an instance in `file`, whose function can be on the lines `possible`, from its declaration on.
pub(super) fn last_line(file: &Path, possible: Range<u32>, rows: &[Row], calls: &[InlinedCall]) -> u32 {
    let in_file = |line: &&SourceLine| line.file.path() == file && possible.contains(&line.line);
    let inlined = Inlined::new(calls);
    let own = |row: &&Row| row.file.path() == file && possible.contains(&row.line);
    let own: Vec<&Row> = rows.iter().filter(own).collect();
    let certain = own
        .iter()
        .filter(|row| inlined.place(row.address) == Place::Outside);
    let outermost = calls.iter().filter(|call| call.depth == 0);
    let on_calls = outermost.filter_map(|call| call.line.as_ref()).filter(in_file);
    let certain = certain.map(|row| row.line).chain(on_calls.map(|line| line.line));
    let certain = certain.fold(possible.start, u32::max);

    let callees = calls
        .iter()
        .filter_map(|call| call.callee.as_ref())
        .filter(in_file);
    let next = callees
        .map(|callee| callee.line)
        .filter(|line| *line > certain)
        .min();
    let at_edges = own.iter().filter(|row| inlined.place(row.address) == Place::Edge);
    let before_next = at_edges
        .map(|row| row.line)
        .filter(|line| next.is_none_or(|next| *line < next));
    before_next.fold(certain, u32::max)
}

/// Where an address lies, seen from inlined code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    /// At the first address of a call's code, or the first behind it.
    Edge,
    Inside,
}

/// The code of all inlined calls.
struct Inlined {
    /// Sorted by start.
    ranges: Vec<AddrRange>,
    /// Of each range and those before it, the farthest end.
    ends: Vec<FileAddr>,
    /// Sorted.
    edges: Vec<FileAddr>,
}

impl Inlined {
    fn new(calls: &[InlinedCall]) -> Inlined {
        let mut ranges: Vec<AddrRange> = calls.iter().flat_map(|call| &call.ranges).copied().collect();
        ranges.sort_unstable();
        let farthest = |end: &mut FileAddr, range: &AddrRange| {
            *end = range.end.max(*end);
            Some(*end)
        };
        let ends = ranges.iter().scan(FileAddr(0), farthest).collect();
        let mut edges: Vec<FileAddr> = ranges.iter().flat_map(|range| [range.start, range.end]).collect();
        edges.sort_unstable();
        Inlined { ranges, ends, edges }
    }

    fn place(&self, address: FileAddr) -> Place {
        let before = self.ranges.partition_point(|range| range.start <= address);
        let inside = before
            .checked_sub(1)
            .is_some_and(|last| address < self.ends[last]);
        if self.edges.binary_search(&address).is_ok() {
            Place::Edge
        } else if inside {
            Place::Inside
        } else {
            Place::Outside
        }
    }
}
