//! The points of a curve.
//!
//! Must not know: whose they are, how they are drawn.
//!
//! A run of a day has a million readings and a picture a thousand columns. Of the points in a column the first, the least,
//! the greatest and the last are kept: the lines between them cover the same pixels as those between all (Jugel et al.,
//! "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014).

use std::ops::RangeInclusive;

use crate::timeline::{Point, UnixTime};

/// A point of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// Seconds from the start of the run.
    pub seconds: f64,
    /// Memory in MiB.
    pub mebibytes: f64,
}

impl Spot {
    pub(super) fn of(point: &Point, start: UnixTime) -> Spot {
        Spot {
            seconds: point.at.0 - start.0,
            mebibytes: point.memory.0,
        }
    }

    /// What a legend says of a highest point.
    pub(super) fn as_peak(&self) -> String {
        format!("peak {:.3} MiB at {:.3} s", self.mebibytes, self.seconds)
    }
}

/// A straight line through a curve, by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// MiB a second.
    pub slope: f64,
    /// MiB at the start.
    pub at_start: f64,
}

impl Trend {
    /// The line; `None` where all points are of one moment.
    pub(super) fn of(spots: &[Spot]) -> Option<Trend> {
        let count = spots.len() as f64;
        let mean = |of: fn(&Spot) -> f64| spots.iter().map(of).sum::<f64>() / count;
        let (seconds, mebibytes) = (mean(|s| s.seconds), mean(|s| s.mebibytes));
        let (mut both, mut square) = (0.0, 0.0);
        for spot in spots {
            let ahead = spot.seconds - seconds;
            both += ahead * (spot.mebibytes - mebibytes);
            square += ahead * ahead;
        }
        let slope = both / square;
        slope.is_finite().then_some(Trend {
            slope,
            at_start: mebibytes - slope * seconds,
        })
    }

    pub(super) fn at(&self, seconds: f64) -> Spot {
        Spot {
            seconds,
            mebibytes: self.at_start + self.slope * seconds,
        }
    }
}

/// Points in the order of time.
pub(super) fn in_order(points: impl Iterator<Item = Spot>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = points.collect();
    spots.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    spots
}

/// The part of a curve inside `window`; where the curve crosses its edges there are points.
pub(super) fn cut(spots: &[Spot], window: &RangeInclusive<f64>) -> Vec<Spot> {
    let first = spots.partition_point(|spot| spot.seconds < *window.start());
    let end = spots.partition_point(|spot| spot.seconds <= *window.end());
    let mut inside = Vec::with_capacity(end.saturating_sub(first) + 2);
    let edge = |index: usize, at: f64| {
        let (before, after) = (spots.get(index.checked_sub(1)?)?, spots.get(index)?);
        between(before, after, at)
    };
    inside.extend(edge(first, *window.start()));
    inside.extend(spots.get(first..end).unwrap_or_default());
    inside.extend(edge(end, *window.end()));
    inside
}

fn between(before: &Spot, after: &Spot, seconds: f64) -> Option<Spot> {
    let part = (seconds - before.seconds) / (after.seconds - before.seconds);
    let inside = part > 0.0 && part < 1.0;
    inside.then_some(Spot {
        seconds,
        mebibytes: before.mebibytes + part * (after.mebibytes - before.mebibytes),
    })
}

/// What of a curve can be told apart in so many columns.
pub(super) fn thin(spots: Vec<Spot>, window: &RangeInclusive<f64>, columns: usize) -> Vec<Spot> {
    if spots.len() <= 4 * columns {
        return spots;
    }
    let mut kept = Vec::with_capacity(4 * columns);
    let number = |spot: &Spot| column(spot.seconds, window, columns);
    for inside in spots.chunk_by(|one, other| number(one) == number(other)) {
        let extreme = |wanted: fn(f64, f64) -> bool| {
            let better = |best: usize, (index, spot): (usize, &Spot)| {
                if wanted(spot.mebibytes, inside[best].mebibytes) {
                    index
                } else {
                    best
                }
            };
            inside.iter().enumerate().fold(0, better)
        };
        let mut places = [0, extreme(|a, b| a < b), extreme(|a, b| a > b), inside.len() - 1];
        places.sort_unstable();
        for (number, place) in places.iter().enumerate() {
            if number == 0 || *place != places[number - 1] {
                kept.push(inside[*place]);
            }
        }
    }
    kept
}

/// The column of a moment inside `window`.
pub(super) fn column(seconds: f64, window: &RangeInclusive<f64>, columns: usize) -> usize {
    let width = window.end() - window.start();
    // A cast from float to integer saturates.
    ((seconds - window.start()) / width * columns as f64) as usize
}

/// The first of the highest points.
pub(super) fn peak(spots: &[Spot]) -> Option<Spot> {
    let higher = |best: Spot, spot: Spot| {
        if spot.mebibytes > best.mebibytes {
            spot
        } else {
            best
        }
    };
    spots.iter().copied().reduce(higher)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spots(values: &[(f64, f64)]) -> Vec<Spot> {
        let spot = |&(seconds, mebibytes): &(f64, f64)| Spot { seconds, mebibytes };
        values.iter().map(spot).collect()
    }

    #[test]
    fn a_line_goes_through_the_points_of_a_line() {
        let trend = Trend::of(&spots(&[(0.0, 10.0), (1.0, 12.0), (3.0, 16.0)])).expect("three moments");
        assert_eq!((trend.slope, trend.at_start), (2.0, 10.0));
    }

    #[test]
    fn one_moment_has_no_slope() {
        assert_eq!(Trend::of(&spots(&[(1.0, 2.0), (1.0, 3.0)])), None);
        assert_eq!(Trend::of(&[]), None);
    }

    #[test]
    fn a_window_cuts_lines_at_its_edges() {
        let all = spots(&[(0.0, 0.0), (2.0, 20.0), (4.0, 0.0)]);
        assert_eq!(
            cut(&all, &(1.0..=3.0)),
            spots(&[(1.0, 10.0), (2.0, 20.0), (3.0, 10.0)])
        );
        assert_eq!(
            cut(&all, &(0.5..=1.5)),
            spots(&[(0.5, 5.0), (1.5, 15.0)]),
            "between two readings"
        );
        assert_eq!(cut(&all, &(0.0..=4.0)), all);
        assert_eq!(cut(&all, &(5.0..=6.0)), []);
    }

    #[test]
    fn thinning_keeps_the_extremes_and_the_ends_of_each_column() {
        let mut all: Vec<Spot> = (0..100_000)
            .map(|n| Spot {
                seconds: f64::from(n) / 1000.0,
                mebibytes: 5.0,
            })
            .collect();
        all[54_321].mebibytes = 9.0;
        all[54_322].mebibytes = 1.0;
        let kept = thin(all.clone(), &(0.0..=100.0), 10);
        assert!(kept.len() <= 40, "{}", kept.len());
        assert!(kept.contains(&all[54_321]) && kept.contains(&all[54_322]));
        assert_eq!((kept[0], kept[kept.len() - 1]), (all[0], all[99_999]));
        assert!(kept.is_sorted_by(|one, other| one.seconds <= other.seconds));
    }
}
