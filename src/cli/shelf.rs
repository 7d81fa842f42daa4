//! `lineprof list`, `rm` and `clean`: the files of readings in a folder, and their numbers.
//!
//! Must not know: what is in them.
//!
//! Names, order, numbers and words are `mprof`'s: `mprofile_` and fourteen characters, in the order of their names, 0 the
//! oldest and -1 the newest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lineprof::report::escape::Escaped;

use super::args;
use super::hint::{self, Failure};

/// The files of a folder, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shelf(Vec<String>);

impl Shelf {
    /// The files of the current folder.
    pub(crate) fn of_this_folder() -> Result<Shelf, Failure> {
        let names = |entries: fs::ReadDir| {
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<String>>>()
        };
        let names = fs::read_dir(".")
            .and_then(names)
            .map_err(|error| Failure::new(format!("cannot list this folder: {}", hint::reason(&error))))?;
        Ok(Shelf::of(names))
    }

    fn of(mut names: Vec<String>) -> Shelf {
        names.retain(|name| time_in(name).is_some());
        names.sort();
        Shelf(names)
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Option<PathBuf> {
        self.0.last().map(PathBuf::from)
    }

    /// A file by its number, counted from the end where that is negative, as Python does.
    fn at(&self, index: i64) -> Option<PathBuf> {
        let length = i64::try_from(self.0.len()).ok()?;
        let index = if index < 0 { index + length } else { index };
        self.0.get(usize::try_from(index).ok()?).map(PathBuf::from)
    }

    /// The files that `words` mean, each once.
    pub(crate) fn files(&self, words: &[String]) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for word in words {
            let file = self.file(word)?;
            if !files.contains(&file) {
                files.push(file);
            }
        }
        Ok(files)
    }

    fn file(&self, word: &str) -> Result<PathBuf, Failure> {
        let path = Path::new(word);
        match word.parse() {
            Ok(index) => self.at(index).ok_or_else(|| {
                let failure = Failure::new(format!("there is no sampled run number {word} in this folder"));
                match self.0.len() {
                    0 => failure.hint("there is none at all: `lineprof sample PROGRAM` makes one"),
                    some => failure.hint(format!("the numbers go from 0 to {}: `lineprof list`", some - 1)),
                }
            }),
            Err(_) if path.is_dir() => Err(Failure::new(format!("cannot take {word}: it is a directory"))
                .hint("name a file in it, or a number of `lineprof list`")),
            Err(_) if path.exists() => Ok(path.to_owned()),
            Err(_) => Err(Failure::new(format!("cannot find {word}: no such file"))
                .hint("`lineprof list` lists the sampled runs of this folder")),
        }
    }
}

/// The fourteen characters of a name that is mprof's.
fn time_in(name: &str) -> Option<&str> {
    let time = name.strip_prefix("mprofile_")?.strip_suffix(".dat")?;
    (time.chars().count() == 14).then_some(time)
}

/// A line of the list.
fn listed(index: usize, name: &str) -> String {
    let time: Vec<char> = time_in(name).unwrap_or_default().chars().collect();
    let part = |from: usize, to: usize| time.get(from..to).unwrap_or_default().iter().collect::<String>();
    format!(
        "{index} {name} {}:{}:{} {}/{}/{}",
        part(8, 10),
        part(10, 12),
        part(12, 14),
        part(6, 8),
        part(4, 6),
        part(0, 4)
    )
}

/// Lists the files.
pub(crate) fn list() -> ExitCode {
    match Shelf::of_this_folder() {
        Ok(shelf) => {
            for (index, name) in shelf.0.iter().enumerate() {
                println!("{}", Escaped(&listed(index, name)));
            }
            ExitCode::SUCCESS
        }
        Err(failure) => failure.say(),
    }
}

/// Removes what is named.
pub(crate) fn remove(args: &args::Remove) -> ExitCode {
    let files = Shelf::of_this_folder().and_then(|shelf| shelf.files(&args.profiles));
    files
        .and_then(|files| remove_all(files, args.dry_run))
        .map_or_else(|failure| failure.say(), |()| ExitCode::SUCCESS)
}

/// Removes all.
pub(crate) fn clean(args: &args::Clean) -> ExitCode {
    Shelf::of_this_folder()
        .and_then(|shelf| remove_all(shelf.0.iter().map(PathBuf::from).collect(), args.dry_run))
        .map_or_else(|failure| failure.say(), |()| ExitCode::SUCCESS)
}

fn remove_all(files: Vec<PathBuf>, only_say: bool) -> Result<(), Failure> {
    let files = with_companions(files);
    if only_say {
        println!("Files to be removed: ");
        for file in files {
            println!("{}", Escaped(&file.display().to_string()));
        }
        return Ok(());
    }
    for file in files {
        fs::remove_file(&file).map_err(|error| {
            let name = file.display();
            Failure::new(format!("cannot remove {name}: {}", hint::reason(&error)))
                .hint("the folder has to be one that you may write to")
        })?;
    }
    Ok(())
}

/// Older writers left the calls of functions in a file of its own, `..._ts.dat`.
fn with_companions(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    for file in files.clone().into_iter().rev() {
        let mut name = file.file_stem().unwrap_or_default().to_owned();
        name.push("_ts");
        if let Some(extension) = file.extension() {
            name.push(".");
            name.push(extension);
        }
        let companion = file.with_file_name(name);
        if companion.is_file() && !files.contains(&companion) {
            files.push(companion);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        let names = [
            "mprofile_20261122065409.dat",
            "notes.txt",
            "mprofile_20261122065408.dat",
            "mprofile_2026.dat",
            "mprofile_20261122065408_ts.dat",
        ];
        Shelf::of(names.map(str::to_string).to_vec())
    }

    #[test]
    fn numbers_count_from_both_ends() {
        let (old, new) = ("mprofile_20261122065408.dat", "mprofile_20261122065409.dat");
        for (index, name) in [(0, Some(old)), (1, Some(new)), (-1, Some(new)), (-2, Some(old))] {
            assert_eq!(shelf().at(index), name.map(PathBuf::from), "{index}");
        }
        for index in [2, -3, i64::MIN, i64::MAX] {
            assert_eq!(shelf().at(index), None, "{index}");
        }
        assert_eq!(shelf().newest(), Some(PathBuf::from(new)));
    }

    #[test]
    fn a_file_that_is_meant_twice_is_taken_once() {
        let words = ["0", "-2", "-1"].map(str::to_string);
        assert_eq!(shelf().files(&words).map(|files| files.len()), Ok(2));
    }

    #[test]
    fn a_number_that_is_not_there_says_which_are() {
        let failure = shelf().file("7").expect_err("there are two");
        assert!(failure.hints[0].contains("from 0 to 1"), "{failure:?}");
        let failure = Shelf::of(Vec::new()).file("-1").expect_err("there is none");
        assert!(failure.hints[0].contains("lineprof sample"), "{failure:?}");
    }

    #[test]
    fn a_line_of_the_list_is_mprofs() {
        assert_eq!(
            listed(0, "mprofile_20261122065408.dat"),
            "0 mprofile_20261122065408.dat 06:54:08 22/11/2026"
        );
    }
}
