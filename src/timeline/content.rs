//! A whole timeline, read from a file.
//!
//! Must not know: what is done with it.

use std::collections::HashMap;
use std::io::{self, BufRead};

use thiserror::Error;

use super::record::{Malformed, Mebibytes, Point, Record};

/// A reading.
pub type Sample = Point;

/// The readings of one descendant.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Its pid, as the file has it.
    pub name: String,
    /// Its readings.
    pub samples: Vec<Sample>,
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// Memory and time when it began.
    pub begin: Point,
    /// Memory and time when it ended.
    pub end: Point,
    /// How many calls in the file it lies in.
    pub depth: u32,
}

/// What a timeline holds, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// What was run: the last that the file names.
    pub command: Option<String>,
    /// The readings of the process.
    pub samples: Vec<Sample>,
    /// Its descendants, each where it first appears.
    pub children: Vec<Child>,
    /// Calls of functions.
    pub spans: Vec<Span>,
}

/// A timeline that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line.
    #[error("line {line}: {malformed}")]
    Malformed {
        /// Which, from one.
        line: usize,
        /// What is wrong with it.
        malformed: Malformed,
    },
}

impl Content {
    /// Reads a timeline.
    ///
    /// A last line that was cut off, because its writer was killed, is left out.
    ///
    /// # Errors
    /// Reading fails, or a record is not what its keyword promises.
    pub fn read(mut from: impl BufRead) -> Result<Content, ReadError> {
        let mut content = Content::default();
        let mut bytes = Vec::new();
        // Where each child is: a build has thousands.
        let mut places = HashMap::new();
        for line in 1.. {
            bytes.clear();
            if from.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            let whole = bytes.last() == Some(&b'\n');
            let text = String::from_utf8_lossy(&bytes);
            match Record::parse(text.trim_end_matches(['\n', '\r'])) {
                Ok(Some(record)) => content.add(record, &mut places),
                Ok(None) => {}
                Err(_) if !whole => {}
                Err(malformed) => return Err(ReadError::Malformed { line, malformed }),
            }
        }
        Ok(content)
    }

    fn add(&mut self, record: Record<'_>, places: &mut HashMap<String, usize>) {
        match record {
            Record::Command(command) => self.command = Some(command.into_owned()),
            Record::Memory(point) => self.samples.push(point),
            Record::Child { name, point } => {
                let place = places.get(name.as_ref()).copied().unwrap_or(self.children.len());
                match self.children.get_mut(place) {
                    Some(child) => child.samples.push(point),
                    None => {
                        places.insert(name.clone().into_owned(), place);
                        self.children.push(Child {
                            name: name.into_owned(),
                            samples: vec![point],
                        });
                    }
                }
            }
            Record::Function {
                name,
                begin,
                end,
                depth,
            } => self.spans.push(Span {
                name: name.into_owned(),
                begin,
                end,
                depth,
            }),
        }
    }

    /// The greatest memory; `None` where there is no reading.
    pub fn peak(&self) -> Option<Mebibytes> {
        greatest(&self.samples)
    }

    /// The greatest memory while a function of exactly this name ran; `None` where there is no reading in any call.
    pub fn peak_within(&self, function: &str) -> Option<Mebibytes> {
        let spans: Vec<&Span> = self.spans.iter().filter(|span| span.name == function).collect();
        let within = |sample: &&Sample| {
            spans
                .iter()
                .any(|span| span.begin.at <= sample.at && sample.at <= span.end.at)
        };
        greatest(self.samples.iter().filter(within))
    }
}

impl Child {
    /// The greatest memory; `None` where there is no reading.
    pub fn peak(&self) -> Option<Mebibytes> {
        greatest(&self.samples)
    }
}

fn greatest<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Option<Mebibytes> {
    samples
        .into_iter()
        .map(|sample| sample.memory)
        .reduce(|one, other| if other > one { other } else { one })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Content {
        Content::read(text.as_bytes()).expect("a timeline")
    }

    #[test]
    fn records_come_in_any_order_among_what_is_not_known() {
        let content = read(
            "FUNC f 1 10 9 12 0\nLINE x y\nMEM 3.5 11\n\nNOSPACE\nCMDLINE ./app\nMEM 2.5 10\nMEM 7 13\n\
             CHLD 8 1.5 11\nCHLD 7 4 11\nCHLD 8 2.5 12\n",
        );
        assert_eq!(content.command.as_deref(), Some("./app"));
        assert_eq!(content.peak(), Some(Mebibytes(7.0)));
        assert_eq!(content.peak_within("f"), Some(Mebibytes(3.5)));
        let children: Vec<_> = content
            .children
            .iter()
            .map(|c| (c.name.as_str(), c.peak()))
            .collect();
        assert_eq!(
            children,
            [("8", Some(Mebibytes(2.5))), ("7", Some(Mebibytes(4.0)))]
        );
    }

    #[test]
    fn a_function_that_is_not_there_has_no_peak() {
        let content = read("FUNC f 1 10 9 12 0\nMEM 3.5 20\n");
        assert_eq!((content.peak_within("g"), content.peak_within("f")), (None, None));
    }

    #[test]
    fn a_last_line_that_was_cut_off_is_left_out() {
        assert_eq!(
            read("MEM 3.5 11\nMEM 9").samples.len(),
            1,
            "its writer was killed"
        );
        let error = Content::read("MEM 3.5 11\nMEM 9\nMEM 1 2\n".as_bytes()).expect_err("it is damaged");
        assert_eq!(
            error.to_string(),
            "line 2: a MEM record has memory in MiB and a time"
        );
    }
}
