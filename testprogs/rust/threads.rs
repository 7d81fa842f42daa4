// Proves: counts are exact when Rust's threads, with names and scopes, run the same lines at once.
// Build: rustc -g -C opt-level=0
// Profile: threads::work
// Threads: 4
fn work(n: u32) -> u32 { //@ function calls=8000
    if n % 4 == 0 { //@ hits=8000
        return n; //@ hits=2000
    }
    1 //@ hits=6000
} //@ hits=8000

fn main() {
    let total: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..2000).map(work).sum::<u32>())).collect();
        threads.into_iter().map(|thread| thread.join().expect("a worker ends")).sum()
    });
    assert_eq!(total, 4 * (499_000 + 1500));
}
