//! Pictures of timelines that stand beside the golden files.

use std::ops::RangeInclusive;

use super::*;
use crate::goldens;
use crate::timeline::Content;

fn content(name: &str) -> Content {
    let text = std::fs::read(goldens::path("plot", name)).expect("it is in the tree");
    Content::read(text.as_slice()).expect("a timeline")
}

fn figure(names: &[&str], options: &Options) -> Figure {
    let contents: Vec<(&str, Content)> = names.iter().map(|name| (*name, content(name))).collect();
    let run = |(name, content)| Run {
        label: format!("{name} - start"),
        content,
    };
    let runs: Vec<Run<'_>> = contents
        .iter()
        .map(|(name, content)| run((*name, content)))
        .collect();
    Figure::of(&runs, options).expect("there is something to draw")
}

fn of_text(text: &str, options: &Options) -> Result<Figure, Error> {
    let content = Content::read(text.as_bytes()).expect("a timeline");
    let run = Run {
        label: "run".into(),
        content: &content,
    };
    Figure::of(&[run], options)
}

fn with_title(calls: Calls) -> Options {
    Options {
        title: Some("./app 'two words' <1>".into()),
        calls,
        ..Options::default()
    }
}

const PAGE: Characters = Characters {
    columns: 80,
    lines: 16,
};

#[test]
fn calls_are_brackets_on_the_curve() {
    let figure = figure(&["calls.dat"], &with_title(Calls::Brackets));
    goldens::check(
        "plot",
        "brackets.svg",
        &svg(&figure, Size::default()).expect("drawn"),
    );
    goldens::check("plot", "brackets.txt", &characters(&figure, PAGE, Style::Plain));
}

#[test]
fn calls_are_nested_rectangles_below_it() {
    let figure = figure(&["calls.dat"], &with_title(Calls::Flame));
    goldens::check(
        "plot",
        "flame.svg",
        &svg(&figure, Size::default()).expect("drawn"),
    );
    goldens::check("plot", "flame.txt", &characters(&figure, PAGE, Style::Plain));
}

#[test]
fn descendants_have_curves_and_slopes_of_their_own() {
    let options = Options {
        slope: Slope::Shown,
        ..Options::default()
    };
    let figure = figure(&["children.dat"], &options);
    let labels: Vec<&str> = figure.curves.iter().map(|curve| curve.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "children.dat - start slope 2.00000",
            "child 4711 slope -1.00000",
            "child 4712 slope 0.00000"
        ]
    );
    // One cross for the process, one for the greatest of its descendants.
    let crosses: Vec<Option<(f64, f64)>> = figure
        .curves
        .iter()
        .map(|curve| curve.cross.map(|spot| (spot.seconds, spot.mebibytes)))
        .collect();
    assert_eq!(crosses, [Some((4.0, 18.0)), Some((1.0, 9.0)), None]);
    goldens::check(
        "plot",
        "children.svg",
        &svg(&figure, Size::default()).expect("drawn"),
    );
}

#[test]
fn of_several_runs_neither_calls_nor_peaks_are_shown() {
    let figure = figure(&["calls.dat", "children.dat"], &with_title(Calls::Brackets));
    assert_eq!(
        (figure.shown, figure.calls.len(), figure.functions.len()),
        (Calls::Hidden, 0, 0)
    );
    assert!(figure.curves.iter().all(|curve| curve.cross.is_none()));
    assert_eq!(figure.curves.len(), 4);
}

#[test]
fn a_window_has_its_own_peak_and_its_own_calls() {
    let options = Options {
        window: Some(Window { from: 1.0, to: 1.5 }),
        ..with_title(Calls::Brackets)
    };
    let figure = of_text(
        "MEM 1 100\nMEM 9 101\nMEM 5 102\nFUNC a 9 100.8 7 101.6 0\nFUNC b 5 101.7 5 102 0\n",
        &options,
    )
    .expect("there are readings");
    assert_eq!(figure.seconds, 1.0..=1.5);
    assert_eq!(figure.functions.len(), 1);
    let cross = figure.curves[0].cross.expect("a peak");
    assert_eq!((cross.seconds, cross.mebibytes), (1.0, 9.0));
}

#[test]
fn what_cannot_be_drawn_says_why() {
    let no_readings = of_text("FUNC a 9 100 7 101 0\n", &Options::default()).expect_err("no reading");
    assert_eq!(no_readings.to_string(), "run has no readings");
    let outside = Options {
        window: Some(Window { from: 7.0, to: 9.0 }),
        ..Options::default()
    };
    let outside = of_text("MEM 1 100\nMEM 9 101\n", &outside).expect_err("it is over by then");
    assert_eq!(
        outside.to_string(),
        "there is no reading from 7 s to 9 s: the last is at 1.000 s"
    );
    assert_eq!(Figure::of(&[], &Options::default()), Err(Error::NoRun));
}

#[test]
fn one_reading_is_a_picture_too() {
    let figure = of_text("MEM 1 100\n", &Options::default()).expect("a reading");
    let size = Size {
        width: 300,
        height: 150,
    };
    assert_eq!(pixels(&figure, size).len(), 300 * 150);
    let text = characters(&figure, PAGE, Style::Plain);
    assert!(text.contains("peak 1.000 MiB at 0.000 s"), "{text}");
}

/// The pixels of the PNG of a figure.
fn pixels(figure: &Figure, size: Size) -> Vec<[u8; 3]> {
    let file = png(figure, size).expect("drawn");
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .expect("PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("it fits")];
    let frame = reader.next_frame(&mut bytes).expect("a picture");
    assert_eq!((frame.width, frame.height), (size.width, size.height));
    bytes
        .chunks(3)
        .map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect()
}

#[test]
fn a_png_shows_the_curve_and_words() {
    let size = Size::default();
    let pixels = pixels(&figure(&["calls.dat"], &with_title(Calls::Flame)), size);
    let dark = |pixel: &&[u8; 3]| pixel.iter().all(|colour| *colour < 0x60);
    let column = |range: RangeInclusive<u32>| {
        let inside = |index: usize| range.contains(&(u32::try_from(index).expect("small") % size.width));
        let lines = pixels.iter().enumerate();
        lines
            .filter(|(index, _)| inside(*index))
            .map(|(_, pixel)| pixel)
            .filter(dark)
            .count()
    };
    // The curve goes through each column of the middle; the legend's words are at the right.
    for at in 100..700 {
        assert!(column(at..=at) > 0, "column {at} is blank");
    }
    assert!(column(1040..=1259) > 300, "the legend has words");
}

#[test]
fn an_html_file_asks_for_no_other() {
    let page = html(
        &figure(&["calls.dat"], &with_title(Calls::Flame)),
        Size::default(),
    )
    .expect("drawn");
    assert!(
        page.contains("<title>./app 'two words' &lt;1&gt;</title>"),
        "{page}"
    );
    for asks in ["src=", "href=", "url(", "@import"] {
        assert!(!page.contains(asks), "{asks}");
    }
    let json = page
        .split("id=\"figure\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next());
    let told: serde_json::Value = serde_json::from_str(json.expect("it tells")).expect("JSON");
    assert_eq!(told["row_count"], 2);
    assert_eq!(told["calls"][1]["name"], "tokens");
}

#[test]
fn a_name_that_a_terminal_would_obey_is_escaped() {
    let text =
        "CMDLINE a\u{1b}[31m\nMEM 1 100\nMEM 2 101\nFUNC f\u{1b}[31m 1 100 2 101 0\nCHLD 7\u{1b}c 1 100\n";
    let options = Options {
        title: Some("a\u{1b}[31m".into()),
        ..Options::default()
    };
    let figure = of_text(text, &options).expect("readings");
    let shown = characters(&figure, PAGE, Style::Plain) + &svg(&figure, Size::default()).expect("drawn");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn colours_end_with_their_line() {
    let figure = figure(&["calls.dat"], &with_title(Calls::Brackets));
    let coloured = characters(&figure, PAGE, Style::Coloured);
    let lines = coloured.lines().filter(|line| line.contains("\x1b["));
    assert!(lines.clone().count() > 10);
    let last = |line: &str| line.rsplit('\x1b').next().map(|piece| piece.starts_with("[39m"));
    assert!(lines.clone().all(|line| last(line) == Some(true)));
    // Without the colours it is the plain picture.
    let mut plain = String::new();
    for (number, piece) in coloured.split('\x1b').enumerate() {
        let shown = if number == 0 {
            piece
        } else {
            piece.split_once('m').map_or("", |(_, shown)| shown)
        };
        plain += shown;
    }
    assert_eq!(plain, characters(&figure, PAGE, Style::Plain));
}
