//! The words of the command line.
//!
//! Must not know: what they set off.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use lineprof::plot::Window;
use lineprof::units::Bytes;
use lineprof_dwarf::{FilePattern, Pattern};

use super::size;

/// Tells which line of a native program makes its memory grow.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "lineprof [OPTIONS] [--] PROGRAM [ARGS]...\n       lineprof [OPTIONS] --pid PID\n       lineprof functions BINARY [PATTERN]\n       lineprof report [FILE] | doctor [PID] | demo\n       lineprof top|sample|memit [OPTIONS] [--] PROGRAM [ARGS]...\n       lineprof plot|peak|list|rm|clean [FILE|INDEX]..."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) profile: Profile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the functions of a program that can be profiled
    Functions(Functions),
    /// Show a report again: one that was kept because lineprof was killed, or a JSON file
    Report(Report),
    /// Tell what this machine, or this process, allows, and what to do about what it does not
    Doctor(Doctor),
    /// What `lineprof doctor` stops to learn the cost; nobody types it
    #[command(hide = true)]
    DoctorTarget(DoctorTarget),
    /// What traces for `lineprof --pid`; nobody types it
    #[command(hide = true)]
    Engine(Profile),
    /// Watch a profile while it grows: source with its costs, functions, memory; ends as `lineprof PROGRAM` does
    Top(Top),
    /// What traces for `lineprof top`; nobody types it
    #[command(hide = true)]
    TopEngine(TopEngine),
    /// Profile a small program that lineprof carries with it, and tell how to read its table
    Demo(Demo),
    /// Write a program's memory over time into a file, as `mprof run` does: no breakpoints, nothing traced
    Sample(Sample),
    /// Draw the memory of sampled runs: in the terminal, or as SVG, PNG or HTML
    Plot(Plot),
    /// Print the peaks of sampled runs
    Peak(Peaks),
    /// List the sampled runs of this folder, the oldest first
    List,
    /// Remove sampled runs
    Rm(Remove),
    /// Remove all sampled runs of this folder
    Clean(Clean),
    /// Run a program and print its peak memory, and how far above its start that is
    Memit(Memit),
    /// Print lineprof.h, by which C and C++ mark what is to be profiled: `lineprof header > lineprof.h`
    Header,
}

/// What to profile, and how.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Profile {
    /// Profile this function; repeatable. A full or trailing part of its path (`work`, `ns::Widget::draw`), a
    /// glob (`*::draw`), a regular expression (`/^ns::/`), or `file.c:name`. Default: the program's own functions
    #[arg(short, long = "function", value_name = "PATTERN")]
    pub(crate) functions: Vec<Pattern>,
    /// Profile every function of the source files that match; repeatable
    #[arg(long = "file", value_name = "GLOB")]
    pub(crate) files: Vec<FilePattern>,
    /// Leave these functions out; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<Pattern>,
    /// Profile the function at this address of the process; for programs that profile themselves
    #[arg(long = "function-at", value_name = "ADDRESS", hide = true, value_parser = address)]
    pub(crate) functions_at: Vec<u64>,
    /// Profile the closure that the code at this address was made to call; see `lineprof::own`
    #[arg(long = "closure-of", value_name = "ADDRESS", hide = true, value_parser = address)]
    pub(crate) closures_of: Vec<u64>,
    /// Go on when no function matches yet: a library that is loaded later may have it
    #[arg(long)]
    pub(crate) pending: bool,
    /// Attach to a running process until it ends or Ctrl-C is pressed
    #[arg(short, long, value_name = "PID", conflicts_with = "program")]
    pub(crate) pid: Option<i32>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) family: Family,
    /// What counts as memory [default: rss; with --merge-children: pss]
    #[arg(long, value_enum)]
    pub(crate) metric: Option<Metric>,
    /// Read rss and anon from smaps_rollup: exact on every kernel, and slow
    #[arg(long)]
    pub(crate) exact: bool,
    #[command(flatten)]
    pub(crate) breaking: Breaking,
    /// Write memory over time as well, with each call of a profiled function, for `lineprof plot` and `mprof plot`
    #[arg(long, value_name = "FILE")]
    pub(crate) timeline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) means: Means,
    /// The program and its arguments
    #[arg(
        value_name = "PROGRAM",
        required_unless_present = "pid",
        trailing_var_arg = true
    )]
    pub(crate) program: Vec<OsString>,
}

/// By which means lines are heard of.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Means {
    /// How the instruction under a breakpoint is run
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    pub(crate) engine: Engine,
    /// How what runs inline hears that memory has changed
    #[arg(long, value_enum, default_value_t = Gate::Auto)]
    pub(crate) gate: Gate,
    /// Look at each event whether the kernel's word on memory was missed, and fail if it was: slow
    #[arg(long, conflicts_with = "gate")]
    pub(crate) verify_gate: bool,
    /// Leave out what cannot run inline, so that the process outlives every process of lineprof's, killed or not
    #[arg(
        long,
        requires = "pid",
        conflicts_with_all = ["children", "merge_children", "exact", "pending", "break_at", "break_inc", "timeline"]
    )]
    pub(crate) inline_only: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "lineprof top [OPTIONS] [--] PROGRAM [ARGS]...\n       lineprof top [OPTIONS] --pid PID"
)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) profile: Profile,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TopEngine {
    /// The descriptors on which the front talks and listens
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    pub(crate) front: Vec<i32>,
    #[command(flatten)]
    pub(crate) profile: Profile,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Functions {
    /// The program
    #[arg(value_name = "BINARY")]
    pub(crate) binary: PathBuf,
    /// Only functions that match; default: the program's own
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: Option<Pattern>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) writing: Writing,
}

/// What to sample, and how.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "lineprof sample [OPTIONS] [--] PROGRAM [ARGS]...\n       lineprof sample [OPTIONS] --pid PID|NAME"
)]
pub(crate) struct Sample {
    #[command(flatten)]
    pub(crate) sampling: Sampling,
    /// One record more for each descendant, at each reading
    #[arg(short = 'M', long)]
    pub(crate) multiprocess: bool,
    /// Sample a running process: its pid, its name, or a part of its name that no other has
    #[arg(short, long, value_name = "PID|NAME", conflicts_with = "program")]
    pub(crate) pid: Option<String>,
    /// Write here, in place of what is there; `-` is stdout [default: mprofile_YYYYMMDDhhmmss.dat]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The program and its arguments
    #[arg(
        value_name = "PROGRAM",
        required_unless_present = "pid",
        trailing_var_arg = true
    )]
    pub(crate) program: Vec<OsString>,
}

/// What to draw, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Plot {
    /// Draw into this file, by the ending of its name: .svg, .png or .html [default: in the terminal]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What stands above [default: the command, of one run]
    #[arg(short, long)]
    pub(crate) title: Option<String>,
    /// Only these seconds from the start
    #[arg(short, long, value_name = "FROM,TO", value_parser = window, allow_hyphen_values = true)]
    pub(crate) window: Option<Window>,
    /// Draw a straight line through each curve, by least squares; its slope is in the legend, in MiB a second
    #[arg(short, long)]
    pub(crate) slope: bool,
    /// Draw calls of functions as nested rectangles
    #[arg(short, long, conflicts_with = "no_function_ts")]
    pub(crate) flame: bool,
    /// Draw no calls of functions; those of several runs are never drawn
    #[arg(short, long)]
    pub(crate) no_function_ts: bool,
    /// Files, or numbers of `lineprof list`, -1 being the newest; default: the newest
    #[arg(value_name = "FILE|INDEX", allow_negative_numbers = true)]
    pub(crate) profiles: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Peaks {
    /// While this function ran, by its whole name
    #[arg(long, value_name = "NAME")]
    pub(crate) func: Option<String>,
    /// Files, or numbers of `lineprof list`, -1 being the newest; default: the newest
    #[arg(value_name = "FILE|INDEX", allow_negative_numbers = true)]
    pub(crate) profiles: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Files, or numbers of `lineprof list`, -1 being the newest
    #[arg(value_name = "FILE|INDEX", required = true, allow_negative_numbers = true)]
    pub(crate) profiles: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Clean {
    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What to run and measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Memit {
    /// Run it so often, and print the run with the greatest peak
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Seconds from one look to the next, where the kernel's own mark is not enough
    #[arg(short = 'T', long, value_name = "SECONDS", default_value = "0.01", value_parser = interval)]
    pub(crate) interval: Duration,
    /// What comes after this many seconds does not count; the program runs to its end
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Add the memory of all descendants
    #[arg(short = 'C', long)]
    pub(crate) include_children: bool,
    /// What counts as memory
    #[arg(long, value_enum, default_value_t = Metric::Rss)]
    pub(crate) metric: Metric,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true)]
    pub(crate) program: Vec<OsString>,
}

/// When memory is read, and whose.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Sampling {
    /// Seconds from one reading to the next
    #[arg(short = 'T', long, value_name = "SECONDS", default_value = "0.1", value_parser = interval)]
    pub(crate) interval: Duration,
    /// End after this many seconds; the program runs on
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Add the memory of all descendants
    #[arg(short = 'C', long)]
    pub(crate) include_children: bool,
    /// What counts as memory
    #[arg(long, value_enum, default_value_t = Metric::Rss)]
    pub(crate) metric: Metric,
}

fn window(text: &str) -> Result<Window, String> {
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) | Err(_) => Err(format!("`{text}` is no number: two of seconds, as in 0.5,12")),
    };
    let (from, to) = text
        .split_once(',')
        .ok_or("two numbers of seconds, as in 0.5,12")?;
    match (number(from)?, number(to)?) {
        (from, to) if from < to => Ok(Window { from, to }),
        (from, to) => Err(format!("it ends at {to}, which is not after {from}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|error| format!("{error}: seconds, as in 0.5"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("it has to be more than 0".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reading itself takes a microsecond or two, and waking up some fifty.
const SHORTEST: Duration = Duration::from_micros(100);

fn interval(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        short if short < SHORTEST => Err(format!("the shortest is {} seconds", SHORTEST.as_secs_f64())),
        interval => Ok(interval),
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// A JSON report; default: the newest that was kept
    #[arg(value_name = "FILE", conflicts_with = "list")]
    pub(crate) file: Option<PathBuf>,
    /// List the reports that are kept, the newest first
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// A running process
    #[arg(value_name = "PID")]
    pub(crate) pid: Option<i32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorTarget {
    pub(crate) turns: u32,
}

/// Where the program is stopped because of its memory, and what happens then.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Breaking {
    /// Break at the first line that a profiled function comes to with this much memory: `500MiB`, `64K`, `1.5GB`
    /// (K, KB and KiB are 1024 bytes)
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) break_at: Option<Bytes>,
    /// Break behind the first execution of a line that adds this much
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) break_inc: Option<Bytes>,
    /// What happens then [default: report]
    #[arg(long, value_enum, value_name = "ACTION")]
    pub(crate) break_action: Option<BreakAction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum BreakAction {
    /// Tell where, and profile on
    #[default]
    Report,
    /// Leave the program on the line with gdb
    Gdb,
    /// Write a core file with gcore, and let the program go on unprofiled
    Core,
    /// Leave the program stopped on the line
    Stop,
    /// Kill the program
    Kill,
}

/// Which processes beside the first.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Family {
    /// Profile the processes that it makes as well, and the programs that they become: a report each
    #[arg(long)]
    pub(crate) children: bool,
    /// The same, in one report: a row for each line of the source, with shared pages counted once (pss)
    #[arg(long)]
    pub(crate) merge_children: bool,
}

/// Where a report goes, and how it looks.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Writing {
    /// Write the report here; `-` is stdout. A name that ends in .json is written as JSON
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The report's format
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Digits after the point in the table
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(..=9))]
    pub(crate) precision: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Metric {
    /// Resident memory
    Rss,
    /// Resident memory that is not backed by a file
    Anon,
    /// Resident memory, shared pages divided by their users
    Pss,
    /// Resident memory of this process alone
    Uss,
}

impl From<Metric> for lineprof::profile::Metric {
    fn from(metric: Metric) -> lineprof::profile::Metric {
        match metric {
            Metric::Rss => lineprof::profile::Metric::Rss,
            Metric::Anon => lineprof::profile::Metric::Anon,
            Metric::Pss => lineprof::profile::Metric::Pss,
            Metric::Uss => lineprof::profile::Metric::Uss,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Gate {
    /// The kernel tells where it may (needs CAP_BPF and CAP_PERFMON), else statm
    #[default]
    Auto,
    /// It reads /proc/self/statm each time
    Statm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Engine {
    /// The cheapest that each site allows
    #[default]
    Auto,
    /// From a copy: one stop a hit
    Displaced,
    /// At its own place: the reference, slow
    InPlace,
    /// Inline wherever a function can be copied, else displaced
    Inline,
}

/// A number as a debugger writes addresses: `0x55d0c0de`.
fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").ok_or("an address begins with 0x")?;
    u64::from_str_radix(digits, 16).map_err(|error| error.to_string())
}
