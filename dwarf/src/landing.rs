//! Landing pads: where the unwinder lets a thread go on in a function that an exception passes or ends in.
//!
//! Must not know: what is thrown, which handler takes it, the code at a pad.
//!
//! ```text
//! FDE ──► LSDA (.gcc_except_table)
//!         encoding, lpstart    where pads count from; omitted: where the FDE's code begins
//!         encoding, offset     of the types, which nobody here asks for
//!         encoding, length     of the call sites:
//!           start, length, landing pad, action      one for each stretch of calls; pad 0: none
//! ```
//! A function that is split has an FDE and an LSDA for each part, and pads may all lie in one of them.
//!
//! Source: Itanium C++ ABI "Exception Handling" level 2; gcc's `unwind-pe.h` for encodings and the
//! `parse_lsda_header` of its personalities. Those of C, C++, Rust, Ada and Go read this one format.

use gimli::{DwEhPe, Reader, ReaderOffset, constants};

use crate::address::{AddrRange, FileAddr, normalised};
use crate::debug_info::Slice;
use crate::eh_frame::{EhFrames, Entry};
use crate::error::{Error, ErrorKind, Operation};
use crate::image::{Image, Kind};

/// Call sites in one answer; each hostile entry may name one huge table.
const MOST_CALL_SITES: usize = 1 << 24;

/// The landing pads of what `.eh_frame` tells of a part of `ranges`.
///
/// Shape: sorted, unique.
///
/// # Errors
/// As [`ObjectFile::landing_pads`](crate::ObjectFile::landing_pads).
pub(crate) fn pads(image: &Image, ranges: &[AddrRange]) -> Result<Vec<FileAddr>, Error> {
    let Some(frames) = EhFrames::of(image) else {
        return Ok(Vec::new());
    };
    let malformed = |section: &str, offset: u64, source: gimli::Error| {
        Error::malformed(Operation::ReadLandingPads, image.path(), section, offset, source)
    };
    let entries = frames
        .covering(&normalised(ranges.to_vec()))
        .map_err(|bad| malformed(".eh_frame", bad.offset, bad.source))?;
    let mut pads = Vec::new();
    let mut left = MOST_CALL_SITES;
    for entry in &entries {
        let in_entry = |source| malformed(".eh_frame", entry.offset() as u64, source);
        let Some(at) = lsda(entry, &frames, image.kind()).map_err(in_entry)? else {
            continue;
        };
        let (name, address, bytes) = image
            .section_at(at)
            .ok_or_else(|| in_entry(gimli::Error::OffsetOutOfBounds(at.0)))?;
        let mut table = Table::new(bytes, address, at, image.kind());
        let found = table.landing_pads(FileAddr(entry.initial_address()), &mut left, |pad| {
            image.is_code(pad)
        });
        pads.extend(found.map_err(|stop| match stop {
            Stop::Malformed(source) => malformed(name, table.offset(), source),
            Stop::TooManyCallSites => {
                let kind = ErrorKind::TooMany {
                    what: "call sites that exceptions pass",
                    most: MOST_CALL_SITES as u64,
                };
                Error::new(Operation::ReadLandingPads, image.path(), kind)
            }
        })?);
    }
    pads.sort_unstable();
    pads.dedup();
    Ok(pads)
}

/// Where an entry's LSDA is; `None` when it has none.
fn lsda(entry: &Entry<'_>, frames: &EhFrames<'_>, kind: Kind) -> gimli::Result<Option<FileAddr>> {
    let (Some(encoding), Some(pointer)) = (entry.cie().lsda_encoding(), entry.lsda()) else {
        return Ok(None);
    };
    let address = FileAddr(pointer.direct()?);
    match encoding.application() {
        constants::DW_EH_PE_pcrel => {
            // The value 0 is no address, to which the place would be added (`read_encoded_value_with_base` in
            // unwind-pe.h); gimli adds it.
            Ok(Some(address).filter(|address| !frames.place(entry).contains(*address)))
        }
        constants::DW_EH_PE_absptr => absolute(encoding, kind).map(|()| Some(address).filter(|at| at.0 != 0)),
        _ => Err(gimli::Error::UnsupportedPointerEncoding(encoding)),
    }
}

/// Refuses an absolute address in a file whose relocations put it in: what the file has there is not it.
fn absolute(encoding: DwEhPe, kind: Kind) -> gimli::Result<()> {
    match kind {
        Kind::FixedAddress => Ok(()),
        Kind::Relocatable => Err(gimli::Error::UnsupportedPointerEncoding(encoding)),
    }
}

/// Why a table gives no landing pads.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Malformed(gimli::Error),
    TooManyCallSites,
}

impl From<gimli::Error> for Stop {
    fn from(source: gimli::Error) -> Stop {
        Stop::Malformed(source)
    }
}

/// An LSDA, read from its beginning.
struct Table<'a> {
    section: Slice<'a>,
    address: FileAddr,
    rest: Slice<'a>,
    kind: Kind,
}

impl<'a> Table<'a> {
    /// The one at `at` in the section that begins at `address`.
    fn new(bytes: &'a [u8], address: FileAddr, at: FileAddr, kind: Kind) -> Table<'a> {
        let section = Slice::new(bytes, gimli::LittleEndian);
        let offset = usize::try_from(at.0.saturating_sub(address.0)).unwrap_or(usize::MAX);
        Table {
            section,
            address,
            rest: section.range_from(offset.min(bytes.len())..),
            kind,
        }
    }

    /// How far the section has been read.
    fn offset(&self) -> u64 {
        self.rest.offset_from(self.section) as u64
    }

    /// The pads of all call sites, for code that begins at `start`; each call site takes one of `left`.
    fn landing_pads(
        &mut self,
        start: FileAddr,
        left: &mut usize,
        is_code: impl Fn(FileAddr) -> bool,
    ) -> Result<Vec<FileAddr>, Stop> {
        let base = match self.encoding()? {
            constants::DW_EH_PE_omit => start,
            encoding => {
                if encoding.application() == constants::DW_EH_PE_absptr {
                    absolute(encoding, self.kind)?;
                }
                FileAddr(self.value(encoding)?)
            }
        };
        if self.encoding()? != constants::DW_EH_PE_omit {
            self.rest.read_uleb128()?;
        }
        let encoding = self.encoding()?;
        let length = self.rest.read_uleb128()?;
        let length = usize::from_u64(length)?;
        self.rest = self.rest.split(length)?;
        let mut pads = Vec::new();
        while !self.rest.is_empty() {
            *left = left.checked_sub(1).ok_or(Stop::TooManyCallSites)?;
            let (_start, _length) = (self.value(encoding)?, self.value(encoding)?);
            let pad = self.value(encoding)?;
            let _action = self.rest.read_uleb128()?;
            if pad == 0 {
                continue;
            }
            // Negative differences are sums that wrap (as in `unwind-pe.h`); a sum that should not is no code.
            let pad = FileAddr(base.0.wrapping_add(pad));
            if !is_code(pad) {
                return Err(Stop::Malformed(gimli::Error::OffsetOutOfBounds(pad.0)));
            }
            pads.push(pad);
        }
        Ok(pads)
    }

    fn encoding(&mut self) -> gimli::Result<DwEhPe> {
        self.rest.read_u8().map(DwEhPe)
    }

    /// A value as `read_encoded_value_with_base` of `unwind-pe.h` reads it.
    fn value(&mut self, encoding: DwEhPe) -> gimli::Result<u64> {
        let place = self.address.0.wrapping_add(self.offset());
        let rest = &mut self.rest;
        let value = match encoding.format() {
            constants::DW_EH_PE_absptr | constants::DW_EH_PE_udata8 | constants::DW_EH_PE_sdata8 => {
                rest.read_u64()?
            }
            constants::DW_EH_PE_uleb128 => rest.read_uleb128()?,
            constants::DW_EH_PE_udata2 => rest.read_u16()?.into(),
            constants::DW_EH_PE_udata4 => rest.read_u32()?.into(),
            constants::DW_EH_PE_sleb128 => rest.read_sleb128()?.cast_unsigned(),
            constants::DW_EH_PE_sdata2 => i64::from(rest.read_i16()?).cast_unsigned(),
            constants::DW_EH_PE_sdata4 => i64::from(rest.read_i32()?).cast_unsigned(),
            _ => return Err(gimli::Error::UnsupportedPointerEncoding(encoding)),
        };
        match (encoding.is_indirect(), encoding.application()) {
            (false, constants::DW_EH_PE_absptr) => Ok(value),
            (false, constants::DW_EH_PE_pcrel) if value == 0 => Ok(0),
            (false, constants::DW_EH_PE_pcrel) => Ok(value.wrapping_add(place)),
            _ => Err(gimli::Error::UnsupportedPointerEncoding(encoding)),
        }
    }
}

#[cfg(test)]
mod tests;
