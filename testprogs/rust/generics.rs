// Proves: the instances of a generic function are one table; methods of traits are found by their paths.
// Build: rustc -g -C opt-level=0
// Profile: generics::largest
// Profile: area
fn largest<T: PartialOrd + Copy>(list: &[T]) -> T { //@ function calls=3
    let mut largest = list[0]; //@ hits=3
    for &item in list { //@ hits=13
        if item > largest { //@ hits=10
            largest = item; //@ hits=4
        }
    }
    largest //@ hits=3
} //@ hits=3

trait Shape {
    fn area(&self) -> u32;
}

struct Square(u32);
struct Line;

impl Shape for Square {
    fn area(&self) -> u32 { //@ function calls=2
        self.0 * self.0 //@ hits=2
    } //@ hits=2
}

impl Shape for Line {
    fn area(&self) -> u32 { //@ function calls=1
        0 //@ blank
    } //@ hits=1
}

fn main() {
    assert_eq!(largest(&[1, 2, 3, 0]), 3);
    assert_eq!(largest(&[1_u8, 9]), 9);
    assert_eq!(largest(&['c', 'a', 'b', 'd']), 'd');
    let shapes: [&dyn Shape; 3] = [&Square(2), &Line, &Square(3)];
    let mut area = 0;
    for shape in shapes {
        area += shape.area();
    }
    assert_eq!(area, 13);
}
