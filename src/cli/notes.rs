//! What a reader has to know to understand a report's numbers, one sentence each.
//!
//! Must not know: where the report goes. Lines that threads share are marked by the table itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lineprof::profile::{FunctionProfile, LineProfile, Profile};
use lineprof::profiler::Missed;
use lineprof::report::escape::Escaped;
use lineprof::select::{By, Selection};
use lineprof::source::SourceCache;
use lineprof::units::{Bytes, Change};
use lineprof_dwarf::{FilePattern, MalformedMark, Pattern};

use super::functions::counted;

/// A page on x86-64.
const PAGE: Bytes = Bytes(4096);

/// How many reasons or files one note names.
const MOST_NAMED: usize = 3;

/// A plan of more functions than this is worth a word: each hit costs time.
const MANY_FUNCTIONS: usize = 1000;

/// What there is to say of `profile`, in which `missed` is not, and whose executable is of the time `built`.
pub(crate) fn of(
    profile: &Profile,
    missed: &Missed,
    built: Option<SystemTime>,
    sources: &mut SourceCache,
) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(unmatched(&missed.unmatched));
    notes.extend(missing_files(&missed.missing_files));
    notes.extend(malformed_marks(&missed.malformed_marks));
    notes.extend(inlined_everywhere(&missed.inlined_everywhere));
    notes.extend(also_inlined(&missed.also_inlined));
    notes.extend(granularity(profile.rss_granularity));
    notes.extend(first_touch(profile));
    notes.extend(refused(profile));
    notes.extend(built.and_then(|built| newer(&newer_than(built, profile, sources))));
    notes
}

/// The first process has ended and others go on.
pub(crate) fn first_ended() {
    eprintln!(
        "lineprof: the program has ended; processes that it made are profiled still. Ctrl-C ends the profile and leaves them running"
    );
}

/// What matches nothing, while there is time to end the program and correct it.
pub(crate) fn not_found(patterns: &[String]) {
    if let Some(missed) = unmatched(patterns) {
        eprintln!("lineprof: {}", Escaped(&missed));
    }
}

/// What is profiled, where the user has not named it or has named more than it looks.
pub(crate) fn selected(selection: &Selection, by: By, functions: usize, sites: usize) {
    let counts = format!("{}, {}", counted(functions, "function"), counted(sites, "site"));
    if by == By::Mark {
        eprintln!(
            "lineprof: profiling what the source marks: {counts} (--function names others, --function '*' all)"
        );
    } else if selection.is_default() {
        eprintln!("lineprof: profiling the program's own code: {counts} (--function names some)");
    } else if functions > MANY_FUNCTIONS {
        let named = selection.functions.iter().map(Pattern::as_str);
        let named = named.chain(selection.files.iter().map(FilePattern::as_str));
        let quoted: Vec<String> = named.map(|text| format!("`{}`", Escaped(text))).collect();
        eprintln!(
            "lineprof: {} selects {counts}; fewer run faster",
            quoted.join(", ")
        );
    }
}

/// Marks in the source that mean nothing.
pub(crate) fn missed_marks(missed: &Missed) {
    for note in unmatched(&missed.unmatched)
        .into_iter()
        .chain(malformed_marks(&missed.malformed_marks))
    {
        eprintln!("lineprof: {}", Escaped(&note));
    }
}

fn unmatched(patterns: &[String]) -> Option<String> {
    let quoted: Vec<String> = patterns.iter().map(|text| format!("`{text}`")).collect();
    // What a mark is called (`Mark`) tells it from what was typed.
    let by_mark = patterns.iter().any(|text| text.contains(" (marked at "));
    let next = if by_mark {
        ": it has another name (`lineprof functions` lists them), or optimisation left nothing of it"
    } else {
        ""
    };
    (!quoted.is_empty()).then(|| format!("no function matches {}{next}", named(&quoted, ", ")))
}

fn missing_files(files: &[PathBuf]) -> Option<String> {
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    (!paths.is_empty()).then(|| {
        format!(
            "functions are missing whose debug information is in {}, not to be found",
            paths_named(&paths)
        )
    })
}

fn malformed_marks(marks: &[MalformedMark]) -> Option<String> {
    let texts: Vec<String> = marks.iter().map(MalformedMark::to_string).collect();
    (!texts.is_empty()).then(|| {
        format!(
            "marks cannot be read: {}; build the program again with the lineprof.h or the crate of this version",
            named(&texts, "; ")
        )
    })
}

fn inlined_everywhere(functions: &[(String, usize)]) -> Option<String> {
    (!functions.is_empty()).then(|| {
        format!(
            "the compiler inlined every call of {}: what they do is in the tables of their callers",
            named(&places(functions), ", ")
        )
    })
}

fn also_inlined(functions: &[(String, usize)]) -> Option<String> {
    (!functions.is_empty()).then(|| {
        format!(
            "the compiler inlined some calls of {}: what these do is in the tables of their callers",
            named(&places(functions), ", ")
        )
    })
}

fn places(functions: &[(String, usize)]) -> Vec<String> {
    let place = |(name, copies): &(String, usize)| format!("{name} ({})", counted(*copies, "place"));
    functions.iter().map(place).collect()
}

/// The rights of another user that `program` would have without a tracer (execve(2)), where this one may not let it.
pub(crate) fn lent_rights(program: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    // <sys/stat.h>, S_ISUID and S_ISGID.
    const SET_USER: u32 = 0o4000;
    const SET_GROUP: u32 = 0o2000;
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let file = std::fs::metadata(program).ok()?;
    let lent = match file.mode() {
        mode if mode & SET_USER != 0 && file.uid() != user.as_raw() => format!("user {}", file.uid()),
        mode if mode & SET_GROUP != 0 && file.gid() != group.as_raw() => format!("group {}", file.gid()),
        _ => return None,
    };
    (!user.is_root()).then(|| {
        format!(
            "{} would run with the rights of {lent}; under a tracer that is not root it runs with yours",
            program.display()
        )
    })
}

/// A library has come whose functions are profiled.
pub(crate) fn loaded(path: &Path, functions: usize, sites: usize) {
    let path = path.display().to_string();
    let counts = format!("{}, {}", counted(functions, "function"), counted(sites, "site"));
    eprintln!("lineprof: in {}: {counts}", Escaped(&path));
}

fn granularity(finest: Bytes) -> Option<String> {
    (finest > PAGE).then(|| {
        format!(
            "this kernel counts resident memory in steps of up to {} kB; --exact reads it to the page",
            finest.0 / 1024
        )
    })
}

/// Said where a line asks for memory and shows none while a later one shows it all: the first surprise of everybody
/// who meets resident memory.
fn first_touch(profile: &Profile) -> Option<String> {
    let surprised = |function: &FunctionProfile| {
        let asks = function
            .lines
            .iter()
            .find(|line| line.hits > 0 && allocates(line) && line.increment.0.unsigned_abs() <= 2 * PAGE.0)?;
        let grows = |line: &&LineProfile| {
            line.file == asks.file
                && line.line > asks.line
                && !allocates(line)
                && line.increment >= Change(1 << 20)
        };
        let grows = function.lines.iter().find(grows)?;
        Some((asks.line, grows.line))
    };
    let (asks, grows) = profile.functions.iter().find_map(surprised)?;
    Some(format!(
        "memory becomes resident when it is first written: line {asks} asks for it, line {grows} makes it grow"
    ))
}

fn allocates(line: &LineProfile) -> bool {
    let words = [
        "malloc(",
        "calloc(",
        "mmap(",
        "new ",
        "reserve(",
        "with_capacity(",
        "vec![0",
    ];
    line.text
        .as_ref()
        .is_some_and(|text| words.iter().any(|word| text.contains(word)))
}

fn refused(profile: &Profile) -> Option<String> {
    let refused = &profile.tracing.refused;
    let reasons: BTreeSet<String> = refused
        .iter()
        .map(|site| format!("line {} of {}: {}", site.line, site.function, site.reason))
        .collect();
    let sites = match refused.len() {
        0 => return None,
        1 => "1 site is not watched".to_owned(),
        many => format!("{many} sites are not watched"),
    };
    Some(format!(
        "{sites} ({})",
        named(&reasons.into_iter().collect::<Vec<_>>(), "; ")
    ))
}

/// The sources of functions that ran and are newer than `built`.
fn newer_than<'s>(built: SystemTime, profile: &Profile, sources: &'s mut SourceCache) -> Vec<&'s Path> {
    for function in profile.functions.iter().filter(|function| function.ran()) {
        // One that cannot be read has no time; the table says that it is missing.
        let _missing = sources.read(Path::new(&function.file));
    }
    sources.newer_than(built)
}

fn newer(paths: &[&Path]) -> Option<String> {
    let are = match paths {
        [] => return None,
        [_] => "is",
        _ => "are",
    };
    Some(format!(
        "{} {are} newer than the program: lines may have moved; build it again",
        paths_named(paths)
    ))
}

fn paths_named(paths: &[&Path]) -> String {
    let texts: Vec<String> = paths
        .iter()
        .map(|path| lineprof::profile::path_text(path))
        .collect();
    named(&texts, ", ")
}

/// The first few, and how many more.
fn named(texts: &[String], between: &str) -> String {
    let shown = texts[..texts.len().min(MOST_NAMED)].join(between);
    match texts.len().checked_sub(MOST_NAMED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown}{between}and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_counts_pages_needs_no_note() {
        assert_eq!(granularity(Bytes(1024)), None);
        assert_eq!(granularity(PAGE), None);
        let coarse = granularity(Bytes(64 * PAGE.0)).expect("coarser than a page");
        assert!(
            coarse.contains("256 kB") && coarse.contains("--exact"),
            "{coarse}"
        );
    }

    #[test]
    fn only_a_few_are_named() {
        let texts: Vec<String> = ["a", "b", "c", "d", "e"].map(String::from).into();
        assert_eq!(named(&texts, ", "), "a, b, c, and 2 more");
        assert_eq!(named(&texts[..3], ", "), "a, b, c");
    }

    #[test]
    fn what_was_asked_for_and_is_not_there_is_named() {
        assert_eq!(unmatched(&[]), None);
        let note = unmatched(&["absent".to_owned()]).expect("one is missing");
        assert_eq!(note, "no function matches `absent`");
        let note = also_inlined(&[("a".to_owned(), 1), ("b".to_owned(), 2)]).expect("two are inlined");
        assert!(note.contains("a (1 place), b (2 places)"), "{note}");
        let note = inlined_everywhere(&[("a".to_owned(), 3)]).expect("one is inlined");
        assert!(note.contains("a (3 places)"), "{note}");
    }

    #[test]
    fn newer_sources_are_named() {
        assert_eq!(newer(&[]), None);
        let note = newer(&[Path::new("/src/a.c")]).expect("one is newer");
        assert!(note.starts_with("/src/a.c is newer"), "{note}");
    }
}
