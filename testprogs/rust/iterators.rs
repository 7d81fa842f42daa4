// Proves: a chain of iterators counts its own lines once per run of the function; what the adapters run is not its.
// Build: rustc -g -C opt-level=0
// Profile: iterators::work
fn work(turns: u32) -> u32 { //@ function calls=3
    let mut sum = 0; //@ hits=3
    for n in (0..turns).rev() { //@ hits=33
        sum += n; //@ hits=30
    }
    let mut left = turns; //@ hits=3
    while left > 0 { //@ hits=33
        left -= 1; //@ hits=30
    }
    let even: u32 = (0..turns) //@ blank
        .filter(|n| n % 2 == 0) //@ hits=3
        .sum(); //@ hits=3
    sum + even //@ hits=3
} //@ hits=3

fn main() {
    for _ in 0..3 {
        assert_eq!(work(10), 45 + 20);
    }
}
