//! A timeline that is written as its readings come.
//!
//! Must not know: files, clocks. A reading brings its time with it.
//!
//! Whole lines are handed on, as soon as half a second of readings or a page of text is there: a writer that is killed
//! loses half a second and leaves no line half written, and one that reads a thousand times a second makes two or three
//! hundred writes, not a thousand. What is held is never more than that.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::record::{Record, UnixTime};

/// The most seconds of readings that are held back.
const HELD_SECONDS: f64 = 0.5;

/// The most text that is held back.
const HELD_BYTES: usize = 4096 - 128;

/// Writes records one by one.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    held: String,
    /// The time of the last reading that was handed on.
    handed_on: Option<UnixTime>,
}

impl<W: Write> Writer<W> {
    /// A timeline that begins.
    pub fn new(to: W) -> Writer<W> {
        Writer {
            to,
            held: String::new(),
            handed_on: None,
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// What is behind it cannot be written to.
    pub fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        // Writing to a string does not fail.
        let _written = writeln!(self.held, "{record}");
        let now = match record {
            Record::Memory(point) | Record::Child { point, .. } => Some(point.at),
            Record::Function { end, .. } => Some(end.at),
            // What it says is known at once to who looks on.
            Record::Command(_) => None,
        };
        let due = match (now, self.handed_on) {
            // A clock that was set back is no reason to hold on.
            (Some(now), Some(then)) => !(0.0..HELD_SECONDS).contains(&(now.0 - then.0)),
            (None, _) | (_, None) => true,
        };
        if due || self.held.len() >= HELD_BYTES {
            self.handed_on = now.or(self.handed_on);
            return self.hand_on();
        }
        Ok(())
    }

    /// Hands on what is held.
    ///
    /// # Errors
    /// What is behind it cannot be written to.
    pub fn hand_on(&mut self) -> io::Result<()> {
        let written = self.to.write_all(self.held.as_bytes());
        self.held.clear();
        written.and_then(|()| self.to.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Mebibytes, Point};
    use super::*;

    /// The pieces in which text was handed on.
    #[derive(Default)]
    struct Pieces(Vec<Vec<u8>>);

    impl Write for &mut Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn memory(at: f64) -> Record<'static> {
        Record::Memory(Point {
            memory: Mebibytes(2.5),
            at: UnixTime(at),
        })
    }

    fn pieces(times: impl Iterator<Item = f64>) -> Vec<Vec<u8>> {
        let mut pieces = Pieces::default();
        let mut writer = Writer::new(&mut pieces);
        times.for_each(|at| writer.write(&memory(at)).expect("memory can be written"));
        writer.hand_on().expect("memory can be written");
        pieces.0
    }

    #[test]
    fn nothing_is_held_for_longer_than_half_a_second() {
        let pieces = pieces((0_u32..100).map(|turn| 1000.0 + f64::from(turn) / 10.0));
        let lines = pieces
            .iter()
            .map(|piece| piece.split(|b| *b == b'\n').count() - 1);
        assert!(lines.max() <= Some(6));
        assert!(pieces.len() <= 21, "{}", pieces.len());
    }

    #[test]
    fn no_piece_is_larger_than_a_page_or_ends_within_a_line() {
        let pieces = pieces((0_u32..5000).map(|turn| 1000.0 + f64::from(turn) / 100_000.0));
        assert!(pieces.len() > 10);
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            assert!(piece.len() <= 4096 && piece.ends_with(b"\n"), "{}", piece.len());
        }
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let pieces = pieces([1000.0, 500.0, 500.1].into_iter());
        assert_eq!(
            pieces[1], b"MEM 2.500000 500.0000\n",
            "at once, not in eight minutes"
        );
    }

    #[test]
    fn a_reading_of_a_day_at_ten_a_second_takes_thirty_bytes() {
        let line = memory(1_795_330_458.533_4).to_string();
        assert_eq!(line.len() + 1, 29);
        // 2^20 times 24 hours of ten readings a second stay under 50 MiB, up to processes of a terabyte.
        let large = Record::Memory(Point {
            memory: Mebibytes(999_999.0),
            at: UnixTime(1_795_330_458.5),
        });
        assert!((large.to_string().len() + 1) * 864_000 < 50 << 20);
    }
}
