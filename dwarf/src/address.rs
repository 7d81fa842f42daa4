//! Addresses as a file states them.
//!
//! Must not know: where a process maps the file. A `FileAddr` is an ELF virtual address before any load
//! bias; turning it into an address of a process is somebody else's work.

use std::fmt;

/// An address as the file states it (ELF virtual address).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileAddr(pub u64);

impl fmt::Display for FileAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for FileAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A half-open range of file addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddrRange {
    /// First address inside.
    pub start: FileAddr,
    /// First address after the range.
    pub end: FileAddr,
}

impl AddrRange {
    /// Whether `address` lies inside.
    pub fn contains(&self, address: FileAddr) -> bool {
        self.start <= address && address < self.end
    }

    /// Whether no address lies inside; true as well for a range whose end comes before its start.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Length in bytes; 0 for a range whose end comes before its start.
    pub fn len(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }
}

/// `ranges` sorted, without empty ones, overlapping or touching ones joined.
pub(crate) fn normalised(mut ranges: Vec<AddrRange>) -> Vec<AddrRange> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable();
    let mut joined: Vec<AddrRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange {
            start: FileAddr(start),
            end: FileAddr(end),
        }
    }

    #[test]
    fn touching_and_overlapping_ranges_are_joined_and_empty_ones_dropped() {
        let ranges = vec![
            range(8, 9),
            range(5, 5),
            range(1, 3),
            range(2, 4),
            range(4, 5),
            range(7, 6),
        ];
        assert_eq!(normalised(ranges), vec![range(1, 5), range(8, 9)]);
    }
}
