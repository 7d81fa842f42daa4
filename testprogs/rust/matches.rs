// Proves: the head of a match counts its runs, and each arm as often as it is taken.
// Build: rustc -g -C opt-level=0
// Profile: matches::work
enum Shape {
    Dot,
    Line(u32),
    Box { width: u32, height: u32 },
}

fn work(shape: &Shape) -> u32 { //@ function calls=6
    match shape { //@ hits=6
        Shape::Dot => 0, //@ hits=1
        Shape::Line(length) if *length > 5 => 5,
        Shape::Line(length) => *length, //@ hits=1
        Shape::Box { width, height } => {
            let area = width * height; //@ hits=2
            area + 1 //@ hits=2
        }
    }
} //@ hits=6

fn main() {
    let shapes = [
        Shape::Dot,
        Shape::Line(3),
        Shape::Line(6),
        Shape::Line(7),
        Shape::Box { width: 2, height: 3 },
        Shape::Box { width: 1, height: 1 },
    ];
    let mut sum = 0;
    for shape in &shapes {
        sum += work(shape);
    }
    assert_eq!(sum, 3 + 5 + 5 + 7 + 2);
}
