//! A figure in characters.
//!
//! Must not know: whether there is a terminal, and what it can show.
//!
//! ```text
//!  ./app 1000
//!   60 ┤            ⢀⡠⠤⠤⠤⠤⡄          curves: eight dots a character (braille)
//!   40 ┤      ⣀⡠⠔⠊⠁       ⡇
//!   20 ┤⡠⠔⠒⠉              ⠑⠒
//!      └┬────────┬────────┬─
//!       0        5        10 s
//!       [work──────]                  calls, a row each level
//!  ── 01 / 03 / 2026 - start at …     the legend
//! ```

use std::ops::RangeInclusive;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Style as CellStyle};
use ratatui_core::symbols::Marker;
use ratatui_core::widgets::Widget;
use ratatui_widgets::canvas::{Canvas, Context, Line, Points};

use super::curve::Spot;
use super::figure::{Calls, Curve, Figure};

/// The size of a picture in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Characters {
    /// From left to right.
    pub columns: u16,
    /// The curves and their axes; calls and legend come below.
    pub lines: u16,
}

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Characters only.
    Plain,
    /// With colours, as ECMA-48 has them.
    Coloured,
}

/// The smallest picture in which anything can be seen.
const LEAST: Characters = Characters {
    columns: 30,
    lines: 8,
};

/// The most rows of calls, and lines of the legend.
const ROWS: u16 = 10;
const LEGEND: usize = 16;

/// Runs and descendants; the first has the terminal's own colour, which can be seen on its background.
const CURVES: [Color; 7] = [
    Color::Reset,
    Color::Indexed(33),
    Color::Indexed(160),
    Color::Indexed(34),
    Color::Indexed(37),
    Color::Indexed(178),
    Color::Indexed(133),
];
const FUNCTIONS: [Color; 6] = [
    Color::Indexed(37),
    Color::Indexed(172),
    Color::Indexed(34),
    Color::Indexed(167),
    Color::Indexed(63),
    Color::Indexed(175),
];
const CROSS: Color = Color::Indexed(160);
const TREND: Color = Color::Indexed(43);
const GREY: Color = Color::Indexed(245);

/// The figure as lines of characters.
pub fn characters(figure: &Figure, size: Characters, style: Style) -> String {
    let columns = size.columns.max(LEAST.columns);
    let lines = size.lines.max(LEAST.lines);
    let rows = u16::try_from(figure.rows()).unwrap_or(ROWS).min(ROWS);
    let legend = legend(figure);
    let title = u16::from(figure.title.is_some());
    let legend_lines = u16::try_from(legend.len()).unwrap_or(u16::MAX);
    let height = title + 1 + lines + rows + legend_lines;
    let mut page = Page {
        buffer: Buffer::empty(Rect::new(0, 0, columns, height)),
        columns,
    };
    if let Some(title) = &figure.title {
        page.words(1, 0, title, Color::Reset);
    }
    page.words(1, title, "MiB", GREY);
    let plot = page.axes(figure, title + 1, lines);
    draw_curves(figure, plot, &mut page.buffer);
    page.calls(figure, plot, title + 1 + lines, rows);
    for (line, (sign, words, colour)) in (title + 1 + lines + rows..).zip(legend) {
        page.words(1, line, sign, colour);
        page.words(1 + SIGN, line, &words, Color::Reset);
    }
    page.text(style)
}

/// The columns of a sign in the legend, and behind it.
const SIGN: u16 = 5;

struct Page {
    buffer: Buffer,
    columns: u16,
}

impl Page {
    /// Words at a place, as far as there is room.
    fn words(&mut self, column: u16, line: u16, words: &str, colour: Color) {
        let room = usize::from(self.columns.saturating_sub(column));
        self.buffer
            .set_stringn(column, line, words, room, CellStyle::new().fg(colour));
    }

    /// Draws axes and their numbers; what is left for the curves.
    fn axes(&mut self, figure: &Figure, top: u16, lines: u16) -> Rect {
        let (memory, digits) = ticks(&figure.mebibytes, f64::from(lines) / 3.0);
        let number = |value: &f64, digits: usize| format!("{value:.digits$}");
        let widest = memory.iter().map(|value| number(value, digits).len()).max();
        let left = u16::try_from(widest.unwrap_or(0)).unwrap_or(0) + 2;
        // The axis, its numbers, and the last column, so that no number is cut off.
        let plot = Rect::new(left + 1, top, self.columns - left - 2, lines - 2);
        for line in top..plot.bottom() {
            self.words(left, line, "│", GREY);
        }
        for value in &memory {
            let part = (value - figure.mebibytes.start()) / length(&figure.mebibytes);
            let line = plot.bottom() - 1 - cell(part, plot.height);
            let text = number(value, digits);
            let column = left - 1 - u16::try_from(text.len()).unwrap_or(0);
            self.words(column, line, &text, Color::Reset);
            self.words(left, line, "┤", GREY);
        }
        let floor = plot.bottom();
        self.words(left, floor, &format!("└{}", "─".repeat(plot.width.into())), GREY);
        let (seconds, digits) = ticks(&figure.seconds, f64::from(plot.width) / 14.0);
        let last = seconds.len().saturating_sub(1);
        for (index, value) in seconds.iter().enumerate() {
            let part = (value - figure.seconds.start()) / length(&figure.seconds);
            let column = plot.x + cell(part, plot.width);
            let unit = if index == last { " s" } else { "" };
            let text = number(value, digits) + unit;
            let half = u16::try_from(number(value, digits).len() / 2).unwrap_or(0);
            self.words(column, floor, "┬", GREY);
            self.words(column.saturating_sub(half), floor + 1, &text, Color::Reset);
        }
        plot
    }

    fn calls(&mut self, figure: &Figure, plot: Rect, top: u16, rows: u16) {
        for call in &figure.calls {
            let Some(row) = u16::try_from(call.row).ok().filter(|row| *row < rows) else {
                continue;
            };
            let at = |spot: &Spot| {
                let part = (spot.seconds - figure.seconds.start()) / length(&figure.seconds);
                plot.x + cell(part, plot.width)
            };
            let (from, to) = (at(&call.begin), at(&call.end));
            let width = usize::from(to - from + 1);
            let bar = match (figure.shown, width) {
                (Calls::Flame, _) => "█".repeat(width),
                (_, 1) => "|".to_owned(),
                (_, _) => format!("[{}]", "─".repeat(width - 2)),
            };
            let colour = FUNCTIONS[call.function % FUNCTIONS.len()];
            self.words(from, top + row, &bar, colour);
            let name = &figure.functions[call.function].name;
            let bare = name.split('(').next().unwrap_or(name);
            let fits = |name: &&str| name.chars().count() <= width.saturating_sub(2);
            if figure.shown == Calls::Brackets
                && let Some(name) = [name, bare].into_iter().find(fits)
            {
                self.words(from + 1, top + row, name, colour);
            }
        }
    }

    /// The lines, without the blanks at their ends.
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        for cells in self.buffer.content.chunks(self.columns.into()) {
            let end = cells.iter().rposition(|cell| cell.symbol() != " ");
            let mut colour = Color::Reset;
            for cell in &cells[..end.map_or(0, |end| end + 1)] {
                if style == Style::Coloured && cell.fg != colour && cell.symbol() != " " {
                    colour = cell.fg;
                    text += &selected(colour);
                }
                text += cell.symbol();
            }
            if colour != Color::Reset {
                text += &selected(Color::Reset);
            }
            text.push('\n');
        }
        text
    }
}

/// Select Graphic Rendition (ECMA-48, 8.3.117; the 256 colours are xterm's).
fn selected(colour: Color) -> String {
    match colour {
        Color::Indexed(number) => format!("\x1b[38;5;{number}m"),
        _ => "\x1b[39m".to_owned(),
    }
}

fn length(range: &RangeInclusive<f64>) -> f64 {
    range.end() - range.start()
}

/// The cell of `cells` in which a part of the whole lies.
fn cell(part: f64, cells: u16) -> u16 {
    // A cast from float to integer saturates.
    ((part * f64::from(cells)) as u16).min(cells - 1)
}

/// Round numbers in `range`, about as many as are `wanted`, and the digits behind the point that they need.
fn ticks(range: &RangeInclusive<f64>, wanted: f64) -> (Vec<f64>, usize) {
    let rough = length(range) / wanted.max(2.0);
    let power = rough.log10().floor();
    let unit = 10.0_f64.powf(power);
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * unit)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(unit * 10.0);
    let first = (range.start() / step - 1e-9).ceil();
    let last = (range.end() / step + 1e-9).floor();
    // A cast from float to integer saturates.
    let count = (last - first).max(0.0) as u32;
    let values = (0..=count).map(|number| {
        let value = (first + f64::from(number)) * step;
        // No minus in front of nothing.
        if value == 0.0 { 0.0 } else { value }
    });
    (values.collect(), (-step.log10().floor()).max(0.0) as usize)
}

fn draw_curves(figure: &Figure, plot: Rect, buffer: &mut Buffer) {
    let ends = |range: &RangeInclusive<f64>| [*range.start(), *range.end()];
    Canvas::default()
        .marker(Marker::Braille)
        .x_bounds(ends(&figure.seconds))
        .y_bounds(ends(&figure.mebibytes))
        .paint(|context| {
            for curve in &figure.curves {
                draw_cross(figure, curve, plot, context);
            }
            context.layer();
            // The first run lies on top.
            for (number, curve) in figure.curves.iter().enumerate().rev() {
                let colour = CURVES[number % CURVES.len()];
                for pair in curve.spots.windows(2) {
                    draw_line(context, &pair[0], &pair[1], colour);
                }
                if let [spot] = curve.spots.as_slice() {
                    draw_line(context, spot, spot, colour);
                }
                if let Some((from, to)) = &curve.trend {
                    draw_line(context, from, to, TREND);
                }
            }
        })
        .render(plot, buffer);
}

fn draw_line(context: &mut Context<'_>, from: &Spot, to: &Spot, colour: Color) {
    context.draw(&Line::new(
        from.seconds,
        from.mebibytes,
        to.seconds,
        to.mebibytes,
        colour,
    ));
}

/// Dotted lines through the highest point.
fn draw_cross(figure: &Figure, curve: &Curve, plot: Rect, context: &mut Context<'_>) {
    let Some(cross) = curve.cross else {
        return;
    };
    let along = |range: &RangeInclusive<f64>, dots: u16| {
        let (from, step) = (*range.start(), length(range) / f64::from(dots));
        (0..dots).map(move |dot| from + (f64::from(dot) + 0.5) * step)
    };
    // Of the two by four dots of a character, one.
    let across = along(&figure.seconds, plot.width).map(|seconds| (seconds, cross.mebibytes));
    let down = along(&figure.mebibytes, plot.height * 2).map(|mebibytes| (cross.seconds, mebibytes));
    let dots: Vec<(f64, f64)> = across.chain(down).collect();
    context.draw(&Points::new(&dots, CROSS));
}

/// Sign, words and colour of each line of the legend.
fn legend(figure: &Figure) -> Vec<(&'static str, String, Color)> {
    let mut lines = Vec::new();
    for (number, curve) in figure.curves.iter().enumerate() {
        lines.push(("───", curve.label.clone(), CURVES[number % CURVES.len()]));
        if let Some(cross) = curve.cross {
            lines.push(("···", cross.as_peak(), CROSS));
        }
    }
    for (number, function) in figure.functions.iter().enumerate() {
        let sign = if figure.shown == Calls::Flame {
            "███"
        } else {
            "[─]"
        };
        lines.push((sign, function.to_string(), FUNCTIONS[number % FUNCTIONS.len()]));
    }
    if lines.len() > LEGEND {
        let more = lines.len() - LEGEND + 1;
        lines.truncate(LEGEND - 1);
        lines.push(("", format!("and {more} more"), Color::Reset));
    }
    lines
}
