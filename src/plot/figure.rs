//! What a picture shows.
//!
//! Must not know: pixels, colours, characters.

use std::ops::RangeInclusive;

use thiserror::Error;

use super::calls::{self, Call, Function};
use super::curve::{self, Spot, Trend};
use crate::report::escape::Escaped;
use crate::timeline::{Content, UnixTime};

/// How many columns of a picture can be told apart, at most.
const COLUMNS: usize = 2000;

/// A run, and what it is called.
#[derive(Debug, Clone)]
pub struct Run<'content> {
    /// Its name in the legend.
    pub label: String,
    /// Its timeline.
    pub content: &'content Content,
}

/// How calls of functions are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Calls {
    /// As brackets on the curve.
    #[default]
    Brackets,
    /// As nested rectangles below it.
    Flame,
    /// Not at all.
    Hidden,
}

/// Whether the slope of a curve is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slope {
    /// It is not.
    #[default]
    Hidden,
    /// As a straight line, and as a number in the legend.
    Shown,
}

/// A part of the time, in seconds from the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
}

/// How runs are drawn.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What stands above.
    pub title: Option<String>,
    /// The calls; those of several runs are not shown.
    pub calls: Calls,
    /// The slopes.
    pub slope: Slope,
    /// The part to show; all where there is none.
    pub window: Option<Window>,
}

/// Runs that cannot be drawn.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is none.
    #[error("there is no run to draw")]
    NoRun,
    /// A run has no reading.
    #[error("{label} has no readings")]
    NoReadings {
        /// The run.
        label: String,
    },
    /// Nothing happens in the window.
    #[error("there is no reading from {from} s to {to} s: the last is at {last:.3} s")]
    Outside {
        /// Where the window begins.
        from: f64,
        /// Where it ends.
        to: f64,
        /// The last reading of all.
        last: f64,
    },
}

/// Whose memory a curve is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A run's.
    Run,
    /// A descendant's.
    Child,
}

/// Memory over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend says.
    pub label: String,
    /// Whose it is.
    pub role: Role,
    /// In the order of time, inside the window, thinned to what can be told apart.
    pub spots: Vec<Spot>,
    /// The highest point, where lines cross.
    pub cross: Option<Spot>,
    /// The straight line through all of the curve, where it is shown.
    pub trend: Option<(Spot, Spot)>,
}

/// What a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What stands above.
    pub title: Option<String>,
    /// The seconds that are shown.
    pub seconds: RangeInclusive<f64>,
    /// The MiB that are shown.
    pub mebibytes: RangeInclusive<f64>,
    /// The curves, runs before their descendants.
    pub curves: Vec<Curve>,
    /// The functions that were called in the window.
    pub functions: Vec<Function>,
    /// Their calls, in the order of time, without those too close to another to be told apart.
    pub calls: Vec<Call>,
    /// How the calls are shown.
    pub shown: Calls,
}

/// When a run started: its first reading, or call.
pub fn started(content: &Content) -> Option<UnixTime> {
    let readings = content.samples.iter().map(|sample| sample.at);
    let calls = content.spans.iter().map(|span| span.begin.at);
    readings
        .chain(calls)
        .reduce(|one, other| if other < one { other } else { one })
}

impl Figure {
    /// What is to be drawn of `runs`.
    ///
    /// # Errors
    /// There is nothing to draw.
    pub fn of(runs: &[Run<'_>], options: &Options) -> Result<Figure, Error> {
        let several = runs.len() > 1;
        let whole = runs.iter().map(Whole::of).collect::<Result<Vec<_>, _>>()?;
        let last = whole.iter().map(Whole::last).fold(0.0, f64::max);
        let window = match options.window {
            Some(Window { from, to }) => from..=to,
            // A picture of one moment has a width as well.
            None if last == 0.0 => 0.0..=1.0,
            // The last reading is not to lie on the edge.
            None => 0.0..=last * 1.02,
        };
        let mut curves = Vec::new();
        for run in &whole {
            run.add_curves(&window, options.slope, several, &mut curves);
        }
        let shown = curves.iter().flat_map(|curve| &curve.spots);
        let (least, greatest) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), spot| {
            (least.min(spot.mebibytes), greatest.max(spot.mebibytes))
        });
        if !least.is_finite() {
            return Err(match options.window {
                Some(Window { from, to }) => Error::Outside { from, to, last },
                None => Error::NoRun,
            });
        }
        let mut figure = Figure {
            title: options
                .title
                .as_deref()
                .map(str::trim)
                .filter(|title| !title.is_empty())
                .map(escaped),
            mebibytes: room_for(least, greatest),
            curves,
            functions: Vec::new(),
            calls: Vec::new(),
            shown: if several { Calls::Hidden } else { options.calls },
            seconds: window,
        };
        if let ([run], Calls::Brackets | Calls::Flame) = (whole.as_slice(), figure.shown) {
            let (functions, calls) = calls::collect(&run.content.spans, run.start, &figure.seconds);
            figure.calls = calls::thin(calls, &figure.seconds, COLUMNS);
            figure.functions = functions;
        }
        Ok(figure)
    }

    /// The rows that nested rectangles take.
    pub fn rows(&self) -> u32 {
        self.calls.iter().map(|call| call.row + 1).max().unwrap_or(0)
    }
}

/// The range of the axis: from nothing, unless that would press the curve flat.
fn room_for(least: f64, greatest: f64) -> RangeInclusive<f64> {
    let height = (greatest - least).max(greatest.abs() * 0.01).max(0.01);
    let bottom = if least <= greatest / 2.0 {
        0.0_f64.min(least)
    } else {
        (least - height * 0.08).max(0.0)
    };
    bottom..=greatest + height * 0.08
}

/// All of a run.
struct Whole<'content> {
    label: &'content str,
    content: &'content Content,
    start: UnixTime,
    spots: Vec<Spot>,
}

impl<'content> Whole<'content> {
    fn of(run: &'content Run<'content>) -> Result<Whole<'content>, Error> {
        let content = run.content;
        let start = match started(content) {
            Some(start) if !content.samples.is_empty() => start,
            _ => {
                return Err(Error::NoReadings {
                    label: run.label.clone(),
                });
            }
        };
        // What was read where a call began and ended are readings like the others.
        let of_calls = content.spans.iter().flat_map(|span| [&span.begin, &span.end]);
        let points = content.samples.iter().chain(of_calls);
        Ok(Whole {
            label: &run.label,
            content,
            start,
            spots: curve::in_order(points.map(|point| Spot::of(point, start))),
        })
    }

    fn last(&self) -> f64 {
        self.spots.last().map_or(0.0, |spot| spot.seconds)
    }

    fn add_curves(&self, window: &RangeInclusive<f64>, slope: Slope, several: bool, curves: &mut Vec<Curve>) {
        let mut run = curve_of(escaped(self.label), Role::Run, &self.spots, window, slope);
        if several {
            run.cross = None;
        }
        curves.push(run);
        let mut children: Vec<Curve> = Vec::new();
        for child in &self.content.children {
            let spots = curve::in_order(child.samples.iter().map(|point| Spot::of(point, self.start)));
            let curve = curve_of(
                format!("child {}", Escaped(&child.name)),
                Role::Child,
                &spots,
                window,
                slope,
            );
            if !curve.spots.is_empty() {
                children.push(curve);
            }
        }
        // One cross for all: that of the greatest.
        let height = |curve: &Curve| curve.cross.map(|spot| spot.mebibytes);
        let greatest = children.iter().filter_map(height).reduce(f64::max);
        for child in &mut children {
            if several || height(child) != greatest {
                child.cross = None;
            }
        }
        curves.extend(children);
    }
}

/// Neither a terminal nor XML takes every character.
fn escaped(text: &str) -> String {
    Escaped(text).to_string()
}

fn curve_of(
    mut label: String,
    role: Role,
    all: &[Spot],
    window: &RangeInclusive<f64>,
    slope: Slope,
) -> Curve {
    let trend = match slope {
        Slope::Shown => Trend::of(all),
        Slope::Hidden => None,
    };
    if let Some(trend) = &trend {
        label += &format!(" slope {:.5}", trend.slope);
    }
    let spots = curve::cut(all, window);
    let ends = |trend: Trend| Some((trend.at(spots.first()?.seconds), trend.at(spots.last()?.seconds)));
    Curve {
        label,
        role,
        cross: curve::peak(&spots),
        trend: trend.and_then(ends),
        spots: curve::thin(spots, window, COLUMNS),
    }
}
