//! Function symbols' addresses and names.
//!
//! Must not know: DWARF. Used where debug information gives a function several ranges and does not say in which
//! one calls arrive, and for aliases: `malloc` is a symbol, the function is called `__libc_malloc`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::address::FileAddr;
use crate::image::Image;

/// `Elf64_Sym` (gabi, Symbol Table).
const SYMBOL_SIZE: usize = 24;
/// A longer name is not looked at: hostile tables name one huge string from every symbol.
const LONGEST_NAME: usize = 64 << 10;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;

/// A function symbol.
struct Symbol<'a> {
    name: &'a [u8],
    address: FileAddr,
    size: u64,
}

/// Addresses at which functions begin, the compiler's cold parts left out.
pub(crate) fn entries(images: &[&Image]) -> HashSet<FileAddr> {
    let mut found = HashSet::new();
    each(images, |symbol| {
        // gcc and clang: `f.cold`, `f.cold.1`.
        if memchr::memmem::find(symbol.name, b".cold").is_none() {
            found.insert(symbol.address);
        }
    });
    found
}

/// The other names of the functions called `name`, by address.
pub(crate) fn aliases(images: &[&Image], name: &str) -> BTreeMap<FileAddr, BTreeSet<String>> {
    let mut addresses = BTreeMap::new();
    each(images, |symbol| {
        if symbol.name == name.as_bytes() {
            addresses.insert(symbol.address, BTreeSet::new());
        }
    });
    if !addresses.is_empty() {
        each(images, |symbol| {
            if let Some(names) = addresses.get_mut(&symbol.address)
                && symbol.name != name.as_bytes()
            {
                names.insert(String::from_utf8_lossy(symbol.name).into_owned());
            }
        });
    }
    addresses
}

/// The name of the function symbol whose code `at` is: the last that begins at it or before, and has not ended.
pub(crate) fn name_at(images: &[&Image], at: FileAddr) -> Option<String> {
    let mut best: Option<Symbol<'_>> = None;
    each(images, |symbol| {
        // Written in assembly, it may have no size.
        let ends = symbol.address.0.saturating_add(symbol.size);
        let holds = symbol.address <= at && (at.0 < ends || symbol.size == 0);
        if holds && best.as_ref().is_none_or(|best| best.address < symbol.address) {
            best = Some(symbol);
        }
    });
    best.map(|symbol| String::from_utf8_lossy(symbol.name).into_owned())
}

/// The address of the function symbol called `name`.
pub(crate) fn address(images: &[&Image], name: &str) -> Option<FileAddr> {
    let mut found = None;
    each(images, |symbol| {
        if symbol.name == name.as_bytes() {
            found.get_or_insert(symbol.address);
        }
    });
    found
}

fn each<'a>(images: &[&'a Image], mut take: impl FnMut(Symbol<'a>)) {
    for image in images {
        for (table, names) in [(".symtab", ".strtab"), (".dynsym", ".dynstr")] {
            // Symbols only help; a broken table is as none.
            if let (Ok(table), Ok(names)) = (image.section(table), image.section(names)) {
                table
                    .chunks_exact(SYMBOL_SIZE)
                    .filter_map(|bytes| symbol(bytes, names))
                    .for_each(&mut take);
            }
        }
    }
}

fn symbol<'a>(bytes: &[u8], names: &'a [u8]) -> Option<Symbol<'a>> {
    let kind = bytes.get(4)? & 0xf;
    // st_shndx 0: defined in another file.
    let defined = bytes.get(6..8)? != [0, 0];
    if !defined || (kind != STT_FUNC && kind != STT_GNU_IFUNC) {
        return None;
    }
    let name = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let rest = names.get(name as usize..)?;
    let rest = rest.get(..rest.len().min(LONGEST_NAME))?;
    let name = rest.get(..memchr::memchr(0, rest)?)?;
    Some(Symbol {
        name,
        address: FileAddr(u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?)),
        size: u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?),
    })
}
