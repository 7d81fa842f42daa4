//! Debug information in other files: found when they are of the same build, refused when they are not.
//!
//! Must not know: where a distribution keeps them; the search is given a directory of the test.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use common::{Workshop, find, find_one, has, line, query, statement_lines};
use lineprof_dwarf::{DebugSearch, ErrorKind, ObjectFile};

const SOURCE: &str = "int twice(int n) {  //@ decl
    return n + n;   //@ body
}                   //@ end
int main(int argc, char **argv) { (void)argv; return twice(argc); }
";

/// A program without debug information, which went to `prog.debug`.
fn split(flags: &str) -> Workshop {
    let shop = Workshop::new();
    shop.write("prog.c", SOURCE);
    shop.run(&format!("gcc -O0 -g {flags} -o prog prog.c"));
    shop.run("objcopy --only-keep-debug prog prog.debug");
    shop.run("strip --strip-debug prog");
    shop
}

fn check(file: &ObjectFile) {
    let twice = find_one(file, "twice");
    assert_eq!(twice.declaration.as_ref().unwrap().line, line(SOURCE, "decl"));
    let expected = ["decl", "body", "end"].map(|name| line(SOURCE, name));
    assert_eq!(statement_lines(file, &twice.instances[0]), expected);
    // The code is the program's: the debug file has none.
    let code = file.code(twice.instances[0].ranges[0]).unwrap();
    assert!(code.ends_with(&[0xc3]), "{code:x?}");
    assert!(file.frame_rule(twice.instances[0].entry).is_some());
}

fn kind(file: &ObjectFile) -> ErrorKind {
    file.functions(&query(&["twice"])).unwrap_err().kind
}

fn build_id_file(shop: &Workshop, file: &ObjectFile) -> String {
    let id: String = file
        .build_id()
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("debug-root/.build-id/{}/{}.debug", &id[..2], &id[2..]);
    std::fs::create_dir_all(shop.path(&name).parent().unwrap()).unwrap();
    name
}

#[test]
fn debug_file_is_found_by_build_id() {
    let shop = split("-Wl,--build-id");
    let name = build_id_file(&shop, &shop.open("prog"));
    std::fs::rename(shop.path("prog.debug"), shop.path(&name)).unwrap();
    let file = shop.open("prog");
    assert_eq!(file.debug_path(), Some(shop.path(&name).as_path()));
    check(&file);
}

#[test]
fn debug_file_of_another_build_is_refused() {
    let shop = split("-Wl,--build-id");
    let name = build_id_file(&shop, &shop.open("prog"));
    shop.run("gcc -O2 -g -Wl,--build-id -o other prog.c");
    std::fs::rename(shop.path("other"), shop.path(&name)).unwrap();
    assert_eq!(
        kind(&shop.open("prog")),
        ErrorKind::NoDebugInfo {
            has_symbols: true,
            debug_link: None
        }
    );
}

#[test]
fn debug_link_is_followed_beside_the_program_in_its_debug_directory_and_below_the_root() {
    for build_id in ["-Wl,--build-id", "-Wl,--build-id=none"] {
        let shop = split(build_id);
        shop.run("objcopy --add-gnu-debuglink=prog.debug prog");
        check(&shop.open("prog"));
        let root = format!("debug-root{}", shop.path(".").display());
        for directory in [".debug", root.trim_end_matches("/.")] {
            std::fs::create_dir_all(shop.path(directory)).unwrap();
            let name = format!("{directory}/prog.debug");
            std::fs::rename(shop.path("prog.debug"), shop.path(&name)).unwrap();
            check(&shop.open("prog"));
            std::fs::rename(shop.path(&name), shop.path("prog.debug")).unwrap();
        }
    }
}

#[test]
fn debug_link_with_another_checksum_is_refused() {
    let shop = split("-Wl,--build-id=none");
    shop.run("objcopy --add-gnu-debuglink=prog.debug prog");
    let mut bytes = std::fs::read(shop.path("prog.debug")).unwrap();
    bytes.push(0);
    std::fs::write(shop.path("prog.debug"), bytes).unwrap();
    let debug_link = Some("prog.debug".to_string());
    assert_eq!(
        kind(&shop.open("prog")),
        ErrorKind::NoDebugInfo {
            has_symbols: true,
            debug_link
        }
    );
}

#[test]
fn pipe_in_place_of_a_debug_file_is_not_waited_for() {
    let shop = split("-Wl,--build-id=none");
    shop.run("objcopy --add-gnu-debuglink=prog.debug prog");
    std::fs::remove_file(shop.path("prog.debug")).unwrap();
    shop.run("mkfifo prog.debug");
    assert!(matches!(kind(&shop.open("prog")), ErrorKind::NoDebugInfo { .. }));
    let error = ObjectFile::open(&shop.path("prog.debug"), &DebugSearch::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotRegularFile);
}

#[test]
fn supplementary_file_gives_names_and_declarations() {
    if !has("dwz") {
        return;
    }
    for version in [4, 5] {
        let shop = Workshop::new();
        // Enough in common that dwz moves it to the supplementary file.
        let header = "struct point { int x, y; long weight; char name[40]; };
struct list { struct point *points; struct list *next; unsigned long count; };
static int common(struct list *l) { int n = 0; for (; l; l = l->next) n += l->points->x; return n; } //@ common
";
        shop.write("all.h", header);
        for name in ["a", "b"] {
            let main = "#include \"all.h\"\nint main(void) { struct list l = {0}; return common(&l); }\n";
            shop.write(&format!("{name}.c"), main);
            shop.run(&format!("gcc -O0 -gdwarf-{version} -o {name} {name}.c"));
        }
        shop.run("dwz -m shared.dwz a b");
        let file = shop.open("a");
        let common = find_one(&file, "common");
        assert_eq!(common.declaration.as_ref().unwrap().line, line(header, "common"));
        assert_eq!(
            statement_lines(&file, &common.instances[0]),
            [line(header, "common")]
        );
        find(&file, "*");
        std::fs::remove_file(shop.path("shared.dwz")).unwrap();
        let missing = shop.open("a").functions(&query(&["common"])).unwrap_err();
        assert_eq!(
            missing.kind,
            ErrorKind::NoSupplementaryFile {
                name: "shared.dwz".to_string()
            }
        );
    }
}

#[test]
fn references_between_units_are_followed() {
    if !has("dwz") {
        return;
    }
    let shop = Workshop::new();
    let header =
        "static int common(int *l, int n) { int s = 0; while (n--) s += l[n]; return s; } //@ common\n";
    shop.write("all.h", header);
    for name in ["a", "b", "c"] {
        let text = format!("#include \"all.h\"\nint {name}(int *l) {{ return common(l, 3); }}\n");
        shop.write(&format!("{name}.c"), &text);
    }
    shop.write(
        "main.c",
        "int a(int*), b(int*), c(int*);\nint main(void) { int l[3] = {1}; return a(l) + b(l) + c(l); }\n",
    );
    shop.run("gcc -O2 -fno-ipa-icf -g -o prog main.c a.c b.c c.c");
    shop.run("dwz prog");
    for pattern in ["a", "common", "*", "main"] {
        find(&shop.open("prog"), pattern);
    }
    let inlined = shop.open("prog").inlined_only(&query(&["common"])).unwrap();
    assert_eq!(inlined.len(), 1);
    assert_eq!(inlined[0].copies, 3);
}

#[test]
fn files_that_are_no_programs_say_what_they_are() {
    let shop = Workshop::new();
    let refused = |name: &str| ObjectFile::open(&shop.path(name), &shop.search()).unwrap_err();
    shop.write("script", "#!/usr/bin/env python3\nprint()\n");
    assert_eq!(
        refused("script").kind,
        ErrorKind::Script("#!/usr/bin/env python3".to_string())
    );
    shop.write("text", "hello\n");
    assert_eq!(refused("text").kind, ErrorKind::NotElf);
    shop.write("empty", "");
    assert_eq!(refused("empty").kind, ErrorKind::NotElf);
    assert_eq!(refused("absent").kind, ErrorKind::NotFound);
    assert_eq!(refused(".").kind, ErrorKind::NotRegularFile);
    shop.write("prog.c", SOURCE);
    shop.run("gcc -g -c -o prog.o prog.c");
    assert_eq!(refused("prog.o").kind, ErrorKind::NotLoadable);
    shop.run("gcc -g -o prog prog.c");
    let mut bytes = std::fs::read(shop.path("prog")).unwrap();
    bytes[18] = 183;
    std::fs::write(shop.path("arm"), &bytes).unwrap();
    assert_eq!(
        refused("arm").kind,
        ErrorKind::WrongArchitecture {
            name: "AArch64".to_string()
        }
    );
    bytes[18] = 62;
    bytes[4] = 1;
    std::fs::write(shop.path("x32"), &bytes).unwrap();
    assert_eq!(refused("x32").kind, ErrorKind::WrongClass);
    let error = refused("absent");
    let text = format!("cannot open {}: no such file", shop.path("absent").display());
    assert_eq!(error.to_string(), text);
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn stripped_programs_say_whether_symbols_are_left() {
    let shop = Workshop::new();
    shop.write("prog.c", SOURCE);
    shop.run("gcc -o prog prog.c");
    assert_eq!(
        kind(&shop.open("prog")),
        ErrorKind::NoDebugInfo {
            has_symbols: true,
            debug_link: None
        }
    );
    shop.run("strip prog");
    assert_eq!(
        kind(&shop.open("prog")),
        ErrorKind::NoDebugInfo {
            has_symbols: false,
            debug_link: None
        }
    );
}
