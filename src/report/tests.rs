//! Reports against golden files.
//!
//! Must not know: how numbers come about; the profile here is made by hand.

use super::*;
use crate::goldens;
use crate::profile::{
    End, FunctionProfile, LineProfile, Metric, Profile, Profiles, ProfilesSchema, Refused, Schema, Tracing,
};
use crate::source::SourceCache;
use crate::units::{Bytes, Change};

fn line(line: u32, hits: u64, increment: i64, memory: u64) -> LineProfile {
    LineProfile {
        file: None,
        line,
        hits,
        increment: Change(increment),
        greatest_increment: Change(0),
        memory: (hits > 0).then_some(Bytes(memory)),
        shared: false,
        text: None,
    }
}

fn function(name: &str, line: u32, last_line: u32, lines: Vec<LineProfile>) -> FunctionProfile {
    FunctionProfile {
        name: name.to_owned(),
        linkage_name: Some(name.to_owned()),
        file: "hot.c".to_owned(),
        line,
        last_line,
        calls: 1,
        baseline: Some(Bytes(1_134_592)),
        increment: Change(8192),
        peak: Some(Bytes(34_701_312)),
        lines,
        regions: Vec::new(),
    }
}

fn profile() -> Profile {
    let release = LineProfile {
        file: Some("hot.h".to_owned()),
        ..line(3, 2, -67_108_864, 1_142_784)
    };
    let work = vec![
        line(5, 1, 0, 1_134_592),
        line(7, 3, 0, 1_142_784),
        line(8, 2, 4096, 1_146_880),
        LineProfile {
            shared: true,
            ..line(9, 2, 67_108_864, 34_701_312)
        },
        line(12, 2, -4096, 1_142_784),
        line(14, 1, 0, 1_142_784),
        release,
    ];
    let main = vec![
        line(16, 1, 0, 1_134_592),
        line(18, 1, 8192, 1_142_784),
        line(19, 0, 0, 0),
        line(20, 0, 0, 0),
    ];
    let mut evil = function(
        "evil\u{1b}]0;title\u{7}\u{202e}name",
        40,
        42,
        vec![line(40, 0, 0, 0)],
    );
    evil.file = "/src/a\nb\t\u{9b}.c".to_owned();
    evil.linkage_name = None;
    (evil.calls, evil.baseline, evil.increment, evil.peak) = (0, None, Change(0), None);
    let mut silent = evil.clone();
    silent.name = "silent".to_owned();
    Profile {
        schema: Schema::Report1,
        lineprof: "0.1.0".to_owned(),
        command: vec!["./app".to_owned(), "arg".to_owned()],
        executable: "/abs/path/app".to_owned(),
        build_id: None,
        pid: 4711,
        metric: Metric::Rss,
        rss_granularity: Bytes(4096),
        started: "2026-11-22T07:00:00Z".to_owned(),
        duration: 1.25,
        end: End::Exited { code: 0 },
        tracing: Tracing {
            sites: 120,
            inline: 100,
            displaced: 19,
            in_place: 1,
            stops: 3456,
            code_pages: 2,
            events: 0,
            gate: None,
            not_inline: Vec::new(),
            refused: vec![Refused {
                address: 4660,
                function: "f".to_owned(),
                line: 7,
                reason: "not an instruction boundary".to_owned(),
            }],
        },
        functions: vec![
            function("work", 5, 14, work),
            function("main", 16, 20, main),
            evil,
            silent,
        ],
        crossings: vec![],
        notes: vec![],
    }
}

/// The profile with the paths of the sources that stand beside the golden files.
fn with_sources(mut profile: Profile) -> Profile {
    let place = |name: &str| goldens::path("report", name).display().to_string();
    for function in &mut profile.functions {
        if function.file == "hot.c" {
            function.file = place("hot.c");
        }
        for line in &mut function.lines {
            line.file = line.file.as_deref().map(place);
        }
    }
    profile
}

fn table(profile: &Profile, table: &Table) -> String {
    let mut out = Vec::new();
    table.write(profile, &mut SourceCache::new(), &mut out).unwrap();
    let directory = goldens::path("report", "");
    String::from_utf8(out)
        .unwrap()
        .replace(&directory.display().to_string(), "/src/")
}

#[test]
fn the_table_is_the_classic_one() {
    let mut profile = with_sources(profile());
    profile.notes = vec!["rss moves in steps of 4096 bytes,\nat first touch.".to_owned()];
    goldens::check("report", "table.txt", &table(&profile, &Table::default()));
}

#[test]
fn lines_of_inlined_functions_stand_apart_and_only_those_that_ran() {
    let mut profile = profile();
    profile.functions.truncate(1);
    let work = &mut profile.functions[0];
    work.lines = vec![
        line(5, 1, 0, 1_134_592),
        line(7, 2, 4096, 1_146_880),
        // Functions of the same file, before and behind.
        line(2, 2, 0, 1_146_880),
        line(3, 0, 0, 0),
        line(16, 2, 4096, 1_146_880),
        // Of another file, and none ran.
        LineProfile {
            file: Some("hot.h".to_owned()),
            ..line(3, 0, 0, 0)
        },
    ];
    let text = table(&with_sources(profile), &Table::default());
    goldens::check("report", "table-inlined.txt", &text);
}

#[test]
fn lines_without_source_are_the_ones_with_code() {
    let mut profile = profile();
    profile.functions.truncate(1);
    profile.functions[0].lines.truncate(3);
    goldens::check(
        "report",
        "table-no-source.txt",
        &table(&profile, &Table { precision: 1 }),
    );
}

/// The rows of memory_profiler 0.61, measured: `python -m memory_profiler ex.py`.
#[test]
fn rows_are_those_of_memory_profiler() {
    const MIB: f64 = 1024.0 * 1024.0;
    let row = |number, hits, increment: f64, memory: f64| LineProfile {
        text: Some("    a".to_owned()),
        ..line(number, hits, (increment * MIB) as i64, (memory * MIB) as u64)
    };
    let mut profile = profile();
    profile.functions.truncate(1);
    let f = &mut profile.functions[0];
    (f.file, f.line) = ("missing.py".to_owned(), 1);
    f.baseline = Some(Bytes((23.020 * MIB) as u64));
    f.lines = vec![
        row(1, 1, 0.0, 23.020),
        row(3, 1, 7.633, 30.653),
        row(4, 1, 152.5901, 183.2421),
        row(5, 1, -152.5901, 30.652),
    ];
    let text = table(&profile, &Table::default());
    let classic = "\
Filename: missing.py

Line #    Mem usage    Increment  Occurrences   Line Contents
=============================================================
     1   23.020 MiB   23.020 MiB           1       a
     3   30.653 MiB    7.633 MiB           1       a
     4  183.242 MiB  152.590 MiB           1       a
     5   30.652 MiB -152.590 MiB           1       a
";
    assert!(text.contains(classic), "{text}");
}

#[test]
fn nothing_in_a_table_is_obeyed_by_a_terminal() {
    let text = table(&with_sources(profile()), &Table::default());
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn a_profile_goes_through_json_and_back() {
    let mut out = Vec::new();
    write_json(&profile(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    goldens::check("report", "profile.json", &text);
    assert!(!text.contains(|c: char| c != '\n' && escape::is_obeyed(c)));
    assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile());
}

#[test]
fn ends_and_metrics_are_written_as_agreed() {
    let json = |end: End| serde_json::to_string(&end).unwrap();
    assert_eq!(json(End::Exited { code: 3 }), r#"{"kind":"exited","code":3}"#);
    assert_eq!(
        json(End::Killed {
            signal: "SIGSEGV".to_owned()
        }),
        r#"{"kind":"killed","signal":"SIGSEGV"}"#
    );
    assert_eq!(json(End::Detached), r#"{"kind":"detached"}"#);
    assert_eq!(json(End::Executed), r#"{"kind":"executed"}"#);
    let metrics = [Metric::Rss, Metric::Anon, Metric::Pss, Metric::Uss];
    assert_eq!(
        serde_json::to_string(&metrics).unwrap(),
        r#"["rss","anon","pss","uss"]"#
    );
}

#[test]
fn a_report_of_another_schema_is_refused() {
    let mut out = Vec::new();
    write_json(&profile(), &mut out).unwrap();
    let text = String::from_utf8(out)
        .unwrap()
        .replace("lineprof-report/1", "lineprof-report/2");
    assert!(serde_json::from_str::<Profile>(&text).is_err());
}

#[test]
fn several_processes_are_one_report() {
    let profiles = Profiles {
        schema: ProfilesSchema::Reports1,
        processes: vec![profile(), profile()],
    };
    let text = serde_json::to_string(&profiles).unwrap();
    assert!(
        text.starts_with(r#"{"schema":"lineprof-reports/1","processes":[{"schema":"lineprof-report/1","#)
    );
    assert_eq!(serde_json::from_str::<Profiles>(&text).unwrap(), profiles);
}

#[test]
fn each_process_has_a_heading_and_those_that_ran_nothing_are_named_in_the_end() {
    let idle = |pid| {
        let mut profile = profile();
        profile.pid = pid;
        for function in &mut profile.functions {
            function.baseline = None;
        }
        profile
    };
    let mut second = with_sources(profile());
    second.pid = 4712;
    second.functions.truncate(1);
    second.command.push("\x1b[31m ".to_owned());
    let mut processes = vec![with_sources(profile()), idle(4800), second];
    processes.extend((5000..5012).map(idle));
    let report = crate::profile::Report::Many(Profiles {
        schema: ProfilesSchema::Reports1,
        processes,
    });
    let mut out = Vec::new();
    let written = Table::default().write_report(&report, &mut SourceCache::new(), &mut out);
    written.unwrap();
    let directory = goldens::path("report", "");
    let text = String::from_utf8(out).unwrap();
    let text = text.replace(&directory.display().to_string(), "/src/");
    goldens::check("report", "table-processes.txt", &text);
}

#[test]
fn functions_of_one_name_that_never_ran_are_told_apart() {
    let mut profile = profile();
    let silent = profile.functions.pop().unwrap();
    let other = FunctionProfile {
        file: "/src/other.c".to_owned(),
        ..silent.clone()
    };
    let alone = FunctionProfile {
        name: "alone".to_owned(),
        ..silent.clone()
    };
    profile.functions = vec![silent, other, alone];
    let text = table(&profile, &Table::default());
    assert!(text.ends_with("silent at /src/other.c:40, alone\n"), "{text}");
}

#[test]
fn many_functions_that_never_ran_are_counted() {
    let mut profile = profile();
    let silent = profile.functions.pop().unwrap();
    profile.functions = (0..25)
        .map(|number| FunctionProfile {
            name: format!("f{number}"),
            ..silent.clone()
        })
        .collect();
    assert_eq!(
        table(&profile, &Table::default()),
        "Never ran: f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 and 15 more\n"
    );
}
