//! The classic table, laid out as memory_profiler prints it.
//!
//! Must not know: where the numbers come from.
//!
//! ```text
//! Function: work at /src/hot.c:5, 1 call, increment 0.008 MiB, peak 33.094 MiB
//!
//! Filename: /src/hot.c
//!
//! Line #    Mem usage    Increment  Occurrences   Line Contents
//! =============================================================
//!      5    1.082 MiB    1.082 MiB           1   void work(void)
//! ```
//!
//! From `Filename:` on a table is memory_profiler's own. Two things are not: a `*` after the increment marks what was
//! read while more than one thread ran, and spaces at the end of a line are left out. On the declaration's row both
//! memory columns show the baseline, as there; the JSON report has the charge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use super::escape::{Escaped, EscapedSource};
use crate::profile::{FunctionProfile, LineProfile, Profile, RegionProfile, Report};
use crate::source::{SourceCache, SourceText};

/// How many functions that never ran are named.
const MOST_NAMES: usize = 10;

/// How many missing sources are named.
const MOST_FILES: usize = 3;

const MARK: &str = "*";

/// Writes tables.
#[derive(Debug, Clone)]
pub struct Table {
    /// Digits after the point of an amount of memory.
    pub precision: usize,
}

impl Default for Table {
    /// As memory_profiler's command line: three digits.
    fn default() -> Table {
        Table { precision: 3 }
    }
}

/// The lines of one file under one heading.
struct Block<'p> {
    title: String,
    file: &'p str,
    /// The function whose lines without code are shown too.
    whole: Option<&'p FunctionProfile>,
    lines: BTreeMap<u32, &'p LineProfile>,
}

/// Text of a cell.
enum Cells {
    Blank,
    Ran {
        memory: String,
        increment: String,
        shared: bool,
        occurrences: u64,
    },
}

impl Table {
    /// Writes a table for each function that ran, what there is to say about the others, and the profile's notes.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(
        &self,
        profile: &Profile,
        sources: &mut SourceCache,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut missing = BTreeSet::new();
        for function in profile.functions.iter().filter(|function| function.ran()) {
            self.write_function(function, sources, &mut missing, out)?;
            for region in &function.regions {
                self.write_region(function, region, sources, out)?;
            }
        }
        write_silent(&profile.functions, out)?;
        let shared = profile
            .functions
            .iter()
            .flat_map(|function| &function.lines)
            .any(|line| line.shared);
        if shared {
            writeln!(
                out,
                "Note: {MARK} marks lines during which more than one thread ran; what the others did is in their numbers."
            )?;
        }
        write_missing(&missing, out)?;
        for note in &profile.notes {
            writeln!(out, "Note: {}", Escaped(note))?;
        }
        Ok(())
    }

    /// Writes all of a report: a heading for each process where there are several, and its tables. Those that ran none
    /// of the functions are named in the end.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_report(
        &self,
        report: &Report,
        sources: &mut SourceCache,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let processes = match report {
            Report::One(profile) => return self.write(profile, sources, out),
            Report::Many(profiles) => &profiles.processes,
        };
        let (ran, idle): (Vec<&Profile>, Vec<&Profile>) = processes
            .iter()
            .partition(|p| p.functions.iter().any(FunctionProfile::ran));
        for (number, profile) in ran.into_iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            let command = profile.command.join(" ");
            writeln!(out, "Process {}: {}\n", profile.pid, Escaped(command.trim_end()))?;
            self.write(profile, sources, out)?;
        }
        let Some((first, others)) = idle.split_first() else {
            return Ok(());
        };
        write!(out, "Processes that ran none of these functions: {}", first.pid)?;
        for profile in others.iter().take(MOST_NAMES - 1) {
            write!(out, ", {}", profile.pid)?;
        }
        match others.len().saturating_sub(MOST_NAMES - 1) {
            0 => writeln!(out),
            more => writeln!(out, " and {more} more"),
        }
    }

    /// The table of a region: its lines, as the function's table has them.
    fn write_region(
        &self,
        function: &FunctionProfile,
        region: &RegionProfile,
        sources: &mut SourceCache,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let entries = if region.entries == 1 { "entry" } else { "entries" };
        write!(
            out,
            "Region: {} in {} at {}:{}, {} {entries}, increment {}",
            Escaped(&region.name),
            Escaped(&function.name),
            Escaped(&function.file),
            region.line,
            region.entries,
            self.amount(region.increment.mebibytes())
        )?;
        if let Some(memory) = region.memory {
            write!(out, ", peak {}", self.amount(memory.mebibytes()))?;
        }
        writeln!(out, "\n")?;
        let mut lines = function.lines.clone();
        lines.retain(|line| line.file.is_none() && (region.line..=region.last_line).contains(&line.line));
        let whole = FunctionProfile {
            line: region.line,
            last_line: region.last_line,
            // Its first row is a line like the others.
            baseline: None,
            lines,
            ..function.clone()
        };
        let block = Block {
            title: Escaped(&whole.file).to_string(),
            file: &whole.file,
            whole: Some(&whole),
            lines: whole.lines.iter().map(|line| (line.line, line)).collect(),
        };
        self.write_block(&block, sources.read(Path::new(&whole.file)).ok(), out)?;
        writeln!(out)
    }

    /// The tables of one function; sources that cannot be read are added to `missing`.
    fn write_function<'p>(
        &self,
        function: &'p FunctionProfile,
        sources: &mut SourceCache,
        missing: &mut BTreeSet<&'p str>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        write!(
            out,
            "Function: {} at {}:{}",
            Escaped(&function.name),
            Escaped(&function.file),
            function.line
        )?;
        let calls = if function.calls == 1 { "call" } else { "calls" };
        write!(out, ", {} {calls}", function.calls)?;
        write!(out, ", increment {}", self.amount(function.increment.mebibytes()))?;
        if let Some(peak) = function.peak {
            write!(out, ", peak {}", self.amount(peak.mebibytes()))?;
        }
        writeln!(out, "\n")?;

        let mut own = BTreeMap::new();
        // Lines of functions of the same file that were inlined.
        let mut beyond = BTreeMap::new();
        let mut others: BTreeMap<&str, BTreeMap<u32, &LineProfile>> = BTreeMap::new();
        for line in &function.lines {
            match &line.file {
                None if (function.line..=function.last_line).contains(&line.line) => &mut own,
                None => &mut beyond,
                Some(file) => others.entry(file).or_default(),
            }
            .insert(line.line, line);
        }
        let mut blocks = vec![Block {
            title: Escaped(&function.file).to_string(),
            file: &function.file,
            whole: Some(function),
            lines: own,
        }];
        let inlined = (
            format!("{} (inlined)", Escaped(&function.file)),
            function.file.as_str(),
            beyond,
        );
        let others = others
            .into_iter()
            .map(|(file, lines)| (Escaped(file).to_string(), file, lines));
        for (title, file, mut lines) in [inlined].into_iter().chain(others) {
            // Of the function itself every line is shown. Of others only those that ran: the rest is no context.
            lines.retain(|_, line| line.memory.is_some());
            if !lines.is_empty() {
                blocks.push(Block {
                    title,
                    file,
                    whole: None,
                    lines,
                });
            }
        }
        for block in blocks {
            let source = sources.read(Path::new(block.file)).ok();
            if source.is_none() && block.lines.values().any(|line| line.text.is_none()) {
                missing.insert(block.file);
            }
            self.write_block(&block, source, out)?;
        }
        writeln!(out)
    }

    fn write_block(
        &self,
        block: &Block<'_>,
        source: Option<&SourceText>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Block {
            title, whole, lines, ..
        } = block;
        writeln!(out, "Filename: {title}\n")?;
        let header = format!(
            "{:>6} {:>12} {:>12}  {:>10}   {}",
            "Line #", "Mem usage", "Increment", "Occurrences", "Line Contents"
        );
        writeln!(out, "{header}\n{}", "=".repeat(header.len()))?;
        let gaps = match (whole, source) {
            (Some(function), Some(_)) => function.line..function.last_line.saturating_add(1),
            _ => 0..0,
        };
        let mut numbers: Vec<u32> = gaps.chain(lines.keys().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let line = lines.get(&number).copied();
            let cells = line.map_or(Cells::Blank, |line| self.cells(line, *whole));
            let in_file = source.and_then(|source| source.line(number));
            let text = in_file.or_else(|| line?.text.as_deref()).unwrap_or("");
            write_row(number, &cells, text, out)?;
        }
        writeln!(out)
    }

    fn cells(&self, line: &LineProfile, whole: Option<&FunctionProfile>) -> Cells {
        let declared = whole
            .filter(|function| function.line == line.line)
            .and_then(|function| function.baseline);
        let (memory, increment) = match (declared, line.memory) {
            (Some(baseline), _) => (baseline.mebibytes(), baseline.mebibytes()),
            (None, Some(memory)) => (memory.mebibytes(), line.increment.mebibytes()),
            (None, None) => return Cells::Blank,
        };
        Cells::Ran {
            memory: self.cell(memory),
            increment: self.cell(increment),
            shared: line.shared,
            occurrences: line.hits,
        }
    }

    fn cell(&self, mebibytes: f64) -> String {
        let precision = self.precision;
        format!("{mebibytes:width$.precision$} MiB", width = precision + 4)
    }

    /// As a cell, without the padding.
    fn amount(&self, mebibytes: f64) -> String {
        format!("{mebibytes:.precision$} MiB", precision = self.precision)
    }
}

fn write_row(number: u32, cells: &Cells, text: &str, out: &mut impl Write) -> io::Result<()> {
    let text = EscapedSource(text);
    let row = match cells {
        Cells::Blank => row(number, "", "", " ", "", text),
        Cells::Ran {
            memory,
            increment,
            shared,
            occurrences,
        } => row(
            number,
            memory,
            increment,
            if *shared { MARK } else { " " },
            occurrences,
            text,
        ),
    };
    writeln!(out, "{}", row.trim_end())
}

fn row(
    number: u32,
    memory: &str,
    increment: &str,
    mark: &str,
    occurrences: impl fmt::Display,
    text: EscapedSource<'_>,
) -> String {
    format!("{number:>6} {memory:>12} {increment:>12}{mark} {occurrences:>10}   {text}")
}

/// Names the functions that never ran; those that share their name with another by their place, too.
fn write_silent(functions: &[FunctionProfile], out: &mut impl Write) -> io::Result<()> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for function in functions {
        *times.entry(&function.name).or_default() += 1;
    }
    let silent = functions.iter().filter(|function| !function.ran());
    let names: Vec<String> = silent
        .map(|function| match times.get(function.name.as_str()) {
            Some(2..) => format!("{} at {}:{}", function.name, function.file, function.line),
            _ => function.name.clone(),
        })
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    writeln!(out, "Never ran: {}", first_few(&names, MOST_NAMES))
}

fn write_missing(files: &BTreeSet<&str>, out: &mut impl Write) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let files: Vec<&str> = files.iter().copied().collect();
    write!(
        out,
        "Note: cannot read the source {}: only lines with code are shown",
        first_few(&files, MOST_FILES)
    )?;
    if files.iter().all(|file| Path::new(file).is_absolute()) {
        writeln!(out)
    } else {
        writeln!(out, "; relative paths are looked for where lineprof was started")
    }
}

fn first_few(texts: &[&str], most: usize) -> String {
    let named: Vec<String> = texts
        .iter()
        .take(most)
        .map(|text| Escaped(text).to_string())
        .collect();
    let named = named.join(", ");
    match texts.len().saturating_sub(most) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
