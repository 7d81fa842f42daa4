//! Whether a unit's code was optimised, and what its functions may have agreed on.
//!
//! Must not know: functions.
//!
//! gcc writes its options into the producer string; clang and rustc do not. But a variable's place changes from
//! one instruction to the next only in optimised code, and then its `DW_AT_location` is a list: a form that
//! does not occur in the abbreviations of an unoptimised unit (seen with gcc 12, clang 14 and rustc 1.95).

use crate::debug_info::{DebugInfo, LoadedUnit};

/// Abbreviations looked at; compilers number them from 1 without gaps.
const MOST_ABBREVIATIONS: u64 = 1 << 16;

/// What a function's callers can rely on of the registers that the ABI lets it overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Nothing.
    ByFunction,
    /// What the compiler, or who wrote assembler code, knows of it: gcc's `-fipa-ra`, on from `-O1`.
    Across,
}

/// What the compiler did to a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiled {
    pub(crate) optimised: bool,
    pub(crate) allocation: Allocation,
}

pub(crate) fn compiled<'a>(info: &DebugInfo<'a>, unit: &LoadedUnit<'a>) -> Compiled {
    let producer = producer(info, unit).unwrap_or_default();
    let optimised = says_optimised(&producer) || has_location_lists(unit);
    Compiled {
        optimised,
        allocation: allocation(&producer, optimised),
    }
}

fn allocation(producer: &str, optimised: bool) -> Allocation {
    let by_llvm = producer.contains("clang") || producer.contains("LLVM") || producer.contains("rustc");
    let by_gcc = producer.starts_with("GNU ") && !producer.starts_with("GNU AS");
    if by_llvm || (by_gcc && !optimised) {
        Allocation::ByFunction
    } else {
        Allocation::Across
    }
}

fn producer<'a>(info: &DebugInfo<'a>, unit: &LoadedUnit<'a>) -> Option<String> {
    let mut entries = unit.unit.entries();
    let root = entries.next_dfs().ok()??;
    let value = root.attr_value(gimli::DW_AT_producer)?;
    Some(String::from_utf8_lossy(info.string(unit, value)?).into_owned())
}

/// The last `-O` decides, as it does for the compiler; `-O` alone is `-O1`.
fn says_optimised(producer: &str) -> bool {
    let mut levels = producer
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("-O"));
    let is_level = |level: &&str| matches!(*level, "" | "0" | "1" | "2" | "3" | "s" | "g" | "z" | "fast");
    let level = levels.rfind(is_level);
    level.is_some_and(|level| level != "0")
}

fn has_location_lists(unit: &LoadedUnit<'_>) -> bool {
    let version = unit.unit.header.version();
    let abbreviations = (1..MOST_ABBREVIATIONS).map_while(|code| unit.unit.abbreviations.get(code));
    abbreviations
        .flat_map(gimli::Abbreviation::attributes)
        .any(|attribute| {
            attribute.name() == gimli::DW_AT_location
                && match attribute.form() {
                    gimli::DW_FORM_loclistx | gimli::DW_FORM_sec_offset => true,
                    // Before DWARF 4 constants of these sizes were offsets of lists (DWARF 4 §1.4).
                    gimli::DW_FORM_data4 | gimli::DW_FORM_data8 => version < 4,
                    _ => false,
                }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_level_in_the_producer_decides() {
        assert!(says_optimised("GNU C17 12.2.0 -mtune=generic -g -O2"));
        assert!(says_optimised("GNU C17 12.2.0 -g -Og -fPIC"));
        assert!(!says_optimised("GNU C17 12.2.0 -g -O2 -O0"));
        assert!(!says_optimised("GNU C17 12.2.0 -g"));
        assert!(!says_optimised("clang version 14.0.6"));
    }

    #[test]
    fn only_gcc_optimising_and_assembler_code_agree_on_registers() {
        let of = allocation;
        assert_eq!(of("GNU C17 12.2.0 -g -O2", true), Allocation::Across);
        assert_eq!(of("GNU C17 12.2.0 -g", false), Allocation::ByFunction);
        assert_eq!(of("GNU AS 2.40", false), Allocation::Across);
        assert_eq!(
            of("clang LLVM (rustc version 1.95.0)", true),
            Allocation::ByFunction
        );
        assert_eq!(of("", false), Allocation::Across);
    }
}
