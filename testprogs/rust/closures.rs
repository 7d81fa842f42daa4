// Proves: the line on which a closure is made counts the function's runs; the closure is a function of its own.
// Build: rustc -g -C opt-level=0
// Profile: closures::work
fn work(numbers: &[u32]) -> u32 { //@ function calls=2
    let mut sum = 0; //@ hits=2
    let mut add = |n: u32| { //@ hits=2
        sum += n;
    };
    for n in numbers { //@ hits=8
        add(*n); //@ hits=6
    }
    sum //@ hits=2
} //@ hits=2

fn main() {
    assert_eq!(work(&[1, 2, 3, 4]), 10);
    assert_eq!(work(&[5, 6]), 11);
}
