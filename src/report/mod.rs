//! Reports: a profile for people (the classic table) and for tools (JSON).
//!
//! Must not know: how anything was measured.
//!
//! Every name, path and source line that goes to a terminal passes `escape`, and nothing else writes them.

pub mod escape;
mod json;
mod table;

#[cfg(test)]
mod tests;

pub use json::write_json;
pub use table::Table;
