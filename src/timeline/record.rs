//! One line of a timeline.
//!
//! Must not know: the lines around it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::report::escape::{self, Escaped};
use crate::units::Bytes;

/// An amount of memory in MiB, as the format has it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Mebibytes(pub f64);

impl From<Bytes> for Mebibytes {
    fn from(bytes: Bytes) -> Mebibytes {
        Mebibytes(bytes.mebibytes())
    }
}

/// Seconds since 1970, as the format has it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct UnixTime(pub f64);

impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> UnixTime {
        UnixTime(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        })
    }
}

/// How much memory there was, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The memory.
    pub memory: Mebibytes,
    /// When.
    pub at: UnixTime,
}

/// A line of a timeline.
///
/// ```
/// use lineprof::timeline::{Mebibytes, Point, Record, UnixTime};
/// let line = "MEM 2.882812 1795330458.5334";
/// let point = Point { memory: Mebibytes(2.882812), at: UnixTime(1795330458.5334) };
/// assert_eq!(Record::parse(line), Ok(Some(Record::Memory(point))));
/// assert_eq!(Record::Memory(point).to_string(), line);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'text> {
    /// What was run.
    Command(Cow<'text, str>),
    /// The memory of the process, or of it and its descendants.
    Memory(Point),
    /// The memory of one descendant.
    Child {
        /// Its pid; before memory_profiler 0.60, a running number.
        name: Cow<'text, str>,
        /// Its memory.
        point: Point,
    },
    /// A call of a function.
    Function {
        /// Its name; blanks in it are written as `_`.
        name: Cow<'text, str>,
        /// Memory and time when it began.
        begin: Point,
        /// Memory and time when it ended.
        end: Point,
        /// How many calls of functions in the file it lies in; 0 where the file does not say.
        depth: u32,
    },
}

/// A record that lacks what its keyword promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a {keyword} record has {expected}")]
pub struct Malformed {
    keyword: &'static str,
    expected: &'static str,
}

impl<'text> Record<'text> {
    /// The record of a line, without the line's end; `None` where the keyword is not known.
    ///
    /// # Errors
    /// The keyword is known, and what follows is not what it promises.
    pub fn parse(line: &'text str) -> Result<Option<Record<'text>>, Malformed> {
        let Some((keyword, rest)) = line.split_once(' ') else {
            return Ok(None);
        };
        match keyword {
            "CMDLINE" => Ok(Some(Record::Command(rest.into()))),
            "MEM" => memory(rest).map(Some).ok_or(Malformed {
                keyword: "MEM",
                expected: "memory in MiB and a time",
            }),
            "CHLD" => child(rest).map(Some).ok_or(Malformed {
                keyword: "CHLD",
                expected: "a child, memory in MiB and a time",
            }),
            "FUNC" => function(rest).map(Some).ok_or(Malformed {
                keyword: "FUNC",
                expected: "a name without blanks, and memory and time of its begin and end",
            }),
            _ => Ok(None),
        }
    }
}

/// Python's float() takes blanks around a number.
fn number(field: Option<&str>) -> Option<f64> {
    field?.trim().parse().ok()
}

fn point(fields: &mut std::str::Split<'_, char>) -> Option<Point> {
    Some(Point {
        memory: Mebibytes(number(fields.next())?),
        at: UnixTime(number(fields.next())?),
    })
}

fn memory(rest: &str) -> Option<Record<'_>> {
    point(&mut rest.split(' ')).map(Record::Memory)
}

fn child(rest: &str) -> Option<Record<'_>> {
    let mut fields = rest.split(' ');
    let name = fields.next()?.into();
    Some(Record::Child {
        name,
        point: point(&mut fields)?,
    })
}

fn function(rest: &str) -> Option<Record<'_>> {
    let mut fields = rest.split(' ');
    let name = fields.next()?.into();
    let (begin, end) = (point(&mut fields)?, point(&mut fields)?);
    let depth = match fields.next() {
        // memory_profiler before 0.59 wrote none.
        None => 0,
        Some(depth) => depth.trim().parse().ok()?,
    };
    Some(Record::Function {
        name,
        begin,
        end,
        depth,
    })
}

impl Display for Record<'_> {
    /// The line, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An argument may have a newline in it, and a line of ours may not.
            Record::Command(command) => write!(f, "CMDLINE {}", Escaped(command)),
            Record::Memory(Point { memory, at }) => write!(f, "MEM {:.6} {:.4}", memory.0, at.0),
            Record::Child { name, point } => {
                write!(
                    f,
                    "CHLD {} {:.6} {:.4}",
                    OneWord(name),
                    point.memory.0,
                    point.at.0
                )
            }
            Record::Function {
                name,
                begin,
                end,
                depth,
            } => write!(
                f,
                "FUNC {} {:.4} {:.4} {:.4} {:.4} {depth}",
                OneWord(name),
                begin.memory.0,
                begin.at.0,
                end.memory.0,
                end.at.0
            ),
        }
    }
}

/// Text without blanks, for a field: mprof splits at each.
struct OneWord<'text>(&'text str);

impl Display for OneWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.split_whitespace().enumerate() {
            let between = if index == 0 { "" } else { "_" };
            write!(f, "{between}{}", Escaped(word))?;
        }
        // An empty field would move the others.
        if self.0.trim().is_empty() {
            f.write_str("_")?;
        }
        Ok(())
    }
}

/// A command as `mprof` writes it: arguments with blanks in quotes, without any escape of quotes.
pub fn command_line<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let quoted = |argument: &S| {
        let text = escape::valid(argument.as_ref().as_encoded_bytes());
        if text.contains([' ', '\t']) {
            format!("'{text}'")
        } else {
            text
        }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(memory: f64, time: f64) -> Point {
        Point {
            memory: Mebibytes(memory),
            at: UnixTime(time),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let lines = [
            "CMDLINE ./app 'two words'",
            "CMDLINE ",
            "MEM 2.882812 1795330458.5334",
            "CHLD 4711 0.000000 1795330458.5334",
            "FUNC ns::Foo<int,_char>::bar(int) 22.8906 1795330458.6767 61.0391 1795330459.2104 3",
        ];
        for line in lines {
            let record = Record::parse(line).expect("well-formed").expect("known");
            assert_eq!(record.to_string(), line);
        }
    }

    #[test]
    fn a_name_with_blanks_becomes_one_word() {
        let record = |name: &'static str| Record::Function {
            name: name.into(),
            begin: at(1.0, 2.0),
            end: at(3.0, 4.0),
            depth: 0,
        };
        let named = |name| format!("FUNC {name} 1.0000 2.0000 3.0000 4.0000 0");
        assert_eq!(record("a::b(int,  char)\n").to_string(), named("a::b(int,_char)"));
        assert_eq!(record(" ").to_string(), named("_"));
    }

    #[test]
    fn unknown_keywords_and_lines_of_one_word_are_no_records() {
        for line in ["", "NOSPACE", "LINE a.c:7 3", "# a comment", "mem 1 2"] {
            assert_eq!(Record::parse(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn a_record_of_an_older_writer_has_no_depth() {
        let line = "FUNC f 1.5 2 3.5 4";
        let read = Record::parse(line).expect("well-formed").expect("known");
        assert!(matches!(read, Record::Function { depth: 0, .. }), "{read:?}");
    }

    #[test]
    fn a_record_that_breaks_its_promise_is_an_error() {
        for line in [
            "MEM 1.0",
            "MEM x 2",
            "CHLD 7 1.0",
            "FUNC f 1 2 3",
            "FUNC a b 1 2 3 4 0",
        ] {
            assert!(Record::parse(line).is_err(), "{line}");
        }
        let error = Record::parse("MEM 1.0").expect_err("there is no time");
        assert_eq!(error.to_string(), "a MEM record has memory in MiB and a time");
    }

    #[test]
    fn a_command_has_quotes_where_it_has_blanks_and_stays_on_one_line() {
        let command = command_line(&["app", "two words", "a\tb", "", "c\nd"]);
        assert_eq!(command, "app 'two words' 'a\tb'  c\nd");
        let line = Record::Command(command.into()).to_string();
        assert_eq!(line, r"CMDLINE app 'two words' 'a\tb'  c\nd");
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(
            UnixTime::from(UNIX_EPOCH - Duration::from_millis(1500)),
            UnixTime(-1.5)
        );
    }
}
