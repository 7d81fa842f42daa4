//! What each form of a pattern selects.

use std::sync::Arc;

use super::*;
use crate::marks::MarkKind;
use crate::source_path::SourcePath;

fn name(parts: &[&str]) -> QualifiedName {
    QualifiedName {
        parts: parts.iter().map(|part| (*part).to_string()).collect(),
    }
}

fn selects(pattern: &str, parts: &[&str], linkage_name: Option<&str>) -> bool {
    let name = name(parts);
    let pattern: Pattern = pattern.parse().unwrap();
    let matched = pattern.matches(&Candidate {
        name: &name,
        linkage_name,
    });
    // The promise that the look-up rests on.
    let leaf = parts.last().unwrap();
    let may = pattern.may_match_leaf(leaf) || linkage_name.is_some_and(|name| pattern.may_match_leaf(name));
    assert!(
        may || !matched,
        "{} matches {leaf} without its leaf",
        pattern.as_str()
    );
    matched
}

#[test]
fn parts_compare_whole_and_from_the_end() {
    assert!(selects("work", &["work"], None));
    assert!(selects("work", &["ns", "work"], None));
    assert!(!selects("work", &["rework"], None));
    assert!(selects("Widget::draw", &["ns", "Widget", "draw"], None));
    assert!(!selects("idget::draw", &["ns", "Widget", "draw"], None));
    assert!(!selects("ns::draw", &["ns", "Widget", "draw"], None));
    assert!(!selects("a::ns::draw", &["ns", "draw"], None));
}

#[test]
fn arguments_select_one_instance_and_their_lack_all() {
    assert!(selects("max", &["ns", "max<int>"], None));
    assert!(selects("ns::max<int>", &["ns", "max<int>"], None));
    assert!(!selects("ns::max<long>", &["ns", "max<int>"], None));
    assert!(selects("max<int,char*>", &["ns", "max<int, char*>"], None));
    assert!(selects("Box::get", &["Box<int>", "get"], None));
    assert!(selects("Box<int>::get", &["Box<int>", "get"], None));
    assert!(!selects("Box<char>::get", &["Box<int>", "get"], None));
}

#[test]
fn parameters_select_an_overload_where_the_linkage_name_tells() {
    assert!(selects(
        "ns::max(int, int)",
        &["ns", "max"],
        Some("_ZN2ns3maxEii")
    ));
    assert!(!selects(
        "ns::max(long, int)",
        &["ns", "max"],
        Some("_ZN2ns3maxEii")
    ));
    assert!(selects("work()", &["work"], None));
    assert!(selects("S::operator()", &["S", "operator()"], None));
}

#[test]
fn closures_belong_to_themselves() {
    let closure = ["k", "work", "{closure#0}"];
    assert!(!selects("work", &closure, None));
    assert!(selects("work::{closure#0}", &closure, None));
    assert!(selects("*work*", &closure, None));
}

#[test]
fn globs_match_whole_paths_and_tails() {
    assert!(selects("vfs_*", &["vfs_read"], None));
    assert!(!selects("vfs_*", &["kvfs_read"], None));
    assert!(selects("*::draw", &["ns", "Widget", "draw"], None));
    assert!(selects("draw?", &["ns", "draw2"], None));
    assert!(!selects("*eval*", &["f<eval>"], None));
}

#[test]
fn operators_are_no_globs() {
    assert!(selects("V::operator*", &["V", "operator*"], None));
    assert!(!selects("V::operator*", &["V", "operator*="], None));
    assert!(selects("operator<<", &["operator<< <char>"], None));
}

#[test]
fn regular_expressions_are_found_anywhere() {
    assert!(selects("/^vfs_(read|write)$/", &["vfs_read"], None));
    assert!(!selects("/^vfs_(read|write)$/", &["vfs_readv"], None));
    assert!(matches!(
        "/(/".parse::<Pattern>(),
        Err(PatternError::Regex { .. })
    ));
}

#[test]
fn linkage_name_selects_its_function() {
    assert!(selects("_ZN2ns3maxEii", &["ns", "max"], Some("_ZN2ns3maxEii")));
    assert!(selects("z.fact", &["fact"], Some("z.fact")));
}

#[test]
fn impls_match_through_their_type() {
    let parts = ["<k::Foo<T> as core::clone::Clone>", "clone"];
    assert!(selects("Foo::clone", &parts, None));
    assert!(selects("k::Foo::clone", &parts, None));
    assert!(selects("<k::Foo as core::clone::Clone>::clone", &parts, None));
    assert!(!selects("Clone::clone", &parts, None));
}

/// Whether the pattern may mean a function that is declared there.
fn is_in_place(pattern: &Pattern, file: &str, line: u32) -> bool {
    let file = Arc::new(SourcePath::new(file.into()));
    pattern.is_in_place(Some(&SourceLine { file, line }))
}

#[test]
fn file_before_a_single_colon_is_split_off() {
    let pattern: Pattern = "src/vm.c:work".parse().unwrap();
    assert!(is_in_place(&pattern, "/x/src/vm.c", 1));
    assert!(!is_in_place(&pattern, "/x/src/kvm.c", 1));
    assert!(!pattern.is_in_place(None));
    assert!(is_in_place(&"vm.rs:a::b".parse().unwrap(), "vm.rs", 1));
    let has_place = |text: &str| text.parse::<Pattern>().unwrap().has_place();
    assert!(!has_place("a::b"));
    assert!(!has_place("/a:b/"));
    assert!(has_place("/x/y.c:work"));
}

#[test]
fn a_mark_means_its_file_and_where_it_has_some_its_lines() {
    let mark = |lines| Mark {
        file: "src/vm.rs".into(),
        line: 3,
        kind: MarkKind::Function,
        name: "Vm::work".to_owned(),
        lines,
    };
    let pattern = Pattern::of_mark(&mark(Some((3, 9)))).unwrap();
    assert_eq!(pattern.as_str(), "Vm::work (marked at src/vm.rs:3)");
    assert_eq!(pattern.literal(), Some("work"));
    for (file, line, expected) in [
        ("/x/src/vm.rs", 3, true),
        ("/x/src/vm.rs", 9, true),
        ("/x/src/vm.rs", 2, false),
        ("/x/src/vm.rs", 10, false),
        ("/x/src/kvm.rs", 5, false),
    ] {
        assert_eq!(is_in_place(&pattern, file, line), expected, "{file} {line}");
    }
    assert!(is_in_place(
        &Pattern::of_mark(&mark(None)).unwrap(),
        "src/vm.rs",
        70
    ));
    assert!(is_in_place(
        &Pattern::anywhere(&mark(None)).unwrap(),
        "src/other.rs",
        1
    ));
}

#[test]
fn file_patterns_compare_whole_parts() {
    let matches =
        |pattern: &str, path: &str| pattern.parse::<FilePattern>().unwrap().matches(Path::new(path));
    assert!(matches("a.c", "/x/a.c"));
    assert!(!matches("a.c", "/x/ba.c"));
    assert!(matches("src/*.c", "/x/src/a.c"));
    assert!(!matches("/src/a.c", "/x/src/a.c"));
    assert!(matches("/x/*", "/x/src/a.c"));
}

#[test]
fn empty_parts_are_refused() {
    for text in ["", "  ", "a::", "::::"] {
        assert!(
            matches!(text.parse::<Pattern>(), Err(PatternError::Empty(_))),
            "{text}"
        );
    }
}

#[test]
fn a_path_is_meant_literally_and_without_arguments() {
    let pattern = Pattern::of_path("app::<Vec<u8> as Tr>::work<u32>::{closure#1}");
    for (parts, expected) in [
        (["app", "<Vec<u16> as Tr>", "work<i8>", "{closure#1}"], true),
        (["app", "<Vec<u16> as Tr>", "work", "{closure#0}"], false),
    ] {
        let name = QualifiedName {
            parts: parts.map(str::to_string).to_vec(),
        };
        let candidate = Candidate {
            name: &name,
            linkage_name: None,
        };
        assert_eq!(pattern.matches(&candidate), expected, "{parts:?}");
    }
}
