//! A library whose marks reach the programs that it is linked into.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

/// Adds up what is in a list; all instances are meant.
#[lineprof::profile]
#[inline(never)]
pub fn total<T: Copy + Into<u64>>(items: &[T]) -> u64 { //@ function calls=5
    let mut sum = 0; //@ hits=5
    for item in items { //@ hits=17
        sum += (*item).into(); //@ hits=12
    }
    sum //@ hits=5
} //@ hits=5
