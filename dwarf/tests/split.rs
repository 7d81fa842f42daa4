//! Split debug information: the entries are read from `.dwo` and `.dwp` files, and a missing one is named.
//!
//! Must not know: what is left in the program.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use common::{Workshop, find, find_one, has, line, query, statement_lines};
use lineprof_dwarf::{DebugSearch, ErrorKind, ObjectFile};

const FIRST: &str = "#include \"all.h\"
int far(int n);
int work(int n) {           //@ work
    int sum = twice(n);     //@ call
    for (int i = 0; i < n; i++)
        sum += far(i);      //@ body
    return sum;
}
int main(int argc, char **argv) { (void)argv; return work(argc); }
";
const SECOND: &str = "#include \"all.h\"
int far(int n) {            //@ far
    return twice(n) + 1;
}
";
const HEADER: &str = "static inline int twice(int n) { return n + n; }  //@ twice
";

const BUILDS: [&str; 6] = [
    "gcc -O0 -gdwarf-5",
    "gcc -O0 -gdwarf-4",
    "gcc -O2 -gdwarf-5 -fno-inline-functions",
    "gcc -O2 -gdwarf-4 -gz",
    "clang -O0 -gdwarf-5",
    "clang -O0 -gdwarf-4",
];

/// A program of two objects, built below `build/`.
fn shop(build: &str) -> Option<Workshop> {
    if !has(build.split(' ').next().unwrap()) {
        return None;
    }
    let shop = Workshop::new();
    shop.write("all.h", HEADER);
    shop.write("first.c", FIRST);
    shop.write("second.c", SECOND);
    for name in ["first", "second"] {
        shop.run(&format!("{build} -gsplit-dwarf -c -o {name}.o {name}.c"));
    }
    shop.run("gcc -o prog first.o second.o");
    Some(shop)
}

fn check(file: &ObjectFile, build: &str) {
    let work = find_one(file, "work");
    let declared = work.declaration.as_ref().unwrap();
    assert_eq!(declared.line, line(FIRST, "work"), "{build}");
    assert!(declared.file.path().ends_with("first.c"), "{build}: {declared:?}");
    let lines = statement_lines(file, &work.instances[0]);
    for name in ["call", "body"] {
        assert!(
            lines.contains(&line(FIRST, name)),
            "{build}: {name} is not in {lines:?}"
        );
    }
    assert_eq!(work.instances[0].optimised, build.contains("-O2"), "{build}");
    let far = find_one(file, "second.c:far");
    assert_eq!(far.declaration.unwrap().line, line(SECOND, "far"), "{build}");
    let twice = file.select(&query(&["twice"])).unwrap();
    let (out_of_line, inlined) = (twice.functions.len(), twice.inlined_only.len());
    assert_eq!(out_of_line + inlined, 1, "{build}: {twice:?}");
    assert!(file.functions(&query(&["absent"])).unwrap().is_empty(), "{build}");
    find(file, "*");
}

#[test]
fn entries_are_read_from_the_objects_own_files() {
    for build in BUILDS {
        let Some(shop) = shop(build) else { continue };
        check(&shop.open("prog"), build);
        // Somebody else's build: the files were brought here with the program.
        let elsewhere = Workshop::new();
        for name in ["prog", "first.dwo", "second.dwo"] {
            std::fs::rename(shop.path(name), elsewhere.path(name)).unwrap();
        }
        check(&elsewhere.open("prog"), build);
    }
}

#[test]
fn entries_are_read_from_a_package() {
    if !has("dwp") {
        return;
    }
    let Some(shop) = shop("gcc -O0 -gdwarf-4") else {
        return;
    };
    shop.run("dwp -e prog -o prog.dwp");
    for name in ["first.dwo", "second.dwo"] {
        std::fs::remove_file(shop.path(name)).unwrap();
    }
    check(&shop.open("prog"), "gcc -O0 -gdwarf-4");
}

#[test]
fn inlined_calls_are_found() {
    for build in ["gcc -O2 -gdwarf-5", "gcc -O2 -gdwarf-4"] {
        let Some(shop) = shop(build) else { continue };
        let file = shop.open("prog");
        let work = find_one(&file, "work");
        let calls = file.inlined_calls(&[&work.instances[0]]).unwrap().remove(0);
        let on_call = calls.iter().filter(|call| {
            call.line
                .as_ref()
                .is_some_and(|at| at.line == line(FIRST, "call"))
        });
        assert!(on_call.clone().count() > 0, "{build}: {calls:?}");
        for call in on_call {
            assert_eq!(
                call.callee.as_ref().unwrap().line,
                line(HEADER, "twice"),
                "{build}"
            );
        }
    }
}

#[test]
fn a_missing_file_is_named_and_the_others_are_read() {
    let Some(shop) = shop("gcc -O0 -gdwarf-5") else {
        return;
    };
    std::fs::remove_file(shop.path("second.dwo")).unwrap();
    let file = shop.open("prog");
    let found = file.select(&query(&["work", "far"])).unwrap();
    assert_eq!(
        (found.functions.len(), found.unmatched),
        (1, vec!["far".to_string()])
    );
    assert_eq!(found.missing_files, [shop.path("second.dwo")]);
    let error = file.functions(&query(&["far"])).unwrap_err();
    let kind = ErrorKind::SplitDebugInfo {
        missing: shop.path("second.dwo"),
        others: 0,
    };
    assert_eq!(error.kind, kind);

    std::fs::remove_file(shop.path("first.dwo")).unwrap();
    let error = shop.open("prog").functions(&query(&["work"])).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("first.dwo and 1 other file"), "{text}");
}

#[test]
fn a_file_of_another_build_is_as_good_as_missing() {
    let Some(shop) = shop("gcc -O0 -gdwarf-5") else {
        return;
    };
    shop.write(
        "second.c",
        "int far(int n) { return n; }\nint other(void) { return 1; }\n",
    );
    shop.run("gcc -O0 -gdwarf-5 -gsplit-dwarf -c -o second.o second.c");
    let found = shop.open("prog").select(&query(&["*"])).unwrap();
    assert_eq!(found.missing_files, [shop.path("second.dwo")]);
    assert!(found.functions.iter().all(|function| function.name != "other"));
}

#[test]
fn a_pipe_in_place_of_a_file_is_not_waited_for() {
    let Some(shop) = shop("gcc -O0 -gdwarf-5") else {
        return;
    };
    std::fs::remove_file(shop.path("first.dwo")).unwrap();
    shop.run("mkfifo first.dwo prog.dwp");
    let file = ObjectFile::open(&shop.path("prog"), &DebugSearch::default()).unwrap();
    assert_eq!(
        file.select(&query(&["far"])).unwrap().missing_files,
        [shop.path("first.dwo")]
    );
}

#[test]
fn damaged_files_never_panic() {
    for build in ["gcc -O2 -gdwarf-5", "gcc -O2 -gdwarf-4"] {
        let Some(shop) = shop(build) else { continue };
        let whole = std::fs::read(shop.path("first.dwo")).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if at % 2 == 0 {
                bytes.truncate(at);
            }
            std::fs::write(shop.path("first.dwo"), bytes).unwrap();
            // A damaged header makes it no file of ours; then it is missing.
            let file = shop.open("prog");
            if let Ok(found) = file.select(&query(&["*"])) {
                let instances: Vec<_> = found
                    .functions
                    .iter()
                    .flat_map(|function| &function.instances)
                    .collect();
                let _malformed = file.inlined_calls(&instances);
                for instance in instances {
                    let _malformed = file.rows(instance);
                }
            }
        }
    }
}
