// Proves: frames that a caught panic unwinds are closed, and the function is counted exactly when called again.
// Build: rustc -g -C opt-level=0
// Profile: panics::inner
// Profile: panics::outer
#[path = "../include/settle.rs"]
#[allow(dead_code)]
mod settle;

fn inner(n: u32) -> u32 { //@ function calls=10
    if n % 2 == 0 { //@ hits=10
        std::panic::resume_unwind(Box::new(n)); //@ hits=5
    }
    n + 1 //@ hits=5
} //@ hits=5

fn outer(n: u32) -> u32 { //@ function calls=10
    let below = inner(n); //@ hits=10
    below + 1 //@ hits=5
} //@ hits=5

fn main() {
    settle::settle();
    let mut caught = 0;
    for n in 0..10 {
        if std::panic::catch_unwind(|| outer(n)).is_err() {
            caught += 1;
        }
    }
    assert_eq!(caught, 5);
}
