//! Split debug information: units that leave their entries to other files, and those files.
//!
//! Must not know: functions, patterns.
//!
//! ```text
//! program: skeleton unit (id, name of its file, line table, addresses)     -gsplit-dwarf
//!              │ id
//!              ├──► PROGRAM.dwp: the units of many objects in one file, with an index by id
//!              └──► where it was built, or beside the program: one .dwo file for each object
//! ```
//! A file counts only when the unit of that id is in it: one of another build would give wrong names without any sign
//! of it. Source: DWARF 5 §3.1.3, §7.3.5 and appendix F; before version 5, GCC's wiki page "DebugFission".

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gimli::{Dwarf, DwarfPackage, DwoId, LittleEndian, SectionId, Unit, UnitHeader, UnitType};

use crate::debug_info::{Slice, needed};
use crate::error::Error;
use crate::image::Image;
use crate::separate::DebugSearch;

/// No more files than this are kept open: each is a mapping, of which the kernel gives a process 65,530.
const MOST_FILES: usize = 32_768;

/// A unit whose entries are elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Skeleton {
    /// Its place in the list of the file's units.
    pub(crate) index: usize,
    pub(crate) id: DwoId,
    /// The directory it was compiled in.
    pub(crate) directory: PathBuf,
    /// Its file, as it is named there.
    pub(crate) name: PathBuf,
}

/// The files that hold the entries of a program's split units.
#[derive(Debug, Default)]
pub(crate) struct SplitFiles {
    package: Option<Image>,
    /// By the skeleton's index.
    objects: HashMap<usize, Image>,
    /// The skeletons whose entries were found, by index.
    pub(crate) found: Vec<usize>,
    /// Files that were not found, or are of another build.
    pub(crate) missing: Vec<PathBuf>,
}

impl SplitFiles {
    /// Finds the files for `skeletons` of the program whose debug information is in `debug`.
    pub(crate) fn find(
        skeletons: &[Skeleton],
        program: &Image,
        debug: &Image,
        search: &DebugSearch,
    ) -> SplitFiles {
        let mut files = SplitFiles::default();
        let directories = search.directories_of(program);
        let package = packages(program, debug, &directories);
        files.package = package
            .iter()
            .find_map(|path| opened(path, SectionId::DebugCuIndex.name()));
        let packed = files.package.as_ref().and_then(|image| load_package(image).ok());
        for skeleton in skeletons {
            let is_packed = |package: &DwarfPackage<_>| package.cu_index.find(skeleton.id.0).is_some();
            if packed.as_ref().is_some_and(is_packed) {
                files.found.push(skeleton.index);
                continue;
            }
            let object = places(skeleton, &directories).iter().find_map(|path| {
                let image = opened(path, ".debug_info.dwo")?;
                let dwarf = load_object(&image).ok()?;
                unit_of(&dwarf, skeleton.id)?;
                Some(image)
            });
            match object {
                Some(image) if files.objects.len() < MOST_FILES => {
                    files.objects.insert(skeleton.index, image);
                    files.found.push(skeleton.index);
                }
                _ => files.missing.push(skeleton.directory.join(&skeleton.name)),
            }
        }
        files
    }
}

/// Where a package of the program can be: beside it, or beside its separate debug file.
fn packages(program: &Image, debug: &Image, directories: &[PathBuf]) -> Vec<PathBuf> {
    let with_ending = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dwp");
        PathBuf::from(name)
    };
    let mut paths = vec![with_ending(program.path()), with_ending(debug.path())];
    if let Some(name) = program
        .path()
        .canonicalize()
        .ok()
        .as_deref()
        .and_then(Path::file_name)
    {
        paths.extend(
            directories
                .iter()
                .map(|directory| with_ending(&directory.join(name))),
        );
    }
    paths
}

/// Where a unit's file can be: where it was built, or beside the program.
fn places(skeleton: &Skeleton, directories: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths = vec![skeleton.directory.join(&skeleton.name)];
    for directory in directories {
        // An absolute name stands for itself again: that is harmless.
        paths.push(directory.join(&skeleton.name));
        paths.extend(skeleton.name.file_name().map(|name| directory.join(name)));
    }
    paths
}

fn opened(path: &Path, section: &str) -> Option<Image> {
    let image = Image::open_supplementary(path).ok()?;
    image.has_section(section).then_some(image)
}

/// The split units of a program.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    pub(crate) files: &'a SplitFiles,
    package: Option<DwarfPackage<Slice<'a>>>,
}

impl<'a> Split<'a> {
    pub(crate) fn new(files: &'a SplitFiles) -> Split<'a> {
        let package = files.package.as_ref().and_then(|image| load_package(image).ok());
        Split { files, package }
    }

    /// The unit that has the entries of `skeleton`, and its sections; `None` when its file is missing.
    pub(crate) fn unit(
        &self,
        index: usize,
        skeleton: &Unit<Slice<'a>>,
        main: &Dwarf<Slice<'a>>,
    ) -> gimli::Result<Option<(Unit<Slice<'a>>, Dwarf<Slice<'a>>)>> {
        let Some(id) = skeleton.dwo_id else {
            return Ok(None);
        };
        let packed = match &self.package {
            Some(package) => package.find_cu(id, main)?,
            None => None,
        };
        let object = || {
            let mut dwarf = load_object(self.files.objects.get(&index)?).ok()?;
            dwarf.make_dwo(main);
            Some(dwarf)
        };
        let Some(dwarf) = packed.or_else(object) else {
            return Ok(None);
        };
        let Some(header) = unit_of(&dwarf, id) else {
            return Ok(None);
        };
        let mut unit = dwarf.unit(header)?;
        unit.copy_relocated_attributes(skeleton);
        // The line table and the directory stay with the skeleton.
        unit.line_program.clone_from(&skeleton.line_program);
        unit.comp_dir = skeleton.comp_dir;
        Ok(Some((unit, dwarf)))
    }
}

/// The compilation unit of this id.
fn unit_of<'a>(dwarf: &Dwarf<Slice<'a>>, id: DwoId) -> Option<UnitHeader<Slice<'a>>> {
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        let found = match header.type_() {
            UnitType::SplitCompilation(found) => Some(found),
            // Before version 5 the root has it.
            UnitType::Compilation => dwarf.unit(header).ok().and_then(|unit| unit.dwo_id),
            _ => None,
        };
        if found == Some(id) {
            return Some(header);
        }
    }
    None
}

fn load_object(image: &Image) -> Result<Dwarf<Slice<'_>>, Error> {
    Dwarf::load(|id| match id.dwo_name().filter(|_| needed(id)) {
        Some(name) => Ok(Slice::new(image.section(name)?, LittleEndian)),
        None => Ok(Slice::default()),
    })
}

fn load_package(image: &Image) -> gimli::Result<DwarfPackage<Slice<'_>>> {
    let load = |id: SectionId| match id.dwo_name().map(|name| image.section(name)) {
        Some(Ok(bytes)) => Ok(Slice::new(bytes, LittleEndian)),
        // The package is then passed over, as one that is damaged.
        Some(Err(_unreadable)) => Err(gimli::Error::Io),
        None => Ok(Slice::default()),
    };
    DwarfPackage::load(load, Slice::default())
}
