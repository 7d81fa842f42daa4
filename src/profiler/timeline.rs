//! Memory over time of a process that is profiled, and each call of the functions that are.
//!
//! Must not know: processes, files. It is told what was read, and when.
//!
//! Readings come with events, up to hundreds of thousands a second. One a millisecond is kept, and the last before the
//! next that is kept, so that a step lies where it was; the highest of all; and those where calls begin and end. When they
//! are too many every other one goes, and the millisecond becomes two.

use std::time::{Duration, SystemTime};

use crate::plan::Plan;
use crate::recorder::{Calls, Level, Moment};
use crate::timeline::{Point, Span};

/// The most readings that are held.
const MOST: usize = 200_000;

/// Nanoseconds between readings, at first.
const INTERVAL: u64 = 1_000_000;

/// Memory over time, and calls.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// The readings, in the order of time.
    pub readings: Vec<Point>,
    /// The calls of profiled functions, in the order of their ends.
    pub calls: Vec<Span>,
    /// How many more calls there were.
    pub left_out: u64,
}

/// The readings of a process.
#[derive(Debug, Clone)]
pub(super) struct Readings {
    kept: Vec<Level>,
    /// The last reading, where it is not kept yet.
    pending: Option<Level>,
    highest: Option<Level>,
    interval: u64,
}

impl Readings {
    pub(super) fn new() -> Readings {
        Readings {
            kept: Vec::new(),
            pending: None,
            highest: None,
            interval: INTERVAL,
        }
    }

    /// Takes a reading in, which is none older than the last.
    pub(super) fn add(&mut self, level: Level) {
        if self.highest.is_none_or(|highest| level.memory > highest.memory) {
            self.highest = Some(level);
        }
        let last = self.kept.last();
        if last.is_some_and(|last| level.at.0.saturating_sub(last.at.0) < self.interval) {
            self.pending = Some(level);
            return;
        }
        self.kept.extend(self.pending.take());
        self.kept.push(level);
        if self.kept.len() >= MOST {
            self.interval *= 2;
            let mut number = 0;
            self.kept.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }

    /// All of it, of a process that is watched since `start`.
    pub(super) fn finish(mut self, plan: &Plan, start: SystemTime, calls: Calls) -> Timeline {
        self.kept.extend(self.pending);
        self.kept.extend(self.highest);
        let ends = calls.calls.iter().flat_map(|call| [call.begin, call.end]);
        self.kept.extend(ends);
        self.kept.sort_by_key(|level| (level.at, level.memory));
        self.kept.dedup();
        let point = |level: Level| point(level, start);
        let spans = calls.calls.iter().map(|call| Span {
            name: plan.function(call.function).name.clone(),
            begin: point(call.begin),
            end: point(call.end),
            depth: call.depth,
        });
        Timeline {
            readings: self.kept.iter().copied().map(point).collect(),
            calls: spans.collect(),
            left_out: calls.left_out,
        }
    }
}

fn point(level: Level, start: SystemTime) -> Point {
    let Moment(nanoseconds) = level.at;
    Point {
        memory: level.memory.into(),
        at: (start + Duration::from_nanos(nanoseconds)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn level(microseconds: u64, memory: u64) -> Level {
        Level {
            memory: Bytes(memory),
            at: Moment(microseconds * 1000),
        }
    }

    fn kept(levels: impl Iterator<Item = Level>) -> Vec<(f64, f64)> {
        let mut readings = Readings::new();
        levels.for_each(|level| readings.add(level));
        let timeline = readings.finish(&Plan::default(), SystemTime::UNIX_EPOCH, Calls::default());
        let pair = |point: &Point| (point.at.0, point.memory.0);
        timeline.readings.iter().map(pair).collect()
    }

    #[test]
    fn a_step_lies_where_it_was_and_the_highest_reading_is_there() {
        let mebibyte = 1 << 20;
        let levels = [(0, 1), (100, 1), (200, 9), (300, 2), (5000, 4), (5100, 4)];
        let levels = levels.map(|(at, mebibytes)| level(at, mebibytes * mebibyte));
        let expected = [
            (0.0, 1.0),
            (0.0002, 9.0),
            (0.0003, 2.0),
            (0.005, 4.0),
            (0.0051, 4.0),
        ];
        assert_eq!(kept(levels.into_iter()), expected);
    }

    #[test]
    fn a_day_of_readings_is_bounded() {
        let kept = kept((0..2_000_000).map(|number| level(number * 1000, number)));
        assert!(kept.len() <= MOST + 2, "{}", kept.len());
        assert_eq!(kept[0].0, 0.0);
        assert_eq!(kept[kept.len() - 1].0, 1999.999);
    }
}
