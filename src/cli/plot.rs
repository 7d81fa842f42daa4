//! `lineprof plot`: sampled runs as pictures, as `mprof plot` draws them.
//!
//! Must not know: what a picture looks like.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lineprof::plot::{self, Calls, Characters, Error, Figure, Options, Run, Size, Slope, Style};
use lineprof::timeline::{Content, UnixTime};
use terminal_size::{Height, Width, terminal_size_of};

use super::args;
use super::hint::{self, Failure};
use super::peaks;

/// Draws.
pub(crate) fn run(args: &args::Plot) -> ExitCode {
    draw(args).map_or_else(|failure| failure.say(), |()| ExitCode::SUCCESS)
}

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
    Html,
}

fn draw(args: &args::Plot) -> Result<(), Failure> {
    // Before files are read that may be large.
    let format = args.output.as_deref().map(format).transpose()?;
    let files = peaks::files(&args.profiles)?;
    let contents = files
        .iter()
        .map(|path| Ok((path, peaks::read(path)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let runs: Vec<Run> = contents
        .iter()
        .map(|(path, content)| run_of(path, content, contents.len() > 1))
        .collect();
    let figure = Figure::of(&runs, &options(args, &contents)).map_err(|error| explain(&error, &files))?;
    let drawn = match format {
        None => {
            let (size, style) = terminal(&figure);
            Ok(plot::characters(&figure, size, style).into_bytes())
        }
        Some(Format::Svg) => plot::svg(&figure, Size::default()).map(String::into_bytes),
        Some(Format::Html) => plot::html(&figure, Size::default()).map(String::into_bytes),
        Some(Format::Png) => plot::png(&figure, Size::default()),
    };
    let drawn = drawn.map_err(|error| Failure::new(error.to_string()))?;
    write(args.output.as_deref(), &drawn)
}

/// What the terminal can show; what is no terminal gets a page of plain characters.
fn terminal(figure: &Figure) -> (Characters, Style) {
    const PAGE: Characters = Characters {
        columns: 80,
        lines: 20,
    };
    let Some((Width(columns), Height(all))) = terminal_size_of(io::stdout()) else {
        return (PAGE, Style::Plain);
    };
    let below = figure.rows().min(10) + 2 * u32::try_from(figure.curves.len().min(4)).unwrap_or(0);
    let lines = u32::from(all).saturating_sub(below + 4).clamp(10, 40);
    let size = Characters {
        columns,
        lines: u16::try_from(lines).unwrap_or(PAGE.lines),
    };
    // https://no-color.org
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let unable = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let style = if unwanted || unable {
        Style::Plain
    } else {
        Style::Coloured
    };
    (size, style)
}

fn format(output: &Path) -> Result<Format, Failure> {
    let ending = output.extension().unwrap_or_default().to_ascii_lowercase();
    match ending.to_str() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        Some("html" | "htm") => Ok(Format::Html),
        _ => Err(Failure::new(format!(
            "cannot tell from the name {} what to draw",
            output.display()
        ))
        .hint("let it end in .svg, .png or .html; without `-o` the picture is drawn in the terminal")),
    }
}

fn options(args: &args::Plot, contents: &[(&PathBuf, Content)]) -> Options {
    let command = match contents {
        [(_, content)] => content.command.clone(),
        _ => None,
    };
    Options {
        title: args.title.clone().or(command),
        calls: match (args.no_function_ts, args.flame) {
            (true, _) => Calls::Hidden,
            (false, true) => Calls::Flame,
            (false, false) => Calls::Brackets,
        },
        slope: if args.slope { Slope::Shown } else { Slope::Hidden },
        window: args.window,
    }
}

fn run_of<'content>(path: &Path, content: &'content Content, several: bool) -> Run<'content> {
    let start = plot::started(content).map(start);
    let name = path.display().to_string();
    let label = match start {
        Some(start) if several => format!("{name}, {start}"),
        Some(start) => start,
        None => name,
    };
    Run { label, content }
}

/// As mprof has it, in local time.
fn start(at: UnixTime) -> String {
    let since = jiff::SignedDuration::try_from_secs_f64(at.0);
    let time = since.ok().and_then(|since| Timestamp::from_duration(since).ok());
    match time {
        Some(time) => {
            let local = time.to_zoned_datetime(TimeZone::system());
            local.strftime("%d / %m / %Y - start at %H:%M:%S%.3f").to_string()
        }
        // A time that no calendar has.
        None => format!("start at {}", at.0),
    }
}

fn explain(error: &Error, files: &[PathBuf]) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        Error::NoReadings { .. } => failure.hint(
            "the program may have ended before the first: sample it more often, `lineprof sample -T 0.001`",
        ),
        Error::Outside { .. } => failure.hint("`--window FROM,TO` is in seconds from the start of the run"),
        _ => failure.hint(format!("{} files were read", files.len())),
    }
}

fn write(output: Option<&Path>, drawn: &[u8]) -> Result<(), Failure> {
    let written = match output {
        Some(path) => std::fs::write(path, drawn),
        None => io::stdout().lock().write_all(drawn),
    };
    written.map_err(|error| {
        let to = output.map_or("stdout".into(), |path| path.display().to_string());
        Failure::new(format!(
            "cannot write the picture to {to}: {}",
            hint::reason(&error)
        ))
        .hint("name a file in a folder that can be written: `-o FILE`")
    })
}
