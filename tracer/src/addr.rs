//! Addresses in a traced process.
//!
//! Must not know: files. An address that a file states has another type in
//! another crate; only the profiler turns one into the other.

use std::fmt;

/// An address in the memory of a tracee.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteAddr(pub u64);

impl RemoteAddr {
    /// The address `bytes` further on; wraps as the processor's arithmetic does.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The address `bytes` before this one; wraps as the processor's arithmetic does.
    #[must_use]
    pub const fn minus(self, bytes: u64) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl fmt::Display for RemoteAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for RemoteAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteAddr({:#x})", self.0)
    }
}

/// A half-open range of addresses in the memory of a tracee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteRange {
    /// The first address inside.
    pub start: RemoteAddr,
    /// The first address behind.
    pub end: RemoteAddr,
}

impl RemoteRange {
    /// Whether `address` lies inside.
    #[must_use]
    pub fn contains(&self, address: RemoteAddr) -> bool {
        self.start <= address && address < self.end
    }
}
