// Proves: show_results prints the table that `lineprof --function` prints of the same function; the closure's result
// comes back.
#[path = "../../include/settle.rs"]
mod settle;
use settle::{PAGE, grow, settle};

fn work() -> usize {
    let kept = grow(10 * PAGE);
    {
        let block = grow(1 << 20);
        drop(block);
    }
    std::mem::forget(kept);
    10
}

fn main() {
    settle();
    match std::env::args().nth(1).as_deref() {
        // For `lineprof --function`.
        None => {
            work();
        }
        Some("function") => assert_eq!(lineprof::show_results(work).expect("shown"), 10),
        Some("closure") => {
            let pages = 3;
            let other = || pages + 1;
            let shown = lineprof::show_results(|| {
                let kept = grow(pages * PAGE);
                std::mem::forget(kept);
                work() + other()
            });
            assert_eq!(shown.expect("shown"), 14);
        }
        Some(other) => panic!("{other}?"),
    }
}
