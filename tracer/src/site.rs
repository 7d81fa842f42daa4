//! Breakpoint sites of one address space.
//!
//! Must not know: how a byte gets into memory, which thread hit what.
//!
//! A site is physical: one address, one byte. Who wants it and why is the client's business.

use crate::addr::{RemoteAddr, RemoteRange};
use crate::ids::SiteId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use thiserror::Error;

/// A place to break at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRequest {
    /// The first byte of an instruction.
    pub address: RemoteAddr,
    /// The instruction as the file has it. Memory that differs is not broken into: it is not the code
    /// that the client thinks it is.
    pub instruction: Vec<u8>,
}

/// Why a site was not planted. Normal, counted and shown; never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The bytes are no instruction.
    #[error("not an instruction")]
    Undecodable,
    /// Somebody else has put a breakpoint there: the file has none.
    #[error("a breakpoint is there already")]
    ForeignBreakpoint,
    /// Memory does not hold what the file holds.
    #[error("the code in memory differs from the file")]
    Changed,
    /// The address is in no executable private mapping of a file.
    #[error("no executable private mapping of a file is there")]
    NotCode,
    /// The kernel did not let the byte be written.
    #[error("the kernel refused to write there")]
    WriteRefused,
}

/// How a hit site's instruction is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Not chosen yet: the first hit chooses for all.
    Open,
    /// From a copy at this address.
    Displaced(RemoteAddr),
    /// At its own place, with everybody else held.
    InPlace,
    /// It has run: it is a breakpoint of the program's own, and the program gets its signal.
    Own,
    /// In a copy of its routine, which counts it (`inline`).
    Inline,
}

/// One planted site.
#[derive(Clone, Debug)]
pub(crate) struct BreakpointSite {
    pub(crate) address: RemoteAddr,
    /// What the memory held; never a byte of ours.
    pub(crate) original: Vec<u8>,
    pub(crate) way: Way,
    pub(crate) memory: Memory,
}

/// Whether the memory that a site was planted in is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Mapped,
    /// Unmapped since: what lies at the address now is none of ours.
    Gone,
}

impl BreakpointSite {
    /// Whether a thread that stands behind the breakpoint's byte can have got there by the breakpoint alone.
    ///
    /// Else the kernel is asked where the trap came from, which costs a twentieth of a hit (`tests/bench`). Behind
    /// an instruction of one byte the next one begins, and a `lock` is jumped over by programs that find
    /// themselves alone (glibc before 2.38).
    pub(crate) fn only_we_stop_behind(&self) -> bool {
        const LOCK: u8 = 0xF0;
        self.original.len() > 1 && self.original[0] != LOCK
    }
}

/// The sites of an address space, found by address in constant time.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteTable {
    sites: Vec<BreakpointSite>,
    by_address: HashMap<RemoteAddr, SiteId, BuildHasherDefault<AddressHasher>>,
}

impl SiteTable {
    /// Adds a site, or finds the one that is there.
    ///
    /// One whose memory was gone comes back when the same code is there again: a library that is loaded again
    /// and again needs no new copies of its instructions.
    pub(crate) fn add(&mut self, address: RemoteAddr, original: Vec<u8>, way: Way) -> SiteId {
        if let Some(id) = self.by_address.get(&address) {
            let site = &mut self.sites[id.index()];
            if site.memory == Memory::Mapped || site.original == original {
                site.memory = Memory::Mapped;
                return *id;
            }
        }
        let id = SiteId(u32::try_from(self.sites.len()).unwrap_or(u32::MAX));
        self.sites.push(BreakpointSite {
            address,
            original,
            way,
            memory: Memory::Mapped,
        });
        self.by_address.insert(address, id);
        id
    }

    pub(crate) fn at(&self, address: RemoteAddr) -> Option<SiteId> {
        let id = self.by_address.get(&address).copied()?;
        (self.get(id).memory == Memory::Mapped).then_some(id)
    }

    /// The memory of `range` has been unmapped.
    pub(crate) fn unmapped(&mut self, range: RemoteRange) {
        for site in self.sites.iter_mut().filter(|site| range.contains(site.address)) {
            site.memory = Memory::Gone;
        }
    }

    pub(crate) fn get(&self, id: SiteId) -> &BreakpointSite {
        &self.sites[id.index()]
    }

    pub(crate) fn all(&self) -> &[BreakpointSite] {
        &self.sites
    }

    /// The sites where a byte of ours is.
    pub(crate) fn armed(&self) -> impl Iterator<Item = &BreakpointSite> {
        self.sites
            .iter()
            .filter(|site| site.way != Way::Own && site.memory == Memory::Mapped)
    }

    pub(crate) fn all_mut(&mut self) -> &mut [BreakpointSite] {
        &mut self.sites
    }

    /// Puts the original bytes into `bytes`, which were read at `start`, where sites lie among them.
    pub(crate) fn mask(&self, start: RemoteAddr, bytes: &mut [u8]) {
        for (offset, byte) in bytes.iter_mut().enumerate() {
            if let Some(id) = self.at(start.plus(offset as u64)) {
                *byte = self.get(id).original[0];
            }
        }
    }
}

/// Addresses spread well enough by one multiplication; SipHash would cost more than the rest of a look-up.
#[derive(Debug, Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 over the golden ratio (Knuth, The Art of Computer Programming volume 3, 6.4).
        self.0 = (self.0 ^ number)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c026_an_address_has_one_site_however_often_it_is_asked_for() {
        let mut table = SiteTable::default();
        let first = table.add(RemoteAddr(0x1000), vec![0x55], Way::Open);
        let second = table.add(RemoteAddr(0x1001), vec![0x90], Way::Open);
        assert_eq!(table.add(RemoteAddr(0x1000), vec![0xCC], Way::Open), first);
        assert_eq!(table.get(first).original, [0x55]);
        assert_eq!(table.at(RemoteAddr(0x1001)), Some(second));
        assert_eq!(table.at(RemoteAddr(0x1002)), None);
    }

    #[test]
    fn a_site_whose_memory_went_comes_back_with_the_same_code_alone() {
        let mut table = SiteTable::default();
        let range = RemoteRange {
            start: RemoteAddr(0x1000),
            end: RemoteAddr(0x2000),
        };
        let first = table.add(RemoteAddr(0x1000), vec![0x55], Way::Open);
        table.unmapped(range);
        assert_eq!(table.at(RemoteAddr(0x1000)), None);
        let mut bytes = [0xCC];
        table.mask(RemoteAddr(0x1000), &mut bytes);
        assert_eq!(bytes, [0xCC], "a breakpoint of somebody else");
        assert_eq!(table.add(RemoteAddr(0x1000), vec![0x55], Way::Open), first);
        table.unmapped(range);
        let second = table.add(RemoteAddr(0x1000), vec![0x90], Way::Open);
        assert_ne!(second, first);
        assert_eq!(table.at(RemoteAddr(0x1000)), Some(second));
        assert_eq!(table.get(first).memory, Memory::Gone);
    }

    #[test]
    fn bytes_read_from_memory_are_shown_without_ours() {
        let mut table = SiteTable::default();
        table.add(RemoteAddr(0x1001), vec![0x55, 1], Way::Open);
        let mut bytes = [0x90, 0xCC, 0xCC];
        table.mask(RemoteAddr(0x1000), &mut bytes);
        assert_eq!(bytes, [0x90, 0x55, 0xCC]);
    }
}
