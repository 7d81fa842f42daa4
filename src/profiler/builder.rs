//! A profile as a program asks for it: which process, which functions, what counts; then run.
//!
//! Must not know: how anything is traced. It fills in a [`Target`] and [`Settings`] and hands them on.
//!
//! ```text
//! Profiler::launch(..).function(..).metric(..) ─► run()    ─► Profile
//!                                              └► start()  ─► Running ─► stop() or wait() ─► Profile
//! ```
//! Read on in `running` (a profile that goes on meanwhile), `program` (what is started).

use super::program::Program;
use super::running::Running;
use super::{Children, Engine, Error, Pending, Pid, Settings, Target};
use crate::metric::Reading;
use crate::profile::{self, Metric, Profile, Profiles};
use crate::select::{FilePattern, Pattern, PatternError};

/// A profile that is being put together.
///
/// A program that it starts dies with this process. A process that it attaches to dies when this process is killed by
/// SIGKILL meanwhile: who cannot have that runs `lineprof --pid`, which traces from a process of its own.
///
/// ```no_run
/// use lineprof::Profiler;
/// # fn main() -> Result<(), lineprof::Error> {
/// let profile = Profiler::launch("./app").arg("1000").function("load").run()?;
/// for line in &profile.functions[0].lines {
///     println!("{}: {} times, {} bytes", line.line, line.hits, line.increment.0);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Profiler {
    start: Start,
    settings: Settings,
    /// The first pattern that is none; told by whoever runs this.
    mistake: Option<PatternError>,
}

#[derive(Debug)]
enum Start {
    Launch(Program),
    Attach(Pid),
}

impl Profiler {
    /// Profiles a program from its first instruction on: a name that is looked for as `execvp` does, or a
    /// [`std::process::Command`]; see [`Program`] for what of that counts.
    pub fn launch(program: impl Into<Program>) -> Profiler {
        Profiler::new(Start::Launch(program.into()))
    }

    /// Profiles a process that runs already.
    pub fn attach(pid: u32) -> Profiler {
        Profiler::new(Start::Attach(Pid(pid.cast_signed())))
    }

    fn new(start: Start) -> Profiler {
        Profiler {
            start,
            settings: Settings::default(),
            mistake: None,
        }
    }

    /// With one more argument; an attached process has its own already.
    pub fn arg(mut self, argument: impl Into<std::ffi::OsString>) -> Profiler {
        if let Start::Launch(program) = &mut self.start {
            program.arguments.push(argument.into());
        }
        self
    }

    /// With more arguments.
    pub fn args<A: Into<std::ffi::OsString>>(self, arguments: impl IntoIterator<Item = A>) -> Profiler {
        arguments.into_iter().fold(self, Profiler::arg)
    }

    /// With this function; repeatable. A path or its end, a glob, `/a regular expression/` or `file.c:name`, as
    /// `lineprof --function` has it. Without any, and without a file, the program's own functions are meant.
    pub fn function(mut self, pattern: &str) -> Profiler {
        match pattern.parse::<Pattern>() {
            Ok(pattern) => self.settings.selection.functions.push(pattern),
            Err(error) => self.mistaken(error),
        }
        self
    }

    /// With every function of the source files that match; repeatable.
    pub fn file(mut self, pattern: &str) -> Profiler {
        match pattern.parse::<FilePattern>() {
            Ok(pattern) => self.settings.selection.files.push(pattern),
            Err(error) => self.mistaken(error),
        }
        self
    }

    /// Without these functions; repeatable.
    pub fn exclude(mut self, pattern: &str) -> Profiler {
        match pattern.parse::<Pattern>() {
            Ok(pattern) => self.settings.selection.exclude.push(pattern),
            Err(error) => self.mistaken(error),
        }
        self
    }

    fn mistaken(&mut self, error: PatternError) {
        self.mistake.get_or_insert(error);
    }

    /// What counts as memory; resident memory where nothing is said.
    pub fn metric(mut self, metric: Metric) -> Profiler {
        self.settings.metric = metric;
        self
    }

    /// Where memory is read from: the kernel's counters, or, exact on every kernel and slow, its tables.
    pub fn reading(mut self, reading: Reading) -> Profiler {
        self.settings.reading = reading;
        self
    }

    /// How lines are watched; the cheapest way that each allows where nothing is said.
    pub fn engine(mut self, engine: Engine) -> Profiler {
        self.settings.engine = engine;
        self
    }

    /// Whether the processes that it makes, and the programs that it becomes, are profiled too.
    pub fn children(mut self, children: Children) -> Profiler {
        self.settings.children = children;
        self
    }

    /// What to do when no function matches yet.
    pub fn pending(mut self, pending: Pending) -> Profiler {
        self.settings.pending = pending;
        self
    }

    /// Profiles to the end of the process: one table, in which what followed processes cost is added up as
    /// [`profile::merge`] does.
    ///
    /// # Errors
    /// As [`profile`](super::profile()), and when a pattern is none or there is no such program.
    pub fn run(self) -> Result<Profile, Error> {
        self.start()?.wait()
    }

    /// Profiles to the end of the process, and of those that are followed: a profile each.
    ///
    /// # Errors
    /// As [`Profiler::run`].
    pub fn run_each(self) -> Result<Profiles, Error> {
        self.start()?.wait_each()
    }

    /// Begins, and returns when every site is planted and the process goes on; see [`Running`].
    ///
    /// # Errors
    /// As [`Profiler::run`].
    pub fn start(self) -> Result<Running, Error> {
        if let Some(mistake) = self.mistake {
            return Err(mistake.into());
        }
        let target = match self.start {
            Start::Launch(program) => program.target()?,
            Start::Attach(pid) => Target::Attach(pid),
        };
        Running::start(target, self.settings)
    }
}

/// One of several, as [`Profiler::run`] has it.
pub(super) fn merged(mut profiles: Vec<Profile>) -> Option<Profile> {
    match profiles.len() {
        0 | 1 => profiles.pop(),
        _ => profile::merge(profiles),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_pattern_is_told_before_anything_runs() {
        let error = Profiler::launch("true")
            .function("a::::b")
            .run()
            .expect_err("no pattern");
        assert_eq!(error.to_string(), "the pattern `a::::b` has an empty part");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_by_its_name() {
        let error = Profiler::launch("lineprof-no-such-program")
            .run()
            .expect_err("no program");
        assert!(
            matches!(&error, Error::NotFound { program } if program.as_os_str() == "lineprof-no-such-program"),
            "{error}"
        );
    }
}
