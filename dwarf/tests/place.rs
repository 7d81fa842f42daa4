//! What the source calls an address: by debug information, with inlined calls, and by symbols.
//!
//! Must not know: how units are found.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use common::{Workshop, find_one, line};
use lineprof_dwarf::{FileAddr, ObjectFile};

const SOURCE: &str = "int seen;
static inline __attribute__((always_inline)) void inner(int n) {
    seen = n;                 //@ inner
}
static inline __attribute__((always_inline)) void outer(int n) {
    inner(n);                 //@ outer
}
__attribute__((noinline)) int work(int n) {
    outer(n);                 //@ work
    return n;
}
int main(int argc, char **argv) { (void)argv; return work(argc); }
";

/// Names, lines and whether they were inlined.
fn places(file: &ObjectFile, at: FileAddr) -> Vec<(String, Option<u32>, bool)> {
    let places = file.places_at(at).into_iter();
    let place = |place: lineprof_dwarf::Place| {
        let line = place.line.map(|line| line.line);
        (place.function.unwrap_or_default(), line, place.inlined)
    };
    places.map(place).collect()
}

#[test]
fn inlined_calls_are_frames_of_their_own() {
    for build in ["cc -g -O0", "cc -g -O2", "cc -gdwarf-4 -O1"] {
        let shop = Workshop::new();
        shop.write("prog.c", SOURCE);
        shop.run(&format!("{build} -o prog prog.c"));
        let file = shop.open("prog");
        let work = find_one(&file, "work").instances.remove(0);
        let rows = file.rows(&work).unwrap();
        let inner = rows.iter().find(|row| row.line == line(SOURCE, "inner")).unwrap();
        let named = |name: &str, inlined| (name.to_string(), Some(line(SOURCE, name)), inlined);
        assert_eq!(
            places(&file, inner.address),
            [named("inner", true), named("outer", true), named("work", false)],
            "{build}"
        );
    }
}

#[test]
fn without_debug_information_symbols_tell() {
    let shop = Workshop::new();
    shop.write(
        "prog.cpp",
        "namespace ns { int f(int n) { return n; } }\nint main(int n, char **) { return ns::f(n); }\n",
    );
    shop.run("c++ -O0 -o prog prog.cpp");
    let file = shop.open("prog");
    let f = file.symbol("_ZN2ns1fEi").unwrap();
    let within = FileAddr(f.0 + 2);
    assert_eq!(places(&file, within), [("ns::f".to_string(), None, false)]);
    assert_eq!(places(&file, FileAddr(1)), []);
}
