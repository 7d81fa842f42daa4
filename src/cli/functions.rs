//! `lineprof functions BINARY [PATTERN]`: what can be profiled.
//!
//! Must not know: processes.
//!
//! ```text
//! ns::Widget::draw  /src/widget.cc:12  14 sites, 2 instances
//! ns::clamp         /src/widget.cc:40  inlined 3 times, no code of its own
//! ns::load          /src/widget.cc:70  9 sites, marked
//! ```

use std::collections::HashSet;
use std::io::{self, Write};
use std::process::ExitCode;

use lineprof::planner;
use lineprof::profile::path_text;
use lineprof::profiler::Missed;
use lineprof::report::escape::Escaped;
use lineprof::select::Selection;
use lineprof_dwarf::{DebugSearch, Error, ObjectFile, SourceLine};
use unicode_width::UnicodeWidthStr;

use super::args::Functions;
use super::hint::{self, Doing, Failure};
use super::notes;

/// No column is made wider than this for one long name.
const WIDEST: usize = 60;

/// A function, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    file: String,
    line: u32,
    name: String,
    code: Code,
    mark: Mark,
}

/// Whether the source marks a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Absent,
    There,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Code {
    Own {
        sites: usize,
        instances: usize,
        inlined: usize,
    },
    Inlined {
        copies: usize,
    },
}

/// Lists the functions.
pub(crate) fn run(args: &Functions) -> ExitCode {
    let selection = Selection {
        functions: args.pattern.iter().cloned().collect(),
        ..Selection::default()
    };
    let found = ObjectFile::open(&args.binary, &DebugSearch::default()).and_then(|object| {
        let listed = list(&object, &selection)?;
        if listed.is_empty() {
            return Ok(Err(nothing(&object, args)?));
        }
        Ok(Ok(listed))
    });
    let listed = match found {
        Ok(Ok(listed)) => listed,
        Ok(Err(failure)) => return failure.say(),
        Err(error) => return hint::file(&error, Doing::List).say(),
    };
    if selection.is_default() {
        eprintln!("lineprof: {}", summary(&listed));
    }
    match write(&listed, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // `lineprof functions … | head`: whoever read has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => Failure::new(format!("cannot write the list: {}", hint::reason(&error))).say(),
    }
}

/// How many there are, and how to see others.
fn summary(listed: &[Listed]) -> String {
    let inlined = |one: &&Listed| matches!(one.code, Code::Inlined { .. });
    let inlined = listed.iter().filter(inlined).count();
    let own = counted(listed.len() - inlined, "function");
    let more = match inlined {
        0 => String::new(),
        _ => format!(", {inlined} more inlined everywhere"),
    };
    let marked = listed.iter().filter(|one| one.mark == Mark::There).count();
    let marked = match marked {
        0 => String::new(),
        _ => format!(", {marked} of them marked"),
    };
    format!("the program's own code: {own}{more}{marked}; a PATTERN lists others, '*' all")
}

/// In order of file and line.
fn list(object: &ObjectFile, selection: &Selection) -> Result<Vec<Listed>, Error> {
    let found = selection.resolve(object)?;
    let functions = found.functions;
    let plan = planner::plan(object, &functions)?.plan;
    let marks = Marks::of(object)?;
    let mut sites = vec![0; functions.len()];
    for site in &plan.sites {
        sites[plan.instance(site.instance).function.index()] += 1;
    }
    let own_code = |((planned, function), sites): ((&lineprof::plan::PlannedFunction, _), usize)| {
        let function: &lineprof_dwarf::Function = function;
        Listed {
            file: path_text(&planned.file),
            line: planned.line,
            name: planned.name.clone(),
            mark: marks.on(&function.name, function.declaration.as_ref()),
            code: Code::Own {
                sites,
                instances: function.instances.len(),
                inlined: function.inlined_copies,
            },
        }
    };
    let mut listed: Vec<Listed> = plan
        .functions
        .iter()
        .zip(&functions)
        .zip(sites)
        .map(own_code)
        .collect();
    for function in found.inlined_only {
        let file = |declared: &SourceLine| path_text(declared.file.path());
        let file = function.declaration.as_ref().map(file).unwrap_or_default();
        listed.push(Listed {
            mark: marks.on(&function.name, function.declaration.as_ref()),
            file,
            line: function.declaration.map_or(0, |declared| declared.line),
            name: function.name,
            code: Code::Inlined {
                copies: function.copies,
            },
        });
    }
    listed.sort();
    Ok(listed)
}

/// The functions that the source marks.
struct Marks(HashSet<(String, Option<SourceLine>)>);

impl Marks {
    /// Those of `object`; what of its marks means nothing is told.
    fn of(object: &ObjectFile) -> Result<Marks, Error> {
        let marked = Selection::default().marked(object)?;
        let missed = Missed {
            malformed_marks: marked.malformed,
            ..Missed::default()
        };
        let Some(selection) = marked.selection else {
            notes::missed_marks(&missed);
            return Ok(Marks(HashSet::new()));
        };
        let found = selection.resolve(object)?;
        notes::missed_marks(&Missed {
            unmatched: found.unmatched,
            ..missed
        });
        let functions = found
            .functions
            .into_iter()
            .map(|function| (function.name, function.declaration));
        let inlined = found
            .inlined_only
            .into_iter()
            .map(|function| (function.name, function.declaration));
        Ok(Marks(functions.chain(inlined).collect()))
    }

    fn on(&self, name: &str, declaration: Option<&SourceLine>) -> Mark {
        if self.0.contains(&(name.to_owned(), declaration.cloned())) {
            Mark::There
        } else {
            Mark::Absent
        }
    }
}

fn nothing(object: &ObjectFile, args: &Functions) -> Result<Failure, Error> {
    let mut vain = lineprof::profiler::NoMatch::default();
    if let Some(pattern) = &args.pattern {
        vain.wanted.push(pattern.as_str().to_owned());
        vain.nearest = object.nearest_names(pattern, 5)?;
    }
    Ok(hint::explain(
        &lineprof::profiler::Error::NoMatch(vain),
        Doing::List,
    ))
}

fn write(listed: &[Listed], out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<[String; 3]> = listed.iter().map(cells).collect();
    let width = |column: usize| {
        let lengths = rows.iter().map(|row| row[column].width());
        lengths.filter(|length| *length <= WIDEST).max().unwrap_or(0)
    };
    let (names, places) = (width(0), width(1));
    let mut text = String::new();
    for [name, place, code] in &rows {
        let (name, place) = (padded(name, names), padded(place, places));
        text.push_str(&format!("{name}  {place}  {code}\n"));
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The text with spaces behind it up to so many columns of a terminal.
fn padded(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(text.width());
    format!("{text}{:missing$}", "")
}

fn cells(listed: &Listed) -> [String; 3] {
    let mut code = match listed.code {
        Code::Own {
            sites,
            instances,
            inlined,
        } => {
            let mut text = counted(sites, "site");
            if instances > 1 {
                text += &format!(", {}", counted(instances, "instance"));
            }
            if inlined > 0 {
                text += &format!(", also inlined {}", counted(inlined, "time"));
            }
            text
        }
        Code::Inlined { copies } => format!("inlined {}, no code of its own", counted(copies, "time")),
    };
    if listed.mark == Mark::There {
        code += ", marked";
    }
    [
        Escaped(&listed.name).to_string(),
        format!("{}:{}", Escaped(&listed.file), listed.line),
        code,
    ]
}

/// `1 site`, `2 sites`.
pub(crate) fn counted(count: usize, of: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {of}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, line: u32, code: Code) -> Listed {
        Listed {
            mark: if line == 50 { Mark::There } else { Mark::Absent },
            file: "/a.c".into(),
            line,
            name: name.into(),
            code,
        }
    }

    #[test]
    fn columns_are_aligned_and_names_cannot_reach_the_terminal() {
        let one = Code::Own {
            sites: 1,
            instances: 1,
            inlined: 0,
        };
        let two = Code::Own {
            sites: 14,
            instances: 2,
            inlined: 5,
        };
        let mut text = Vec::new();
        let functions = [
            listed("f\x1b[2J", 3, one),
            listed("longer::name", 40, two),
            listed("g", 50, Code::Inlined { copies: 3 }),
        ];
        write(&functions, &mut text).expect("a vector takes everything");
        let expected = "f\\x1b[2J      /a.c:3   1 site\n\
                        longer::name  /a.c:40  14 sites, 2 instances, also inlined 5 times\n\
                        g             /a.c:50  inlined 3 times, no code of its own, marked\n";
        assert_eq!(String::from_utf8(text).expect("text"), expected);
    }
}
