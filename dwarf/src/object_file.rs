//! A program or shared object with the debug information that belongs to it.
//!
//! Must not know: processes. Everything is said in addresses of the file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::address::{AddrRange, FileAddr};
use crate::alias;
use crate::debug_info::{DebugInfo, UnitId};
use crate::error::{Error, ErrorKind, Operation};
use crate::frame::{self, FrameRule};
use crate::function::{Found, Function, InlinedFunction, Instance, Query};
use crate::image::{Image, Kind, Segment, Symbols};
use crate::inlined::{self, InlinedCall};
use crate::landing;
use crate::lines::{LineTable, NoTable, Row};
use crate::marks::{self, Marks};
use crate::nearest;
use crate::neighbours;
use crate::pattern::{FilePattern, Pattern};
use crate::resolve::Resolver;
use crate::restartable::{self, RestartableSequence};
use crate::search::{Extent, Search, Wanted};
use crate::separate::{DebugSearch, debug_file, supplementary_file};
use crate::source_path::SourcePath;
use crate::split::SplitFiles;
use crate::symbols;

/// An ELF file and the debug information that belongs to it.
///
/// Nothing but headers is read until something is asked for.
///
/// ```no_run
/// use lineprof_dwarf::{DebugSearch, ObjectFile, Query};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = ObjectFile::open("target/debug/program".as_ref(), &DebugSearch::default())?;
/// let query = Query { patterns: vec!["program::index::build".parse()?], ..Query::default() };
/// for function in file.functions(&query)? {
///     for instance in &function.instances {
///         println!("{} at {}: {} rows", function.name, instance.entry, file.rows(instance)?.len());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ObjectFile {
    image: Image,
    debug: Option<Image>,
    supplementary: Option<Image>,
    search: DebugSearch,
    split: OnceLock<SplitFiles>,
    tables: Mutex<HashMap<UnitId, Arc<LineTable>>>,
    damage: Mutex<Vec<Damage>>,
}

/// A unit of debug information that could not be read to its end. Functions in it may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Where the unit begins in `.debug_info`.
    pub unit_offset: u64,
    /// What is wrong.
    pub source: gimli::Error,
}

impl ObjectFile {
    /// Opens the file at `path` and finds its debug information.
    ///
    /// A file without any opens as well: its segments and frame rules are there, and
    /// [`ObjectFile::functions`] says what is missing.
    ///
    /// # Errors
    /// When the file cannot be opened or is no x86-64 program or shared object; the kind says which.
    pub fn open(path: &Path, search: &DebugSearch) -> Result<ObjectFile, Error> {
        let image = Image::open(path)?;
        let debug = if image.has_section(".debug_info") {
            None
        } else {
            debug_file(&image, search)
        };
        let supplementary = supplementary_file(debug.as_ref().unwrap_or(&image), search);
        Ok(ObjectFile {
            image,
            debug,
            supplementary,
            search: search.clone(),
            split: OnceLock::new(),
            tables: Mutex::default(),
            damage: Mutex::default(),
        })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        self.image.path()
    }

    /// The separate debug file, when one is used.
    pub fn debug_path(&self) -> Option<&Path> {
        self.debug.as_ref().map(Image::path)
    }

    /// The build-id (`NT_GNU_BUILD_ID`), by which a mapped file is known to be this one.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.image.build_id()
    }

    /// How the file's addresses relate to those of a process.
    pub fn kind(&self) -> Kind {
        self.image.kind()
    }

    /// What is mapped (`PT_LOAD`), by address.
    pub fn segments(&self) -> &[Segment] {
        self.image.segments()
    }

    /// Where the program begins (`e_entry`).
    pub fn start(&self) -> FileAddr {
        self.image.start()
    }

    /// The program that maps this one's libraries (`PT_INTERP`); `None` for a static one.
    pub fn interpreter(&self) -> Option<&Path> {
        self.image.interpreter()
    }

    /// The address of a function by its symbol, which need not have debug information.
    pub fn symbol(&self, name: &str) -> Option<FileAddr> {
        symbols::address(&[&self.image], name)
    }

    /// The file itself, whose code it is.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    /// What an unwinder needs of the file: `.text`, `.eh_frame` and `.eh_frame_hdr`, with their addresses, where the
    /// file has them.
    pub fn unwind_sections(&self) -> [Option<(FileAddr, &[u8])>; 3] {
        [".text", ".eh_frame", ".eh_frame_hdr"].map(|name| self.image.loaded_section(name))
    }

    /// Bytes of an executable segment as the file has them; `None` when `range` is not wholly in one.
    pub fn code(&self, range: AddrRange) -> Option<&[u8]> {
        self.image.code(range)
    }

    /// Code that the kernel begins again when a thread is interrupted in it (rseq(2)).
    ///
    /// # Errors
    /// The relocations of the file cannot be read.
    pub fn restartable_sequences(&self) -> Result<Vec<RestartableSequence>, Error> {
        restartable::sequences(&self.image)
    }

    /// What the program's source marks to be profiled.
    ///
    /// # Errors
    /// The section of the marks cannot be inflated.
    pub fn marks(&self) -> Result<Marks, Error> {
        marks::marks(&self.image)
    }

    /// Where the CFA is at an instruction, as register and offset.
    ///
    /// `None` where the file does not tell, or tells it by an expression (in PLT stubs, say).
    pub fn frame_rule(&self, at: FileAddr) -> Option<FrameRule> {
        frame::rule(&self.image, self.debug_image(), at)
    }

    /// Where an exception may enter the code of `ranges`: the landing pads of all calls of the functions there.
    ///
    /// Shape: sorted, unique, each in an executable segment. A pad need not lie inside `ranges`: all pads count of
    /// each entry of `.eh_frame` that covers a part of them. None in a file without exceptions, and none in one
    /// that has no section headers.
    /// Source: Itanium C++ ABI "Exception Handling", level 2, in the format of gcc's `unwind-pe.h`.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when a table breaks off, has an address that is none of the file, or an encoding
    /// that is not known without a process; [`ErrorKind::TooMany`] when tables are shared without end.
    pub fn landing_pads(&self, ranges: &[AddrRange]) -> Result<Vec<FileAddr>, Error> {
        landing::pads(&self.image, ranges)
    }

    /// What `query` selects, and which part of it selects nothing.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn select(&self, query: &Query) -> Result<Found, Error> {
        self.search(Wanted::Query(query), Extent::Candidates)
    }

    /// The functions that `query` selects and that have code, by address.
    ///
    /// Plain names are found without reading most of the debug information.
    ///
    /// # Errors
    /// [`ErrorKind::NoDebugInfo`], [`ErrorKind::SplitDebugInfo`] when nothing was found and the debug information
    /// is elsewhere, [`ErrorKind::Malformed`] when the list of units is broken.
    pub fn functions(&self, query: &Query) -> Result<Vec<Function>, Error> {
        Ok(self.search(Wanted::Query(query), Extent::Candidates)?.functions)
    }

    /// The name of the function in whose code `address` is, and its instance there.
    ///
    /// Only the units are read whose code is there, as far as they tell.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn function_at(&self, address: FileAddr) -> Result<Option<(String, Instance)>, Error> {
        let info = self.debug_info()?;
        let images = [&self.image, self.debug_image()];
        let all = Query::default();
        let holds = |ranges: &[AddrRange]| ranges.iter().any(|range| range.contains(address));
        let find = |extent| {
            let search = Search::new(images, Resolver::new(&info), Wanted::Query(&all));
            let functions = search.run(extent).functions.into_iter();
            let mut instances = functions.flat_map(|function| {
                let named = move |instance| (function.name.clone(), instance);
                function.instances.into_iter().map(named)
            });
            instances.find(|(_, instance)| holds(&instance.ranges))
        };
        let found = find(Extent::Around(address)).or_else(|| find(Extent::EveryUnit));
        self.note_damage(&info);
        Ok(found)
    }

    /// The same answer by reading every unit; the reference that [`ObjectFile::functions`] is tested against.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn functions_full_scan(&self, query: &Query) -> Result<Vec<Function>, Error> {
        Ok(self.search(Wanted::Query(query), Extent::EveryUnit)?.functions)
    }

    /// All functions declared in files that `keep` takes.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn all_functions_where(&self, keep: &dyn Fn(&SourcePath) -> bool) -> Result<Vec<Function>, Error> {
        Ok(self.search(Wanted::InFiles(keep), Extent::EveryUnit)?.functions)
    }

    /// Functions that `query` selects and that were inlined everywhere, so that no code of their own is left.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn inlined_only(&self, query: &Query) -> Result<Vec<InlinedFunction>, Error> {
        Ok(self
            .search(Wanted::Query(query), Extent::Candidates)?
            .inlined_only)
    }

    /// Names of functions that look like what `pattern` asks for, nearest first.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn nearest_names(&self, pattern: &Pattern, most: usize) -> Result<Vec<String>, Error> {
        let Some(wanted) = pattern.approximate() else {
            return Ok(Vec::new());
        };
        let found = self.search(Wanted::Query(&Query::default()), Extent::EveryUnit)?;
        let in_file =
            |function: &&Function| pattern.has_place() && pattern.is_in_place(function.declaration.as_ref());
        let mut near: Vec<&Function> = found.functions.iter().filter(in_file).collect();
        if near.is_empty() {
            near = found.functions.iter().collect();
        }
        let names = near.into_iter().map(|function| function.name.clone());
        let inlined = found.inlined_only.iter().map(|function| function.name.clone());
        Ok(nearest::nearest(&wanted, names.chain(inlined), most))
    }

    /// Names of source files that look like what `pattern` asks for, nearest first.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn nearest_files(&self, pattern: &FilePattern, most: usize) -> Result<Vec<String>, Error> {
        let found = self.search(Wanted::Query(&Query::default()), Extent::EveryUnit)?;
        let file_name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
        let declared = found
            .functions
            .iter()
            .filter_map(|function| function.declaration.as_ref());
        let names = declared.filter_map(|line| file_name(line.file.path()));
        let wanted = file_name(Path::new(pattern.as_str())).unwrap_or_default();
        Ok(nearest::nearest(&wanted.replace(['*', '?'], ""), names, most))
    }

    /// The line on which the next function of the same file begins, for each of `functions`; where that is known.
    ///
    /// Only functions of the same unit count, and only in C: elsewhere one may be declared inside of another.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`].
    pub fn declared_after(&self, functions: &[Function]) -> Result<Vec<Option<u32>>, Error> {
        let info = self.debug_info()?;
        let mut units: HashMap<UnitId, BTreeSet<(PathBuf, u32)>> = HashMap::new();
        let after = |function: &Function| {
            let (declared, unit) = (function.declaration.as_ref()?, function.instances.first()?.unit);
            let definitions = units.entry(unit).or_insert_with(|| {
                let unit = info.read_root(unit).ok().flatten();
                unit.map(|unit| neighbours::definitions(&info, &unit))
                    .unwrap_or_default()
            });
            let file = declared.file.path().to_path_buf();
            let next = definitions
                .range((file.clone(), declared.line.checked_add(1)?)..)
                .next()?;
            (next.0 == file).then_some(next.1)
        };
        Ok(functions.iter().map(after).collect())
    }

    /// The line table's rows inside the instance's ranges.
    ///
    /// Shape: in address order, in file order within one address; rows of line 0 are included, ends of
    /// sequences are not.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when the line program breaks off, [`ErrorKind::TooMany`] when it has no end.
    pub fn rows(&self, instance: &Instance) -> Result<Vec<Row>, Error> {
        Ok(self.table(instance.unit)?.rows(&instance.ranges))
    }

    /// The calls that were inlined into each of `instances`, also those that inlined code makes.
    ///
    /// Shape: in step with `instances`, each in the order of the debug information.
    ///
    /// # Errors
    /// As [`ObjectFile::functions`]; what is malformed is noted as [`Damage`].
    pub fn inlined_calls(&self, instances: &[&Instance]) -> Result<Vec<Vec<InlinedCall>>, Error> {
        let info = self.debug_info()?;
        let mut offsets: BTreeMap<UnitId, BTreeSet<usize>> = BTreeMap::new();
        for instance in instances {
            offsets.entry(instance.unit).or_default().insert(instance.offset);
        }
        let mut found: HashMap<UnitId, HashMap<usize, Vec<InlinedCall>>> = HashMap::new();
        for (id, offsets) in offsets {
            // Of a unit that cannot be read, the line table says so.
            let Ok(Some(unit)) = info.read_root(id) else {
                continue;
            };
            let (calls, error) = inlined::calls(&info, &unit, &offsets);
            if let Some(error) = error {
                info.note(id, error);
            }
            found.insert(id, calls);
        }
        self.note_damage(&info);
        let of = |instance: &&Instance| found.get(&instance.unit)?.get(&instance.offset).cloned();
        Ok(instances
            .iter()
            .map(|instance| of(instance).unwrap_or_default())
            .collect())
    }

    /// Units met so far that could not be read to their end.
    pub fn damage(&self) -> Vec<Damage> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn debug_image(&self) -> &Image {
        self.debug.as_ref().unwrap_or(&self.image)
    }

    pub(crate) fn debug_info(&self) -> Result<DebugInfo<'_>, Error> {
        let image = self.debug_image();
        if !image.has_section(".debug_info") {
            let has_symbols = matches!(self.image.symbols(), Symbols::Present);
            let debug_link = self.image.debug_link();
            let debug_link = debug_link.map(|link| String::from_utf8_lossy(&link.name).into_owned());
            let kind = ErrorKind::NoDebugInfo {
                has_symbols,
                debug_link,
            };
            return Err(Error::new(Operation::ReadFunctions, image.path(), kind));
        }
        if let (Some(link), None) = (image.alt_link(), &self.supplementary) {
            let name = String::from_utf8_lossy(&link.name).into_owned();
            let kind = ErrorKind::NoSupplementaryFile { name };
            return Err(Error::new(Operation::ReadFunctions, image.path(), kind));
        }
        let info = DebugInfo::load(image, self.supplementary.as_ref())?;
        if !info.is_split() {
            return Ok(info);
        }
        let files = self
            .split
            .get_or_init(|| SplitFiles::find(&info.skeletons(), &self.image, image, &self.search));
        Ok(info.with_split(files))
    }

    pub(crate) fn search(&self, wanted: Wanted<'_>, extent: Extent) -> Result<Found, Error> {
        let info = self.debug_info()?;
        let images = [&self.image, self.debug_image()];
        let search = Search::new(images, Resolver::new(&info), wanted);
        let mut found = search.run(extent);
        if let Wanted::Query(query) = search.wanted {
            let (mut unmatched, files) = search.unmatched();
            let by_name = |query: &Query| {
                let resolver = Resolver::new(&info);
                let search = Search::new(images, resolver, Wanted::Query(query));
                Ok::<_, Error>(search.run(extent))
            };
            alias::add(&mut found, query, &mut unmatched, &images, by_name)?;
            let texts = unmatched
                .into_iter()
                .map(Pattern::as_str)
                .chain(files.into_iter().map(FilePattern::as_str));
            found.unmatched = texts.map(str::to_owned).collect();
        }
        self.note_damage(&info);
        let missing = self.split.get().map_or(&[][..], |files| &files.missing);
        found.missing_files = missing.to_vec();
        if let (true, true, [first, others @ ..]) =
            (found.functions.is_empty(), found.inlined_only.is_empty(), missing)
        {
            let kind = ErrorKind::SplitDebugInfo {
                missing: first.clone(),
                others: others.len(),
            };
            return Err(Error::new(
                Operation::ReadFunctions,
                self.debug_image().path(),
                kind,
            ));
        }
        Ok(found)
    }

    fn note_damage(&self, info: &DebugInfo<'_>) {
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        for (unit_offset, source) in info.damage() {
            let one = Damage { unit_offset, source };
            if !damage.contains(&one) {
                damage.push(one);
            }
        }
    }

    fn table(&self, id: UnitId) -> Result<Arc<LineTable>, Error> {
        let known = self
            .tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned();
        if let Some(table) = known {
            return Ok(table);
        }
        let info = self.debug_info()?;
        let path = self.debug_image().path();
        let table = match info.read_root(id) {
            Ok(Some(unit)) => LineTable::read(&info, &unit),
            // The instance is of another file: there are no such rows here.
            Ok(None) => Ok(LineTable::empty()),
            Err(error) => Err(NoTable::Malformed(error)),
        };
        let table = Arc::new(table.map_err(|error| match error {
            NoTable::Malformed(source) => Error::malformed(
                Operation::ReadLines,
                path,
                ".debug_line",
                info.line_offset(id),
                source,
            ),
            NoTable::TooManyRows(most) => {
                let kind = ErrorKind::TooMany {
                    what: "rows in one line table",
                    most: most as u64,
                };
                Error::new(Operation::ReadLines, path, kind)
            }
        })?);
        self.tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&table));
        Ok(table)
    }
}
