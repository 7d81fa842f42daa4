//! The profiles of one process at several times, as one.
//!
//! Must not know: processes, terminals.

use super::many::{plus, take_notes};
use super::{FunctionProfile, LineProfile, Profile};

/// The profile of a process that was watched, left and watched again.
///
/// Hits, calls, increments, stops, events and durations are sums, memory and peaks the greatest; the baselines are the first. All else
/// is the later profile's, but for when it began.
pub fn continued(earlier: Profile, later: Profile) -> Profile {
    let mut both = later;
    both.started = earlier.started;
    both.duration += earlier.duration;
    // The same sites each time, as far as the same libraries were there.
    let (tracing, before) = (&mut both.tracing, earlier.tracing);
    tracing.stops += before.stops;
    tracing.events += before.events;
    tracing.code_pages = tracing.code_pages.max(before.code_pages);
    both.crossings.splice(..0, earlier.crossings);
    take_notes(&mut both.notes, earlier.notes);
    let mut functions = std::mem::take(&mut both.functions);
    for before in earlier.functions {
        let same = |f: &&mut FunctionProfile| {
            (&f.file, f.line, &f.name) == (&before.file, before.line, &before.name)
        };
        match functions.iter_mut().find(same) {
            Some(function) => add_function(function, before),
            None => functions.push(before),
        }
    }
    functions
        .sort_by(|one, other| (&one.file, one.line, &one.name).cmp(&(&other.file, other.line, &other.name)));
    both.functions = functions;
    both
}

fn add_function(function: &mut FunctionProfile, before: FunctionProfile) {
    function.last_line = function.last_line.max(before.last_line);
    function.calls += before.calls;
    function.baseline = before.baseline.or(function.baseline);
    function.increment = plus(function.increment, before.increment);
    function.peak = function.peak.max(before.peak);
    for line in before.lines {
        let same = |other: &&mut LineProfile| other.line == line.line && other.file == line.file;
        match function.lines.iter_mut().find(same) {
            Some(sum) => {
                sum.hits += line.hits;
                sum.increment = plus(sum.increment, line.increment);
                sum.greatest_increment = sum.greatest_increment.max(line.greatest_increment);
                sum.memory = sum.memory.max(line.memory);
                sum.shared |= line.shared;
            }
            None => function.lines.push(line),
        }
    }
    // Its own file first, as in every report.
    function
        .lines
        .sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{End, Metric, Schema, Tracing};
    use crate::units::{Bytes, Change};

    fn span(calls: u64, baseline: Option<u64>, line: Option<(u32, u64, i64, u64)>) -> Profile {
        let row = |(line, hits, increment, memory): (u32, u64, i64, u64)| LineProfile {
            file: None,
            line,
            hits,
            increment: Change(increment),
            greatest_increment: Change(increment.max(0)),
            memory: Some(Bytes(memory)),
            shared: false,
            text: None,
        };
        Profile {
            schema: Schema::Report1,
            lineprof: String::new(),
            command: Vec::new(),
            executable: String::new(),
            build_id: None,
            pid: 7,
            metric: Metric::Rss,
            rss_granularity: Bytes(4096),
            started: format!("after {calls} calls"),
            duration: 1.5,
            end: End::Detached,
            tracing: Tracing {
                sites: 3,
                stops: 10,
                events: 20,
                code_pages: 1,
                ..Tracing::default()
            },
            crossings: Vec::new(),
            functions: vec![FunctionProfile {
                name: "work".to_owned(),
                linkage_name: None,
                file: "a.rs".to_owned(),
                line: 1,
                last_line: 9,
                calls,
                baseline: baseline.map(Bytes),
                increment: Change(8),
                peak: baseline.map(Bytes),
                regions: Vec::new(),
                lines: line.into_iter().map(row).collect(),
            }],
            notes: vec!["a note".to_owned()],
        }
    }

    #[test]
    fn costs_add_up_and_memory_is_the_greatest() {
        let both = continued(
            span(2, Some(100), Some((3, 5, 40, 900))),
            span(1, Some(300), Some((3, 1, -10, 500))),
        );
        let function = &both.functions[0];
        assert_eq!((function.calls, function.increment), (3, Change(16)));
        assert_eq!(
            (function.baseline, function.peak),
            (Some(Bytes(100)), Some(Bytes(300)))
        );
        let line = &function.lines[0];
        assert_eq!(
            (line.hits, line.increment, line.memory),
            (6, Change(30), Some(Bytes(900)))
        );
        assert_eq!(line.greatest_increment, Change(40));
        assert_eq!(both.duration, 3.0);
        assert_eq!(both.started, "after 2 calls");
        assert_eq!(both.notes, ["a note"]);
        let tracing = &both.tracing;
        assert_eq!((tracing.sites, tracing.stops, tracing.events), (3, 20, 40));
        assert_eq!(tracing.code_pages, 1);
    }

    #[test]
    fn a_line_or_a_function_of_one_span_is_kept() {
        let mut other = span(1, None, Some((2, 1, 1, 1)));
        let both = continued(span(1, Some(5), Some((3, 1, 1, 1))), other.clone());
        let lines: Vec<u32> = both.functions[0].lines.iter().map(|line| line.line).collect();
        assert_eq!(lines, [2, 3]);
        other.functions[0].name = "a_second".to_owned();
        let both = continued(span(1, Some(5), None), other);
        let names: Vec<&str> = both.functions.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["a_second", "work"]);
    }
}
