//! The calls in a picture.
//!
//! Must not know: how they are drawn.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;

use super::curve::{Spot, column};
use crate::report::escape::Escaped;
use crate::timeline::{Span, UnixTime};

/// A call of a function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Call {
    /// Which of the figure's functions.
    pub function: usize,
    /// When it began.
    pub begin: Spot,
    /// When it ended.
    pub end: Spot,
    /// How far in: the row among nested rectangles.
    pub row: u32,
}

/// A function that was called.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The shortest end of its path that no other function has.
    pub name: String,
    /// Its calls in the window.
    pub calls: usize,
    /// Seconds from begin to end, of all its calls.
    pub seconds: f64,
}

impl Display for Function {
    /// What a legend says of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.3}s", self.name, self.seconds)?;
        match self.calls {
            1 => Ok(()),
            calls => write!(f, ", {calls} calls"),
        }
    }
}

/// The functions of `spans`, in the order in which they were first called, and their calls inside `window`, in the order of
/// time.
pub(super) fn collect(
    spans: &[Span],
    start: UnixTime,
    window: &RangeInclusive<f64>,
) -> (Vec<Function>, Vec<Call>) {
    let mut sorted: Vec<&Span> = spans.iter().collect();
    let order = |one: &&Span, other: &&Span| {
        let begins = one.begin.at.0.total_cmp(&other.begin.at.0);
        begins.then(one.depth.cmp(&other.depth))
    };
    sorted.sort_by(order);
    let mut names: Vec<&str> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut calls = Vec::new();
    for span in sorted {
        let (begin, end) = (Spot::of(&span.begin, start), Spot::of(&span.end, start));
        if end.seconds < *window.start() || begin.seconds > *window.end() {
            continue;
        }
        let function = *numbers.entry(&span.name).or_insert_with(|| {
            names.push(&span.name);
            names.len() - 1
        });
        calls.push(Call {
            function,
            begin,
            end,
            row: span.depth,
        });
    }
    put_in_rows(&mut calls);
    let mut functions: Vec<Function> = short(&names)
        .into_iter()
        .map(|name| Function {
            name: Escaped(&name).to_string(),
            calls: 0,
            seconds: 0.0,
        })
        .collect();
    for call in &calls {
        let function = &mut functions[call.function];
        function.calls += 1;
        function.seconds += call.end.seconds - call.begin.seconds;
    }
    (functions, calls)
}

/// Calls of several threads are at the same level at the same time: each gets the first row from its level on that is
/// free.
fn put_in_rows(calls: &mut [Call]) {
    // Levels that the file leaves out (a thread's outermost call may have any) take no room.
    let mut levels: Vec<u32> = calls.iter().map(|call| call.row).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut ends: Vec<f64> = Vec::new();
    for call in calls {
        let mut row = levels.partition_point(|level| *level < call.row);
        while ends.get(row).is_some_and(|end| *end > call.begin.seconds) {
            row += 1;
        }
        if ends.len() <= row {
            ends.resize(row + 1, f64::NEG_INFINITY);
        }
        ends[row] = call.end.seconds;
        call.row = u32::try_from(row).unwrap_or(u32::MAX);
    }
}

/// The longest of the calls that begin in one column, of each function in each row.
pub(super) fn thin(calls: Vec<Call>, window: &RangeInclusive<f64>, columns: usize) -> Vec<Call> {
    if calls.len() <= columns {
        return calls;
    }
    let length = |call: &Call| call.end.seconds - call.begin.seconds;
    let mut longest: HashMap<(usize, u32, usize), usize> = HashMap::new();
    for (index, call) in calls.iter().enumerate() {
        let key = (
            call.function,
            call.row,
            column(call.begin.seconds, window, columns),
        );
        let best = longest.entry(key).or_insert(index);
        if length(call) > length(&calls[*best]) {
            *best = index;
        }
    }
    let mut kept: Vec<usize> = longest.into_values().collect();
    kept.sort_unstable();
    kept.into_iter().map(|index| calls[index]).collect()
}

/// For each name the shortest end of its path that no other has.
fn short(names: &[&str]) -> Vec<String> {
    let ends: Vec<Vec<usize>> = names.iter().map(|name| ends(name)).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (name, ends) in names.iter().zip(&ends) {
        for at in ends {
            *count.entry(&name[*at..]).or_default() += 1;
        }
    }
    let shortest = |(name, ends): (&&str, &Vec<usize>)| {
        let is_alone = |at: &&usize| count.get(&name[**at..]) == Some(&1);
        let at = ends.iter().find(is_alone).copied().unwrap_or(0);
        name[at..].to_owned()
    };
    names.iter().zip(&ends).map(shortest).collect()
}

/// Where the ends of a path begin, the shortest first: `a::b<c::d>::e(f::g)` has `e(f::g)` and `b<c::d>::e(f::g)`.
fn ends(name: &str) -> Vec<usize> {
    let mut places = vec![0];
    let mut depth = 0;
    let mut before = ' ';
    for (at, character) in name.char_indices() {
        match character {
            '<' | '(' | '[' | '{' => depth += 1,
            // The arrow of a return type closes nothing.
            '>' if before == '-' => {}
            '>' | ')' | ']' | '}' => depth -= 1,
            '.' if depth == 0 => places.push(at + 1),
            ':' if depth == 0 && before == ':' => places.push(at + 1),
            _ => {}
        }
        before = character;
    }
    places.retain(|at| *at < name.len());
    places.reverse();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Mebibytes, Point};

    fn span(name: &str, begin: f64, end: f64, depth: u32) -> Span {
        let at = |time| Point {
            memory: Mebibytes(1.0),
            at: UnixTime(time),
        };
        Span {
            name: name.into(),
            begin: at(begin),
            end: at(end),
            depth,
        }
    }

    fn rows(spans: &[Span]) -> Vec<(String, u32)> {
        let (functions, calls) = collect(spans, UnixTime(0.0), &(0.0..=100.0));
        let row = |call: &Call| (functions[call.function].name.clone(), call.row);
        calls.iter().map(row).collect()
    }

    #[test]
    fn names_are_as_short_as_they_can_be_told_apart() {
        let names = [
            "a::b::run(x::y)",
            "a::c::run(x::y)",
            "__main__.load",
            "v<a::b>::at",
            "x",
        ];
        assert_eq!(short(&names), ["b::run(x::y)", "c::run(x::y)", "load", "at", "x"]);
        assert_eq!(
            short(&["f", "a::f"]),
            ["f", "a::f"],
            "one is the end of the other"
        );
    }

    #[test]
    fn nested_calls_lie_in_rows_by_their_level() {
        let spans = [
            span("in", 2.0, 3.0, 1),
            span("out", 1.0, 4.0, 0),
            span("in", 5.0, 6.0, 0),
        ];
        let expected = [("out", 0), ("in", 1), ("in", 0)].map(|(name, row)| (name.to_owned(), row));
        assert_eq!(rows(&spans), expected);
    }

    #[test]
    fn calls_of_two_threads_do_not_cover_each_other() {
        let spans = [span("a", 1.0, 9.0, 0), span("b", 2.0, 8.0, 0)];
        assert_eq!(rows(&spans), [("a".to_owned(), 0), ("b".to_owned(), 1)]);
    }

    #[test]
    fn of_many_short_calls_the_longest_of_a_column_stays() {
        let spans: Vec<Span> = (0..10_000)
            .map(|n| {
                let begin = f64::from(n) / 100.0;
                span("f", begin, begin + if n == 777 { 0.009 } else { 0.001 }, 0)
            })
            .collect();
        let window = 0.0..=100.0;
        let (functions, calls) = collect(&spans, UnixTime(0.0), &window);
        assert_eq!(functions[0].calls, 10_000);
        let kept = thin(calls.clone(), &window, 100);
        assert_eq!(kept.len(), 100);
        assert!(kept.contains(&calls[777]));
    }
}
