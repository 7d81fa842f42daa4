//! Marks in Rust source that tell lineprof what to profile.
//!
//! Must not know: lineprof. Needs no other crate, so that a program pays nothing for it, not even in build time.
//!
//! ```toml
//! [dependencies]
//! lineprof = { package = "lineprof-mark", version = "0.1" }
//! ```
//!
//! ```
//! # extern crate lineprof_mark as lineprof;
//! #[lineprof::profile]
//! fn load(count: usize) -> Vec<u64> {
//!     vec![7; count]
//! }
//! # assert_eq!(load(2), [7, 7]);
//! ```
//!
//! `lineprof ./program` then profiles the marked functions and no others. A mark is a note in the ELF file: no code, no
//! data that anything writes, no relocation. What it looks like is told in lineprof's `dwarf/src/marks.rs`.
//!
//! | file | holds |
//! |---|---|
//! | `function` | a function found among the tokens of an item |
//! | `region` | a region's name and block |
//! | `note` | the tokens that put a note into the file |
//! | `failure` | what is said about tokens that cannot be marked |

mod failure;
mod function;
mod note;
mod region;

use proc_macro::TokenStream;

use failure::Failure;
use function::Function;
use note::{Kind, Note};
use region::Region;

/// Marks a function, to be profiled by `lineprof ./program`.
///
/// It stands on anything with `fn` and a body: functions, methods, those of traits and their implementations; `async`,
/// `const`, `unsafe`, `extern "C"` and generic ones. All instances of a generic are meant. Nothing of the function
/// changes, and no `unsafe` is needed: crates that forbid it can have marks.
///
/// ```
/// # extern crate lineprof_mark as lineprof;
/// struct Index(Vec<u64>);
///
/// impl Index {
///     #[lineprof::profile]
///     fn build(count: u64) -> Index {
///         Index((0..count).collect())
///     }
/// }
/// # assert_eq!(Index::build(3).0, [0, 1, 2]);
/// ```
#[proc_macro_attribute]
pub fn profile(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let marked = || {
        if let Some(first) = arguments.clone().into_iter().next() {
            return Err(Failure::new(first.span(), "`profile` takes no arguments"));
        }
        let function = Function::find(item.clone())?;
        let note = Note {
            kind: Kind::Function,
            name: &function.name(),
            lines: function.lines(),
        };
        Ok(function.with(note.tokens()?))
    };
    marked().unwrap_or_else(|failure| {
        // The item stays, so that its other users are not in error too.
        let mut both = failure.tokens();
        both.extend(item);
        both
    })
}

/// Marks lines, which have a table of their own: a block, or the rest of the block that it stands in.
///
/// The function is profiled too. A block is evaluated as one that stands alone: it has a value, and what is declared in
/// it ends with it.
///
/// ```
/// # extern crate lineprof_mark as lineprof;
/// fn load(count: usize) -> usize {
///     let kept = lineprof::region!("load", {
///         vec![7_u64; count]
///     });
///     lineprof::region!("count");
///     kept.len()
/// }
/// # assert_eq!(load(2), 2);
/// ```
#[proc_macro]
pub fn region(input: TokenStream) -> TokenStream {
    let marked = Region::find(input).and_then(|region| {
        let note = Note {
            kind: Kind::Region,
            name: &region.name,
            lines: region.lines(),
        };
        let tokens = note.tokens()?;
        Ok(region.with(tokens))
    });
    marked.unwrap_or_else(|failure| failure.tokens())
}
