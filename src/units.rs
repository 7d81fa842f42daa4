//! Amounts of memory: how much there is, and how much it changed.
//!
//! Must not know: where a number comes from, and how it is printed.
//!
//! A reading is [`Bytes`] and never negative; a difference of two readings is a [`Change`] and has a sign. Only
//! `later.change_since(earlier)` makes a `Change` of two readings, so that an operand order cannot be mixed up.
//!
//! Read on in `recorder`, which adds changes up.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use serde::{Deserialize, Serialize};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// An amount of memory.
///
/// ```
/// use lineprof::units::{Bytes, Change};
/// assert_eq!(Bytes(4096).change_since(Bytes(8192)), Change(-4096));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// What has to be added to `earlier` to get this amount.
    pub fn change_since(self, earlier: Bytes) -> Change {
        Change(self.0.wrapping_sub(earlier.0).cast_signed())
    }

    /// The amount in MiB (2^20 bytes).
    pub fn mebibytes(self) -> f64 {
        self.0 as f64 / MEBIBYTE
    }
}

/// A signed difference of two amounts of memory.
///
/// Sums saturate: no sequence of readings below 2^62 bytes comes near the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Change(pub i64);

impl Change {
    /// The difference in MiB (2^20 bytes).
    pub fn mebibytes(self) -> f64 {
        self.0 as f64 / MEBIBYTE
    }
}

impl Add for Change {
    type Output = Change;

    fn add(self, other: Change) -> Change {
        Change(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Change {
    fn add_assign(&mut self, other: Change) {
        *self = *self + other;
    }
}

impl Sub for Change {
    type Output = Change;

    fn sub(self, other: Change) -> Change {
        Change(self.0.saturating_sub(other.0))
    }
}

impl Neg for Change {
    type Output = Change;

    fn neg(self) -> Change {
        Change(self.0.saturating_neg())
    }
}

impl Sum for Change {
    fn sum<I: Iterator<Item = Change>>(changes: I) -> Change {
        changes.fold(Change::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c120_freed_memory_is_a_negative_change() {
        assert_eq!(Bytes(10).change_since(Bytes(30)), Change(-20));
    }

    #[test]
    fn c120_changes_add_up_to_the_whole_difference() {
        let readings = [Bytes(5), Bytes(90), Bytes(1), Bytes(7)];
        let sum: Change = readings
            .windows(2)
            .map(|pair| pair[1].change_since(pair[0]))
            .sum();
        assert_eq!(sum, Bytes(7).change_since(Bytes(5)));
    }
}
