//! Proves: marks of Rust source mean the functions that `--function` would find, wherever `fn` can stand.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Three functions of one name in one file, of which one is marked.
fn work(pages: usize) -> Vec<u8> {
    vec![2; pages * 4096]
}

struct Store {
    kept: Vec<Vec<u8>>,
}

impl Store {
    /// Keeps pages.
    #[lineprof::profile]
    #[inline(never)]
    fn work(&mut self, pages: usize) -> usize { //@ function calls=3
        for _ in 0..pages { //@ hits=33
            self.kept.push(work(16)); //@ hits=30
        }
        self.kept.len() //@ hits=3
    } //@ hits=3

    #[lineprof::profile]
    const fn limit(&self) -> usize { //@ function calls=1
        100 //@ blank
    } //@ hits=1
}

trait Shape {
    fn area(&self) -> u64;

    #[lineprof::profile]
    fn double(&self) -> u64 { //@ function calls=2
        self.area() * 2 //@ hits=2
    } //@ hits=2
}

struct Square(u64);

impl Shape for Square {
    #[lineprof::profile]
    fn area(&self) -> u64 { //@ function calls=2
        self.0 * self.0 //@ hits=2
    } //@ hits=2
}

#[lineprof::profile]
extern "C" fn called_by_c(number: u32) -> u32 { //@ function calls=1
    #![allow(clippy::let_and_return)]
    let next = number + 1; //@ hits=1
    next //@ blank
} //@ hits=1

#[lineprof::profile]
async fn fetch(number: u32) -> u32 { //@ function calls=1
    let found = std::future::ready(number).await; //@ hits=1
    found + 1 //@ hits=1
}

macro_rules! made {
    ($name:ident, $body:block) => {
        #[lineprof::profile]
        fn $name() -> u32 $body
    };
}

made!(by_macro, { 7 });

/// The body of an `async fn` runs once: nothing in it waits.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn main() {
    let mut store = Store { kept: Vec::new() };
    for _ in 0..3 {
        store.work(10);
    }
    assert!(store.kept.len() < store.limit());
    assert_eq!(Square(3).double() + Square(1).double(), 20);
    assert_eq!(called_by_c(1) + by_macro(), 9);
    assert_eq!(at_once(fetch(4)), Some(5));
    let numbers = [1_u32, 2, 3];
    assert_eq!(markedcrate::total(&numbers) * 2, markedcrate::total(&numbers) + 6);
    assert_eq!(markedcrate::total(&numbers) + markedcrate::total(&[1_u8, 2]) + markedcrate::total(&[9_u64]), 18);
}
