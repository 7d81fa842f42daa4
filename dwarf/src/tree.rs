//! The functions of one unit and the scopes around them, found in one pass over its entries.
//!
//! Must not know: other units, names as text, what is looked for.
//!
//! Only the attributes of `DW_TAG_subprogram` are read; all others are skipped (reading every attribute of
//! every entry costs three times as much). Scopes are recorded only when a function is found inside, and
//! their names are read when somebody asks. The walk keeps its own stack, so nesting is bounded by the input's
//! length, not by the thread's stack.

use std::collections::HashMap;

use gimli::{Abbreviation, AttributeValue, DwTag, EntriesRaw, Unit, UnitOffset};

use crate::debug_info::Slice;

pub(crate) type Value<'a> = AttributeValue<Slice<'a>>;

/// A reference from one entry to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    /// An offset in the same unit.
    Unit(usize),
    /// An offset in `.debug_info` of the same file.
    File(usize),
    /// An offset in `.debug_info` of the supplementary file.
    Supplementary(usize),
}

/// What an entry says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) name: Option<Value<'a>>,
    pub(crate) linkage_name: Option<Value<'a>>,
    pub(crate) origin: Option<Link>,
    pub(crate) decl_file: Option<u64>,
    pub(crate) decl_line: Option<u64>,
    pub(crate) low_pc: Option<Value<'a>>,
    pub(crate) high_pc: Option<Value<'a>>,
    pub(crate) ranges: Option<Value<'a>>,
    pub(crate) entry_pc: Option<Value<'a>>,
    pub(crate) call_file: Option<u64>,
    pub(crate) call_line: Option<u64>,
}

impl Facts<'_> {
    /// Whether the entry stands for code and not for a declaration or an inlined function's pattern.
    pub(crate) fn has_code(&self) -> bool {
        self.low_pc.is_some() || self.ranges.is_some()
    }
}

/// A function, or a scope with a function inside.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Offset in the unit.
    pub(crate) offset: usize,
    /// The innermost named scope around it; `None` at the unit's top.
    pub(crate) parent: Option<usize>,
    pub(crate) tag: DwTag,
    /// Read in the pass for functions, on demand for scopes.
    pub(crate) facts: Option<Facts<'a>>,
}

/// The functions and scopes of a unit.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    /// Sorted by offset once read.
    pub(crate) nodes: Vec<Node<'a>>,
    /// How many inlined copies the unit has of each function.
    pub(crate) inlined: HashMap<Link, usize>,
}

/// An open entry with children.
struct Open {
    offset: usize,
    tag: DwTag,
    /// Stack place of the innermost scope, this entry included.
    scope: Option<usize>,
    /// Stack place of the scope around this entry.
    outer: Option<usize>,
    node: Option<usize>,
}

/// Whether entries of this kind are part of the path of a function's name.
fn is_scope(tag: DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_namespace
            | gimli::DW_TAG_class_type
            | gimli::DW_TAG_structure_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type
            | gimli::DW_TAG_interface_type
            | gimli::DW_TAG_module
            | gimli::DW_TAG_subprogram
    )
}

impl<'a> Tree<'a> {
    /// Reads `unit`; with an error when it is malformed, and then what came before.
    pub(crate) fn read(unit: &Unit<Slice<'a>>) -> (Tree<'a>, Option<gimli::Error>) {
        let mut tree = Tree::default();
        let error = tree.fill(unit).err();
        tree.finish();
        (tree, error)
    }

    fn fill(&mut self, unit: &Unit<Slice<'a>>) -> gimli::Result<()> {
        let mut entries = unit.header.entries_raw(&unit.abbreviations, None)?;
        let mut stack: Vec<Open> = Vec::new();
        while !entries.is_empty() {
            let offset = entries.next_offset().0;
            let Some(abbreviation) = entries.read_abbreviation()? else {
                stack.pop();
                // The end of the root's children; what follows is padding.
                if stack.is_empty() {
                    return Ok(());
                }
                continue;
            };
            let tag = abbreviation.tag();
            let outer = stack.last().and_then(|open| open.scope);
            let mut node = None;
            if tag == gimli::DW_TAG_subprogram {
                let facts = read_facts(&mut entries, abbreviation)?;
                let parent = outer.and_then(|scope| self.record(&mut stack, scope));
                node = Some(self.add(offset, parent, tag, Some(facts)));
            } else if tag == gimli::DW_TAG_inlined_subroutine {
                if let Some(origin) = read_facts(&mut entries, abbreviation)?.origin {
                    *self.inlined.entry(origin).or_default() += 1;
                }
            } else {
                entries.skip_attributes(abbreviation.attributes())?;
                // A class declared in its class and defined outside names the declaration for its path.
                if is_scope(tag)
                    && abbreviation
                        .attributes()
                        .iter()
                        .any(|a| a.name() == gimli::DW_AT_declaration)
                {
                    let parent = outer.and_then(|scope| self.record(&mut stack, scope));
                    node = Some(self.add(offset, parent, tag, None));
                }
            }
            if abbreviation.has_children() {
                let scope = if is_scope(tag) { Some(stack.len()) } else { outer };
                stack.push(Open {
                    offset,
                    tag,
                    scope,
                    outer,
                    node,
                });
            } else if stack.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn add(&mut self, offset: usize, parent: Option<usize>, tag: DwTag, facts: Option<Facts<'a>>) -> usize {
        self.nodes.push(Node {
            offset,
            parent,
            tag,
            facts,
        });
        self.nodes.len() - 1
    }

    /// The node of the scope at `place` of the stack, made now where it is missing, with those around it.
    fn record(&mut self, stack: &mut [Open], place: usize) -> Option<usize> {
        let mut missing = Vec::new();
        let mut at = Some(place);
        let mut parent = None;
        while let Some(place) = at {
            let open = stack.get(place)?;
            if open.node.is_some() {
                parent = open.node;
                break;
            }
            missing.push(place);
            at = open.outer;
        }
        for place in missing.into_iter().rev() {
            let open = stack.get_mut(place)?;
            open.node = Some(self.add(open.offset, parent, open.tag, None));
            parent = open.node;
        }
        parent
    }

    /// Sorts the nodes: scopes were recorded after siblings that come later in the unit.
    fn finish(&mut self) {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_unstable_by_key(|&index| self.nodes.get(index).map_or(0, |node| node.offset));
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            if let Some(slot) = place.get_mut(old) {
                *slot = new;
            }
        }
        for node in &mut self.nodes {
            node.parent = node.parent.and_then(|parent| place.get(parent).copied());
        }
        self.nodes.sort_unstable_by_key(|node| node.offset);
    }

    /// The node at an offset of the unit.
    pub(crate) fn find(&self, offset: usize) -> Option<usize> {
        self.nodes.binary_search_by_key(&offset, |node| node.offset).ok()
    }
}

/// What the entry at `offset` says of itself.
pub(crate) fn facts_at<'a>(unit: &Unit<Slice<'a>>, offset: usize) -> Option<(DwTag, Facts<'a>)> {
    let mut entries = unit
        .header
        .entries_raw(&unit.abbreviations, Some(UnitOffset(offset)))
        .ok()?;
    let abbreviation = entries.read_abbreviation().ok()??;
    Some((abbreviation.tag(), read_facts(&mut entries, abbreviation).ok()?))
}

pub(crate) fn read_facts<'a>(
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<Facts<'a>> {
    let mut facts = Facts::default();
    let mut specification = None;
    for &specifier in abbreviation.attributes() {
        let attribute = entries.read_attribute(specifier)?;
        match attribute.name() {
            gimli::DW_AT_name => facts.name = Some(attribute.value()),
            gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                facts.linkage_name = Some(attribute.value());
            }
            gimli::DW_AT_abstract_origin => facts.origin = link(attribute.raw_value()),
            gimli::DW_AT_specification => specification = link(attribute.raw_value()),
            gimli::DW_AT_decl_file => facts.decl_file = number(&attribute.value()),
            gimli::DW_AT_decl_line => facts.decl_line = number(&attribute.value()),
            gimli::DW_AT_low_pc => facts.low_pc = Some(attribute.value()),
            gimli::DW_AT_high_pc => facts.high_pc = Some(attribute.value()),
            gimli::DW_AT_ranges => facts.ranges = Some(attribute.value()),
            gimli::DW_AT_entry_pc => facts.entry_pc = Some(attribute.value()),
            gimli::DW_AT_call_file => facts.call_file = number(&attribute.value()),
            gimli::DW_AT_call_line => facts.call_line = number(&attribute.value()),
            _ => {}
        }
    }
    facts.origin = facts.origin.or(specification);
    Ok(facts)
}

fn number(value: &Value<'_>) -> Option<u64> {
    match value {
        AttributeValue::FileIndex(index) => Some(*index),
        other => other.udata_value(),
    }
}

fn link(value: Value<'_>) -> Option<Link> {
    match value {
        AttributeValue::UnitRef(offset) => Some(Link::Unit(offset.0)),
        AttributeValue::DebugInfoRef(offset) => Some(Link::File(offset.0)),
        AttributeValue::DebugInfoRefSup(offset) => Some(Link::Supplementary(offset.0)),
        _ => None,
    }
}
