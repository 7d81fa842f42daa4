//! What the benches share: the middle of some numbers.
//!
//! Must not know: what is compared.

/// The middle of `numbers`.
pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
