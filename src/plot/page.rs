//! A figure as one HTML file that needs no other.
//!
//! Must not know: how the figure is drawn; it is told where its axes lie.
//!
//! `page.html` is the file, with three places to fill: the title, the SVG, and what its script tells under the pointer.

use serde::Serialize;

use super::draw::Layout;
use super::figure::Figure;

const PAGE: &str = include_str!("page.html");

/// What the script knows.
#[derive(Serialize)]
struct Told<'figure> {
    across: [i32; 2],
    down: [i32; 2],
    rows: Option<[i32; 2]>,
    row_count: u32,
    seconds: [f64; 2],
    curves: Vec<ToldCurve<'figure>>,
    calls: Vec<ToldCall<'figure>>,
}

#[derive(Serialize)]
struct ToldCurve<'figure> {
    label: &'figure str,
    spots: Vec<[f64; 2]>,
}

#[derive(Serialize)]
struct ToldCall<'figure> {
    name: &'figure str,
    begin: f64,
    end: f64,
    added: f64,
    row: u32,
}

/// The page of a picture.
pub(super) fn page(figure: &Figure, layout: &Layout, svg: &str) -> Result<String, serde_json::Error> {
    let curves = figure.curves.iter().map(|curve| ToldCurve {
        label: &curve.label,
        spots: curve
            .spots
            .iter()
            .map(|spot| [spot.seconds, spot.mebibytes])
            .collect(),
    });
    let calls = figure.calls.iter().map(|call| ToldCall {
        name: &figure.functions[call.function].name,
        begin: call.begin.seconds,
        end: call.end.seconds,
        added: call.end.mebibytes - call.begin.mebibytes,
        row: call.row,
    });
    let told = Told {
        across: [layout.across.start, layout.across.end],
        down: [layout.down.start, layout.down.end],
        rows: layout.rows.as_ref().map(|rows| [rows.start, rows.end]),
        row_count: figure.rows(),
        seconds: [*figure.seconds.start(), *figure.seconds.end()],
        curves: curves.collect(),
        calls: calls.collect(),
    };
    // A script ends at `</script` wherever that stands (HTML, 13.2.5.17); in a JSON string `<` may be an escape.
    let told = serde_json::to_string(&told)?.replace('<', "\\u003c");
    let title = figure.title.as_deref().unwrap_or("Memory over time");
    Ok(filled(&[
        ("@TITLE@", &text(title)),
        ("@SVG@", svg),
        ("@FIGURE@", &told),
    ]))
}

/// The page, each place filled once: what fills one may look like another.
fn filled(places: &[(&str, &str)]) -> String {
    let mut rest = PAGE;
    let mut filled = String::new();
    for (place, with) in places {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        filled += before;
        filled += with;
        rest = after;
    }
    filled + rest
}

fn text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_and_none_twice() {
        let page = filled(&[("@TITLE@", "@SVG@"), ("@SVG@", "<svg/>"), ("@FIGURE@", "{}")]);
        assert!(page.contains("<title>@SVG@</title>"), "{page}");
        assert!(
            page.contains("\n<svg/>\n") && page.contains(">{}</script>"),
            "{page}"
        );
    }

    #[test]
    fn a_name_ends_no_element() {
        assert_eq!(text("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}
