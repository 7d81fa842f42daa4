// Proves: a `?` adds no count of its own, and a return through it is counted by the closing brace.
// Build: rustc -g -C opt-level=0
// Profile: question_mark::work
fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

fn work(a: &str, b: &str) -> Result<u32, std::num::ParseIntError> { //@ function calls=4
    let a = parse(a)?; //@ hits=4
    let b = parse(b)?; //@ hits=3
    Ok(a + b) //@ hits=2
} //@ hits=4

fn main() {
    assert_eq!(work("1", "2"), Ok(3));
    assert_eq!(work("3", "4"), Ok(7));
    assert!(work("x", "2").is_err());
    assert!(work("1", "y").is_err());
}
