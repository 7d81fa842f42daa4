//! Memory over time in a file: memory_profiler's `.dat`, which `mprof`, gnuplot and scripts read.
//!
//! Must not know: where readings come from, and who looks at them.
//!
//! ```text
//! CMDLINE ./app 'two words'
//! MEM 2.882812 1795330458.5334                      MiB, Unix time in seconds
//! CHLD 4711 2.882812 1795330458.5334                pid, MiB, Unix time
//! FUNC ns::load() 2.8828 1795330458.5334 9.5000 1795330459.0001 0
//! ```
//! A record a line, in any order, the keyword first. Our reader takes whatever mprof's takes, and ignores keywords that
//! it does not know, as mprof's does. What we write, mprof can read: each line has a blank, none is empty, no name has a
//! blank in it.
//!
//! Read on in `record` for a line, `writer` for a file that grows for days, `content` for a whole file.

mod content;
mod record;
mod writer;

pub use content::{Child, Content, ReadError, Sample, Span};
pub use record::{Malformed, Mebibytes, Point, Record, UnixTime, command_line};
pub use writer::Writer;
