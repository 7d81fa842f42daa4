//! Names, paths and source text that are no UTF-8, and terminals of every kind: the table stays a table.
//!
//! Must not know: how text is escaped. The compiler puts bytes into debug information as they come.

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Finished, Lineprof, Running};
use tempfile::TempDir;

const SOURCE: &[u8] =
    b"static int QQwork(int n)\n{\n    int twice = n * 2; /* QQ */\n    return twice;\n}\n\n\
    int main(void)\n{\n    return QQwork(0) + QQwork(0);\n}\n";

/// The bytes that are no text in any encoding of Unicode.
const NO_TEXT: &[u8] = b"\xff\xfe";

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut all = bytes.to_vec();
    for at in 0..all.len().saturating_sub(from.len()) {
        if all[at..].starts_with(from) {
            all[at..at + from.len()].copy_from_slice(to);
        }
    }
    all
}

/// The program with two bytes in its folder's, its source's and its function's name, and in its source text.
fn program(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let below = folder.path().join(OsStr::from_bytes(&[b"s", bytes].concat()));
    std::fs::create_dir(&below).expect("an own folder");
    let source = below.join(OsStr::from_bytes(&[b"prog", bytes, b".c"].concat()));
    // An identifier must be text for the compiler; its name in the program need not be.
    let text = replaced(SOURCE, b"/* QQ", &[b"/* ", bytes].concat());
    std::fs::write(&source, text).expect("an own folder");
    let program = below.join("prog");
    let mut compiler = Command::new("cc");
    compiler.args(["-g", "-O0", "-o"]).arg(&program).arg(&source);
    let built = Running::start(&mut compiler).finish();
    assert_eq!(built.code(), 0, "{}", built.stderr_text());
    let binary = std::fs::read(&program).expect("an own file");
    let binary = replaced(&binary, b"QQwork", &[bytes, b"work"].concat());
    std::fs::write(&program, binary).expect("an own file");
    program
}

fn profiled(program: &Path) -> Finished {
    Lineprof::new().functions(&["*work"]).run(program, &[""; 0])
}

/// The rows of the table without their memory, which is not the same each time.
fn rows(finished: &Finished) -> Vec<String> {
    let text = String::from_utf8(finished.stderr.clone()).expect("what is shown is text");
    let rows = text.lines().skip_while(|line| !line.starts_with("====")).skip(1);
    let columns = |line: &str| -> String { line.chars().take(6).chain(line.chars().skip(32)).collect() };
    rows.map(columns).collect()
}

#[test]
fn c113_names_that_are_no_text_leave_the_table_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (as_text, no_text) = (program(&folder, b"AB"), program(&folder, NO_TEXT));
    let (one, other) = (profiled(&as_text), profiled(&no_text));
    assert_eq!((one.code(), other.code()), (0, 0), "{}", other.stderr_text());
    let shown: Vec<String> = rows(&other);
    assert!(shown.len() >= 5, "{}", other.stderr_text());
    let expected = rows(&one)
        .into_iter()
        .map(|row| row.replace("/* AB", r"/* \xff\xfe"));
    assert_eq!(shown, expected.collect::<Vec<_>>());
    let said = other.stderr_text();
    assert!(said.contains("Function: \u{fffd}\u{fffd}work at "), "{said}");
    assert!(said.contains(r"/s\xff\xfe/prog\xff\xfe.c"), "{said}");

    let run = Lineprof::new().functions(&["*work"]);
    let (report, _) = run.report(&no_text, &[""; 0]);
    assert_eq!(report.names(), ["\u{fffd}\u{fffd}work"]);
    assert!(
        report.executable.ends_with(r"/s\xff\xfe/prog"),
        "{}",
        report.executable
    );
}

#[test]
fn c113_the_table_does_not_depend_on_locale_or_terminal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = program(&folder, "é".as_bytes());
    let in_surroundings = |variables: &[(&str, &str)]| {
        let mut command = Lineprof::new().functions(&["*work"]).command();
        command
            .env_remove("LC_ALL")
            .env_remove("LANG")
            .env_remove("COLUMNS");
        command.envs(variables.iter().copied()).arg("--").arg(&program);
        rows(&Running::start(&mut command).finish())
    };
    let rows = in_surroundings(&[]);
    assert!(rows.len() >= 5 && rows[2].ends_with("/* é */"), "{rows:?}");
    let kinds: [&[(&str, &str)]; 4] = [
        &[("LC_ALL", "C")],
        &[("LC_ALL", "de_DE.UTF-8"), ("TERM", "dumb")],
        &[("COLUMNS", "20"), ("TERM", "xterm-256color")],
        &[("LANG", "tr_TR.ISO-8859-9"), ("COLUMNS", "0")],
    ];
    for kind in kinds {
        assert_eq!(in_surroundings(kind), rows, "{kind:?}");
    }
}
