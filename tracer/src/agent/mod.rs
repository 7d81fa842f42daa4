//! The agent's image and the layout of what it shares with the tracer. The agent itself begins in `main.rs`, which is no
//! part of this crate: `build.rs` compiles it.
//!
//! Must not know: processes.

#[allow(
    dead_code,
    reason = "the agent has this file too, and each uses its own part of it"
)]
pub(crate) mod layout;

/// The agent's code and constants, for any address.
pub(crate) const IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/agent.bin"));

/// Where in the image the breakpoint is that says that a trail is full (`main.rs`).
pub(crate) const TRAP: u64 = 8;
