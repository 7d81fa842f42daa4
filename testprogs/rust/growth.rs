// Proves: a Rust line that grows is charged to the byte, and a value that is dropped at a brace gives back there.
// Build: rustc -g -C opt-level=0
// Build: rustc -g -C opt-level=0 -C relocation-model=static
// Build: rustc -g -C opt-level=0 -C target-feature=+crt-static
// Profile: growth::work
#[path = "../include/settle.rs"]
mod settle;
use settle::{PAGE, grow, settle};

fn work(pages: usize) -> usize { //@ function calls=5 increment=204800
    let kept = grow(pages * PAGE); //@ hits=5 increment=204800
    {
        let block = grow(1 << 20); //@ hits=5 increment=5242880
        drop(block); //@ hits=5 increment=-5242880
    }
    std::mem::forget(kept); //@ hits=5 increment=0
    pages //@ blank
} //@ hits=5 increment=0

fn main() {
    settle();
    let mut sum = 0;
    for _ in 0..5 {
        sum += work(10);
    }
    assert_eq!(sum, 50);
}
