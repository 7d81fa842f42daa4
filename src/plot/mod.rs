//! Pictures of memory over time.
//!
//! Must not know: files, terminals, time zones, who wrote a timeline.
//!
//! ```text
//! timeline::Content ─► figure (what is drawn, in seconds and MiB) ─┬─► draw ─► svg, png, html
//!                                                                  └─► terminal (characters)
//! ```
//! | file | holds |
//! |---|---|
//! | `figure` | what is drawn: curves, peaks, slopes, calls, the ranges of the axes |
//! | `curve` | points: merged, cut to a window, thinned to what can be told apart |
//! | `calls` | calls of functions: short names, rows, what is too close together |
//! | `draw` | a figure on any backend of plotters |
//! | `picture` | SVG, PNG and HTML files |
//! | `page` | the page of an HTML file |
//! | `terminal` | a figure in characters |

mod calls;
mod curve;
mod draw;
mod figure;
mod page;
mod picture;
mod terminal;
#[cfg(test)]
mod tests;

pub use calls::{Call, Function};
pub use curve::{Spot, Trend};
pub use figure::{Calls, Curve, Error, Figure, Options, Role, Run, Slope, Window, started};
pub use picture::{Size, Undrawn, html, png, svg};
pub use terminal::{Characters, Style, characters};
