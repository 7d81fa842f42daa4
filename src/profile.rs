//! The profile: everything a report says, as plain data.
//!
//! Must not know: processes, terminals. Its JSON form is a contract with tools (schema `lineprof-report/1`): a field
//! may be added, none changes its meaning within one schema number. Memory is in bytes, times are in seconds.
//!
//! Text that is no valid UTF-8 in the program (paths, arguments) has each bad byte written as `\xNN`; no control
//! character is taken out here, that is the business of whoever shows it.
//!
//! Read on in `report`, which prints it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::occurrences::Occurrences;
use crate::plan::{FunctionId, LineId, Plan, PlannedFunction, PlannedLine, RefusedSite};
use crate::recorder::Recording;
use crate::report::escape;
use crate::source::SourceCache;
use crate::units::{Bytes, Change};

mod crossing;
mod many;
mod spans;

pub use crossing::{BacktraceFrame, Crossing, Limit, RanLine};
pub use many::{Report, merge};
pub use spans::continued;

/// The schema of a [`Profile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Schema {
    /// The first, and so far only one.
    #[default]
    #[serde(rename = "lineprof-report/1")]
    Report1,
}

/// The schema of [`Profiles`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProfilesSchema {
    /// The first, and so far only one.
    #[default]
    #[serde(rename = "lineprof-reports/1")]
    Reports1,
}

/// The profiles of a process and its children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profiles {
    /// Always [`ProfilesSchema::Reports1`].
    pub schema: ProfilesSchema,
    /// In the order in which they began.
    pub processes: Vec<Profile>,
}

/// The profile of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Always [`Schema::Report1`].
    pub schema: Schema,
    /// The version of lineprof that made it.
    pub lineprof: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The path of the executable.
    pub executable: String,
    /// In hexadecimal; `None` when the executable has none.
    pub build_id: Option<String>,
    /// The process.
    pub pid: u32,
    /// What was read as memory.
    pub metric: Metric,
    /// How fine the readings of `metric` are: the most that can have changed before a change shows.
    pub rss_granularity: Bytes,
    /// When profiling began: RFC 3339 in UTC.
    pub started: String,
    /// How long it took, in seconds.
    pub duration: f64,
    /// How it ended.
    pub end: End,
    /// How the sites were watched.
    pub tracing: Tracing,
    /// In order of file and line.
    pub functions: Vec<FunctionProfile>,
    /// Where memory crossed the limits that were set, in the order in which it happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crossings: Vec<Crossing>,
    /// What a reader has to know to understand the numbers, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What is read as the memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Resident memory.
    #[default]
    Rss,
    /// Resident memory that is not backed by a file.
    Anon,
    /// Resident memory, shared pages divided by the number of their users.
    Pss,
    /// Resident memory of this process alone.
    Uss,
}

/// How profiling ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum End {
    /// The process exited.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal killed the process.
    Killed {
        /// The signal's name, such as `SIGSEGV`.
        signal: String,
    },
    /// lineprof left the process running.
    Detached,
    /// The process replaced itself by another program.
    Executed,
}

/// How the sites of a process were watched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tracing {
    /// How many there were.
    pub sites: u64,
    /// Sites that cost no stop.
    pub inline: u64,
    /// Sites that cost one stop.
    pub displaced: u64,
    /// Sites at which every thread stops.
    pub in_place: u64,
    /// How often a thread stopped.
    pub stops: u64,
    /// How often a thread came to a site, whether it stopped or not; 0 in reports made before it was counted.
    #[serde(default)]
    pub events: u64,
    /// What tells code in the process that its memory may have changed: `rss_stat`, the kernel's tracepoint, or `statm`,
    /// which is read at each event; absent when no site is inline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Pages of code in which a breakpoint was put, each private to the process since then (4 kB of memory more, unless it
    /// was before); 0 in reports made before it was counted.
    #[serde(default)]
    pub code_pages: u64,
    /// Sites that could not be watched.
    pub refused: Vec<Refused>,
    /// Sites that stop although they were to be run inline, by the reason of their function.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_inline: Vec<NotInline>,
}

/// Sites that stop although they were to be run inline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotInline {
    /// Why, as a fragment of a sentence.
    pub reason: String,
    /// How many.
    pub sites: u64,
}

/// A site that could not be watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its address in the file.
    pub address: u64,
    /// The function it is in.
    pub function: String,
    /// The line that begins there.
    pub line: u32,
    /// Why.
    pub reason: String,
}

/// What a function cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionProfile {
    /// Readable full name.
    pub name: String,
    /// The symbol's name, where there is one only.
    pub linkage_name: Option<String>,
    /// The file that declares it.
    pub file: String,
    /// The line of the declaration.
    pub line: u32,
    /// The last line of the function in that file.
    pub last_line: u32,
    /// How often it was entered.
    pub calls: u64,
    /// Memory at its first entry; `None` when it never ran.
    pub baseline: Option<Bytes>,
    /// The sum over outermost activations of memory at exit less memory at entry.
    pub increment: Change,
    /// The greatest memory at any of its events; `None` when it never ran.
    pub peak: Option<Bytes>,
    /// The lines that have a site, and the declaration's, in order of file (its own first) and line.
    pub lines: Vec<LineProfile>,
    /// The regions of it that the source marks, in order of the marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionProfile>,
}

/// What marked lines of a function cost: they are in its `lines`, here are their sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionProfile {
    /// The name that the mark gives it.
    pub name: String,
    /// The first line, in the function's file.
    pub line: u32,
    /// The last line.
    pub last_line: u32,
    /// How often control came to it from outside.
    pub entries: u64,
    /// The sum of its lines' increments.
    pub increment: Change,
    /// The greatest memory seen just after one of its lines ran; `None` when none ran.
    pub memory: Option<Bytes>,
}

/// What a line cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineProfile {
    /// The file, if it is not the function's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line.
    pub line: u32,
    /// How often it ran.
    pub hits: u64,
    /// The sum of its charges.
    pub increment: Change,
    /// The most that it added at one time, from when a frame came to it to when it left; 0 when it never added anything,
    /// and in reports made before it was kept. Where several frames of a thread stand on the line (a recursion), what two of
    /// them added one after the other may count as added at one time.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub greatest_increment: Change,
    /// The greatest memory seen just after it ran; `None` when it never ran.
    pub memory: Option<Bytes>,
    /// Whether part of the increment was read while more than one thread of the process ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The line's text; `None` when the source is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl LineProfile {
    /// How often it ran, as the table's column is called.
    pub fn occurrences(&self) -> u64 {
        self.hits
    }

    /// What it added each time it ran, on average, in bytes; `None` when it never ran.
    pub fn mean_increment(&self) -> Option<f64> {
        (self.hits > 0).then(|| self.increment.0 as f64 / self.hits as f64)
    }
}

fn is_nothing(change: &Change) -> bool {
    *change == Change(0)
}

impl Profile {
    /// The profile of a function, by the full or trailing part of its path.
    pub fn function(&self, path: &str) -> Option<&FunctionProfile> {
        let ends = |name: &str| {
            name.strip_suffix(path)
                .is_some_and(|before| before.is_empty() || before.ends_with("::"))
        };
        self.functions.iter().find(|function| ends(&function.name))
    }
}

impl FunctionProfile {
    /// The row of a line of its own file.
    pub fn line(&self, line: u32) -> Option<&LineProfile> {
        self.lines
            .iter()
            .find(|row| row.file.is_none() && row.line == line)
    }

    /// Whether any of its code was seen to run.
    pub fn ran(&self) -> bool {
        self.baseline.is_some()
    }
}

/// The functions of a report: what was recorded, with the source's text.
///
/// Shape: one for each function of the plan, ordered by file and line.
pub fn functions(
    plan: &Plan,
    recording: &Recording,
    occurrences: &Occurrences,
    sources: &mut SourceCache,
) -> Vec<FunctionProfile> {
    let mut lines_of = vec![Vec::new(); plan.functions.len()];
    for (id, line) in (0..).map(LineId).zip(&plan.lines) {
        if line.has_site || plan.function(line.function).declaration == id {
            lines_of[line.function.index()].push(id);
        }
    }
    let mut functions: Vec<FunctionProfile> = (0..)
        .map(FunctionId)
        .zip(&plan.functions)
        .zip(lines_of)
        .map(|((id, function), mut lines)| {
            lines.sort_by_key(|&line| {
                let PlannedLine { file, line, .. } = plan.line(line);
                (file, *line)
            });
            let recorded = recording.function(id);
            FunctionProfile {
                name: function.name.clone(),
                linkage_name: function.linkage_name.clone(),
                file: path_text(&function.file),
                line: function.line,
                last_line: function.last_line,
                calls: recorded.calls,
                baseline: recorded.baseline,
                increment: recorded.increment,
                peak: recorded.peak,
                lines: lines
                    .into_iter()
                    .map(|line| line_profile(plan, function, line, recording, occurrences, sources))
                    .collect(),
                regions: Vec::new(),
            }
        })
        .collect();
    functions
        .sort_by(|one, other| (&one.file, one.line, &one.name).cmp(&(&other.file, other.line, &other.name)));
    functions
}

fn line_profile(
    plan: &Plan,
    function: &PlannedFunction,
    id: LineId,
    recording: &Recording,
    occurrences: &Occurrences,
    sources: &mut SourceCache,
) -> LineProfile {
    let line = plan.line(id);
    let recorded = recording.line(id);
    let source = sources.read(line.file.as_ref().unwrap_or(&function.file)).ok();
    LineProfile {
        file: line.file.as_deref().map(path_text),
        line: line.line,
        hits: occurrences.of(id),
        increment: recorded.increment,
        greatest_increment: recorded.greatest,
        memory: recorded.memory,
        shared: recorded.shared,
        text: source
            .and_then(|source| source.line(line.line))
            .map(str::to_owned),
    }
}

/// The refused sites of a plan, as a report has them.
pub fn refused(plan: &Plan) -> Vec<Refused> {
    let refused = |site: &RefusedSite| Refused {
        address: site.address.0,
        function: plan.function(site.function).name.clone(),
        line: site.line,
        reason: site.reason.clone(),
    };
    plan.refused.iter().map(refused).collect()
}

/// A path as a report has it.
pub fn path_text(path: &Path) -> String {
    escape::valid(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests;
