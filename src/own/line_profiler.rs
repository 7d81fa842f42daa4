//! Functions of this process, watched again and again.
//!
//! Must not know: how the process that traces is talked to.
//!
//! ```text
//! enable ─ span ─ disable ····· enable ─ span ─ snapshot ─ span ─ disable        the stats: all spans together
//! ```

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use super::call::{Known, call, known};
use super::helper::Helper;
use crate::metric::Reading;
use crate::profile::{Metric, Profile, continued};
use crate::profiler::{Engine, Error};
use crate::report::Table;
use crate::select::{FilePattern, Pattern};
use crate::source::SourceCache;

/// A profile of functions of the process that runs this.
///
/// Between [`enable`](LineProfiler::enable) and [`disable`](LineProfiler::disable) another process, `lineprof engine`,
/// traces this one; outside of that nothing is traced and nothing costs anything. Of a program of 85 MB with its debug
/// information, most of which is this library's own, `enable` takes 120 ms, nearly all of it to read that; `disable` 4 ms.
/// A closure that is [`run`](LineProfiler::run) takes 300 ms more, to find out which it is. Put them around work, not into
/// it.
///
/// A frame that is on the stack at `enable` is watched from there on and is no call; one that is there at `disable`
/// ends there. What lineprof itself allocates in this process, it allocates outside of the spans; an allocator may
/// give that memory to the program later, whose pages then do not count as new.
///
/// ```no_run
/// use lineprof::LineProfiler;
/// # fn load_orders(count: usize) -> Vec<String> { vec!["order".repeat(100); count] }
/// # fn main() -> Result<(), lineprof::Error> {
/// let mut profiler = LineProfiler::new();
/// profiler.profile_function("load_orders")?;
/// profiler.enable()?;
/// let orders = load_orders(1000);
/// profiler.disable()?;
/// profiler.print_stats()?;
/// # assert_eq!(orders.len(), 1000);
/// # assert_eq!(profiler.snapshot()?.functions[0].calls, 1);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LineProfiler {
    program: PathBuf,
    /// As the command line has them.
    selected: Vec<OsString>,
    options: Vec<OsString>,
    helper: Option<Helper>,
    /// The spans that have ended.
    seen: Option<Profile>,
}

impl Default for LineProfiler {
    fn default() -> LineProfiler {
        LineProfiler::new()
    }
}

impl LineProfiler {
    /// A profiler of the program's own functions, until some are named.
    pub fn new() -> LineProfiler {
        LineProfiler {
            program: "lineprof".into(),
            selected: Vec::new(),
            options: Vec::new(),
            helper: None,
            seen: None,
        }
    }

    /// Where the executable `lineprof` is; it is looked for in `PATH` where nothing is said. It has to be of this
    /// library's version.
    #[must_use]
    pub fn lineprof(mut self, program: impl Into<PathBuf>) -> LineProfiler {
        self.program = program.into();
        self
    }

    /// What counts as memory; resident memory where nothing is said.
    #[must_use]
    pub fn metric(self, metric: Metric) -> LineProfiler {
        let name = match metric {
            Metric::Rss => "rss",
            Metric::Anon => "anon",
            Metric::Pss => "pss",
            Metric::Uss => "uss",
        };
        self.option(["--metric", name])
    }

    /// Where memory is read from; the kernel's counters where nothing is said.
    #[must_use]
    pub fn reading(self, reading: Reading) -> LineProfiler {
        match reading {
            Reading::Counters => self,
            Reading::Exact => self.option(["--exact"]),
        }
    }

    /// How lines are watched; the cheapest way that each allows where nothing is said.
    #[must_use]
    pub fn engine(self, engine: Engine) -> LineProfiler {
        let name = match engine {
            Engine::Auto => "auto",
            Engine::Displaced => "displaced",
            Engine::InPlace => "in-place",
            Engine::Inline => "inline",
        };
        self.option(["--engine", name])
    }

    fn option<const N: usize>(mut self, words: [&str; N]) -> LineProfiler {
        self.options.extend(words.map(OsString::from));
        self
    }

    /// Adds a function, by a pattern as `lineprof --function` has it; it counts from the next `enable` on.
    ///
    /// # Errors
    /// [`Error::Pattern`].
    pub fn profile_function(&mut self, pattern: &str) -> Result<&mut LineProfiler, Error> {
        let pattern: Pattern = pattern.parse()?;
        Ok(self.select("--function", pattern.as_str()))
    }

    /// Adds the function that `function` points to: `work as *const ()`.
    pub fn profile_function_at(&mut self, function: *const ()) -> &mut LineProfiler {
        self.select("--function-at", &format!("{function:p}"))
    }

    /// Adds every function of the source files that match.
    ///
    /// # Errors
    /// [`Error::Pattern`].
    pub fn profile_file(&mut self, pattern: &str) -> Result<&mut LineProfiler, Error> {
        let pattern: FilePattern = pattern.parse()?;
        Ok(self.select("--file", pattern.as_str()))
    }

    fn select(&mut self, option: &str, value: &str) -> &mut LineProfiler {
        self.selected.push(format!("{option}={value}").into());
        self
    }

    /// Begins to watch; returns when every line is watched. Nothing happens where it is enabled already.
    ///
    /// # Errors
    /// This process cannot be profiled: [`Error::Refused`] says why, and what to do.
    pub fn enable(&mut self) -> Result<(), Error> {
        if self.helper.is_none() {
            let words: Vec<OsString> = self.selected.iter().chain(&self.options).cloned().collect();
            self.helper = Some(Helper::attach(&self.program, &words)?);
        }
        Ok(())
    }

    /// Ends to watch: no trace of it is left. Nothing happens where it is not enabled.
    ///
    /// # Errors
    /// What was seen since `enable` is lost.
    pub fn disable(&mut self) -> Result<(), Error> {
        if let Some(helper) = self.helper.take() {
            let span = helper.finish()?;
            self.seen = Some(match self.seen.take() {
                Some(earlier) => continued(earlier, span),
                None => span,
            });
        }
        Ok(())
    }

    /// Whether it watches.
    pub fn is_enabled(&self) -> bool {
        self.helper.is_some()
    }

    /// Forgets what was seen so far. The functions stay, and it watches on where it does.
    ///
    /// # Errors
    /// As [`LineProfiler::enable`], where it watches.
    pub fn reset(&mut self) -> Result<(), Error> {
        self.seen = None;
        match self.helper.take() {
            Some(helper) => {
                drop(helper);
                self.enable()
            }
            None => Ok(()),
        }
    }

    /// What was seen so far, of all spans. Where it watches, one span ends here and the next begins.
    ///
    /// # Errors
    /// [`Error::Nothing`] before the first span; else as [`LineProfiler::disable`] and [`LineProfiler::enable`].
    pub fn snapshot(&mut self) -> Result<Profile, Error> {
        if self.is_enabled() {
            self.disable()?;
            self.enable()?;
        }
        self.seen.clone().ok_or(Error::Nothing)
    }

    /// Calls `work` with its own lines watched, beside the functions that were named; what it returns.
    ///
    /// # Errors
    /// As [`LineProfiler::enable`] and [`Error::NoName`], where `work` has not run; as [`LineProfiler::disable`], where
    /// it has.
    pub fn run<T, F: FnOnce() -> T>(&mut self, work: F) -> Result<T, Error> {
        let before = self.selected.len();
        match known::<F, T>()? {
            Known::Path(path) => self.select("--function", Pattern::of_path(&path).as_str()),
            Known::CalledBy(address) => self.select("--closure-of", &format!("{address:#x}")),
        };
        let was_enabled = self.is_enabled();
        self.disable()?;
        let enabled = self.enable();
        self.selected.truncate(before);
        enabled?;
        let result = call(work);
        self.disable()?;
        if was_enabled {
            self.enable()?;
        }
        Ok(result)
    }

    /// Writes the table of what was seen so far.
    ///
    /// # Errors
    /// As [`LineProfiler::snapshot`], and [`Error::Table`].
    pub fn write_stats(&mut self, out: &mut impl Write) -> Result<(), Error> {
        let profile = self.snapshot()?;
        let mut text = Vec::new();
        Table::default()
            .write(&profile, &mut SourceCache::new(), &mut text)
            .and_then(|()| out.write_all(&text))
            .map_err(Error::Table)
    }

    /// Prints the table of what was seen so far on stderr, where `lineprof` prints that of a program. With
    /// [`show_results`](super::show_results) the only thing in this library that prints.
    ///
    /// # Errors
    /// As [`LineProfiler::write_stats`].
    pub fn print_stats(&mut self) -> Result<(), Error> {
        self.write_stats(&mut io::stderr().lock())
    }
}
