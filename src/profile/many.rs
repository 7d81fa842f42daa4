//! Several profiles: as they are, or merged into one table.
//!
//! Must not know: processes, terminals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FunctionProfile, LineProfile, Profile, Profiles, RegionProfile, Tracing};
use crate::units::{Bytes, Change};

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Report {
    /// Of one process, or of several that were merged.
    One(Box<Profile>),
    /// Of each process that was followed.
    Many(Profiles),
}

impl Report {
    /// The profiles in it.
    pub fn profiles(&self) -> &[Profile] {
        match self {
            Report::One(profile) => std::slice::from_ref(profile),
            Report::Many(profiles) => &profiles.processes,
        }
    }

    /// The same, given away.
    pub fn into_profiles(self) -> Vec<Profile> {
        match self {
            Report::One(profile) => vec![*profile],
            Report::Many(profiles) => profiles.processes,
        }
    }
}

/// One profile of all `profiles`, in which each line of a source file is one row; `None` when there are none.
///
/// Hits, calls and increments are sums. Memory, baseline and peak are sums of each process's own greatest, which were
/// not all held at the same time: an upper bound of what the processes held together, with PSS as the metric, and
/// more than that with others. All else is the first profile's.
pub fn merge(profiles: Vec<Profile>) -> Option<Profile> {
    let processes = profiles.len();
    let mut profiles = profiles.into_iter();
    let mut merged = profiles.next()?;
    let mut functions: BTreeMap<Key, FunctionProfile> = BTreeMap::new();
    for function in std::mem::take(&mut merged.functions) {
        add_function(&mut functions, function);
    }
    for profile in profiles {
        merged.duration = merged.duration.max(profile.duration);
        merged.rss_granularity = merged.rss_granularity.max(profile.rss_granularity);
        add_up_tracing(&mut merged.tracing, profile.tracing);
        merged.crossings.extend(profile.crossings);
        take_notes(&mut merged.notes, profile.notes);
        for function in profile.functions {
            add_function(&mut functions, function);
        }
    }
    merged.functions = functions.into_values().collect();
    merged.notes.push(format!(
        "{processes} processes are merged: memory is the sum of each one's greatest, which they need not have held at the same time."
    ));
    Some(merged)
}

/// How the sites of both were watched.
pub(super) fn add_up_tracing(sum: &mut Tracing, of: Tracing) {
    sum.sites += of.sites;
    sum.inline += of.inline;
    sum.displaced += of.displaced;
    sum.in_place += of.in_place;
    sum.stops += of.stops;
    sum.events += of.events;
    sum.gate = sum.gate.take().or(of.gate);
    sum.code_pages += of.code_pages;
    sum.refused.extend(of.refused);
    for row in of.not_inline {
        match sum.not_inline.iter_mut().find(|known| known.reason == row.reason) {
            Some(known) => known.sites += row.sites,
            None => sum.not_inline.push(row),
        }
    }
}

/// Each note once.
pub(super) fn take_notes(notes: &mut Vec<String>, of: Vec<String>) {
    for note in of {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
}

/// What makes two functions, or two lines of one, the same.
type Key = (String, u32, String);

fn add_function(functions: &mut BTreeMap<Key, FunctionProfile>, function: FunctionProfile) {
    let key = (function.file.clone(), function.line, function.name.clone());
    let Some(sum) = functions.get_mut(&key) else {
        functions.insert(key, function);
        return;
    };
    sum.last_line = sum.last_line.max(function.last_line);
    sum.calls += function.calls;
    sum.baseline = both(sum.baseline, function.baseline);
    sum.increment = plus(sum.increment, function.increment);
    sum.peak = both(sum.peak, function.peak);
    for line in function.lines {
        add_line(&mut sum.lines, line);
    }
    for region in function.regions {
        add_region(&mut sum.regions, region);
    }
    // Its own file first, as in every report.
    sum.lines
        .sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
}

fn add_region(regions: &mut Vec<RegionProfile>, region: RegionProfile) {
    let same = |other: &&mut RegionProfile| other.name == region.name && other.line == region.line;
    match regions.iter_mut().find(same) {
        Some(sum) => {
            sum.entries += region.entries;
            sum.increment = plus(sum.increment, region.increment);
            sum.memory = both(sum.memory, region.memory);
        }
        None => regions.push(region),
    }
}

fn add_line(lines: &mut Vec<LineProfile>, line: LineProfile) {
    let same = |other: &&mut LineProfile| other.line == line.line && other.file == line.file;
    match lines.iter_mut().find(same) {
        Some(sum) => {
            sum.hits += line.hits;
            sum.increment = plus(sum.increment, line.increment);
            sum.greatest_increment = sum.greatest_increment.max(line.greatest_increment);
            sum.memory = both(sum.memory, line.memory);
            sum.shared |= line.shared;
        }
        None => lines.push(line),
    }
}

pub(super) fn plus(one: Change, other: Change) -> Change {
    Change(one.0.saturating_add(other.0))
}

fn both(one: Option<Bytes>, other: Option<Bytes>) -> Option<Bytes> {
    match (one, other) {
        (Some(Bytes(one)), Some(Bytes(other))) => Some(Bytes(one.saturating_add(other))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{End, Metric, Schema, Tracing};

    fn line(line: u32, hits: u64, increment: i64, memory: Option<u64>) -> LineProfile {
        LineProfile {
            file: None,
            line,
            hits,
            increment: Change(increment),
            greatest_increment: Change(increment.max(0)),
            memory: memory.map(Bytes),
            shared: false,
            text: None,
        }
    }

    fn profile(pid: u32, lines: Vec<LineProfile>, note: &str) -> Profile {
        Profile {
            schema: Schema::Report1,
            lineprof: String::new(),
            command: Vec::new(),
            executable: String::new(),
            build_id: None,
            pid,
            metric: Metric::Pss,
            rss_granularity: Bytes(1024),
            started: String::new(),
            duration: f64::from(pid),
            end: End::Exited { code: 0 },
            tracing: Tracing {
                stops: 10,
                ..Tracing::default()
            },
            functions: vec![FunctionProfile {
                name: "work".into(),
                linkage_name: None,
                file: "a.c".into(),
                line: 3,
                last_line: 9,
                calls: 2,
                baseline: Some(Bytes(100)),
                increment: Change(-5),
                peak: Some(Bytes(700)),
                lines,
                regions: Vec::new(),
            }],
            crossings: vec![],
            notes: vec![note.into()],
        }
    }

    #[test]
    fn each_line_is_one_row_of_sums() {
        let one = profile(1, vec![line(3, 2, 0, Some(100)), line(5, 0, 0, None)], "same");
        let other = profile(2, vec![line(5, 7, -9, Some(60)), line(4, 1, 1, Some(1))], "same");
        let merged = merge(vec![one, other]).expect("two");
        let [work] = merged.functions.as_slice() else {
            panic!("one function: {:?}", merged.functions)
        };
        let rows = [
            line(3, 2, 0, Some(100)),
            line(4, 1, 1, Some(1)),
            line(5, 7, -9, Some(60)),
        ];
        assert_eq!(work.lines, rows);
        assert_eq!((work.calls, work.baseline), (4, Some(Bytes(200))));
        assert_eq!((work.increment, work.peak), (Change(-10), Some(Bytes(1400))));
        assert_eq!((merged.pid, merged.tracing.stops), (1, 20));
        assert_eq!(merged.notes.len(), 2, "{:?}", merged.notes);
    }

    #[test]
    fn a_function_of_the_same_name_in_another_file_is_another() {
        let one = profile(1, Vec::new(), "");
        let mut other = profile(2, Vec::new(), "");
        other.functions[0].file = "b.c".into();
        assert_eq!(
            merge(vec![one, other]).map(|merged| merged.functions.len()),
            Some(2)
        );
        assert_eq!(merge(Vec::new()), None);
    }

    #[test]
    fn a_report_is_read_as_what_it_was_written() {
        let one = Report::One(Box::new(profile(1, Vec::new(), "")));
        let many = Report::Many(Profiles {
            schema: crate::profile::ProfilesSchema::Reports1,
            processes: vec![profile(1, Vec::new(), ""), profile(2, Vec::new(), "")],
        });
        for report in [one, many] {
            let text = serde_json::to_string(&report).expect("plain data");
            let read: Report = serde_json::from_str(&text).expect("what was written");
            assert_eq!(read, report);
        }
    }
}
