//! Function symbols' addresses.
//!
//! Must not know: DWARF. Used where debug information gives a function several ranges and does not say in which
//! one calls arrive.

use std::collections::HashSet;

use crate::address::FileAddr;
use crate::image::Image;

/// `Elf64_Sym` (gabi, Symbol Table).
const SYMBOL_SIZE: usize = 24;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;

/// Addresses at which functions begin, the compiler's cold parts left out.
pub(crate) fn entries(images: &[&Image]) -> HashSet<FileAddr> {
    let mut found = HashSet::new();
    for image in images {
        for (table, names) in [(".symtab", ".strtab"), (".dynsym", ".dynstr")] {
            // Without symbols the first range is taken; a broken table is as none.
            if let (Ok(table), Ok(names)) = (image.section(table), image.section(names)) {
                found.extend(
                    table
                        .chunks_exact(SYMBOL_SIZE)
                        .filter_map(|symbol| entry(symbol, names)),
                );
            }
        }
    }
    found
}

fn entry(symbol: &[u8], names: &[u8]) -> Option<FileAddr> {
    let kind = symbol.get(4)? & 0xf;
    if kind != STT_FUNC && kind != STT_GNU_IFUNC {
        return None;
    }
    let name = u32::from_le_bytes(symbol.get(..4)?.try_into().ok()?);
    let rest = names.get(name as usize..)?;
    let name = rest.get(..memchr::memchr(0, rest)?)?;
    // gcc and clang: `f.cold`, `f.cold.1`.
    if memchr::memmem::find(name, b".cold").is_some() {
        return None;
    }
    Some(FileAddr(u64::from_le_bytes(symbol.get(8..16)?.try_into().ok()?)))
}
