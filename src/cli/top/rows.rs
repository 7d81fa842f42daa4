//! The functions and lines that are shown, with their numbers, in the order that was asked for.
//!
//! Must not know: keys, the screen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lineprof::profile::{FunctionProfile, LineProfile, Profile};
use lineprof::units::{Bytes, Change};

/// A function, whatever its place in a profile: libraries that are loaded move it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FunctionKey {
    name: String,
    pub(super) file: String,
    line: u32,
}

impl FunctionKey {
    pub(super) fn of(function: &FunctionProfile) -> FunctionKey {
        FunctionKey {
            name: function.name.clone(),
            file: function.file.clone(),
            line: function.line,
        }
    }
}

/// The order of functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FunctionOrder {
    Increment,
    Calls,
    Place,
}

impl FunctionOrder {
    pub(super) fn next(self) -> FunctionOrder {
        match self {
            FunctionOrder::Increment => FunctionOrder::Calls,
            FunctionOrder::Calls => FunctionOrder::Place,
            FunctionOrder::Place => FunctionOrder::Increment,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            FunctionOrder::Increment => "increment",
            FunctionOrder::Calls => "calls",
            FunctionOrder::Place => "place",
        }
    }
}

/// The order of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineOrder {
    Line,
    Increment,
    Occurrences,
}

impl LineOrder {
    pub(super) fn next(self) -> LineOrder {
        match self {
            LineOrder::Line => LineOrder::Increment,
            LineOrder::Increment => LineOrder::Occurrences,
            LineOrder::Occurrences => LineOrder::Line,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            LineOrder::Line => "line",
            LineOrder::Increment => "increment",
            LineOrder::Occurrences => "occurrences",
        }
    }
}

/// Numbers that are counted from a moment on.
#[derive(Debug, Clone, Default)]
pub(super) struct Zero {
    functions: HashMap<FunctionKey, (u64, Change)>,
    lines: HashMap<(FunctionKey, Option<String>, u32), (u64, Change)>,
}

impl Zero {
    /// From `profile` on.
    pub(super) fn at(profile: &Profile) -> Zero {
        let mut zero = Zero::default();
        for function in &profile.functions {
            let key = FunctionKey::of(function);
            for line in &function.lines {
                let place = (key.clone(), line.file.clone(), line.line);
                zero.lines.insert(place, (line.hits, line.increment));
            }
            zero.functions.insert(key, (function.calls, function.increment));
        }
        zero
    }
}

/// A function as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionRow {
    pub(super) key: FunctionKey,
    pub(super) name: String,
    pub(super) calls: u64,
    pub(super) increment: Change,
    pub(super) peak: Option<Bytes>,
    pub(super) ran: bool,
}

/// All functions of `profile`.
pub(super) fn functions(profile: &Profile, zero: &Zero, order: FunctionOrder) -> Vec<FunctionRow> {
    let row = |function: &FunctionProfile| {
        let key = FunctionKey::of(function);
        let (calls, increment) = zero.functions.get(&key).copied().unwrap_or_default();
        FunctionRow {
            key,
            name: function.name.clone(),
            calls: function.calls.saturating_sub(calls),
            increment: function.increment - increment,
            peak: function.peak,
            ran: function.ran(),
        }
    };
    let mut rows: Vec<FunctionRow> = profile.functions.iter().map(row).collect();
    match order {
        FunctionOrder::Increment => rows.sort_by_key(|row| (!row.ran, -row.increment)),
        FunctionOrder::Calls => rows.sort_by_key(|row| (!row.ran, u64::MAX - row.calls)),
        FunctionOrder::Place => {}
    }
    rows
}

/// What a line has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) memory: Bytes,
    pub(super) increment: Change,
    pub(super) occurrences: u64,
    pub(super) shared: bool,
    /// The row of the declaration, whose memory and increment are what there was at the first entry.
    pub(super) is_baseline: bool,
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineRow {
    /// Where it is not the function's own file.
    pub(super) file: Option<String>,
    pub(super) number: u32,
    pub(super) cells: Option<Cells>,
    pub(super) text: String,
}

/// The lines of `function`: in their own order each line of its source, in another those alone that ran.
pub(super) fn lines(
    function: &FunctionProfile,
    zero: &Zero,
    order: LineOrder,
    source: &HashMap<String, Vec<String>>,
) -> Vec<LineRow> {
    let key = FunctionKey::of(function);
    let own = source.get(&function.file);
    let mut by_place: BTreeMap<(Option<&String>, u32), &LineProfile> = BTreeMap::new();
    for line in &function.lines {
        let within = (function.line..=function.last_line).contains(&line.line);
        // As the table has it: of what was inlined, what ran.
        if line.memory.is_some() || (line.file.is_none() && within) {
            by_place.insert((line.file.as_ref(), line.line), line);
        }
    }
    let mut places: BTreeSet<(Option<&String>, u32)> = by_place.keys().copied().collect();
    if order == LineOrder::Line && own.is_some_and(|lines| !lines.is_empty()) {
        places.extend((function.line..=function.last_line).map(|line| (None, line)));
    }
    let row = |(file, number): (Option<&String>, u32)| {
        let line = by_place.get(&(file, number)).copied();
        let text = source
            .get(file.unwrap_or(&function.file))
            .and_then(|lines| lines.get((number as usize).checked_sub(1)?));
        LineRow {
            file: file.cloned(),
            number,
            cells: line.and_then(|line| cells(function, &key, line, zero)),
            text: text.cloned().unwrap_or_default(),
        }
    };
    let mut rows: Vec<LineRow> = places.into_iter().map(row).collect();
    let charge = |row: &LineRow| {
        row.cells
            .filter(|cells| !cells.is_baseline)
            .map(|cells| cells.increment)
    };
    match order {
        LineOrder::Line => {}
        LineOrder::Increment => {
            rows.retain(|row| row.cells.is_some());
            rows.sort_by_key(|row| -charge(row).unwrap_or_default());
        }
        LineOrder::Occurrences => {
            rows.retain(|row| row.cells.is_some());
            rows.sort_by_key(|row| u64::MAX - row.cells.map_or(0, |cells| cells.occurrences));
        }
    }
    rows
}

fn cells(function: &FunctionProfile, key: &FunctionKey, line: &LineProfile, zero: &Zero) -> Option<Cells> {
    let place = (key.clone(), line.file.clone(), line.line);
    let (hits, increment) = zero.lines.get(&place).copied().unwrap_or_default();
    let is_declaration = line.file.is_none() && line.line == function.line;
    let baseline = function.baseline.filter(|_| is_declaration);
    let memory = baseline.or(line.memory)?;
    Some(Cells {
        memory,
        increment: match baseline {
            Some(baseline) => baseline.change_since(Bytes(0)),
            None => line.increment - increment,
        },
        occurrences: line.hits.saturating_sub(hits),
        shared: line.shared,
        is_baseline: baseline.is_some(),
    })
}

/// How hot a line is, from 0 to 1, by the greatest increment of its function's lines; negative where it gives back.
pub(super) fn heat(rows: &[LineRow]) -> Vec<f64> {
    let charge = |row: &LineRow| match row.cells {
        Some(cells) if !cells.is_baseline => cells.increment.0,
        Some(_) | None => 0,
    };
    let greatest = rows.iter().map(|row| charge(row).unsigned_abs()).max();
    let greatest = greatest.unwrap_or(0).max(1) as f64;
    rows.iter().map(|row| charge(row) as f64 / greatest).collect()
}
