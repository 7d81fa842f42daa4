//! Sources of every unfriendly kind.
//!
//! Must not know: who asks for them.

use std::fs::{self, File};
use std::time::Duration;

use super::*;

fn text(bytes: &[u8]) -> SourceText {
    SourceText::new(bytes, None)
}

fn lines(text: &SourceText) -> Vec<&str> {
    (1..).map_while(|number| text.line(number)).collect()
}

#[test]
fn lines_are_counted_from_one_without_their_ends() {
    assert_eq!(lines(&text(b"a\n\nb\r\nc")), ["a", "", "b", "c"]);
    assert_eq!(lines(&text(b"a\n")), ["a"]);
    assert_eq!(lines(&text(b"")), [""; 0]);
    assert_eq!(text(b"a\n").line(0), None);
}

#[test]
fn bad_bytes_and_a_byte_order_mark_are_no_trouble() {
    assert_eq!(lines(&text(b"\xef\xbb\xbfa\xff\xfe\nb")), [r"a\xff\xfe", "b"]);
}

#[test]
fn a_line_without_end_is_cut_between_characters() {
    let long = text("é".repeat(10_000).as_bytes());
    assert_eq!(long.line(1).unwrap().len(), LONGEST_LINE);
    let odd = text(format!("a{}", "é".repeat(10_000)).as_bytes());
    assert_eq!(odd.line(1).unwrap().len(), LONGEST_LINE - 1);
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let mut sources = SourceCache::new();
    for path in ["/dev/zero", "/dev/tty", "/"] {
        assert!(sources.read(Path::new(path)).is_err(), "{path}");
    }
    assert!(matches!(
        sources.read(Path::new("/dev/null")),
        Err(Unreadable::NotRegular)
    ));
}

#[test]
fn a_pipe_without_a_writer_does_not_wait() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe.c");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert!(matches!(
        SourceCache::new().read(&pipe),
        Err(Unreadable::NotRegular)
    ));
}

#[test]
fn a_sparse_terabyte_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huge.c");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(SourceCache::new().read(&path), Err(Unreadable::TooLong)));
}

#[test]
fn a_missing_file_is_told_and_asked_for_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late.c");
    let mut sources = SourceCache::new();
    assert!(matches!(sources.read(&path), Err(Unreadable::Io(_))));
    fs::write(&path, "x").unwrap();
    assert!(sources.read(&path).is_err());
}

#[test]
fn a_source_changed_after_the_program_was_built_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.c");
    fs::write(&path, "x").unwrap();
    let mut sources = SourceCache::new();
    let modified = sources.read(&path).unwrap().modified().unwrap();
    assert_eq!(sources.newer_than(modified - Duration::from_secs(1)), [&path]);
    assert!(sources.newer_than(modified).is_empty());
}

#[test]
fn links_are_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("a.c"), directory.path().join("b.c"));
    fs::write(&path, "int x;").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(SourceCache::new().read(&link).unwrap().line(1), Some("int x;"));
}
