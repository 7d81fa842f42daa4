//! Profiles for the tests of the view.
//!
//! Must not know: what is tested.

use lineprof::profile::{End, FunctionProfile, LineProfile, Metric, Profile, Schema, Tracing};
use lineprof::units::{Bytes, Change};

pub(super) const FILE: &str = "/src/app.c";

/// The text of [`FILE`].
pub(super) fn text() -> Vec<String> {
    let lines = [
        "char *load(int n)",
        "{",
        "\tchar *kept = malloc(n);",
        "    memset(kept, 1, n); /* \u{1b}[31m */",
        "    return kept;",
        "}",
        "",
        "void drop(char *kept)",
        "{",
        "    free(kept);",
        "}",
    ];
    lines.map(str::to_owned).to_vec()
}

fn line(line: u32, hits: u64, increment: i64, memory: u64) -> LineProfile {
    LineProfile {
        file: None,
        line,
        hits,
        increment: Change(increment),
        greatest_increment: Change(0),
        memory: Some(Bytes(memory)),
        shared: line == 4,
        text: None,
    }
}

fn function(
    name: &str,
    at: (u32, u32),
    calls: u64,
    increment: i64,
    lines: Vec<LineProfile>,
) -> FunctionProfile {
    FunctionProfile {
        name: name.into(),
        linkage_name: None,
        file: FILE.into(),
        line: at.0,
        last_line: at.1,
        calls,
        baseline: (calls > 0).then_some(Bytes(1 << 20)),
        increment: Change(increment),
        peak: (calls > 0).then_some(Bytes(9 << 20)),
        regions: Vec::new(),
        lines,
    }
}

/// `load` was called so often and added a MiB each time; `drop` gave half of it back in as many calls.
pub(super) fn profile(calls: u64) -> Profile {
    let mebibytes = calls.cast_signed() << 20;
    let loads = vec![
        line(1, calls, 0, 1 << 20),
        line(3, calls, mebibytes / 64, 2 << 20),
        line(4, calls, mebibytes - mebibytes / 64, 9 << 20),
        line(5, calls, 0, 9 << 20),
    ];
    let drops = vec![
        line(8, calls, 0, 1 << 20),
        line(10, calls, -mebibytes / 2, 5 << 20),
    ];
    Profile {
        schema: Schema::Report1,
        lineprof: "0".into(),
        command: vec!["./app".into()],
        executable: "/src/app".into(),
        build_id: None,
        pid: 4711,
        metric: Metric::Rss,
        rss_granularity: Bytes(4096),
        started: String::new(),
        duration: 1.0,
        end: End::Detached,
        tracing: Tracing::default(),
        functions: vec![
            function("drop", (8, 11), calls, -mebibytes / 2, drops),
            function("load", (1, 6), calls, mebibytes, loads),
            function("never\u{7}", (20, 22), 0, 0, Vec::new()),
        ],
        crossings: Vec::new(),
        notes: Vec::new(),
    }
}
