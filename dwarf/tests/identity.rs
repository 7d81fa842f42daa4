//! One source function is one `Function`, and the fast search gives what the full scan gives.
//!
//! Must not know: units, symbols. Every `find` compares both searches.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use common::{Workshop, find, find_one, has, is_file, line, query};
use lineprof_dwarf::{ObjectFile, Query};

const HEADER: &str = "#pragma once
static inline int shared(int n) {  //@ shared
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += i;
    return sum;
}
namespace ns {
template <class T> T max(T a, T b) {  //@ max
    return a < b ? b : a;
}
template <class T> struct Box {
    T value;
    Box(T v) : value(v) {}  //@ box
    T get() const { return value; }  //@ get
    template <class U> U as() const { return U(value); }
    bool operator<(const Box &o) const { return value < o.value; }
};
struct Widget {
    struct Inner;
    Widget(int n);
    virtual ~Widget();
    int draw(int n);
    int draw(long n);
};
struct Widget::Inner { int deep(int n); };
}
";
const FIRST: &str = "#include \"all.h\"
namespace ns {
Widget::Widget(int n) { if (n > 1000) throw n; }  //@ constructor
Widget::~Widget() {}
int Widget::draw(int n) { return shared(n); }     //@ draw-int
int Widget::draw(long n) { return shared(n) + 1; }
int Widget::Inner::deep(int n) { return n; }      //@ deep
}
namespace { int hidden(int n) { return n + 3; } }
static int local(int n) { return n + 1; }         //@ local-first
int other(int);
int main(int argc, char **) {
    ns::Widget w(argc);
    ns::Widget::Inner inner;
    ns::Box<int> a(1), b(2);
    auto twice = [](int n) { return n + n; };     //@ lambda
    return w.draw(argc) + w.draw(1L) + ns::max(1, 2) + ns::max(1L, 2L) + a.get() + (a < b) + local(1)
        + hidden(2) + inner.deep(1) + other(1) + twice(1) + a.as<long>();
}
";
const SECOND: &str = "#include \"all.h\"
static int local(int n) { return n + 2; }         //@ local-second
extern \"C\" int plain(int n) { return n; }
int other(int n) {
    ns::Box<double> d(1.0);
    return shared(n) + ns::max(3, n) + (int)ns::max(1.0, 2.0) + local(n) + (int)d.get() + plain(n);
}
";

fn cpp(flags: &str, compiler: &str) -> (Workshop, ObjectFile) {
    let shop = Workshop::new();
    shop.write("all.h", HEADER);
    shop.write("first.cpp", FIRST);
    shop.write("second.cpp", SECOND);
    shop.run(&format!(
        "{compiler} {flags} -o prog first.cpp second.cpp -lstdc++"
    ));
    let file = shop.open("prog");
    (shop, file)
}

const PATTERNS: [&str; 34] = [
    "max",
    "ns::max",
    "ns::max<int>",
    "max<double>",
    "max(int, int)",
    "draw",
    "Widget::draw",
    "ns::Widget::draw(int)",
    "Widget",
    "~Widget",
    "get",
    "Box::get",
    "Box<double>::get",
    "as",
    "operator<",
    "deep",
    "Inner::deep",
    "shared",
    "local",
    "hidden",
    "main",
    "other",
    "plain",
    "*",
    "*max*",
    "*::draw",
    "/^ns::/",
    "first.cpp:local",
    "second.cpp:*",
    "all.h:get",
    "_ZN2ns6Widget4drawEi",
    "nothing",
    "x",
    "*operator*",
];

#[test]
fn both_searches_agree_for_every_form_of_pattern() {
    let builds = [
        ("-O0 -g", "g++"),
        ("-O2 -g", "g++"),
        ("-O2 -gdwarf-4 -fdebug-types-section", "g++"),
        ("-O2 -gdwarf-3", "g++"),
        ("-O2 -g -flto", "g++"),
        ("-O0 -gdwarf-5", "clang++"),
        ("-O2 -gdwarf-4", "clang++"),
    ];
    for (flags, compiler) in builds {
        if !has(compiler) {
            continue;
        }
        let (_shop, file) = cpp(flags, compiler);
        for pattern in PATTERNS {
            find(&file, pattern);
        }
        let mixed = Query {
            exclude: query(&["*draw*"]).patterns,
            ..query(&["Widget", "*dra*", "max"])
        };
        let fast = file.functions(&mixed).unwrap();
        assert_eq!(
            format!("{fast:?}"),
            format!("{:?}", file.functions_full_scan(&mixed).unwrap())
        );
        assert!(fast.iter().all(|function| !function.name.contains("draw")));
        assert!(file.damage().is_empty(), "{flags}");
    }
}

#[test]
fn instances_of_a_template_are_one_function() {
    for compiler in ["g++", "clang++"] {
        if !has(compiler) {
            continue;
        }
        let (_shop, file) = cpp("-O0 -g", compiler);
        let max = find_one(&file, "ns::max");
        assert_eq!(max.name, "ns::max");
        assert_eq!(max.declaration.as_ref().unwrap().line, line(HEADER, "max"));
        assert!(is_file(max.declaration.as_ref().unwrap().file.path(), "all.h"));
        // gcc writes `long int`.
        let mut names: Vec<String> = max
            .instances
            .iter()
            .map(|instance| instance.name.replace("long int", "long"))
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["ns::max<double>", "ns::max<int>", "ns::max<long>"]);
        let one = find_one(&file, "ns::max<double>");
        assert_eq!((one.name.as_str(), one.instances.len()), ("ns::max", 1));
        assert_eq!(find_one(&file, "Box::get").instances.len(), 2);
        assert_eq!(find_one(&file, "Box<int>::get").instances.len(), 1);
    }
}

#[test]
fn static_inline_copies_are_one_function_and_equal_names_are_two() {
    let (_shop, file) = cpp("-O0 -g", "g++");
    assert_eq!(find_one(&file, "shared").instances.len(), 2);
    let locals = find(&file, "local");
    assert_eq!(locals.len(), 2);
    let only = find_one(&file, "first.cpp:local");
    assert_eq!(only.declaration.unwrap().line, line(FIRST, "local-first"));
}

#[test]
fn members_are_declared_where_they_are_defined() {
    for compiler in ["g++", "clang++"] {
        if !has(compiler) {
            continue;
        }
        let (_shop, file) = cpp("-O0 -g", compiler);
        let draw = find_one(&file, "Widget::draw(int)");
        assert_eq!(draw.name, "ns::Widget::draw");
        let declaration = draw.declaration.unwrap();
        assert!(is_file(declaration.file.path(), "first.cpp"));
        assert_eq!(declaration.line, line(FIRST, "draw-int"));
        assert_eq!(
            find(&file, "Widget::draw").len(),
            2,
            "overloads are different functions"
        );
        let constructor = find_one(&file, "Widget::Widget");
        assert_eq!(constructor.declaration.unwrap().line, line(FIRST, "constructor"));
        assert_eq!(find_one(&file, "Inner::deep").name, "ns::Widget::Inner::deep");
        assert_eq!(find_one(&file, "hidden").name, "(anonymous namespace)::hidden");
        let lambdas = find(&file, "*operator()");
        assert!(
            lambdas
                .iter()
                .any(|f| f.declaration.as_ref().unwrap().line == line(FIRST, "lambda"))
        );
    }
}

#[test]
fn optimisation_is_seen() {
    for (compiler, levels) in [
        ("g++", ["-O1", "-O2", "-Og", "-Os"]),
        ("clang++", ["-O1", "-O2", "-O3", "-Os"]),
    ] {
        if !has(compiler) {
            continue;
        }
        let (_shop, file) = cpp("-O0 -g", compiler);
        for function in file.functions(&Query::default()).unwrap() {
            assert!(
                function.instances.iter().all(|instance| !instance.optimised),
                "{}",
                function.name
            );
        }
        for level in levels {
            for version in 3..=5 {
                let (_shop, file) = cpp(&format!("{level} -gdwarf-{version}"), compiler);
                for function in find(&file, "first.cpp:*") {
                    assert!(
                        function.instances.iter().all(|instance| instance.optimised),
                        "{compiler} {level} DWARF {version} {}",
                        function.name
                    );
                }
            }
        }
    }
}

#[test]
fn cold_parts_belong_to_the_function_and_are_no_entries() {
    let shop = Workshop::new();
    let source = "#include <stdlib.h>
__attribute__((noinline)) int risky(int n) {
    if (__builtin_expect(n > 1000, 0)) { abort(); }
    return n * 3;
}
int main(int argc, char **argv) { (void)argv; return risky(argc); }
";
    shop.write("prog.c", source);
    shop.run("gcc -O2 -g -freorder-blocks-and-partition -o prog prog.c");
    let file = shop.open("prog");
    let risky = find_one(&file, "risky");
    assert_eq!(risky.instances.len(), 1);
    let instance = &risky.instances[0];
    assert_eq!(instance.ranges.len(), 2, "{instance:?}");
    // GNU ld puts .text.unlikely before .text: the lower range is the cold one.
    assert_eq!(instance.entry, instance.ranges[1].start);
    assert!(
        file.rows(instance)
            .unwrap()
            .iter()
            .any(|row| instance.ranges[0].contains(row.address))
    );
}

#[test]
fn functions_inlined_everywhere_are_told_apart_from_missing_ones() {
    let shop = Workshop::new();
    let source = "static inline __attribute__((always_inline)) void tiny(volatile int *n) { *n *= 7; }
int main(int argc, char **argv) { (void)argv; tiny(&argc); tiny(&argc); return argc; }
";
    shop.write("prog.c", source);
    shop.run("gcc -O1 -g -o prog prog.c");
    let file = shop.open("prog");
    assert_eq!(find(&file, "tiny").len(), 0);
    let inlined = file.inlined_only(&query(&["tiny"])).unwrap();
    assert_eq!((inlined.len(), inlined[0].copies), (1, 2));
    assert!(file.inlined_only(&query(&["absent"])).unwrap().is_empty());
    assert_eq!(file.nearest_names(&"mian".parse().unwrap(), 3).unwrap(), ["main"]);
}

#[test]
fn rust_functions_have_their_paths() {
    let source = "pub struct Foo<T>(T);
impl<T: Copy> Foo<T> {
    pub fn get(&self) -> T { self.0 } //@ get
}
pub trait Tall { fn tall(&self) -> usize; }
impl<T: Copy> Tall for Foo<T> {
    fn tall(&self) -> usize { std::mem::size_of::<T>() } //@ tall
}
mod index {
    pub fn build<T: Copy>(t: T) -> usize { //@ build
        let size = |x: T| std::mem::size_of_val(&x); //@ closure
        size(t)
    }
}
fn rebuild() -> usize { 4 }
fn main() { //@ main
    let (a, b) = (Foo(1u8), Foo(2u64));
    println!(\"{}\", a.get() as u64 + b.get());
    println!(\"{}\", a.tall() + b.tall() + index::build(1u8) + index::build(\"x\") + rebuild());
}
";
    for mangling in ["legacy -Zunstable-options", "v0"] {
        let shop = Workshop::new();
        let path = shop.write("prog.rs", source);
        let flags = if mangling == "v0" {
            "-Csymbol-mangling-version=v0"
        } else {
            ""
        };
        shop.run(&format!("rustc --edition 2021 {flags} -g -o prog prog.rs"));
        let file = shop.open("prog");
        for pattern in [
            "main",
            "build",
            "*build*",
            "get",
            "Foo::get",
            "prog.rs:*",
            "{closure#0}",
            "tall",
            "fmt",
        ] {
            find(&file, pattern);
        }
        let build = find_one(&file, "index::build");
        assert_eq!(build.name, "prog::index::build");
        assert_eq!(build.instances.len(), 2);
        assert_eq!(build.declaration.as_ref().unwrap().line, line(source, "build"));
        assert_eq!(build.declaration.as_ref().unwrap().file.path(), path);
        assert!(!build.instances[0].optimised);
        let closure = find_one(&file, "index::build::{closure#0}");
        assert_eq!(closure.declaration.unwrap().line, line(source, "closure"));
        assert_eq!(
            find_one(&file, "prog::main").declaration.unwrap().line,
            line(source, "main")
        );
        let get = find_one(&file, "Foo::get");
        assert_eq!(get.instances.len(), 2, "{get:?}");
        let tall = find_one(&file, "prog.rs:tall");
        assert_eq!(tall.instances.len(), 2);
        assert_eq!(tall.name, "<prog::Foo as prog::Tall>::tall", "{mangling}");
        assert_eq!(find_one(&file, "Foo::tall").name, tall.name);
        shop.run(&format!("rustc --edition 2021 {flags} -g -O -o fast prog.rs"));
        let fast = shop.open("fast");
        assert!(find_one(&fast, "prog::main").instances[0].optimised);
    }
}

#[test]
fn aliases_find_the_function_they_stand_for() {
    let shop = Workshop::new();
    let source = "int real_name(int n) { return n; }
int other_name(int n) __attribute__((alias(\"real_name\")));
int main(int argc, char **argv) { (void)argv; return other_name(argc); }
";
    shop.write("prog.c", source);
    shop.run("gcc -O0 -g -o prog prog.c");
    let file = shop.open("prog");
    assert_eq!(find_one(&file, "other_name").name, "real_name");
    let both = file.functions(&query(&["other_name", "real_name"])).unwrap();
    assert_eq!((both.len(), both[0].instances.len()), (1, 1));
}

#[test]
fn what_a_query_asks_for_in_vain_is_told() {
    let shop = Workshop::new();
    let source = "static inline __attribute__((always_inline)) int small(int n) { return n + 1; }
int work(int n) { return small(n); }
int other_name(int n) __attribute__((alias(\"work\")));
int main(int argc, char **argv) { (void)argv; return work(argc); }
";
    shop.write("prog.c", source);
    shop.run("gcc -O0 -g -o prog prog.c");
    let file = shop.open("prog");
    let mut wanted = query(&["work", "other_name", "small", "absent", "main"]);
    wanted.exclude = query(&["main"]).patterns;
    wanted.files = vec!["missing.c".parse().unwrap()];
    let found = file.select(&wanted).unwrap();
    assert_eq!(found.unmatched, ["absent", "missing.c"]);
    assert_eq!(found.inlined_only[0].name, "small");
    assert_eq!(
        found.functions.len(),
        1,
        "main is excluded and not missing: {found:#?}"
    );
}
