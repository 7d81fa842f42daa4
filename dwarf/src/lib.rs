//! Facts about ELF files: functions, their code, the rows of their line tables, their frames.
//!
//! This crate must not know: processes, load addresses, what its facts are used for. It opens object files and
//! their debug files and nothing else, and it never panics, whatever their bytes.
//!
//! ```text
//! mapped ─► image ─► separate ──► debug_info ─► candidates ─► tree ─► resolve ─► search ─► Function
//!   file     ELF     split          units       which units   entries   names     query      │ Instance
//!                    other files                                                             ▼
//!                                                                        lines, inlined ─► Row, InlinedCall
//! ```
//! Files are mapped; sections are read, and inflated, when something in them is asked for. Begin at
//! [`ObjectFile`]. How functions are found in milliseconds is told in `candidates.rs`; what makes two pieces of
//! code one function in [`Function`].
#![deny(unsafe_code)]

mod address;
mod alias;
mod candidates;
mod debug_info;
mod eh_frame;
mod error;
mod frame;
mod function;
mod glob;
mod image;
mod inlined;
mod landing;
mod lines;
mod mapped;
mod marks;
mod name;
mod nearest;
mod neighbours;
mod object_file;
mod optimised;
mod pattern;
mod place;
mod ranges;
mod resolve;
mod restartable;
mod search;
mod separate;
mod source_path;
mod split;
mod symbols;
mod tree;

pub use address::{AddrRange, FileAddr};
pub use error::{Cause, Error, ErrorKind, Operation};
pub use frame::FrameRule;
pub use function::{Found, Function, InlinedFunction, Instance, Query};
pub use image::{Kind, Segment};
pub use inlined::InlinedCall;
pub use lines::Row;
pub use marks::{MalformedMark, MalformedReason, Mark, MarkKind, Marks};
pub use object_file::{Damage, ObjectFile};
pub use optimised::Allocation;
pub use pattern::{FilePattern, Pattern, PatternError};
pub use place::Place;
pub use restartable::RestartableSequence;
pub use separate::DebugSearch;
pub use source_path::{SourceLine, SourcePath};
