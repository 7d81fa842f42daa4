//! How often control came to each site from which other one.
//!
//! Must not know: lines, memory, frames.
//!
//! Each site has a small array of the sites it was reached from; the slot used last is tried first. The head of a loop
//! over a `switch` has hundreds of them, which one pass over packed numbers finds in some ten nanoseconds.
//!
//! Read on in `occurrences`, which makes counts of lines out of it.

use crate::plan::SiteIndex;

/// What a frame passed before it came to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Previous {
    /// Nothing: the frame has just been entered.
    Entry,
    /// Unknown: the frame was first seen here, in the middle of its function.
    Adopted,
    /// The last site with a line.
    Site(SiteIndex),
}

/// Counts of the steps from site to site, within frames.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    sites: Vec<Incoming>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Incoming {
    /// The slot that was counted last.
    latest: usize,
    previous: Vec<PackedPrevious>,
    counts: Vec<u64>,
}

/// [`Previous`] in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedPrevious(u32);

impl PackedPrevious {
    pub(super) const ENTRY: PackedPrevious = PackedPrevious(u32::MAX);
    pub(super) const ADOPTED: PackedPrevious = PackedPrevious(u32::MAX - 1);

    pub(super) fn site(site: SiteIndex) -> PackedPrevious {
        PackedPrevious(site.0)
    }

    pub(super) fn unpack(self) -> Previous {
        match self {
            PackedPrevious::ENTRY => Previous::Entry,
            PackedPrevious::ADOPTED => Previous::Adopted,
            PackedPrevious(site) => Previous::Site(SiteIndex(site)),
        }
    }
}

impl From<Previous> for PackedPrevious {
    fn from(previous: Previous) -> PackedPrevious {
        match previous {
            Previous::Entry => PackedPrevious::ENTRY,
            Previous::Adopted => PackedPrevious::ADOPTED,
            Previous::Site(site) => PackedPrevious::site(site),
        }
    }
}

impl EdgeCounts {
    /// Counts `times` steps from `previous` to `site`.
    pub fn add(&mut self, previous: Previous, site: SiteIndex, times: u64) {
        if self.sites.len() <= site.index() {
            self.grow(site.index() + 1);
        }
        self.sites[site.index()].add(previous.into(), times);
    }

    /// All steps that were seen.
    ///
    /// Shape: ordered by the site reached; each pair once.
    pub fn iter(&self) -> impl Iterator<Item = (Previous, SiteIndex, u64)> {
        self.sites.iter().zip(0..).flat_map(|(incoming, site)| {
            let previous = incoming.previous.iter().map(|packed| packed.unpack());
            previous
                .zip(&incoming.counts)
                .map(move |(previous, &count)| (previous, SiteIndex(site), count))
        })
    }

    /// The steps that reached `site`.
    pub fn into_site(&self, site: SiteIndex) -> impl Iterator<Item = (Previous, u64)> {
        self.sites.get(site.index()).into_iter().flat_map(|incoming| {
            incoming
                .previous
                .iter()
                .map(|packed| packed.unpack())
                .zip(incoming.counts.iter().copied())
        })
    }

    pub(super) fn grow(&mut self, sites: usize) {
        self.sites.resize_with(sites, Incoming::default);
    }

    pub(super) fn count(&mut self, previous: PackedPrevious, site: SiteIndex, times: u64) {
        self.sites[site.index()].add(previous, times);
    }
}

impl Incoming {
    fn add(&mut self, previous: PackedPrevious, times: u64) {
        if self.previous.get(self.latest) != Some(&previous) {
            self.latest = match self.previous.iter().position(|&known| known == previous) {
                Some(slot) => slot,
                None => {
                    self.previous.push(previous);
                    self.counts.push(0);
                    self.previous.len() - 1
                }
            };
        }
        self.counts[self.latest] += times;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_by_pair() {
        let mut edges = EdgeCounts::default();
        edges.add(Previous::Entry, SiteIndex(2), 1);
        edges.add(Previous::Site(SiteIndex(0)), SiteIndex(2), 3);
        edges.add(Previous::Entry, SiteIndex(2), 1);
        edges.add(Previous::Adopted, SiteIndex(0), 1);
        let seen: Vec<_> = edges.iter().collect();
        assert_eq!(
            seen,
            [
                (Previous::Adopted, SiteIndex(0), 1),
                (Previous::Entry, SiteIndex(2), 2),
                (Previous::Site(SiteIndex(0)), SiteIndex(2), 3),
            ]
        );
        assert_eq!(edges.into_site(SiteIndex(2)).count(), 2);
    }
}
