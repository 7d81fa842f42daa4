//! Calls that the compiler replaced by the callee's body: where their code is, and on which line they stand.
//!
//! Must not know: how the compiler lays code out; only what is inside what.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use common::{Workshop, find_one, has, line};
use lineprof_dwarf::{InlinedCall, Instance, ObjectFile};

const SOURCE: &str = "int seen;
static inline __attribute__((always_inline)) int inner(int n) { seen = n; return n * 3; }  //@ inner
static inline __attribute__((always_inline)) int outer(int n) {
    return inner(n) + inner(n + 1);
}
__attribute__((noinline)) int work(int n) {
    int a = outer(n);         //@ first
    {
        int b = inner(a);     //@ second
        seen = b;
    }
    return a;
}
__attribute__((noinline)) int plain(int n) { return n + 1; }
int main(int argc, char **argv) { (void)argv; return work(argc) + plain(argc); }
";

fn calls_of(file: &ObjectFile, name: &str) -> (Instance, Vec<InlinedCall>) {
    let instance = find_one(file, name).instances.remove(0);
    let calls = file.inlined_calls(&[&instance]).unwrap().remove(0);
    (instance, calls)
}

#[test]
fn calls_have_their_line_and_code_inside_the_function() {
    for build in [
        "gcc -O0 -gdwarf-5",
        "gcc -O2 -gdwarf-4",
        "gcc -O2 -gdwarf-5",
        "clang -O2 -g",
    ] {
        if !has(build.split(' ').next().unwrap()) {
            continue;
        }
        let shop = Workshop::new();
        shop.write("prog.c", SOURCE);
        shop.run(&format!("{build} -o prog prog.c"));
        let file = shop.open("prog");
        let (instance, calls) = calls_of(&file, "work");
        let own = calls.iter().filter(|call| call.depth == 0);
        let mut lines: Vec<u32> = own.filter_map(|call| Some(call.line.as_ref()?.line)).collect();
        lines.sort_unstable();
        // Not those that `outer` makes: they are inside its own code, and deeper.
        assert_eq!(
            lines,
            ["first", "second"].map(|name| line(SOURCE, name)),
            "{build}"
        );
        for range in calls.iter().flat_map(|call| &call.ranges) {
            let inside =
                |whole: &lineprof_dwarf::AddrRange| whole.start <= range.start && range.end <= whole.end;
            assert!(instance.ranges.iter().any(inside), "{build}: {range:?}");
        }
        assert!(calls.iter().any(|call| !call.ranges.is_empty()), "{build}");
        assert!(calls_of(&file, "plain").1.is_empty(), "{build}");
    }
}

#[test]
fn a_nested_functions_calls_are_its_own() {
    let source = "int seen;
static inline __attribute__((always_inline)) int inlined(int n) { seen = n; return n * 3; }
int work(int n) {
    int nested(int k) { return inlined(k + n); }  //@ nested
    return nested(n) + inlined(n);                //@ work
}
int main(int argc, char **argv) { (void)argv; return work(argc); }
";
    let shop = Workshop::new();
    shop.write("prog.c", source);
    shop.run("gcc -O0 -g -o prog prog.c");
    let file = shop.open("prog");
    let instances = ["work", "work::nested"].map(|name| find_one(&file, name).instances.remove(0));
    let calls = file.inlined_calls(&[&instances[0], &instances[1]]).unwrap();
    for (calls, name) in calls.iter().zip(["work", "nested"]) {
        let lines: Vec<u32> = calls
            .iter()
            .filter_map(|call| Some(call.line.as_ref()?.line))
            .collect();
        assert_eq!(lines, [line(source, name)]);
    }
}

#[test]
fn the_next_function_of_the_file_is_known_in_c() {
    let source = "int first(int n) {
    int nested(int k) { return k + n; }
    return nested(n);
}
int declared_only(int);
#define TWO(a, b) int a(int n) { return n; } int b(int n) { return n + 1; }
TWO(second, third)                     //@ two
int main(int argc, char **argv) { (void)argv; return first(second(third(argc))); }  //@ main
";
    let shop = Workshop::new();
    shop.write("prog.c", source);
    shop.run("gcc -O0 -g -o prog prog.c");
    let file = shop.open("prog");
    let functions = ["first", "first::nested", "second", "main"].map(|name| find_one(&file, name));
    let next = file.declared_after(&functions).unwrap();
    let (two, main) = (line(source, "two"), line(source, "main"));
    assert_eq!(next, [Some(two), Some(two), Some(main), None]);

    shop.write("prog.cpp", "int main() { return [](int n) { return n; }(0); }\n");
    shop.run("g++ -O0 -g -o cpp prog.cpp");
    let file = shop.open("cpp");
    assert_eq!(file.declared_after(&[find_one(&file, "main")]).unwrap(), [None]);
}
