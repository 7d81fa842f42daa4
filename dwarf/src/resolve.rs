//! From an entry to the function it stands for: name, linkage name, declaration.
//!
//! Must not know: patterns, code.
//!
//! ```text
//! low_pc ── abstract_origin ──► inline ── specification ──► declaration in its class ── parents ──► ns::Widget
//!           (same unit, another unit, or the supplementary file)
//! ```
//! Each attribute is taken from the first entry of the chain that has it, the scopes from the last. Chains of
//! hostile files are cyclic and nesting is deep: both are walked with a limit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use crate::debug_info::{Book, DebugInfo, LoadedUnit, UnitId};
use crate::name::QualifiedName;
use crate::source_path::{SourceLine, SourcePath, file_of};
use crate::tree::{Facts, Link, facts_at};

/// Longest chain of origins followed; real ones have at most four entries.
const MOST_LINKS: usize = 32;
/// Innermost scopes kept in a path.
const MOST_SCOPES: usize = 128;

/// An entry of a unit's tree.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) unit: Rc<LoadedUnit<'a>>,
    pub(crate) node: usize,
}

/// What an entry's chain says, not yet as text.
#[derive(Clone, Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) linkage_name: Option<&'a [u8]>,
    file: Option<(Rc<LoadedUnit<'a>>, u64)>,
    line: Option<u64>,
    pub(crate) last: Place<'a>,
}

/// What was worked out before.
type Known<K, V> = RefCell<HashMap<K, V>>;

/// Follows references and remembers what it read.
pub(crate) struct Resolver<'i, 'a> {
    pub(crate) info: &'i DebugInfo<'a>,
    scopes: Known<(UnitId, usize), Rc<Vec<String>>>,
    files: Known<(UnitId, u64), Option<Arc<SourcePath>>>,
    paths: Known<SourcePath, Arc<SourcePath>>,
}

impl<'i, 'a> Resolver<'i, 'a> {
    pub(crate) fn new(info: &'i DebugInfo<'a>) -> Resolver<'i, 'a> {
        Resolver {
            info,
            scopes: RefCell::default(),
            files: RefCell::default(),
            paths: RefCell::default(),
        }
    }

    /// The entry that `link`, found in `unit`, refers to.
    pub(crate) fn follow(&self, unit: &Rc<LoadedUnit<'a>>, link: Link) -> Option<Place<'a>> {
        let (book, offset) = match link {
            Link::Unit(offset) => {
                let node = unit.tree.find(offset)?;
                return Some(Place {
                    unit: Rc::clone(unit),
                    node,
                });
            }
            Link::File(offset) => (unit.id.book, offset),
            Link::Supplementary(offset) => (Book::Supplementary, offset),
        };
        let id = self.info.unit_at(book, offset)?;
        let unit = if id == unit.id {
            Rc::clone(unit)
        } else {
            self.info.read_kept(id)?
        };
        let start = DebugInfo::info_offset(&unit, 0);
        let node = unit.tree.find(offset.checked_sub(start)?)?;
        Some(Place { unit, node })
    }

    fn facts(&self, place: &Place<'a>) -> Option<Facts<'a>> {
        let node = place.unit.tree.nodes.get(place.node)?;
        match &node.facts {
            Some(facts) => Some(facts.clone()),
            None => facts_at(&place.unit.unit, node.offset).map(|(_, facts)| facts),
        }
    }

    /// What the entry and those it refers to say; `None` for a cycle.
    pub(crate) fn chain(&self, place: Place<'a>) -> Option<Chain<'a>> {
        let mut chain = Chain {
            name: None,
            linkage_name: None,
            file: None,
            line: None,
            last: place.clone(),
        };
        let mut at = place;
        for _ in 0..MOST_LINKS {
            let facts = self.facts(&at)?;
            let string = |value| self.info.string(&at.unit, value);
            chain.name = chain.name.or_else(|| facts.name.and_then(string));
            chain.linkage_name = chain.linkage_name.or_else(|| facts.linkage_name.and_then(string));
            if chain.file.is_none() {
                chain.file = facts.decl_file.map(|file| (Rc::clone(&at.unit), file));
            }
            chain.line = chain.line.or(facts.decl_line);
            chain.last = at.clone();
            let Some(link) = facts.origin else {
                return Some(chain);
            };
            let Some(next) = self.follow(&at.unit, link) else {
                return Some(chain);
            };
            at = next;
        }
        None
    }

    /// The path of a function whose chain is known.
    pub(crate) fn name(&self, chain: &Chain<'a>) -> Option<QualifiedName> {
        let leaf = chain.name.or(chain.linkage_name)?;
        let parent = chain.last.unit.tree.nodes.get(chain.last.node)?.parent;
        let mut parts = match parent {
            Some(node) => self
                .scope(Place {
                    unit: Rc::clone(&chain.last.unit),
                    node,
                })
                .as_ref()
                .clone(),
            None => Vec::new(),
        };
        parts.push(String::from_utf8_lossy(leaf).into_owned());
        let mut name = QualifiedName { parts };
        name.resolve_impl(chain.linkage_name.map(String::from_utf8_lossy).as_deref());
        Some(name)
    }

    /// The path of a scope, itself included, outermost first.
    fn scope(&self, place: Place<'a>) -> Rc<Vec<String>> {
        let key = (place.unit.id, place.node);
        if let Some(known) = self.scopes.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut parts = Vec::new();
        let mut at = Some(place);
        while let Some(place) = at.take() {
            if parts.len() >= MOST_SCOPES {
                break;
            }
            let tag = place.unit.tree.nodes.get(place.node).map(|node| node.tag);
            let Some(chain) = self.chain(place) else {
                break;
            };
            parts.push(match chain.name {
                Some(name) => String::from_utf8_lossy(name).into_owned(),
                None if tag == Some(gimli::DW_TAG_namespace) => "(anonymous namespace)".to_string(),
                None => "(anonymous)".to_string(),
            });
            let node = chain.last.unit.tree.nodes.get(chain.last.node);
            at = node.and_then(|node| node.parent).map(|node| Place {
                unit: chain.last.unit,
                node,
            });
        }
        parts.reverse();
        let parts = Rc::new(parts);
        self.scopes.borrow_mut().insert(key, Rc::clone(&parts));
        parts
    }

    /// Where the function is declared.
    pub(crate) fn declaration(&self, chain: &Chain<'a>) -> Option<SourceLine> {
        let (unit, index) = chain.file.as_ref()?;
        let line = u32::try_from(chain.line?).ok().filter(|line| *line > 0)?;
        let file = self.file(unit, *index)?;
        Some(SourceLine { file, line })
    }

    /// The source file that `index` names in a unit's line table.
    pub(crate) fn file(&self, unit: &LoadedUnit<'a>, index: u64) -> Option<Arc<SourcePath>> {
        if let Some(known) = self.files.borrow().get(&(unit.id, index)) {
            return known.clone();
        }
        let file = file_of(self.info, unit, index).map(|path| self.shared(path));
        self.files.borrow_mut().insert((unit.id, index), file.clone());
        file
    }

    /// One `Arc` for equal paths, whatever MD5 one unit adds and another does not.
    fn shared(&self, path: SourcePath) -> Arc<SourcePath> {
        let key = SourcePath::new(PathBuf::from(path.path()));
        Arc::clone(
            self.paths
                .borrow_mut()
                .entry(key)
                .or_insert_with(|| Arc::new(path)),
        )
    }
}
