//! Shapes of entries that other languages and unusual code give.
//!
//! Must not know: how names are put together.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use common::{Workshop, find, find_one, has, line, statement_lines};

#[test]
fn fortran_functions_lie_in_their_module() {
    if !has("gfortran") {
        return;
    }
    let source = "module m
contains
  recursive integer function fact(n) result(r)   !//@ fact
    integer, intent(in) :: n
    r = 1
    if (n > 1) r = n * fact(n - 1)
  end function
end module
program p                                         !//@ program
  use m
  print *, fact(5)
end program
";
    let shop = Workshop::new();
    shop.write("prog.f90", source);
    shop.run("gfortran -O0 -g -o prog prog.f90");
    let file = shop.open("prog");
    let fact = find_one(&file, "m::fact");
    assert_eq!(fact.declaration.as_ref().unwrap().line, line(source, "fact"));
    assert_eq!(find_one(&file, "__m_MOD_fact").name, "m::fact", "by linkage name");
    assert_eq!(
        find_one(&file, "p").declaration.unwrap().line,
        line(source, "program")
    );
    find(&file, "*");
}

#[test]
fn lambdas_of_one_signature_are_different_functions() {
    let source = "int main(int argc, char **) {
    auto a = [](int n) { return n + 1; };  //@ first
    auto b = [](int n) { return n + 2; };  //@ second
    return a(argc) + b(argc);
}
";
    for compiler in ["g++", "clang++"] {
        if !has(compiler) {
            continue;
        }
        let shop = Workshop::new();
        shop.write("prog.cpp", source);
        shop.run(&format!("{compiler} -O0 -g -o prog prog.cpp"));
        let file = shop.open("prog");
        let lambdas = find(&file, "*operator()");
        let lines: Vec<u32> = lambdas
            .iter()
            .map(|f| f.declaration.as_ref().unwrap().line)
            .collect();
        assert_eq!(
            lines,
            ["first", "second"].map(|name| line(source, name)),
            "{compiler}"
        );
    }
}

#[test]
fn nested_functions_are_found_below_their_function() {
    let source = "int main(int argc, char **argv) {
    int inner(int n) { return n + argc; }  //@ inner
    (void)argv;
    return inner(3);
}
";
    let shop = Workshop::new();
    shop.write("prog.c", source);
    shop.run("gcc -O0 -g -o prog prog.c");
    let file = shop.open("prog");
    let inner = find_one(&file, "main::inner");
    assert_eq!(
        statement_lines(&file, &inner.instances[0]),
        [line(source, "inner")]
    );
    assert_eq!(find_one(&file, "inner").name, "main::inner");
}

#[test]
fn clones_are_instances_of_their_function() {
    let source = "#include <stdio.h>
static int __attribute__((noinline)) work(int n, int mode) {
    int sum = 0;
    for (int i = 0; i < n; i++) { sum += i * mode; printf(\"%d\", sum); }
    return sum;
}
int main(int argc, char **argv) { (void)argv; return work(argc, 7) + work(argc + 1, 7); }
";
    let shop = Workshop::new();
    shop.write("prog.c", source);
    shop.run("gcc -O2 -g -o prog prog.c");
    let file = shop.open("prog");
    let work = find_one(&file, "work");
    assert_eq!(work.name, "work");
    assert!(work.instances.iter().all(|instance| instance.optimised));
}

#[test]
fn frames_are_known_without_eh_frame() {
    let source = "int twice(int n) { return n + n; }\nint main(int argc, char **argv) { (void)argv; return twice(argc); }\n";
    let shop = Workshop::new();
    shop.write("prog.c", source);
    shop.run("gcc -O0 -g -fno-asynchronous-unwind-tables -fno-exceptions -o prog prog.c");
    let file = shop.open("prog");
    let instance = find_one(&file, "twice").instances.remove(0);
    let at_entry = file.frame_rule(instance.entry).unwrap();
    assert_eq!((at_entry.register, at_entry.offset), (7, 8));
    // After `push %rbp; mov %rsp, %rbp` the CFA is rbp + 16.
    let last = file.rows(&instance).unwrap().last().unwrap().address;
    let inside = file.rows(&instance).unwrap()[1].address;
    assert!(inside < last);
    let inside = file.frame_rule(inside).unwrap();
    assert_eq!((inside.register, inside.offset), (6, 16));
}

#[test]
fn zstd_sections_are_inflated() {
    let shop = Workshop::new();
    shop.write("prog.c", "int main(void) { return 0; }\n");
    shop.run("gcc -O0 -g -o prog prog.c");
    let objcopy = std::process::Command::new("objcopy")
        .args(["--compress-debug-sections=zstd", "prog", "packed"])
        .current_dir(shop.path("."))
        .output()
        .unwrap();
    if !objcopy.status.success() {
        eprintln!("skipped: this objcopy has no zstd");
        return;
    }
    let file = shop.open("packed");
    assert_eq!(statement_lines(&file, &find_one(&file, "main").instances[0]), [1]);
}
