//! The entries of `.eh_frame` (FDEs), by the addresses that they tell of.
//!
//! Must not know: what an entry is asked for.
//!
//! ```text
//! .eh_frame_hdr:   start, FDE │ start, FDE │ …      sorted: halved until the first that may matter
//!                          ▼
//! .eh_frame:       CIE │ FDE │ FDE │ CIE │ FDE …    without a header: all of them, in order
//! ```
//! The rows of the header are read here and not by gimli's own search, which multiplies and subtracts what a
//! hostile header claims.
//!
//! Source: LSB "Exception Frames"; libgcc's `unwind-dw2-fde-dip.c`, which prefers the header too.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use gimli::{
    BaseAddresses, CieOrFde, CommonInformationEntry, EhFrame, EhFrameHdr, EhFrameOffset,
    FrameDescriptionEntry, LittleEndian, ParsedEhFrameHdr, UnwindSection,
};

use crate::address::{AddrRange, FileAddr};
use crate::debug_info::Slice;
use crate::image::Image;

/// What is told of one stretch of code.
pub(crate) type Entry<'a> = FrameDescriptionEntry<Slice<'a>>;

/// The `.eh_frame` of a file.
pub(crate) struct EhFrames<'a> {
    pub(crate) section: EhFrame<Slice<'a>>,
    pub(crate) bases: BaseAddresses,
    address: FileAddr,
    header: Option<ParsedEhFrameHdr<Slice<'a>>>,
    /// No row is at an index from here on: each takes more than one byte.
    most_rows: usize,
    /// Each is read once: of hostile ones every entry may name the same, with a text as long as the section.
    shared: RefCell<HashMap<usize, CommonInformationEntry<Slice<'a>>>>,
}

/// An entry that cannot be read.
#[derive(Debug)]
pub(crate) struct BadEntry {
    /// Where in `.eh_frame`, as near as known.
    pub(crate) offset: u64,
    pub(crate) source: gimli::Error,
}

impl<'a> EhFrames<'a> {
    /// `None` when the file has none.
    pub(crate) fn of(image: &'a Image) -> Option<EhFrames<'a>> {
        let (address, bytes) = image.loaded_section(".eh_frame")?;
        let mut bases = BaseAddresses::default().set_eh_frame(address.0);
        if let Some((text, _)) = image.loaded_section(".text") {
            bases = bases.set_text(text.0);
        }
        if let Some((got, _)) = image.loaded_section(".got") {
            bases = bases.set_got(got.0);
        }
        let mut header = None;
        let mut most_rows = 0;
        if let Some((at, bytes)) = image.loaded_section(".eh_frame_hdr") {
            bases = bases.set_eh_frame_hdr(at.0);
            header = EhFrameHdr::new(bytes, LittleEndian).parse(&bases, 8).ok();
            most_rows = bytes.len();
        }
        Some(EhFrames {
            section: EhFrame::new(bytes, LittleEndian),
            bases,
            address,
            header: header.filter(|header| header.table().is_some()),
            most_rows,
            shared: RefCell::default(),
        })
    }

    /// The entry that tells of `at`.
    pub(crate) fn at(&self, at: FileAddr) -> Option<Entry<'a>> {
        let by_header = || {
            let offsets = self.offsets_by_header(at, at).ok()?;
            let mut entries = offsets.into_iter().filter_map(|offset| self.entry(offset).ok());
            entries.find(|entry| entry.contains(at.0))
        };
        by_header().or_else(|| {
            self.section
                .fde_for_address(&self.bases, at.0, |_, _, offset| self.shared(offset))
                .ok()
        })
    }

    /// The entries that tell of a part of `ranges`.
    ///
    /// Shape: each once. `ranges` are normalised.
    ///
    /// # Errors
    /// One of them cannot be read, or any when there is no header that can be.
    pub(crate) fn covering(&self, ranges: &[AddrRange]) -> Result<Vec<Entry<'a>>, BadEntry> {
        if self.header.is_some()
            && let Ok(entries) = self.covering_by_header(ranges)
        {
            return Ok(entries);
        }
        // What made the header useless is either met again or did not matter.
        self.covering_by_order(ranges)
    }

    /// Where an entry itself lies.
    pub(crate) fn place(&self, entry: &Entry<'_>) -> AddrRange {
        // The length leaves itself out: 4 bytes, or 12 of which the first 4 are all ones (LSB, "CIE Format").
        const MOST_LENGTH_SIZE: u64 = 12;
        let start = self.address.0.saturating_add(entry.offset() as u64);
        let size = MOST_LENGTH_SIZE + entry.entry_len() as u64;
        AddrRange {
            start: FileAddr(start),
            end: FileAddr(start.saturating_add(size)),
        }
    }

    fn covering_by_header(&self, ranges: &[AddrRange]) -> gimli::Result<Vec<Entry<'a>>> {
        let mut offsets = BTreeSet::new();
        for range in ranges {
            offsets.extend(self.offsets_by_header(range.start, FileAddr(range.end.0 - 1))?);
        }
        let entries = offsets.into_iter().map(|offset| self.entry(offset));
        let entries: Vec<Entry<'a>> = entries.collect::<Result<_, _>>()?;
        Ok(entries
            .into_iter()
            .filter(|entry| covers(entry, ranges))
            .collect())
    }

    fn covering_by_order(&self, ranges: &[AddrRange]) -> Result<Vec<Entry<'a>>, BadEntry> {
        let mut found = Vec::new();
        let mut offset = 0;
        let mut entries = self.section.entries(&self.bases);
        while let Some(entry) = entries.next().map_err(|source| BadEntry { offset, source })? {
            match entry {
                CieOrFde::Cie(cie) => offset = cie.offset() as u64,
                CieOrFde::Fde(partial) => {
                    offset = partial.offset() as u64;
                    let entry = partial
                        .parse(|_, _, offset| self.shared(offset))
                        .map_err(|source| BadEntry { offset, source })?;
                    if covers(&entry, ranges) {
                        found.push(entry);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Where the entries are whose code may lie between `first` and `last`, both included.
    fn offsets_by_header(&self, first: FileAddr, last: FileAddr) -> gimli::Result<Vec<usize>> {
        let (mut low, mut high) = (0, self.rows());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.row(middle)? {
                Some((start, _)) if start < first => low = middle + 1,
                _ => high = middle,
            }
        }
        let mut offsets = Vec::new();
        // The one before may reach into the range.
        for index in low.saturating_sub(1)..self.rows() {
            let Some((_, entry)) = self.row(index)?.filter(|(start, _)| *start <= last) else {
                break;
            };
            let offset = entry.0.checked_sub(self.address.0);
            let offset = offset.and_then(|offset| usize::try_from(offset).ok());
            offsets.push(offset.ok_or(gimli::Error::OffsetOutOfBounds(entry.0))?);
        }
        Ok(offsets)
    }

    fn rows(&self) -> usize {
        let table = self.header.as_ref().and_then(ParsedEhFrameHdr::table);
        table.map_or(0, |table| {
            table.iter(&self.bases).size_hint().0.min(self.most_rows)
        })
    }

    /// Where code begins and where the entry for it is.
    fn row(&self, index: usize) -> gimli::Result<Option<(FileAddr, FileAddr)>> {
        let Some(table) = self.header.as_ref().and_then(ParsedEhFrameHdr::table) else {
            return Ok(None);
        };
        let Some((start, entry)) = table.iter(&self.bases).nth(index)? else {
            return Ok(None);
        };
        Ok(Some((FileAddr(start.direct()?), FileAddr(entry.direct()?))))
    }

    fn entry(&self, offset: usize) -> gimli::Result<Entry<'a>> {
        self.section
            .fde_from_offset(&self.bases, EhFrameOffset(offset), |_, _, offset| {
                self.shared(offset)
            })
    }

    /// What several entries have in common (CIE).
    fn shared(&self, offset: EhFrameOffset) -> gimli::Result<CommonInformationEntry<Slice<'a>>> {
        if let Some(known) = self.shared.borrow().get(&offset.0) {
            return Ok(known.clone());
        }
        let read = self.section.cie_from_offset(&self.bases, offset)?;
        self.shared.borrow_mut().insert(offset.0, read.clone());
        Ok(read)
    }
}

fn covers(entry: &Entry<'_>, ranges: &[AddrRange]) -> bool {
    let start = FileAddr(entry.initial_address());
    let end = FileAddr(start.0.saturating_add(entry.len()));
    let first = ranges.partition_point(|range| range.end <= start);
    start < end && ranges.get(first).is_some_and(|range| range.start < end)
}
