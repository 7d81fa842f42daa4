//! The same function is found in every way a program can be built: DWARF versions, linking, compression.
//!
//! Must not know: how. Facts are asserted against the source's own markers.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use common::{Workshop, find, find_one, has, line, statement_lines};
use lineprof_dwarf::{AddrRange, FileAddr, Kind};

const SOURCE: &str = "#include <stdlib.h>
static int grow(int n) {            //@ decl
    int sum = 0;                    //@ first
    for (int i = 0; i < n; i++)     //@ loop
        sum += i;                   //@ body
    return sum;                     //@ return
}                                   //@ end
int rework(int n) { return n; }
int main(int argc, char **argv) {
    (void)argv;
    return grow(argc) + rework(1) > 100;
}
";

fn check(flags: &str, compiler: &str) {
    let shop = Workshop::new();
    let source = shop.write("prog.c", SOURCE);
    shop.run(&format!("{compiler} {flags} -o prog prog.c"));
    let file = shop.open("prog");
    let function = find_one(&file, "grow");
    assert_eq!(function.name, "grow");
    let declaration = function.declaration.as_ref().unwrap();
    assert_eq!(declaration.file.path(), source, "{flags}");
    assert_eq!(declaration.line, line(SOURCE, "decl"));
    assert_eq!(function.instances.len(), 1);
    let instance = &function.instances[0];
    assert!(!instance.optimised, "{flags}");
    assert_eq!(instance.entry, instance.ranges[0].start);
    let mut expected = ["decl", "first", "loop", "body", "return", "end"]
        .map(|name| line(SOURCE, name))
        .to_vec();
    if compiler == "clang" {
        // clang gives the epilogue to the line of the only `return`.
        expected.pop();
    }
    assert_eq!(statement_lines(&file, instance), expected, "{flags}");
    for row in file.rows(instance).unwrap() {
        assert_eq!(row.file.path(), source);
    }
    // push %rbp, or endbr64 before it.
    let code = file.code(instance.ranges[0]).unwrap();
    assert!(
        code.starts_with(&[0x55]) || code.starts_with(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55]),
        "{code:x?}"
    );
    assert_eq!(find(&file, "work").len(), 0, "a part of a name is no name");
    let rule = file.frame_rule(instance.entry).unwrap();
    // At the entry the CFA is rsp + 8: only the return address is on the stack (AMD64 ABI 3.2.2).
    assert_eq!((rule.register, rule.offset), (7, 8));
    assert!(file.damage().is_empty());
}

#[test]
fn gcc_with_each_version_of_dwarf() {
    for version in 2..=5 {
        check(&format!("-O0 -gdwarf-{version}"), "gcc");
    }
}

#[test]
fn c024_gcc_with_sections_garbage_collected() {
    check("-O0 -g -ffunction-sections -Wl,--gc-sections", "gcc");
}

#[test]
fn gcc_with_each_kind_of_linking() {
    for flags in ["-static", "-static-pie", "-no-pie", "-pie"] {
        check(&format!("-O0 -g {flags}"), "gcc");
    }
}

#[test]
fn gcc_with_compressed_sections() {
    for flags in ["-gz=zlib", "-gz=zlib-gnu"] {
        check(&format!("-O0 -g {flags}"), "gcc");
    }
}

#[test]
fn gcc_with_type_units_and_64_bit_dwarf() {
    check("-O0 -g -fdebug-types-section", "gcc");
    check("-O0 -g -gdwarf64", "gcc");
}

#[test]
fn clang_with_each_version_of_dwarf() {
    if has("clang") {
        for version in 2..=5 {
            check(&format!("-O0 -gdwarf-{version}"), "clang");
        }
    }
}

#[test]
fn kind_and_segments_are_those_of_the_file() {
    let shop = Workshop::new();
    shop.write("prog.c", SOURCE);
    shop.run("gcc -g -no-pie -o fixed prog.c");
    shop.run("gcc -g -pie -o moved prog.c");
    assert_eq!(shop.open("fixed").kind(), Kind::FixedAddress);
    let moved = shop.open("moved");
    assert_eq!(moved.kind(), Kind::Relocatable);
    assert_eq!(
        moved
            .segments()
            .iter()
            .filter(|segment| segment.executable)
            .count(),
        1
    );
    assert!(moved.segments().is_sorted_by_key(|segment| segment.address));
    assert_eq!(
        moved.code(AddrRange {
            start: FileAddr(0),
            end: FileAddr(4)
        }),
        None,
        "not executable"
    );
    assert!(moved.build_id().is_some());
}
