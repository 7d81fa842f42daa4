//! A test program: its source, what its header says, and what its annotations expect.
//!
//! Must not know: compilers' output, processes.
//!
//! The first comment of a source is its header, lines of `Key: value`:
//!
//! ```text
//! Proves: what the program is there for
//! Build: cc -g -O0          how it is built; several lines are several binaries
//! Profile: work             a pattern for --function; several lines are several patterns
//! Args: 1000 "two words"    its arguments
//! Args in place: 100        its arguments with the engine `in-place`, which is too slow for the others
//! Exit: 7                   how it ends: a code or a signal's name; 0 when not said
//! Threads: 8                how many threads run the profiled lines; 1 when not said
//! Recursive: work           functions whose increments are no sums, because they recur
//! Gcov: reason              why gcov cannot count it
//! Role: attach              not run from start to end like the others
//! ```
//!
//! An annotation stands behind the line that it is about, after `//@`: `hits=3`, `increment=-4096` (of the metric
//! `anon`), `blank` (the line is not in the report), `refused` (so is a site of the line), and on a function's
//! declaration `function calls=3 increment=4096`, with `name=` where the debug information has no declaration. A number
//! may be a product, `hits=8*$1`, in which `$1` is the first argument.

use super::lineprof::Engine;
use std::path::{Path, PathBuf};

/// How a program ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It exits with this code.
    Code(i32),
    /// A signal kills it.
    Signal(nix::sys::signal::Signal),
}

impl Exit {
    /// The exit code by which lineprof, like a shell, passes this on.
    pub(crate) fn passed_on(&self) -> i32 {
        match self {
            Exit::Code(code) => *code,
            Exit::Signal(signal) => 128 + *signal as i32,
        }
    }
}

/// One expectation about a line or, on its declaration, a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The line's occurrences.
    Hits(u64),
    /// The line's increment in bytes.
    Increment(i64),
    /// The line is not in the report.
    Blank,
    /// A site of the line is among the refused.
    Refused,
    /// The function declared on this line, or of this name.
    Function {
        name: Option<String>,
        calls: Option<u64>,
        increment: Option<i64>,
    },
}

/// A source line that carries annotations.
#[derive(Clone, Debug)]
pub(crate) struct Annotation {
    /// Counted from 1.
    pub(crate) line: u32,
    /// The source text before the annotation.
    pub(crate) text: String,
    pub(crate) expected: Vec<Expected>,
}

/// A test program and all that its source says about it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The path below `testprogs`.
    pub(crate) name: String,
    pub(crate) source: PathBuf,
    pub(crate) builds: Vec<String>,
    pub(crate) patterns: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) exit: Exit,
    pub(crate) threads: u32,
    pub(crate) recursive: Vec<String>,
    pub(crate) not_for_gcov: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) annotations: Vec<Annotation>,
}

/// Where the test programs lie.
pub(crate) fn testprogs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testprogs")
}

/// The path below `testprogs` of every program on disk, sorted.
pub(crate) fn programs_on_disk() -> Vec<String> {
    let mut names = Vec::new();
    for language in ["c", "cpp", "rust", "asm"] {
        let folder = testprogs().join(language);
        for entry in std::fs::read_dir(&folder).expect("the folder of test programs is readable") {
            let path = entry.expect("the folder of test programs is readable").path();
            if path.is_file() {
                let file = path
                    .file_name()
                    .expect("a file has a name")
                    .to_string_lossy()
                    .into_owned();
                names.push(format!("{language}/{file}"));
            }
        }
    }
    names.sort();
    names
}

impl Program {
    /// Reads the program `name`, a path below `testprogs`.
    ///
    /// # Panics
    /// When the header or an annotation is not well-formed: a test program that says nothing proves nothing.
    pub(crate) fn load(name: &str) -> Program {
        Program::load_with_args(name, "Args")
    }

    /// Like [`Program::load`], with the arguments that the header has for `engine`, and what they make it expect.
    pub(crate) fn load_for(name: &str, engine: Engine) -> Program {
        Program::load_with_args(
            name,
            match engine {
                Engine::Displaced | Engine::Inline => "Args",
                Engine::InPlace => "Args in place",
            },
        )
    }

    fn load_with_args(name: &str, args: &str) -> Program {
        let source = testprogs().join(name);
        let text =
            std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
        let header = header(&text);
        let all = |key: &str| -> Vec<String> {
            header
                .iter()
                .filter(|(k, _)| k == key)
                .map(|(_, value)| value.clone())
                .collect()
        };
        let one = |key: &str| all(key).into_iter().next();
        assert!(
            one("Proves").is_some(),
            "{name}: the first comment does not say what it proves"
        );
        let builds = all("Build");
        assert!(
            !builds.is_empty(),
            "{name}: the first comment does not say how it is built"
        );
        let exit = match one("Exit") {
            None => Exit::Code(0),
            Some(value) => match value.parse::<i32>() {
                Ok(code) => Exit::Code(code),
                Err(_) => Exit::Signal(
                    value
                        .parse()
                        .unwrap_or_else(|_| panic!("{name}: no such exit: {value}")),
                ),
            },
        };
        let args: Vec<String> = one(args)
            .or_else(|| one("Args"))
            .map(|args| split_words(&args))
            .unwrap_or_default();
        Program {
            name: name.to_string(),
            builds,
            patterns: all("Profile"),
            exit,
            threads: one("Threads").map_or(1, |n| n.parse().expect("Threads is a number")),
            recursive: one("Recursive")
                .map(|names| names.split_whitespace().map(str::to_string).collect())
                .unwrap_or_default(),
            not_for_gcov: one("Gcov"),
            role: one("Role"),
            annotations: annotations(name, &text, &args),
            args,
            source,
        }
    }

    /// The annotations of a source below `testprogs` that is no program of its own.
    pub(crate) fn load_annotations(name: &str) -> Vec<Annotation> {
        let source = testprogs().join(name);
        let text =
            std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
        annotations(name, &text, &[])
    }

    /// The text of a source line, for messages.
    pub(crate) fn line_text(&self, line: u32) -> String {
        let text = std::fs::read_to_string(&self.source).expect("the source is readable");
        text.lines()
            .nth(line as usize - 1)
            .unwrap_or_default()
            .trim()
            .to_string()
    }
}

/// The pairs of key and value in the first comment of `text`; a line without a key goes on the one before.
fn header(text: &str) -> Vec<(String, String)> {
    const KEYS: [&str; 10] = [
        "Proves",
        "Build",
        "Profile",
        "Args",
        "Args in place",
        "Exit",
        "Threads",
        "Recursive",
        "Gcov",
        "Role",
    ];
    let block = text.starts_with("/*");
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let ends_here = block && line.contains("*/");
        if !block && !line.starts_with("//") {
            break;
        }
        let line = line.trim_start_matches("/*").trim_start_matches("//");
        let line = line.split("*/").next().unwrap_or_default().trim();
        match line.split_once(':').filter(|(key, _)| KEYS.contains(key)) {
            Some((key, value)) => pairs.push((key.to_string(), value.trim().to_string())),
            None => {
                if let Some((_, value)) = pairs.last_mut().filter(|_| !line.is_empty()) {
                    value.push(' ');
                    value.push_str(line);
                }
            }
        }
        if ends_here {
            break;
        }
    }
    pairs
}

fn annotations(name: &str, text: &str, args: &[String]) -> Vec<Annotation> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((before, annotation)) = line.split_once("//@") else {
            continue;
        };
        let wrong = |word: &str| -> ! { panic!("{name}: cannot read `{word}` in: {}", line.trim()) };
        let mut expected = Vec::new();
        let mut words = annotation.split_whitespace().peekable();
        if words.next_if_eq(&"function").is_some() {
            let (mut function_name, mut calls, mut increment) = (None, None, None);
            while let Some(word) = words.next_if(|word| {
                ["name=", "calls=", "increment="]
                    .iter()
                    .any(|key| word.starts_with(key))
            }) {
                match word.split_once('=') {
                    Some(("name", value)) => function_name = Some(value.to_string()),
                    Some(("calls", value)) => {
                        calls = Some(count(value, args).unwrap_or_else(|| wrong(word)));
                    }
                    Some((_, value)) => {
                        increment = Some(product(value, args).unwrap_or_else(|| wrong(word)));
                    }
                    None => wrong(word),
                }
            }
            expected.push(Expected::Function {
                name: function_name,
                calls,
                increment,
            });
        }
        for word in words {
            expected.push(match word.split_once('=') {
                Some(("hits", value)) => Expected::Hits(count(value, args).unwrap_or_else(|| wrong(word))),
                Some(("increment", value)) => {
                    Expected::Increment(product(value, args).unwrap_or_else(|| wrong(word)))
                }
                None if word == "blank" => Expected::Blank,
                None if word == "refused" => Expected::Refused,
                _ => wrong(word),
            });
        }
        assert!(
            !expected.is_empty(),
            "{name}: an annotation that expects nothing: {}",
            line.trim()
        );
        let line = u32::try_from(index + 1).expect("a source has fewer than 2^32 lines");
        found.push(Annotation {
            line,
            text: before.trim().to_string(),
            expected,
        });
    }
    found
}

/// The product of the factors in `value`, numbers and `$1` for the first of `args`, or nothing where that is no number.
fn product(value: &str, args: &[String]) -> Option<i64> {
    value
        .split('*')
        .map(|factor| match factor {
            "$1" => args.first()?.parse::<i64>().ok(),
            number => number.parse().ok(),
        })
        .product()
}

/// A [`product`] that is not negative.
fn count(value: &str, args: &[String]) -> Option<u64> {
    product(value, args)?.try_into().ok()
}

/// Splits at blanks outside double quotes.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_string());
        } else {
            words.extend(part.split_whitespace().map(str::to_string));
        }
    }
    words
}
