//! The JSON report as its contract has it, for tests to look into.
//!
//! Must not know: how lineprof makes it; these types are written from the contract, not shared with the tool.

use serde::Deserialize;

/// The schema `lineprof-report/1`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) schema: String,
    pub(crate) lineprof: String,
    pub(crate) command: Vec<String>,
    pub(crate) executable: String,
    pub(crate) build_id: Option<String>,
    pub(crate) pid: i32,
    pub(crate) metric: String,
    pub(crate) rss_granularity: Option<u64>,
    pub(crate) started: String,
    pub(crate) duration: f64,
    pub(crate) end: End,
    pub(crate) tracing: Tracing,
    pub(crate) functions: Vec<Function>,
    #[serde(default)]
    pub(crate) crossings: Vec<Crossing>,
}

/// Where memory crossed a limit.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Crossing {
    pub(crate) limit: Limit,
    pub(crate) memory: u64,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) function: String,
    pub(crate) thread: i32,
    pub(crate) ran: Option<Ran>,
    pub(crate) backtrace: Vec<Frame>,
}

/// Which limit: `memory` or `increment`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) kind: String,
    pub(crate) bytes: u64,
}

/// The line that ran last.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) increment: i64,
}

/// A frame of a backtrace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Frame {
    pub(crate) function: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

/// How the profiled process ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) kind: String,
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<String>,
}

/// What the tracing took.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tracing {
    pub(crate) sites: u64,
    pub(crate) inline: u64,
    pub(crate) displaced: u64,
    pub(crate) in_place: u64,
    pub(crate) stops: u64,
    pub(crate) code_pages: u64,
    pub(crate) refused: Vec<RefusedSite>,
}

/// A site that was not planted.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RefusedSite {
    pub(crate) address: u64,
    pub(crate) function: String,
    pub(crate) line: u32,
    pub(crate) reason: String,
}

/// One profiled function. Memory in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) linkage_name: Option<String>,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) calls: u64,
    /// Null where the function never ran.
    pub(crate) baseline: Option<u64>,
    pub(crate) increment: i64,
    /// Null where the function never ran.
    pub(crate) peak: Option<u64>,
    pub(crate) lines: Vec<Line>,
    #[serde(default)]
    pub(crate) regions: Vec<Region>,
}

/// Marked lines of a function. Memory in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) last_line: u32,
    pub(crate) entries: u64,
    pub(crate) increment: i64,
    /// Null where none of its lines ran.
    pub(crate) memory: Option<u64>,
}

/// One line of a function. Memory in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) line: u32,
    /// Set where the line lies in another file than the function.
    pub(crate) file: Option<String>,
    pub(crate) hits: u64,
    pub(crate) increment: i64,
    /// Null where the line never ran.
    pub(crate) memory: Option<u64>,
    pub(crate) text: Option<String>,
}

impl Report {
    /// Reads the text of a report.
    ///
    /// # Panics
    /// When the text does not keep the contract.
    pub(crate) fn parse(text: &str) -> Report {
        let report: Report =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("not a report: {error}\n{text}"));
        assert_eq!(report.schema, "lineprof-report/1");
        report
    }

    /// The function whose name is `name` or ends in `::name`.
    pub(crate) fn function(&self, name: &str) -> &Function {
        let mut found = self
            .functions
            .iter()
            .filter(|function| function.name == name || function.name.ends_with(&format!("::{name}")));
        match (found.next(), found.next()) {
            (Some(function), None) => function,
            (None, _) => panic!("no function `{name}` in the report, which has {:?}", self.names()),
            _ => panic!(
                "several functions `{name}` in the report, which has {:?}",
                self.names()
            ),
        }
    }

    /// The names of all functions in the report's order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.functions
            .iter()
            .map(|function| function.name.as_str())
            .collect()
    }
}
