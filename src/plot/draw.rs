//! A figure on any backend of plotters.
//!
//! Must not know: file formats.
//!
//! ```text
//! ┌──────────── title ────────────┬─────────┐
//! │  curves, crosses, brackets    │ legend  │
//! ├───────────────────────────────┤         │
//! │  nested rectangles (flame)    │         │
//! └───────────────────────────────┴─────────┘
//! ```
//! Backends have whole pixels only, and do not smooth edges of thick lines. So everything is drawn [`SCALE`] times as large,
//! and made small by who shows it.

use std::ops::{Range, RangeInclusive};

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::calls::Call;
use super::curve::Spot;
use super::figure::{Calls, Curve, Figure, Role};

/// How much larger everything is drawn.
pub(super) const SCALE: u32 = 4;

/// The font of all text.
pub(super) const FONT: &str = "sans-serif";

/// Sizes of text.
const SMALL: u32 = 13;
const LABEL: u32 = 15;
const TITLE: u32 = 18;

/// The most lines of a legend; a build has thousands of descendants.
const LEGEND: usize = 24;

/// Up to so many readings each has a mark of its own.
const FEW: usize = 100;

/// Runs and descendants, in mprof's order.
const CURVES: [RGBColor; 7] = [
    RGBColor(0x22, 0x22, 0x22),
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0x17, 0xbe, 0xcf),
    RGBColor(0xb8, 0x9a, 0x00),
    RGBColor(0xa6, 0x3d, 0xb8),
];

const FUNCTIONS: [RGBColor; 8] = [
    RGBColor(0x00, 0x9e, 0xb5),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x3c, 0xa3, 0x4d),
    RGBColor(0xd5, 0x5e, 0x3b),
    RGBColor(0x4c, 0x72, 0xd0),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x8c, 0x6d, 0x46),
    RGBColor(0x7a, 0x5b, 0xc7),
];

const CROSS: RGBColor = RGBColor(0xd6, 0x27, 0x28);
const TREND: RGBColor = RGBColor(0x00, 0xb3, 0x9e);
const GREY: RGBColor = RGBColor(0x66, 0x66, 0x66);

/// Where on the picture the axes lie, in pixels of the enlarged one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) across: Range<i32>,
    pub(super) down: Range<i32>,
    /// Of the rectangles, where there are any.
    pub(super) rows: Option<Range<i32>>,
}

type Failed<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;
type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A size in pixels of the picture that is seen.
fn px(size: u32) -> u32 {
    size * SCALE
}

fn pixels(size: u32) -> i32 {
    px(size).cast_signed()
}

fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    let mut style = TextStyle::from((FONT, f64::from(px(size))).into_font());
    style.color = colour.to_backend_color();
    style
}

fn thick(colour: RGBColor, tenths: u32) -> ShapeStyle {
    colour.stroke_width((tenths * SCALE).div_ceil(10))
}

/// Draws the figure; where its parts are.
pub(super) fn draw<B: DrawingBackend>(backend: B, figure: &Figure) -> Result<Layout, Failed<B>> {
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let (width, height) = root.dim_in_pixel();
    let entries = entries(figure);
    let widest = entries.iter().map(|entry| measured(&root, &entry.words)).max();
    let legend_width = (widest.unwrap_or(0) + px(44)).min(width * 2 / 5);
    let (left, legend) = root.split_horizontally(width - legend_width);
    let (top, body) = match &figure.title {
        None => (px(10), left),
        Some(title) => {
            let style = text(TITLE, BLACK).pos(Pos::new(HPos::Center, VPos::Top));
            let (across, _) = root.dim_in_pixel();
            let shown = shortened(&root, title, TITLE, across - px(40));
            root.draw_text(&shown, &style, ((across / 2).cast_signed(), pixels(8)))?;
            let (_, below) = left.split_vertically(px(32));
            (px(4), below)
        }
    };
    let flame = figure.shown == Calls::Flame && !figure.calls.is_empty();
    let (_, room) = body.dim_in_pixel();
    let (upper, lower) = if flame {
        let rows = px(22 * figure.rows() + 56).min(room / 2);
        let (upper, lower) = body.split_vertically(room - rows);
        (upper, Some(lower))
    } else {
        (body, None)
    };
    let (mut across, mut down) = curves(&upper, figure, top, !flame)?;
    let mut rows = None;
    if let Some(lower) = lower {
        (across, rows) = rectangles(&lower, figure).map(|(across, rows)| (across, Some(rows)))?;
    }
    draw_legend(&legend, &entries, top, height)?;
    root.present()?;
    // The range is inclusive of the axis itself.
    down.end = down.end.max(down.start + 1);
    Ok(Layout { across, down, rows })
}

fn measured<B: DrawingBackend>(area: &DrawingArea<B, Shift>, words: &str) -> u32 {
    // A text that cannot be measured takes what it takes.
    area.estimate_text_size(words, &text(SMALL, BLACK))
        .map_or(0, |(width, _)| width)
}

/// As much of `words` as there is room for.
fn shortened<B: DrawingBackend>(area: &DrawingArea<B, Shift>, words: &str, size: u32, room: u32) -> String {
    let fits = |words: &str| {
        area.estimate_text_size(words, &text(size, BLACK))
            .is_ok_and(|(width, _)| width <= room)
    };
    if fits(words) {
        return words.to_owned();
    }
    let all: Vec<char> = words.chars().collect();
    let head = |length: usize| all[..length].iter().chain(&['…']).collect::<String>();
    let lengths: Vec<usize> = (0..all.len()).collect();
    match lengths.partition_point(|length| fits(&head(*length))) {
        // Not even one character.
        0 | 1 => String::new(),
        more => head(more - 1),
    }
}

fn axis_number(value: &f64) -> String {
    // Steps of the axis are decimal; what is left of the computation is not.
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

fn as_range(range: &RangeInclusive<f64>) -> Range<f64> {
    *range.start()..*range.end()
}

fn curves<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    figure: &Figure,
    top: u32,
    with_time: bool,
) -> Result<(Range<i32>, Range<i32>), Failed<B>> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(top)
        .margin_left(px(8))
        .margin_right(px(4))
        .margin_bottom(if with_time { px(8) } else { px(4) })
        .x_label_area_size(if with_time { px(44) } else { px(6) })
        .y_label_area_size(px(60))
        .build_cartesian_2d(as_range(&figure.seconds), as_range(&figure.mebibytes))?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(WHITE)
        .bold_line_style(RGBColor(0xe4, 0xe4, 0xe4).stroke_width(SCALE))
        .axis_style(GREY.stroke_width(SCALE))
        .label_style(text(SMALL, RGBColor(0x33, 0x33, 0x33)))
        .axis_desc_style(text(LABEL, BLACK))
        .set_all_tick_mark_size(px(4))
        .x_label_formatter(&axis_number)
        .y_label_formatter(&axis_number)
        .y_desc("memory used (in MiB)")
        .x_labels(if with_time { 12 } else { 0 })
        .y_labels(8);
    if with_time {
        mesh.x_desc("time (in seconds)");
    }
    mesh.draw()?;
    for curve in &figure.curves {
        draw_cross(&mut chart, figure, curve)?;
    }
    // The first run lies on top.
    for (number, curve) in figure.curves.iter().enumerate().rev() {
        draw_curve(&mut chart, curve, CURVES[number % CURVES.len()])?;
    }
    if figure.shown == Calls::Brackets {
        for call in &figure.calls {
            draw_brackets(&mut chart, figure, call)?;
        }
    }
    Ok(chart.plotting_area().get_pixel_range())
}

fn draw_curve<B: DrawingBackend>(
    chart: &mut Chart<'_, B>,
    curve: &Curve,
    colour: RGBColor,
) -> Result<(), Failed<B>> {
    let points = curve.spots.iter().map(place);
    let width = match curve.role {
        Role::Run => 15,
        Role::Child => 12,
    };
    chart.draw_series(LineSeries::new(points, thick(colour, width)))?;
    if curve.spots.len() <= FEW {
        for spot in &curve.spots {
            mark(chart, spot, colour)?;
        }
    }
    if let Some((from, to)) = &curve.trend {
        let ends = [place(from), place(to)];
        let line = DashedLineSeries::new(ends, px(6), px(3), thick(TREND, 12));
        chart.draw_series(line)?;
    }
    Ok(())
}

fn place(spot: &Spot) -> (f64, f64) {
    (spot.seconds, spot.mebibytes)
}

/// A cross on a reading.
fn mark<B: DrawingBackend>(chart: &Chart<'_, B>, spot: &Spot, colour: RGBColor) -> Result<(), Failed<B>> {
    let area = chart.plotting_area();
    let (x, y) = area.map_coordinate(&place(spot));
    let (x, y) = within(chart, (x, y));
    let arm = pixels(3);
    let pixels = area.strip_coord_spec();
    pixels.draw(&PathElement::new([(x - arm, y), (x + arm, y)], thick(colour, 10)))?;
    pixels.draw(&PathElement::new([(x, y - arm), (x, y + arm)], thick(colour, 10)))
}

/// A pixel of the picture as one of the plotting area.
fn within<B: DrawingBackend>(chart: &Chart<'_, B>, (x, y): (i32, i32)) -> (i32, i32) {
    let (across, down) = chart.plotting_area().get_pixel_range();
    (x - across.start, y - down.start)
}

/// Dashed lines through the highest point.
fn draw_cross<B: DrawingBackend>(
    chart: &mut Chart<'_, B>,
    figure: &Figure,
    curve: &Curve,
) -> Result<(), Failed<B>> {
    let Some(cross) = curve.cross else {
        return Ok(());
    };
    let (seconds, mebibytes) = (&figure.seconds, &figure.mebibytes);
    let lines = [
        [
            (*seconds.start(), cross.mebibytes),
            (*seconds.end(), cross.mebibytes),
        ],
        [
            (cross.seconds, *mebibytes.start()),
            (cross.seconds, *mebibytes.end()),
        ],
    ];
    for line in lines {
        let dashes = DashedLineSeries::new(line, px(5), px(4), thick(CROSS, 10));
        chart.draw_series(dashes)?;
    }
    Ok(())
}

/// `[` where a call began, `]` where it ended.
fn draw_brackets<B: DrawingBackend>(
    chart: &mut Chart<'_, B>,
    figure: &Figure,
    call: &Call,
) -> Result<(), Failed<B>> {
    let colour = FUNCTIONS[call.function % FUNCTIONS.len()];
    let (half, foot) = (pixels(11), pixels(4));
    let area = chart.plotting_area();
    for (spot, foot) in [(&call.begin, foot), (&call.end, -foot)] {
        if !figure.seconds.contains(&spot.seconds) {
            continue;
        }
        let (x, y) = within(chart, area.map_coordinate(&place(spot)));
        let bracket = [
            (x + foot, y - half),
            (x, y - half),
            (x, y + half),
            (x + foot, y + half),
        ];
        area.strip_coord_spec()
            .draw(&PathElement::new(bracket, thick(colour, 20)))?;
    }
    Ok(())
}

/// The calls as nested rectangles, the outermost at the top.
fn rectangles<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    figure: &Figure,
) -> Result<(Range<i32>, Range<i32>), Failed<B>> {
    let rows = f64::from(figure.rows());
    let mut chart = ChartBuilder::on(area)
        .margin_left(px(8))
        .margin_right(px(4))
        .margin_bottom(px(8))
        .x_label_area_size(px(44))
        .y_label_area_size(px(60))
        .build_cartesian_2d(as_range(&figure.seconds), rows..0.0)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GREY.stroke_width(SCALE))
        .label_style(text(SMALL, RGBColor(0x33, 0x33, 0x33)))
        .axis_desc_style(text(LABEL, BLACK))
        .set_all_tick_mark_size(px(4))
        .x_label_formatter(&axis_number)
        .x_desc("time (in seconds)")
        .y_desc("calls")
        .x_labels(12)
        .y_labels(0)
        .draw()?;
    let plotting = chart.plotting_area();
    let (across, down) = plotting.get_pixel_range();
    let pixels_only = plotting.strip_coord_spec();
    for call in &figure.calls {
        let (from, to) = (
            call.begin.seconds.max(*figure.seconds.start()),
            call.end.seconds.min(*figure.seconds.end()),
        );
        let row = f64::from(call.row);
        let (left, top) = within(&chart, plotting.map_coordinate(&(from, row)));
        let (right, bottom) = within(&chart, plotting.map_coordinate(&(to, row + 1.0)));
        // Also the shortest call can be seen.
        let corners = [(left, top), (right.max(left + SCALE.cast_signed()), bottom)];
        let colour = FUNCTIONS[call.function % FUNCTIONS.len()];
        pixels_only.draw(&Rectangle::new(corners, colour.mix(0.75).filled()))?;
        // An edge between neighbours, unless it would leave nothing of them.
        if right - left >= pixels(3) && bottom - top >= pixels(5) {
            pixels_only.draw(&Rectangle::new(corners, WHITE.stroke_width(SCALE.div_ceil(2))))?;
        }
        let room = u32::try_from(right - left - pixels(6)).unwrap_or(0);
        let name = shortened(area, &figure.functions[call.function].name, SMALL, room);
        if !name.is_empty() && bottom - top >= pixels(10) {
            let style = text(SMALL, BLACK).pos(Pos::new(HPos::Left, VPos::Center));
            pixels_only.draw_text(&name, &style, (left + pixels(3), i32::midpoint(top, bottom)))?;
        }
    }
    Ok((across, down))
}

/// A line of the legend.
struct Entry {
    words: String,
    sign: Sign,
}

enum Sign {
    Curve(RGBColor),
    Dashes(RGBColor),
    Brackets(RGBColor),
    Block(RGBColor),
    None,
}

fn entries(figure: &Figure) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, curve) in figure.curves.iter().enumerate() {
        entries.push(Entry {
            words: curve.label.clone(),
            sign: Sign::Curve(CURVES[number % CURVES.len()]),
        });
        if let Some(cross) = &curve.cross {
            entries.push(Entry {
                words: cross.as_peak(),
                sign: Sign::Dashes(CROSS),
            });
        }
    }
    for (number, function) in figure.functions.iter().enumerate() {
        let colour = FUNCTIONS[number % FUNCTIONS.len()];
        entries.push(Entry {
            words: function.to_string(),
            sign: if figure.shown == Calls::Flame {
                Sign::Block(colour)
            } else {
                Sign::Brackets(colour)
            },
        });
    }
    if entries.len() > LEGEND {
        let more = entries.len() - LEGEND + 1;
        entries.truncate(LEGEND - 1);
        entries.push(Entry {
            words: format!("and {more} more"),
            sign: Sign::None,
        });
    }
    entries
}

fn draw_legend<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    entries: &[Entry],
    top: u32,
    height: u32,
) -> Result<(), Failed<B>> {
    let (width, _) = area.dim_in_pixel();
    let lines = u32::try_from(entries.len()).unwrap_or(1).max(1);
    let step = px(22).min((height - px(60)) / lines).cast_signed();
    let (from, to) = (pixels(6), pixels(24));
    let middle = i32::midpoint(from, to);
    let mut y = top.cast_signed() + pixels(30);
    for entry in entries {
        match entry.sign {
            Sign::Curve(colour) => {
                area.draw(&PathElement::new([(from, y), (to, y)], thick(colour, 15)))?;
            }
            Sign::Dashes(colour) => {
                for at in [from, middle + pixels(1)] {
                    let dash = [(at, y), (at + pixels(7), y)];
                    area.draw(&PathElement::new(dash, thick(colour, 10)))?;
                }
            }
            Sign::Brackets(colour) => {
                for (x, foot) in [(from + pixels(4), pixels(3)), (to - pixels(4), -pixels(3))] {
                    let arm = pixels(5);
                    let bracket = [
                        (x + foot, y - arm),
                        (x, y - arm),
                        (x, y + arm),
                        (x + foot, y + arm),
                    ];
                    area.draw(&PathElement::new(bracket, thick(colour, 20)))?;
                }
            }
            Sign::Block(colour) => {
                let corners = [(from, y - pixels(5)), (to, y + pixels(5))];
                area.draw(&Rectangle::new(corners, colour.mix(0.75).filled()))?;
            }
            Sign::None => {}
        }
        let words = shortened(area, &entry.words, SMALL, width.saturating_sub(px(38)));
        let style = text(SMALL, BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw_text(&words, &style, (to + pixels(6), y))?;
        y += step;
    }
    Ok(())
}
