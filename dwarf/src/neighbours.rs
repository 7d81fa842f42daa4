//! Which function of a file begins next.
//!
//! Must not know: code, rows.
//!
//! Only for C, whose functions follow each other in a file: elsewhere the next to be declared may be inside (a lambda,
//! a local class's member). GNU C's nested functions are entries below the function around them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gimli::{AttributeValue, DwLang, EntriesTreeNode};

use crate::debug_info::{DebugInfo, LoadedUnit, Slice};
use crate::source_path::file_of;

/// Where functions are defined at the top of a unit of C: file and line.
pub(crate) fn definitions<'a>(info: &DebugInfo<'a>, unit: &LoadedUnit<'a>) -> BTreeSet<(PathBuf, u32)> {
    let mut found = BTreeSet::new();
    // Of a malformed unit what came before counts.
    let _malformed = each_definition(unit, &mut |file, line| {
        let file = file_of(info, unit, file);
        let line = u32::try_from(line).ok();
        found.extend(
            file.zip(line)
                .map(|(file, line)| (file.path().to_path_buf(), line)),
        );
    });
    found
}

fn each_definition(unit: &LoadedUnit<'_>, found: &mut impl FnMut(u64, u64)) -> gimli::Result<()> {
    let mut tree = unit.unit.entries_tree(None)?;
    let root = tree.root()?;
    if !is_c(&root) {
        return Ok(());
    }
    let mut children = root.children();
    while let Some(child) = children.next()? {
        let entry = child.entry();
        let is_function = entry.tag() == gimli::DW_TAG_subprogram;
        let made_up = [gimli::DW_AT_declaration, gimli::DW_AT_artificial];
        if !is_function || made_up.iter().any(|name| entry.attr(*name).is_some()) {
            continue;
        }
        let file = match entry.attr_value(gimli::DW_AT_decl_file) {
            Some(AttributeValue::FileIndex(file)) => Some(file),
            Some(value) => value.udata_value(),
            None => None,
        };
        let line = entry.attr_value(gimli::DW_AT_decl_line);
        if let (Some(file), Some(line)) = (file, line.and_then(|line| line.udata_value())) {
            found(file, line);
        }
    }
    Ok(())
}

fn is_c(root: &EntriesTreeNode<'_, '_, Slice<'_>>) -> bool {
    const C: [DwLang; 5] = [
        gimli::DW_LANG_C89,
        gimli::DW_LANG_C,
        gimli::DW_LANG_C99,
        gimli::DW_LANG_C11,
        gimli::DW_LANG_C17,
    ];
    match root.entry().attr_value(gimli::DW_AT_language) {
        Some(AttributeValue::Language(language)) => C.contains(&language),
        _ => false,
    }
}
