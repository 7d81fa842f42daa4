//! From arrivals to the functions of a profile.
//!
//! Must not know: how either is made.

use super::*;
use crate::goldens;
use crate::occurrences;
use crate::plan::FileAddr;
use crate::report::Table;
use crate::scripted::{At, Thread};

/// `work` and `main` of the program beside the report's golden files.
#[test]
fn a_recording_becomes_functions_with_lines_and_text() {
    let mut plan = Plan::default();
    let (main, main_instance) = plan.add_function("main", 16);
    let (work, work_instance) = plan.add_function("work", 5);
    for function in &mut plan.functions {
        function.file = goldens::path("report", "hot.c");
    }
    let main_sites = [
        (16, At::Entry),
        (18, At::Middle),
        (19, At::Middle),
        (20, At::Exit),
    ]
    .map(|(line, at)| plan.add_site(main_instance, &[line], at));
    let [entry, head, allocate, touch, release, step, test, end] = [
        (5, At::Entry),
        (7, At::Middle),
        (8, At::Middle),
        (9, At::Middle),
        (12, At::Middle),
        (7, At::Middle),
        (7, At::Middle),
        (14, At::Exit),
    ]
    .map(|(line, at)| plan.add_site(work_instance, &[line], at));
    plan.add_flow(&main_sites);
    plan.add_flow(&[entry, head, test, allocate, touch, release, step, test, end]);
    let release_line = plan.find_line(work, 12);
    plan.lines[release_line.index()].file = Some(goldens::path("report", "hot.h"));
    plan.lines[release_line.index()].line = 3;
    let refused = RefusedSite {
        address: FileAddr(0x1234),
        function: work,
        line: 8,
        reason: "too short".to_owned(),
    };
    plan.refused.push(refused);

    let mut thread = Thread::new(&plan);
    thread.memory = 1 << 20;
    thread
        .arrive(main_sites[0], 9000, 0)
        .arrive(main_sites[1], 8900, 0);
    thread
        .arrive(entry, 8892, 0)
        .arrive(head, 8800, 0)
        .arrive(test, 8800, 0);
    for _ in 0..2 {
        thread
            .arrive(allocate, 8800, 0)
            .arrive(touch, 8800, 4096)
            .arrive(release, 8800, 32 << 20);
        thread.arrive(step, 8800, -(32 << 20)).arrive(test, 8800, 0);
    }
    thread
        .arrive(end, 8892, 0)
        .arrive(main_sites[2], 8900, 0)
        .arrive(main_sites[3], 9000, 0);
    let recording = thread.finish();
    let occurrences = occurrences::count(&plan, &recording.edges);
    let mut sources = SourceCache::new();
    let functions = functions(&plan, &recording, &occurrences, &mut sources);

    assert_eq!(
        functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
        ["work", "main"]
    );
    let rows: Vec<_> = functions[0]
        .lines
        .iter()
        .map(|line| (line.line, line.hits, line.increment.0))
        .collect();
    assert_eq!(
        rows,
        [
            (5, 1, 0),
            (7, 3, 0),
            (8, 2, 8192),
            (9, 2, 64 << 20),
            (14, 1, 0),
            (3, 2, -(64 << 20))
        ]
    );
    assert_eq!(
        functions[0].lines[3].text.as_deref(),
        Some("\t\tmemset(block, 1, 32 << 20);\t/* touched here */")
    );
    assert_eq!(functions[0].lines[5].text.as_deref(), Some("\tfree(block)"));
    for (function, id) in functions.iter().zip([work, main]) {
        let sum: Change = function.lines.iter().map(|line| line.increment).sum();
        assert_eq!(sum, function.increment);
        assert_eq!(function.increment, recording.function(id).increment);
    }
    let [refused] = super::refused(&plan).try_into().unwrap();
    assert_eq!(
        (refused.address, refused.function.as_str(), refused.line),
        (0x1234, "work", 8)
    );

    let profile = Profile {
        schema: Schema::Report1,
        lineprof: "0".to_owned(),
        command: vec![],
        executable: String::new(),
        build_id: None,
        pid: 1,
        metric: Metric::Anon,
        rss_granularity: Bytes(4096),
        started: String::new(),
        duration: 0.0,
        end: End::Detached,
        tracing: Tracing::default(),
        functions,
        crossings: vec![],
        notes: vec![],
    };
    let mut out = Vec::new();
    Table::default().write(&profile, &mut sources, &mut out).unwrap();
    let directory = goldens::path("report", "").display().to_string();
    goldens::check(
        "report",
        "recorded.txt",
        &String::from_utf8(out).unwrap().replace(&directory, "/src/"),
    );
}
