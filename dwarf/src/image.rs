//! One ELF file: its segments, its sections (inflated when asked for) and what it says about other files.
//!
//! Must not know: DWARF. It gives sections by name and does not read them.
//!
//! Only headers are read when a file is opened. A compressed section is inflated once, at first use: inflating
//! is the floor of every look-up in a compressed file (28 of 29 ms in Debian's libc6-dbg).

use std::borrow::Cow;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use object::elf;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{CompressionFormat, LittleEndian, Object, ObjectSection};

use crate::address::{AddrRange, FileAddr};
use crate::error::{Error, ErrorKind, Operation};
use crate::mapped::{FileId, Mapped};

/// A section never inflates to more than this.
const MOST_INFLATED: u64 = 1 << 30;
/// deflate cannot expand more than 1032 times (its longest match takes 2 bits), zstd rarely does.
const MOST_EXPANSION: u64 = 1100;

/// How the addresses of a file relate to those of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ET_EXEC`: mapped where the file says.
    FixedAddress,
    /// `ET_DYN`: a position independent program (also static) or a shared object, mapped anywhere.
    Relocatable,
}

/// A part of the file that is mapped into the process (`PT_LOAD`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where its bytes begin in the file.
    pub file_offset: u64,
    /// Where the file wants them.
    pub address: FileAddr,
    /// Bytes taken from the file.
    pub file_size: u64,
    /// Bytes in memory; the rest is zero.
    pub memory_size: u64,
    /// Whether the segment holds code (`PF_X`).
    pub executable: bool,
}

#[derive(Debug)]
struct Section {
    name: String,
    /// Bytes of the mapping, as they are in the file.
    bytes: Range<usize>,
    compression: CompressionFormat,
    uncompressed_size: u64,
    address: u64,
    inflated: OnceLock<Vec<u8>>,
}

/// The separate debug file that a file names.
#[derive(Clone, Debug)]
pub(crate) struct DebugLink {
    pub(crate) name: Vec<u8>,
    pub(crate) crc: u32,
}

/// The supplementary file that debug information names (made by dwz).
#[derive(Clone, Debug)]
pub(crate) struct AltLink {
    pub(crate) name: Vec<u8>,
    pub(crate) build_id: Vec<u8>,
}

/// Whether a file has a symbol table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Symbols {
    Present,
    Absent,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Loadable,
    Supplementary,
}

/// An ELF file.
#[derive(Debug)]
pub(crate) struct Image {
    path: PathBuf,
    mapped: Mapped,
    kind: Kind,
    segments: Vec<Segment>,
    start: FileAddr,
    interpreter: Option<PathBuf>,
    sections: Vec<Section>,
    build_id: Option<Vec<u8>>,
    debug_link: Option<DebugLink>,
    alt_link: Option<AltLink>,
    symbols: Symbols,
}

impl Image {
    /// A program, a shared object or a debug file of one.
    pub(crate) fn open(path: &Path) -> Result<Image, Error> {
        Image::open_as(path, Role::Loadable)
    }

    /// A supplementary debug file: dwz writes it as `ET_REL`.
    pub(crate) fn open_supplementary(path: &Path) -> Result<Image, Error> {
        Image::open_as(path, Role::Supplementary)
    }

    fn open_as(path: &Path, role: Role) -> Result<Image, Error> {
        let mapped = Mapped::open(path)?;
        check_identity(path, &mapped)?;
        let file = ElfFile64::<LittleEndian>::parse(&*mapped).map_err(|source| Error::elf(path, source))?;
        let kind = match file.elf_header().e_type(LittleEndian) {
            elf::ET_EXEC => Kind::FixedAddress,
            elf::ET_DYN => Kind::Relocatable,
            elf::ET_REL if role == Role::Supplementary => Kind::Relocatable,
            _ => return Err(Error::new(Operation::ReadElf, path, ErrorKind::NotLoadable)),
        };
        let segments = segments(&file);
        let start = FileAddr(file.elf_header().e_entry(LittleEndian));
        let interpreter = interpreter(&file, &mapped);
        let sections = sections(&file, &mapped);
        let elf_error = |source| Error::elf(path, source);
        let build_id = file.build_id().map_err(elf_error)?.map(<[u8]>::to_vec);
        let debug_link = file
            .gnu_debuglink()
            .map_err(elf_error)?
            .map(|(name, crc)| DebugLink {
                name: name.to_vec(),
                crc,
            });
        let alt_link = file
            .gnu_debugaltlink()
            .map_err(elf_error)?
            .map(|(name, id)| AltLink {
                name: name.to_vec(),
                build_id: id.to_vec(),
            });
        let symbols = if file.elf_symbol_table().is_empty() {
            Symbols::Absent
        } else {
            Symbols::Present
        };
        let path = path.to_path_buf();
        Ok(Image {
            path,
            kind,
            segments,
            start,
            interpreter,
            sections,
            build_id,
            debug_link,
            alt_link,
            symbols,
            mapped,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn id(&self) -> FileId {
        self.mapped.id()
    }

    /// All bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.mapped
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn start(&self) -> FileAddr {
        self.start
    }

    pub(crate) fn interpreter(&self) -> Option<&Path> {
        self.interpreter.as_deref()
    }

    pub(crate) fn build_id(&self) -> Option<&[u8]> {
        self.build_id.as_deref()
    }

    pub(crate) fn debug_link(&self) -> Option<&DebugLink> {
        self.debug_link.as_ref()
    }

    pub(crate) fn alt_link(&self) -> Option<&AltLink> {
        self.alt_link.as_ref()
    }

    pub(crate) fn symbols(&self) -> Symbols {
        self.symbols
    }

    pub(crate) fn has_section(&self, name: &str) -> bool {
        self.find(name).is_some_and(|section| !section.bytes.is_empty())
    }

    /// Where a section lies in memory, with its bytes as the file has them.
    pub(crate) fn loaded_section(&self, name: &str) -> Option<(FileAddr, &[u8])> {
        let section = self.find(name)?;
        let bytes = self.mapped.get(section.bytes.clone())?;
        Some((FileAddr(section.address), bytes))
    }

    /// The name, address and bytes of the section that `address` lies in.
    pub(crate) fn section_at(&self, address: FileAddr) -> Option<(&str, FileAddr, &[u8])> {
        // What is not loaded has the address 0 (gabi, sh_addr).
        let mut loaded = self.sections.iter().filter(|section| section.address != 0);
        let section = loaded.find(|section| {
            let offset = address.0.checked_sub(section.address);
            offset.is_some_and(|offset| offset < section.bytes.len() as u64)
        })?;
        let bytes = self.mapped.get(section.bytes.clone())?;
        Some((&section.name, FileAddr(section.address), bytes))
    }

    fn find(&self, name: &str) -> Option<&Section> {
        let plain = self
            .sections
            .iter()
            .find(|section| section.name == name && !section.bytes.is_empty());
        plain.or_else(|| {
            // The GNU way before SHF_COMPRESSED: `.zdebug_info` is a compressed `.debug_info`.
            let old = format!(".z{}", name.strip_prefix('.')?);
            self.sections.iter().find(|section| section.name == old)
        })
    }

    /// A section's content, inflated where needed; empty when there is no such section.
    pub(crate) fn section(&self, name: &str) -> Result<&[u8], Error> {
        let Some(section) = self.find(name) else {
            return Ok(&[]);
        };
        let stored = self.mapped.get(section.bytes.clone()).unwrap_or(&[]);
        if section.compression == CompressionFormat::None {
            return Ok(stored);
        }
        if let Some(inflated) = section.inflated.get() {
            return Ok(inflated);
        }
        let inflated = self.inflate(section, stored)?;
        Ok(section.inflated.get_or_init(|| inflated))
    }

    fn inflate(&self, section: &Section, stored: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = || {
            let kind = ErrorKind::Compression {
                section: section.name.clone(),
            };
            Error::new(Operation::ReadElf, &self.path, kind)
        };
        let most = MOST_INFLATED.min((stored.len() as u64).saturating_mul(MOST_EXPANSION));
        let known = matches!(
            section.compression,
            CompressionFormat::Zlib | CompressionFormat::Zstandard
        );
        if section.uncompressed_size > most || !known {
            return Err(refused());
        }
        let compressed = object::CompressedData {
            format: section.compression,
            data: stored,
            uncompressed_size: section.uncompressed_size,
        };
        match compressed.decompress() {
            Ok(Cow::Owned(bytes)) => Ok(bytes),
            Ok(Cow::Borrowed(bytes)) => Ok(bytes.to_vec()),
            Err(source) => Err(refused().with_source(source)),
        }
    }

    /// Bytes of an executable segment as the file has them; `None` when `range` is not wholly in one.
    pub(crate) fn code(&self, range: AddrRange) -> Option<&[u8]> {
        let segment = self.segments.iter().find(|segment| {
            segment.executable
                && segment.address <= range.start
                && range.end.0 <= segment.address.0.saturating_add(segment.file_size)
        })?;
        let start = segment
            .file_offset
            .checked_add(range.start.0 - segment.address.0)?;
        let end = start.checked_add(range.len())?;
        self.mapped
            .get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// Whether `address` lies in an executable segment.
    pub(crate) fn is_code(&self, address: FileAddr) -> bool {
        self.segments.iter().any(|segment| {
            segment.executable
                && segment.address <= address
                && address.0 - segment.address.0 < segment.memory_size
        })
    }
}

/// Says what the file is when it is not a 64-bit little-endian x86-64 ELF file.
fn check_identity(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let refuse = |kind| Err(Error::new(Operation::ReadElf, path, kind));
    if bytes.starts_with(b"#!") {
        let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or(bytes);
        let line = String::from_utf8_lossy(&line[..line.len().min(120)]);
        return refuse(ErrorKind::Script(
            line.trim_end().chars().filter(|c| !c.is_control()).collect(),
        ));
    }
    if !bytes.starts_with(b"\x7fELF") {
        return refuse(ErrorKind::NotElf);
    }
    // e_ident[EI_CLASS], e_ident[EI_DATA], then e_machine at offset 18 in both classes (gabi, ELF header).
    let (Some(&class), Some(&order)) = (bytes.get(4), bytes.get(5)) else {
        return refuse(ErrorKind::NotElf);
    };
    let machine = match (bytes.get(18), bytes.get(19)) {
        (Some(&low), Some(&high)) if order == 2 => u16::from_be_bytes([low, high]),
        (Some(&low), Some(&high)) => u16::from_le_bytes([low, high]),
        _ => return refuse(ErrorKind::NotElf),
    };
    const X86_64: u16 = 62;
    let name = match machine {
        X86_64 => None,
        3 => Some("i386".to_string()),
        8 => Some("MIPS".to_string()),
        20 => Some("PowerPC".to_string()),
        21 => Some("PowerPC64".to_string()),
        22 => Some("S/390".to_string()),
        40 => Some("ARM".to_string()),
        183 => Some("AArch64".to_string()),
        243 => Some("RISC-V".to_string()),
        258 => Some("LoongArch".to_string()),
        other => Some(format!("machine {other}")),
    };
    if let Some(name) = name {
        return refuse(ErrorKind::WrongArchitecture { name });
    }
    // ELFCLASS64 is 2, ELFDATA2LSB is 1. x86-64 with 32-bit pointers (x32) ends here.
    if class != 2 || order != 1 {
        return refuse(ErrorKind::WrongClass);
    }
    Ok(())
}

fn segments(file: &ElfFile64<'_, LittleEndian>) -> Vec<Segment> {
    let headers = file.elf_program_headers().iter();
    let mut segments: Vec<Segment> = headers
        .filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD)
        .map(|header| Segment {
            file_offset: header.p_offset(LittleEndian),
            address: FileAddr(header.p_vaddr(LittleEndian)),
            file_size: header.p_filesz(LittleEndian),
            memory_size: header.p_memsz(LittleEndian),
            executable: header.p_flags(LittleEndian).contains(elf::PF_X),
        })
        .collect();
    segments.sort_by_key(|segment| segment.address);
    segments
}

/// The program that maps this one's libraries (`PT_INTERP`).
fn interpreter(file: &ElfFile64<'_, LittleEndian>, mapped: &[u8]) -> Option<PathBuf> {
    let mut headers = file.elf_program_headers().iter();
    let header = headers.find(|header| header.p_type(LittleEndian) == elf::PT_INTERP)?;
    let text = header.interpreter(LittleEndian, mapped).ok()??;
    Some(PathBuf::from(OsStr::from_bytes(text)))
}

fn sections(file: &ElfFile64<'_, LittleEndian>, mapped: &[u8]) -> Vec<Section> {
    let mut sections = Vec::new();
    for section in file.sections() {
        // A section whose header is broken is a section that is not there; what needs it says so.
        let (Ok(name), Ok(range)) = (section.name(), section.compressed_file_range()) else {
            continue;
        };
        let Some(end) = range.offset.checked_add(range.compressed_size) else {
            continue;
        };
        let (Ok(start), Ok(end)) = (usize::try_from(range.offset), usize::try_from(end)) else {
            continue;
        };
        if end > mapped.len() {
            continue;
        }
        sections.push(Section {
            name: name.to_string(),
            bytes: start..end,
            compression: range.format,
            uncompressed_size: range.uncompressed_size,
            address: section.address(),
            inflated: OnceLock::new(),
        });
    }
    sections
}
