// Proves: a program that was started and is left goes on: it answers what it is told then.
fn work(text: &str) -> String {
    text.to_uppercase()
}

fn main() {
    let mut paths = std::env::args().skip(1);
    let (from, to) = (paths.next().expect("a fifo"), paths.next().expect("another"));
    let text = std::fs::read_to_string(from).expect("told");
    std::fs::write(to, work(&text)).expect("answered");
}
