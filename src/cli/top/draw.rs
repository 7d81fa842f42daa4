//! The screen: what is shown, laid out.
//!
//! Must not know: keys, where numbers come from. It changes nothing.
//!
//! ```text
//! title, how it stands
//! memory over time
//! functions
//! the chosen one's source
//! what the program wrote
//! keys, or a question
//! ```
//! Names and text were chosen by whoever made the program: all of it passes `escape`.

use lineprof::report::escape::{Escaped, EscapedSource};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Sparkline};

use super::keys::Mode;
use super::rows::{self, Cells, FunctionRow, LineRow};
use super::state::{Pane, Progress, State, Subject};

/// Rows of the memory's picture.
const MEMORY: u16 = 3;
/// Rows of what the program writes.
pub(super) const OUTPUT: u16 = 4;

const HELP: &str = "\
j k, arrows    one row on, back          tab       functions, source
PgDn PgUp      a screen on, back         s         sort: increment, calls or line
g G            first, last row           / n N     search, next, previous
p              pause the display         r         count from now on; again: from the start
Ctrl-Z         stop lineprof, fg goes on Ctrl-C    what it does without `top`
q              end

Increment: what a line added, its calls included. The redder a line, the more; blue gives back.
The numbers are those of the table that lineprof prints at the end. Any key closes this.";

/// Where the parts of the screen are, with so many functions.
fn parts(state: &State, functions: usize, area: Rect) -> [Rect; 6] {
    let output = if state.output.is_empty() { 0 } else { OUTPUT + 1 };
    let list = (functions as u16 + 2).min((area.height / 3).max(3));
    Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(MEMORY + 1),
        Constraint::Length(list),
        Constraint::Min(3),
        Constraint::Length(output),
        Constraint::Length(1),
    ])
    .areas(area)
}

/// Draws `state`.
pub(super) fn draw(state: &State, frame: &mut Frame<'_>) {
    let functions = state.functions();
    let [title, memory, list, source, written, foot] = parts(state, functions.len(), frame.area());
    frame.render_widget(title_of(state), title);
    draw_memory(state, frame, memory);
    draw_functions(state, &functions, frame, list);
    draw_source(state, frame, source);
    draw_output(state, frame, written);
    frame.render_widget(foot_of(state), foot);
    if state.mode == Mode::Help {
        draw_help(frame);
    }
}

/// The rows of source that are shown at this size.
pub(super) fn page(state: &State, area: Rect) -> usize {
    let [_, _, _, source, _, _] = parts(state, state.functions().len(), area);
    // A title and a head.
    usize::from(source.height.saturating_sub(2))
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn title_of(state: &State) -> Line<'_> {
    let how = match &state.progress {
        Progress::Running if state.paused => "paused".to_owned(),
        Progress::Running => "running".to_owned(),
        Progress::Ended(how) => Escaped(how).to_string(),
    };
    let mut spans = vec![
        Span::styled("lineprof top", bold()),
        Span::raw(format!("  {}  ", Escaped(&state.title))),
        Span::styled(how, Style::new().add_modifier(Modifier::REVERSED)),
    ];
    if state.was_reset {
        spans.push(Span::raw("  counted since r"));
    }
    Line::from(spans)
}

fn mebibytes(amount: f64) -> String {
    format!("{amount:.3} MiB")
}

fn draw_memory(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let now = state.memory.back().copied().unwrap_or_default();
    let title = format!(
        " memory {}, peak {} ",
        mebibytes(now.mebibytes()),
        mebibytes(state.peak.mebibytes())
    );
    let block = Block::new().borders(Borders::TOP).title(title);
    let shown = state.memory.len().min(usize::from(area.width));
    let readings: Vec<u64> = state
        .memory
        .iter()
        .skip(state.memory.len() - shown)
        .map(|b| b.0)
        .collect();
    let line = Sparkline::default()
        .block(block)
        .max(state.peak.0.max(1))
        .style(Style::new().fg(Color::Cyan))
        .data(readings);
    frame.render_widget(line, area);
}

fn pane(title: String, in_focus: bool) -> Block<'static> {
    let style = if in_focus { bold() } else { Style::new() };
    let mark = if in_focus { ">" } else { " " };
    Block::new()
        .borders(Borders::TOP)
        .title(Span::styled(format!("{mark}{title} "), style))
}

/// The first row that is shown of `count`, so that `cursor` is among the `height` that are.
fn first_shown(cursor: usize, count: usize, height: usize) -> usize {
    let centred = cursor.saturating_sub(height / 2);
    centred.min(count.saturating_sub(height))
}

fn draw_functions(state: &State, functions: &[FunctionRow], frame: &mut Frame<'_>, area: Rect) {
    let in_focus = state.pane == Pane::Functions;
    let title = format!("functions, by {}", state.function_order.name());
    let block = pane(title, in_focus);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let selected = state.selected(functions);
    let height = usize::from(inner.height).saturating_sub(1);
    let first = first_shown(selected.unwrap_or(0), functions.len(), height);
    let head = format!(
        "{:>10} {:>14} {:>14}  {}",
        "Calls", "Increment", "Peak", "Function"
    );
    let mut rows = vec![Line::styled(head, Style::new().add_modifier(Modifier::DIM))];
    for (number, row) in functions.iter().enumerate().skip(first).take(height) {
        let peak = row.peak.map(|peak| mebibytes(peak.mebibytes()));
        let text = format!(
            "{:>10} {:>14} {:>14}  {}",
            row.calls,
            mebibytes(row.increment.mebibytes()),
            peak.unwrap_or_default(),
            Escaped(&row.name)
        );
        rows.push(Line::styled(
            text,
            cursor_style(selected == Some(number), in_focus),
        ));
    }
    frame.render_widget(Paragraph::new(rows), inner);
}

fn cursor_style(is_there: bool, in_focus: bool) -> Style {
    match (is_there, in_focus) {
        (false, _) => Style::new(),
        (true, false) => bold(),
        (true, true) => bold().add_modifier(Modifier::REVERSED),
    }
}

fn draw_source(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let in_focus = state.pane == Pane::Source;
    let title = match state.function() {
        Some(function) => format!(
            "{} at {}:{}, by {}",
            Escaped(&function.name),
            Escaped(&function.file),
            function.line,
            state.line_order.name()
        ),
        None => "no function has run yet".to_owned(),
    };
    let block = pane(title, in_focus);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = state.lines();
    let heat = rows::heat(&lines);
    let cursor = state.line(lines.len());
    let height = usize::from(inner.height).saturating_sub(1);
    let first = first_shown(cursor, lines.len(), height);
    let head = format!(
        "{:>6} {:>14} {:>14}   {:>12}  {}",
        "Line #", "Mem usage", "Increment", "Occurrences", "Line Contents"
    );
    let mut rows = vec![Line::styled(head, Style::new().add_modifier(Modifier::DIM))];
    for (number, (row, heat)) in lines.iter().zip(heat).enumerate().skip(first).take(height) {
        let is_there = in_focus && number == cursor;
        rows.push(line_of(row, heat, cursor_style(is_there, in_focus)));
    }
    frame.render_widget(Paragraph::new(rows), inner);
}

fn line_of(row: &LineRow, heat: f64, style: Style) -> Line<'static> {
    let text = EscapedSource(&row.text);
    let place = match &row.file {
        Some(file) => {
            let name = file.rsplit('/').next().unwrap_or(file);
            format!("[{}] ", Escaped(name))
        }
        None => String::new(),
    };
    let cells = match row.cells {
        None => format!("{:>6} {:>14} {:>14}   {:>12}  ", row.number, "", "", ""),
        Some(Cells {
            memory,
            increment,
            occurrences,
            shared,
            ..
        }) => format!(
            "{:>6} {:>14} {:>14}{}{} {:>12}  ",
            row.number,
            mebibytes(memory.mebibytes()),
            mebibytes(increment.mebibytes()),
            if shared { '*' } else { ' ' },
            mark(heat),
            occurrences
        ),
    };
    let line = Line::from(vec![Span::raw(cells), Span::raw(format!("{place}{text}"))]);
    line.style(match background(heat) {
        Some(colour) => style.bg(colour).fg(Color::White),
        None => style,
    })
}

/// How much of the greatest increment it is, for a terminal without colours.
fn mark(heat: f64) -> char {
    const MARKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if heat < 0.0 {
        return '-';
    }
    let eighths = (heat * 8.0).ceil().clamp(0.0, 8.0);
    MARKS[eighths as usize]
}

/// From dark to bright red by what it adds, blue where it gives back; numbers of the 256 colours of xterm.
fn background(heat: f64) -> Option<Color> {
    match heat {
        0.0 => None,
        heat if heat < 0.0 => Some(Color::Indexed(18)),
        heat if heat < 0.05 => Some(Color::Indexed(52)),
        heat if heat < 0.4 => Some(Color::Indexed(88)),
        heat if heat < 0.8 => Some(Color::Indexed(124)),
        _ => Some(Color::Indexed(160)),
    }
}

fn draw_output(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::new().borders(Borders::TOP).title(" the program's output ");
    let over = state.output.len().saturating_sub(usize::from(OUTPUT));
    let lines: Vec<Line<'_>> = state
        .output
        .iter()
        .skip(over)
        .map(|line| Line::raw(EscapedSource(line).to_string()))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn foot_of(state: &State) -> Line<'static> {
    let text = match (state.mode, &state.message) {
        (Mode::Typing, _) => format!("/{}", Escaped(&state.wanted)),
        (Mode::Leaving, _) => {
            "The program still runs. t: SIGTERM  k: SIGKILL  l: let it run on, unprofiled  Esc: back"
                .to_owned()
        }
        (_, Some(message)) => Escaped(message).to_string(),
        (_, None) => {
            let quit = match (&state.progress, state.subject) {
                (Progress::Ended(_), _) => "q quit, print the table",
                (Progress::Running, Subject::Attached) => "q quit, leave it running",
                (Progress::Running, Subject::Started) => "q quit",
            };
            format!("{quit}  tab pane  j k move  s sort  / search  p pause  r reset  ? help")
        }
    };
    Line::styled(text, Style::new().add_modifier(Modifier::REVERSED))
}

fn draw_help(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'_>> = HELP.lines().map(Line::raw).collect();
    let area = frame.area();
    let height = (lines.len() as u16 + 2).min(area.height);
    let width = (HELP.lines().map(str::len).max().unwrap_or(0) as u16 + 4).min(area.width);
    let place = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" keys ")),
        place,
    );
}

#[cfg(test)]
mod tests;
