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

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use super::escape::{Escaped, EscapedSource};
use crate::profile::{FunctionProfile, LineProfile, Profile};
use crate::source::{SourceCache, SourceText};

/// How many functions that never ran are named.
const MOST_NAMES: usize = 10;

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
        for function in profile.functions.iter().filter(|function| function.ran()) {
            self.write_function(function, sources, out)?;
        }
        let silent: Vec<&str> = profile
            .functions
            .iter()
            .filter(|function| !function.ran())
            .map(|function| function.name.as_str())
            .collect();
        write_silent(&silent, out)?;
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
        for note in &profile.notes {
            writeln!(out, "Note: {}", Escaped(note))?;
        }
        Ok(())
    }

    fn write_function(
        &self,
        function: &FunctionProfile,
        sources: &mut SourceCache,
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
        let mut others: BTreeMap<&str, BTreeMap<u32, &LineProfile>> = BTreeMap::new();
        for line in &function.lines {
            match &line.file {
                None => own.insert(line.line, line),
                Some(file) => others.entry(file).or_default().insert(line.line, line),
            };
        }
        let source = sources.read(Path::new(&function.file)).ok();
        self.write_file(&function.file, Some(function), &own, source, out)?;
        for (file, lines) in others {
            let source = sources.read(Path::new(file)).ok();
            self.write_file(file, None, &lines, source, out)?;
        }
        writeln!(out)
    }

    /// One table; `whole` is the function whose lines without code are shown too.
    fn write_file(
        &self,
        file: &str,
        whole: Option<&FunctionProfile>,
        lines: &BTreeMap<u32, &LineProfile>,
        source: Option<&SourceText>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        writeln!(out, "Filename: {}\n", Escaped(file))?;
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
            let cells = line.map_or(Cells::Blank, |line| self.cells(line, whole));
            let in_file = source.and_then(|source| source.line(number));
            let text = in_file.or_else(|| line?.text.as_deref()).unwrap_or("");
            write_row(number, &cells, text, out)?;
        }
        if source.is_none() {
            writeln!(
                out,
                "\nNote: the source is missing; only lines with code are shown."
            )?;
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

fn write_silent(names: &[&str], out: &mut impl Write) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = names
        .iter()
        .take(MOST_NAMES)
        .map(|name| Escaped(name).to_string())
        .collect();
    write!(out, "Never ran: {}", named.join(", "))?;
    if names.len() > MOST_NAMES {
        write!(out, " and {} more", names.len() - MOST_NAMES)?;
    }
    writeln!(out)
}
