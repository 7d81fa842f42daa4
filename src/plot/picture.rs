//! Pictures as files: SVG, PNG, HTML.
//!
//! Must not know: what is drawn.
//!
//! No font of the machine is asked for: servers and containers have none. PNG text, and the room that text takes in all
//! of them, are DejaVu Sans, as in mprof's pictures.

use std::io;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::DrawingBackend;
use plotters::style::{FontStyle, register_font};
use thiserror::Error;

use super::draw::{self, FONT, Layout, SCALE};
use super::figure::Figure;
use super::page;

/// The size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

impl Default for Size {
    /// mprof's: 14 by 6 inches of 90 pixels.
    fn default() -> Size {
        Size {
            width: 1260,
            height: 540,
        }
    }
}

impl Size {
    fn enlarged(self) -> (u32, u32) {
        (self.width * SCALE, self.height * SCALE)
    }
}

/// A picture that could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Undrawn {
    /// The font that lineprof carries cannot be used.
    #[error("cannot use the font")]
    Font,
    /// As SVG.
    #[error("cannot draw: {0}")]
    Svg(#[from] DrawingAreaErrorKind<io::Error>),
    /// As pixels.
    #[error("cannot draw: {0}")]
    Bitmap(#[source] DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>),
    /// Pixels as PNG.
    #[error("cannot write PNG: {0}")]
    Png(#[from] png::EncodingError),
    /// What the page of an HTML file tells.
    #[error("cannot write HTML: {0}")]
    Html(#[from] serde_json::Error),
}

fn with_font() -> Result<(), Undrawn> {
    // The library's error says nothing, and has no name outside it.
    match register_font(FONT, FontStyle::Normal, dejavu::sans::regular()) {
        Ok(()) => Ok(()),
        Err(_) => Err(Undrawn::Font),
    }
}

/// The figure as SVG.
///
/// # Errors
/// It cannot be drawn.
pub fn svg(figure: &Figure, size: Size) -> Result<String, Undrawn> {
    drawn(figure, size).map(|(text, _)| text)
}

fn drawn(figure: &Figure, size: Size) -> Result<(String, Layout), Undrawn> {
    with_font()?;
    let mut text = String::new();
    let enlarged = size.enlarged();
    let layout = draw::draw(SVGBackend::with_string(&mut text, enlarged), figure)?;
    // Its coordinates are fractions of pixels now; the view box has them.
    let (width, height) = enlarged;
    let from = format!("<svg width=\"{width}\" height=\"{height}\"");
    let to = format!("<svg width=\"{}\" height=\"{}\"", size.width, size.height);
    Ok((text.replacen(&from, &to, 1), layout))
}

/// The figure as PNG.
///
/// # Errors
/// It cannot be drawn.
pub fn png(figure: &Figure, size: Size) -> Result<Vec<u8>, Undrawn> {
    with_font()?;
    let enlarged = size.enlarged();
    let mut pixels = vec![0; enlarged.0 as usize * enlarged.1 as usize * 3];
    draw::draw(BitMapBackend::with_buffer(&mut pixels, enlarged), figure).map_err(Undrawn::Bitmap)?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()?
        .write_image_data(&reduced(&pixels, size))?;
    Ok(file)
}

/// The mean of each square of pixels: smooth edges.
fn reduced(pixels: &[u8], size: Size) -> Vec<u8> {
    let (width, scale) = (size.width as usize, SCALE as usize);
    let line = width * scale * 3;
    let mut small = Vec::with_capacity(width * size.height as usize * 3);
    for lines in pixels.chunks_exact(line * scale) {
        for column in 0..width {
            for colour in 0..3 {
                let mut sum = 0;
                for down in 0..scale {
                    for across in 0..scale {
                        let at = down * line + (column * scale + across) * 3 + colour;
                        sum += u32::from(lines[at]);
                    }
                }
                // The mean of bytes is one.
                small.push((sum / (SCALE * SCALE)) as u8);
            }
        }
    }
    small
}

/// The figure as one HTML file that needs no other: the SVG, readings under the pointer, and a zoom.
///
/// # Errors
/// It cannot be drawn.
pub fn html(figure: &Figure, size: Size) -> Result<String, Undrawn> {
    let (picture, layout) = drawn(figure, size)?;
    Ok(page::page(figure, &layout, &picture)?)
}
