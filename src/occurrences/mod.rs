//! Occurrences: how often each line ran, from the counts of steps between sites.
//!
//! Must not know: memory, frames, processes.
//!
//! A site is a chain of nodes, one for each of its lines. A step to a node counts its line when it comes from another
//! line or from the function's entry, unless the node only *continues* its line: another node of the line dominates
//! it, and it cannot be reached again without passing that one. So the rows A B A of
//!
//! ```text
//! if (a &&      A   is reached from outside: counts
//!     b)        B
//!     work();   A   dominated by the first A, and not in a loop that leaves that out: does not count
//! ```
//!
//! count A once. A step within a line counts when it closes a loop: it leads to itself or to a node that dominates the
//! one it comes from. Control flow is what decoding found and what was seen, so jump tables complete themselves.
//!
//! Read on in `count.rs` (the rule), `graph.rs`, `dominators.rs` and `cycles.rs` (its three facts).

mod count;
mod cycles;
mod dominators;
mod graph;

#[cfg(test)]
mod tests;

pub use count::{Occurrences, count};
