//! Finding functions: from a query to functions with their instances.
//!
//! Must not know: how files are found and mapped.
//!
//! The same code reads the same entries in the fast search and in the full scan; they differ only in which units
//! are read (`candidates.rs` says why that cannot matter). Units are read in file order, so both give the same
//! order, too.
//!
//! ```text
//! query ─► literals ─► candidate units ─┐
//!   └─ no literal (glob, regex, file) ──┴─► entries ─► chain ─► leaf test ─► path ─► match ─► group
//! ```

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::address::FileAddr;
use crate::candidates::{self, Candidates};
use crate::debug_info::{Book, DebugInfo, LoadedUnit, UnitId};
use crate::function::{Declared, Found, Function, Identity, InlinedFunction, Instance, Query};
use crate::image::Image;
use crate::lines::LineTable;
use crate::optimised::compiled;
use crate::pattern::{Candidate, FilePattern, Pattern};
use crate::ranges::{self, Entry};
use crate::resolve::{Chain, Place, Resolver};
use crate::source_path::{SourceLine, SourcePath};
use crate::symbols;

/// Which units are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that can matter.
    Candidates,
    /// Those that tell that this address is theirs.
    Around(FileAddr),
    /// All.
    EveryUnit,
    /// This one.
    Unit(UnitId),
}

/// What is wanted: a query, or a test of the declaration's file.
pub(crate) enum Wanted<'q> {
    Query(&'q Query),
    InFiles(&'q dyn Fn(&SourcePath) -> bool),
}

/// A search of one program.
pub(crate) struct Search<'i, 'a> {
    /// Where the code is.
    image: &'a Image,
    /// Where the debug information is, the same file or another.
    debug: &'a Image,
    resolver: Resolver<'i, 'a>,
    pub(crate) wanted: Wanted<'i>,
    /// For each pattern for functions, then for each for files, whether it selected anything.
    matched: RefCell<Vec<bool>>,
}

/// Functions as they are put together.
#[derive(Default)]
struct Groups {
    places: HashMap<Identity, usize>,
    groups: Vec<(Identity, Vec<Instance>, usize)>,
}

impl Groups {
    fn group(&mut self, identity: Identity) -> Option<&mut (Identity, Vec<Instance>, usize)> {
        let place = *self.places.entry(identity.clone()).or_insert_with(|| {
            self.groups.push((identity, Vec::new(), 0));
            self.groups.len() - 1
        });
        self.groups.get_mut(place)
    }
}

impl Wanted<'_> {
    /// The leaf names all matches have; `None` when a pattern does not tell.
    fn literals(&self) -> Option<Vec<&str>> {
        match self {
            Wanted::Query(query) if query.files.is_empty() && !query.patterns.is_empty() => {
                query.patterns.iter().map(Pattern::literal).collect()
            }
            _ => None,
        }
    }

    fn may_match_leaf(&self, leaf: &str) -> bool {
        match self {
            Wanted::Query(query) if query.files.is_empty() && !query.patterns.is_empty() => {
                query.patterns.iter().any(|pattern| pattern.may_match_leaf(leaf))
            }
            _ => true,
        }
    }

    /// Whether the function is wanted; `matched` is set for each pattern that it matches.
    fn selects(
        &self,
        candidate: &Candidate<'_>,
        declaration: Option<&SourceLine>,
        matched: &mut [bool],
    ) -> bool {
        let query = match self {
            Wanted::InFiles(keep) => return declaration.is_some_and(|line| keep(&line.file)),
            Wanted::Query(query) => query,
        };
        let path = declaration.map(|line| line.file.path());
        let one = |pattern: &Pattern| pattern.is_in_place(declaration) && pattern.matches(candidate);
        let everything = query.patterns.is_empty() && query.files.is_empty();
        let by_name = query.patterns.iter().map(one);
        let in_file = query
            .files
            .iter()
            .map(|file| path.is_some_and(|path| file.matches(path)));
        let mut by_any = false;
        for (selects, matched) in by_name.chain(in_file).zip(matched) {
            *matched |= selects;
            by_any |= selects;
        }
        (everything || by_any) && !query.exclude.iter().any(one)
    }
}

impl<'i, 'a> Search<'i, 'a> {
    /// A search of the program whose code is in the first image and whose debug information is in the second.
    pub(crate) fn new(images: [&'a Image; 2], resolver: Resolver<'i, 'a>, wanted: Wanted<'i>) -> Self {
        let patterns = match wanted {
            Wanted::Query(query) => query.patterns.len() + query.files.len(),
            Wanted::InFiles(_) => 0,
        };
        let [image, debug] = images;
        Search {
            image,
            debug,
            resolver,
            wanted,
            matched: RefCell::new(vec![false; patterns]),
        }
    }

    /// The patterns for functions and for files that selected nothing so far.
    pub(crate) fn unmatched(&self) -> (Vec<&'i Pattern>, Vec<&'i FilePattern>) {
        let Wanted::Query(query) = self.wanted else {
            return Default::default();
        };
        let matched = self.matched.borrow();
        let (patterns, files) = matched.split_at(query.patterns.len());
        (in_vain(&query.patterns, patterns), in_vain(&query.files, files))
    }

    pub(crate) fn run(&self, extent: Extent) -> Found {
        let mut groups = Groups::default();
        let symbols = OnceCell::new();
        let entries = || symbols.get_or_init(|| symbols::entries(&[self.image, self.debug]));
        for id in self.units(extent) {
            if let Some(unit) = self.read(id) {
                self.collect(&unit, &mut groups, &entries);
            }
        }
        finish(groups)
    }

    fn info(&self) -> &DebugInfo<'a> {
        self.resolver.info
    }

    fn read(&self, id: UnitId) -> Option<Rc<LoadedUnit<'a>>> {
        self.info()
            .read_known(id)
            .or_else(|| self.info().read(id).map(Rc::new))
    }

    /// The units to read, in file order.
    fn units(&self, extent: Extent) -> Vec<UnitId> {
        let every = || self.info().units().collect();
        let literals = match extent {
            Extent::Candidates => self.wanted.literals(),
            Extent::Around(address) => return self.units_around(address),
            Extent::EveryUnit => None,
            Extent::Unit(id) => return vec![id],
        };
        let Some(literals) = literals else {
            return every();
        };
        let test = |leaf: &str| self.wanted.may_match_leaf(leaf);
        let Candidates::Only(named) = candidates::by_name(self.info(), &literals, &test) else {
            return every();
        };
        // Their names are in other files, where nothing was searched.
        let named: BTreeSet<UnitId> = named.into_iter().chain(self.info().split_units()).collect();
        if !candidates::has_links_between_units(self.info()) {
            return named.into_iter().collect();
        }
        match self.with_references(named) {
            Some(units) => units.into_iter().collect(),
            None => every(),
        }
    }

    /// The units in whose ranges the address is.
    fn units_around(&self, address: FileAddr) -> Vec<UnitId> {
        let holds = |id: &UnitId| {
            let Ok(Some(unit)) = self.info().read_root(*id) else {
                return false;
            };
            let dwarf = self.info().dwarf(&unit);
            let Ok(mut ranges) = dwarf.unit_ranges(&unit.unit) else {
                return false;
            };
            // Of a list that breaks off what came before counts.
            while let Ok(Some(range)) = ranges.next() {
                if (range.begin..range.end).contains(&address.0) {
                    return true;
                }
            }
            false
        };
        self.info().units().filter(holds).collect()
    }

    /// The units, and those that refer to their matching entries, and so on; `None` when there is no end of it.
    fn with_references(&self, named: BTreeSet<UnitId>) -> Option<BTreeSet<UnitId>> {
        let mut units = named.clone();
        let mut fresh: Vec<UnitId> = named.into_iter().collect();
        while !fresh.is_empty() {
            let mut offsets: HashMap<Book, Vec<usize>> = HashMap::new();
            for id in fresh.drain(..) {
                let Some(unit) = self.info().read_kept(id) else {
                    continue;
                };
                let matching = (0..unit.tree.nodes.len()).filter(|&node| self.may_match(&unit, node));
                let starts = matching.filter_map(|node| Some(unit.tree.nodes.get(node)?.offset));
                let offsets = offsets.entry(id.book).or_default();
                offsets.extend(starts.map(|offset| DebugInfo::info_offset(&unit, offset)));
            }
            for (book, offsets) in offsets {
                // Only the main file refers to the supplementary one, but its own units refer to each other.
                let readers: &[Book] = if book == Book::Main {
                    &[Book::Main]
                } else {
                    &[Book::Main, Book::Supplementary]
                };
                for reader in readers {
                    let Candidates::Only(more) = candidates::by_reference(self.info(), *reader, &offsets)
                    else {
                        return None;
                    };
                    fresh.extend(more.into_iter().filter(|id| units.insert(*id)));
                }
            }
        }
        Some(units)
    }

    /// Whether the entry is a function whose own name passes the test.
    fn may_match(&self, unit: &Rc<LoadedUnit<'a>>, node: usize) -> bool {
        let is_function = unit
            .tree
            .nodes
            .get(node)
            .is_some_and(|node| node.tag == gimli::DW_TAG_subprogram);
        is_function
            && self
                .passing(Place {
                    unit: Rc::clone(unit),
                    node,
                })
                .is_some()
    }

    fn collect<'s>(
        &self,
        unit: &Rc<LoadedUnit<'a>>,
        groups: &mut Groups,
        entries: &impl Fn() -> &'s HashSet<FileAddr>,
    ) {
        let lines = OnceCell::new();
        let line_at = |address| {
            let table = lines.get_or_init(|| LineTable::read(self.info(), unit).ok());
            table.as_ref().and_then(|table| table.line_at(address))
        };
        let mut undeclared: HashMap<(UnitId, usize), Identity> = HashMap::new();
        let mut built = None;
        for (node, facts) in unit.tree.nodes.iter().enumerate() {
            let Some(facts) = facts.facts.as_ref().filter(|facts| facts.has_code()) else {
                continue;
            };
            let Some(chain) = self.passing(Place {
                unit: Rc::clone(unit),
                node,
            }) else {
                continue;
            };
            let dwarf = self.info().dwarf(unit);
            let Some(code) = ranges::code(self.image, dwarf, &unit.unit, facts) else {
                continue;
            };
            let entry = match code.entry {
                Entry::Told(entry) => entry,
                Entry::OneOfSeveral(first) => {
                    let mut starts = code.ranges.iter().map(|range| range.start);
                    starts.find(|start| entries().contains(start)).unwrap_or(first)
                }
            };
            let declared = self.resolver.declaration(&chain);
            let is_declared = declared.is_some();
            let declaration = declared.or_else(|| line_at(entry));
            let Some((identity, name)) = self.selected(&chain, declaration) else {
                continue;
            };
            if !is_declared {
                undeclared.insert(root(&chain), identity.clone());
            }
            let compiled = *built.get_or_insert_with(|| compiled(self.info(), unit));
            let linkage_name = chain
                .linkage_name
                .map(|name| String::from_utf8_lossy(name).into_owned());
            let instance = Instance {
                name,
                linkage_name,
                ranges: code.ranges,
                entry,
                optimised: compiled.optimised,
                allocation: compiled.allocation,
                unit: unit.id,
                offset: unit.tree.nodes.get(node).map_or(0, |node| node.offset),
            };
            if let Some((_, instances, _)) = groups.group(identity) {
                instances.push(instance);
            }
        }
        for (&link, &copies) in &unit.tree.inlined {
            let Some(chain) = self
                .resolver
                .follow(unit, link)
                .and_then(|place| self.passing(place))
            else {
                continue;
            };
            let identity = match (self.resolver.declaration(&chain), undeclared.get(&root(&chain))) {
                (None, Some(identity)) => Some(identity.clone()),
                (declaration, _) => self.selected(&chain, declaration).map(|(identity, _)| identity),
            };
            if let Some((_, _, inlined)) = identity.and_then(|identity| groups.group(identity)) {
                *inlined += copies;
            }
        }
    }

    /// The entry's chain, when the function's own name can match.
    fn passing(&self, place: Place<'a>) -> Option<Chain<'a>> {
        let chain = self.resolver.chain(place)?;
        let passes = |name: Option<&[u8]>| {
            name.is_some_and(|name| self.wanted.may_match_leaf(&String::from_utf8_lossy(name)))
        };
        (passes(chain.name) || passes(chain.linkage_name)).then_some(chain)
    }

    /// The function of a chain and the instance's full name, if it is wanted.
    fn selected(&self, chain: &Chain<'a>, declaration: Option<SourceLine>) -> Option<(Identity, String)> {
        let name = self.resolver.name(chain)?;
        let linkage_name = chain.linkage_name.map(String::from_utf8_lossy);
        let candidate = Candidate {
            name: &name,
            linkage_name: linkage_name.as_deref(),
        };
        if !self
            .wanted
            .selects(&candidate, declaration.as_ref(), &mut self.matched.borrow_mut())
        {
            return None;
        }
        let (unit, offset) = root(chain);
        let declared = declaration.map_or(Declared::Unknown(unit, offset), Declared::At);
        Some((
            Identity {
                name: name.plain(),
                declared,
            },
            name.full(),
        ))
    }
}

fn in_vain<'q, P>(patterns: &'q [P], matched: &[bool]) -> Vec<&'q P> {
    let pairs = patterns.iter().zip(matched);
    pairs
        .filter(|(_, matched)| !**matched)
        .map(|(pattern, _)| pattern)
        .collect()
}

/// Where the last entry of a chain is.
fn root(chain: &Chain<'_>) -> (UnitId, usize) {
    let node = chain.last.unit.tree.nodes.get(chain.last.node);
    (chain.last.unit.id, node.map_or(0, |node| node.offset))
}

fn finish(groups: Groups) -> Found {
    let mut found = Found::default();
    for (identity, mut instances, inlined_copies) in groups.groups {
        let declaration = identity.declared.line();
        let name = identity.name;
        // GNU ld points the entries of dropped COMDAT copies at the copy it kept: the same code from many units.
        instances.sort_by(|a, b| a.entry.cmp(&b.entry).then_with(|| a.ranges.cmp(&b.ranges)));
        instances.dedup_by(|later, first| later.entry == first.entry && later.ranges == first.ranges);
        if instances.is_empty() {
            found.inlined_only.push(InlinedFunction {
                name,
                declaration,
                copies: inlined_copies,
            });
        } else {
            found.functions.push(Function {
                name,
                declaration,
                instances,
                inlined_copies,
            });
        }
    }
    let line = |declaration: &Option<SourceLine>| {
        declaration
            .as_ref()
            .map(|line| (line.file.path().to_path_buf(), line.line))
    };
    let entry = |function: &Function| function.instances.first().map(|instance| instance.entry);
    found
        .functions
        .sort_by_cached_key(|function| (entry(function), function.name.clone()));
    found
        .inlined_only
        .sort_by_cached_key(|function| (line(&function.declaration), function.name.clone()));
    found
}
