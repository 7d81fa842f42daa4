//! The DWARF sections of a program and the units in them.
//!
//! Must not know: what a caller looks for. It finds units by offset and reads one unit's root and
//! abbreviations, nothing below.
//!
//! A program has one *main* file of debug information (itself, or its separate debug file) and at most one
//! *supplementary* file shared with other programs (dwz). A [`UnitId`] says which and where. Units of the main file
//! may have their entries in further files (`split.rs`): they are read as if they were here.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

use gimli::{
    AttributeValue, DebugInfoOffset, Dwarf, EndianSlice, LittleEndian, Section, SectionId, Unit, UnitHeader,
    UnitType,
};
use memchr::memmem;

use crate::error::{Error, ErrorKind, Operation};
use crate::image::Image;
use crate::split::{Skeleton, Split, SplitFiles};
use crate::tree::Tree;

pub(crate) type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Units of one file; real programs have thousands, a hostile file of empty units has no end of them.
const MOST_UNITS: usize = 4 << 20;

/// Longer names are cut.
pub(crate) const LONGEST_NAME: usize = 64 << 10;

/// Which file a unit is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Book {
    Main,
    Supplementary,
}

/// A unit: which file, and its place in the list of that file's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitId {
    pub(crate) book: Book,
    pub(crate) index: usize,
}

/// A unit with its abbreviations, its line table's header and the index of its functions.
#[derive(Debug)]
pub(crate) struct LoadedUnit<'a> {
    pub(crate) id: UnitId,
    pub(crate) unit: Unit<Slice<'a>>,
    pub(crate) tree: Tree<'a>,
    /// The sections of the file that has its entries, when that is not the file of its line table.
    split: Option<Dwarf<Slice<'a>>>,
}

/// One file's sections and unit headers.
#[derive(Debug)]
pub(crate) struct Volume<'a> {
    pub(crate) dwarf: Dwarf<Slice<'a>>,
    pub(crate) headers: Vec<UnitHeader<Slice<'a>>>,
}

/// The debug information of a program.
#[derive(Debug)]
pub(crate) struct DebugInfo<'a> {
    main: Volume<'a>,
    supplementary: Option<Volume<'a>>,
    split: Option<Split<'a>>,
    /// Units that others refer to; kept since the references come in clusters.
    referenced: RefCell<HashMap<UnitId, Option<Rc<LoadedUnit<'a>>>>>,
    damage: RefCell<Vec<(UnitId, gimli::Error)>>,
}

/// Sections that functions and lines need. The others, often larger, stay untouched and compressed.
pub(crate) fn needed(id: SectionId) -> bool {
    matches!(
        id,
        SectionId::DebugInfo
            | SectionId::DebugAbbrev
            | SectionId::DebugStr
            | SectionId::DebugLineStr
            | SectionId::DebugStrOffsets
            | SectionId::DebugAddr
            | SectionId::DebugLine
            | SectionId::DebugRanges
            | SectionId::DebugRngLists
    )
}

fn load(image: &Image) -> Result<Dwarf<Slice<'_>>, Error> {
    Dwarf::load(|id| {
        let bytes = if needed(id) {
            image.section(id.name())?
        } else {
            &[]
        };
        Ok(Slice::new(bytes, LittleEndian))
    })
}

fn headers<'a>(image: &Image, dwarf: &Dwarf<Slice<'a>>) -> Result<Vec<UnitHeader<Slice<'a>>>, Error> {
    let mut headers = Vec::new();
    let mut units = dwarf.units();
    loop {
        match units.next() {
            Ok(Some(header)) => headers.push(header),
            Ok(None) => return Ok(headers),
            Err(source) => {
                let offset = headers
                    .last()
                    .map_or(0, |header: &UnitHeader<_>| end_of(header) as u64);
                let operation = Operation::ReadFunctions;
                return Err(Error::malformed(
                    operation,
                    image.path(),
                    ".debug_info",
                    offset,
                    source,
                ));
            }
        }
        if headers.len() > MOST_UNITS {
            let kind = ErrorKind::TooMany {
                what: "units",
                most: MOST_UNITS as u64,
            };
            return Err(Error::new(Operation::ReadFunctions, image.path(), kind));
        }
    }
}

/// Where a unit begins in `.debug_info`.
pub(crate) fn start_of(header: &UnitHeader<Slice<'_>>) -> usize {
    header.debug_info_offset().map_or(0, |offset| offset.0)
}

/// Where the next unit begins in `.debug_info`.
pub(crate) fn end_of(header: &UnitHeader<Slice<'_>>) -> usize {
    start_of(header).saturating_add(header.length_including_self())
}

impl<'a> DebugInfo<'a> {
    pub(crate) fn load(main: &'a Image, supplementary: Option<&'a Image>) -> Result<DebugInfo<'a>, Error> {
        let mut dwarf = load(main)?;
        let supplementary = match supplementary {
            None => None,
            Some(image) => {
                let own = load(image)?;
                // Forms that name the supplementary file are resolved by gimli through `sup`.
                dwarf.set_sup(load(image)?);
                let headers = headers(image, &own)?;
                Some(Volume { dwarf: own, headers })
            }
        };
        let headers = headers(main, &dwarf)?;
        Ok(DebugInfo {
            main: Volume { dwarf, headers },
            supplementary,
            split: None,
            referenced: RefCell::default(),
            damage: RefCell::default(),
        })
    }

    pub(crate) fn volume(&self, book: Book) -> Option<&Volume<'a>> {
        match book {
            Book::Main => Some(&self.main),
            Book::Supplementary => self.supplementary.as_ref(),
        }
    }

    /// The sections that the unit's line table is in.
    fn line_dwarf(&self, unit: &LoadedUnit<'a>) -> &Dwarf<Slice<'a>> {
        self.volume(unit.id.book)
            .map_or(&self.main.dwarf, |volume| &volume.dwarf)
    }

    /// The sections that the unit's entries are in.
    pub(crate) fn dwarf<'s>(&'s self, unit: &'s LoadedUnit<'a>) -> &'s Dwarf<Slice<'a>> {
        unit.split.as_ref().unwrap_or_else(|| self.line_dwarf(unit))
    }

    /// All units, the main file's first, in file order.
    pub(crate) fn units(&self) -> impl Iterator<Item = UnitId> + use<> {
        let count = |book| self.volume(book).map_or(0, |volume| volume.headers.len());
        let (main, supplementary) = (count(Book::Main), count(Book::Supplementary));
        let id = |book| move |index| UnitId { book, index };
        (0..main)
            .map(id(Book::Main))
            .chain((0..supplementary).map(id(Book::Supplementary)))
    }

    /// The unit that holds `offset` of `.debug_info`.
    pub(crate) fn unit_at(&self, book: Book, offset: usize) -> Option<UnitId> {
        let headers = &self.volume(book)?.headers;
        let index = headers
            .partition_point(|header| start_of(header) <= offset)
            .checked_sub(1)?;
        (offset < end_of(headers.get(index)?)).then_some(UnitId { book, index })
    }

    /// Reads a unit and indexes its functions. What is malformed is noted and leaves `None`, or what came before it.
    pub(crate) fn read(&self, id: UnitId) -> Option<LoadedUnit<'a>> {
        let volume = self.volume(id.book)?;
        let header = *volume.headers.get(id.index)?;
        let unit = volume.dwarf.unit(header).and_then(|unit| self.whole(id, unit));
        let mut unit = match unit {
            Ok(unit) => unit,
            Err(error) => {
                self.note(id, error);
                return None;
            }
        };
        let (tree, error) = Tree::read(&unit.unit);
        unit.tree = tree;
        if let Some(error) = error {
            self.note(id, error);
        }
        Some(unit)
    }

    /// The unit with the entries that it left to another file, where that is there.
    fn whole(&self, id: UnitId, unit: Unit<Slice<'a>>) -> gimli::Result<LoadedUnit<'a>> {
        let elsewhere = match &self.split {
            Some(split) if id.book == Book::Main => split.unit(id.index, &unit, &self.main.dwarf)?,
            _ => None,
        };
        let (unit, split) = match elsewhere {
            Some((whole, dwarf)) => (whole, Some(dwarf)),
            None => (unit, None),
        };
        let tree = Tree::default();
        Ok(LoadedUnit {
            id,
            unit,
            tree,
            split,
        })
    }

    /// Uses `files` for the units that are split.
    pub(crate) fn with_split(mut self, files: &'a SplitFiles) -> DebugInfo<'a> {
        self.split = Some(Split::new(files));
        self
    }

    /// The units whose entries are in other files that were found.
    pub(crate) fn split_units(&self) -> impl Iterator<Item = UnitId> {
        let found = self.split.as_ref().map_or(&[][..], |split| &split.files.found);
        found.iter().map(|&index| UnitId {
            book: Book::Main,
            index,
        })
    }

    /// The units that leave their entries to other files.
    pub(crate) fn skeletons(&self) -> Vec<Skeleton> {
        let skeleton = |(index, header): (usize, &UnitHeader<Slice<'a>>)| {
            let unit = self.main.dwarf.unit(*header).ok()?;
            let name = unit.dwo_name().ok()??;
            let name = self.main.dwarf.attr_string(&unit, name).ok()?;
            let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
            Some(Skeleton {
                index,
                id: unit.dwo_id?,
                directory: unit
                    .comp_dir
                    .map(|directory| path(directory.slice()))
                    .unwrap_or_default(),
                name: path(name.slice()),
            })
        };
        self.main
            .headers
            .iter()
            .enumerate()
            .filter_map(skeleton)
            .collect()
    }

    /// Reads a unit without its entries, for its line table.
    pub(crate) fn read_root(&self, id: UnitId) -> gimli::Result<Option<LoadedUnit<'a>>> {
        let Some(volume) = self.volume(id.book) else {
            return Ok(None);
        };
        let Some(header) = volume.headers.get(id.index) else {
            return Ok(None);
        };
        let unit = volume.dwarf.unit(*header)?;
        self.whole(id, unit).map(Some)
    }

    /// Where the unit's line table is in `.debug_line`, for messages; 0 when it cannot be read.
    pub(crate) fn line_offset(&self, id: UnitId) -> u64 {
        let unit = self.read_root(id).ok().flatten();
        let program = unit.and_then(|unit| unit.unit.line_program);
        program.map_or(0, |program| program.header().offset().0 as u64)
    }

    /// Whether units leave their entries to `.dwo` files.
    pub(crate) fn is_split(&self) -> bool {
        let skeleton = |header: &UnitHeader<_>| matches!(header.type_(), UnitType::Skeleton(_));
        // DW_AT_GNU_dwo_name 0x2130 in LEB128, for DWARF 4.
        self.main.headers.iter().any(skeleton)
            || memmem::find(self.main.dwarf.debug_abbrev.reader().slice(), &[0xb0, 0x42]).is_some()
    }

    /// A unit that was read and kept.
    pub(crate) fn read_known(&self, id: UnitId) -> Option<Rc<LoadedUnit<'a>>> {
        self.referenced.borrow().get(&id).cloned().flatten()
    }

    /// The same, kept for the next time.
    pub(crate) fn read_kept(&self, id: UnitId) -> Option<Rc<LoadedUnit<'a>>> {
        if let Some(known) = self.referenced.borrow().get(&id) {
            return known.clone();
        }
        let unit = self.read(id).map(Rc::new);
        self.referenced.borrow_mut().insert(id, unit.clone());
        unit
    }

    /// Remembers that a unit is malformed.
    pub(crate) fn note(&self, id: UnitId, error: gimli::Error) {
        let mut damage = self.damage.borrow_mut();
        if damage.len() < 1000 && !damage.iter().any(|(unit, _)| *unit == id) {
            damage.push((id, error));
        }
    }

    /// Offsets of the units met so far that could not be read to their end.
    pub(crate) fn damage(&self) -> Vec<(u64, gimli::Error)> {
        let place = |id: &UnitId| {
            let header = self
                .volume(id.book)
                .and_then(|volume| volume.headers.get(id.index));
            header.map_or(0, |header| start_of(header) as u64)
        };
        self.damage
            .borrow()
            .iter()
            .map(|(id, error)| (place(id), *error))
            .collect()
    }

    /// A string that an entry of the unit refers to.
    pub(crate) fn string(&self, unit: &LoadedUnit<'a>, value: AttributeValue<Slice<'a>>) -> Option<&'a [u8]> {
        string(self.dwarf(unit), unit, value)
    }

    /// A string that the unit's line table refers to.
    pub(crate) fn line_string(
        &self,
        unit: &LoadedUnit<'a>,
        value: AttributeValue<Slice<'a>>,
    ) -> Option<&'a [u8]> {
        string(self.line_dwarf(unit), unit, value)
    }

    /// Where `offset` of a unit lies in `.debug_info`.
    pub(crate) fn info_offset(unit: &LoadedUnit<'a>, offset: usize) -> usize {
        let offset = gimli::UnitOffset(offset).to_debug_info_offset(&unit.unit.header);
        offset.map_or(0, |DebugInfoOffset(offset)| offset)
    }
}

fn string<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &LoadedUnit<'a>,
    value: AttributeValue<Slice<'a>>,
) -> Option<&'a [u8]> {
    if let AttributeValue::DebugStrRef(offset) = value {
        // Not by gimli, which looks for the end however far it is: a hostile file names one string of
        // megabytes from each of a million entries.
        let rest = dwarf.debug_str.reader().slice().get(offset.0..)?;
        let rest = rest.get(..rest.len().min(LONGEST_NAME))?;
        return rest.get(..memchr::memchr(0, rest).unwrap_or(rest.len()));
    }
    dwarf
        .attr_string(&unit.unit, value)
        .ok()
        .map(|string| string.slice())
}
