//! The process that the user sees: starts the engine, hands on Ctrl-C, shows what the engine tells.
//!
//! Must not know: ptrace. It may be killed at any moment.

use std::io::{BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use lineprof::own::{STOP, Word};
use lineprof::profiler::Pid;
use lineprof::select::Selection;
use lineprof::source::SourceCache;

use super::memory_killer;
use crate::cli::args::Profile;
use crate::cli::breaking::{self, Heir};
use crate::cli::hint::{self, Failure};
use crate::cli::output::Destination;
use crate::cli::signals::{JobControl, Signals};
use crate::cli::{notes, profile};

/// After the death of an engine that could do nothing about it.
pub(crate) const BREAKPOINTS_LEFT: &str =
    "its breakpoints are left in the process, which dies at the next one that it comes to: start it anew";
/// After the end of an engine that failed: a session gives its process back however it is left.
const GIVEN_BACK: &str =
    "the process was given back and goes on; please report this as a bug, with what is said above";

/// Attaches by an engine of its own, and writes the report.
pub(crate) fn run(args: &Profile, selection: &Selection, heir: &Heir, to: &Destination) -> ExitCode {
    let signals = match Signals::take(JobControl::Own) {
        Ok(signals) => signals,
        Err(errno) => return Failure::new(format!("cannot take signals: {errno}")).say(),
    };
    if let Err(error) = to.check() {
        return profile::not_written(to, &error).say();
    }
    let mut engine = match start() {
        Ok(engine) => engine,
        Err(error) => {
            return Failure::new(format!(
                "cannot start the tracing process: {}",
                hint::reason(&error)
            ))
            .say();
        }
    };
    // Not before: the engine would inherit it.
    memory_killer::go_early();
    if let Some(to_engine) = engine.stdin.take() {
        signals.stop(Box::new(move || stop(to_engine)));
    }
    let last = listen(&mut engine, selection);
    // Its end lets go of threads that were left asleep: after this process nothing is traced any more.
    let ended = engine.wait();
    match last {
        Some(Word::Report { report, left_stopped }) => {
            let stopped = left_stopped.map(Pid);
            let handed_over = stopped.map_or(Ok(()), |process| breaking::hand_over(process, heir));
            let written = profile::write(&report, to, &args.writing, &mut SourceCache::new());
            let failed = breaking::say_failures([handed_over, written]);
            if let Some(process) = stopped.filter(|_| *heir == Heir::Nobody) {
                breaking::say_commands(process);
            }
            failed.unwrap_or_else(|| breaking::code_of(&report, args))
        }
        Some(Word::Failed(failure)) => Failure::from(failure).say(),
        Some(
            Word::Selected { .. }
            | Word::Unmatched { .. }
            | Word::Loaded { .. }
            | Word::Running { .. }
            | Word::Crossed(_)
            | Word::SoFar { .. }
            | Word::Exited { .. }
            | Word::FirstEnded,
        )
        | None => {
            // A front that was told to ignore SIGCHLD hears of no end (wait(2)).
            let by_itself = ended.as_ref().is_ok_and(|status| status.code().is_some());
            let how = ended.map_or_else(|error| hint::reason(&error), |status| status.to_string());
            Failure::new(format!("the tracing process has ended without a report: {how}"))
                .hint(if by_itself { GIVEN_BACK } else { BREAKPOINTS_LEFT })
                .say()
        }
    }
}

fn start() -> std::io::Result<Child> {
    // The same words, so that there is one way to say what is to be done.
    Command::new("/proc/self/exe")
        .arg0("lineprof")
        .arg("engine")
        .args(std::env::args_os().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}

/// Asks the engine for the report; after that it does not look at this pipe any more.
fn stop(mut to_engine: ChildStdin) {
    // One that has ended already has told its last word.
    let _ended = to_engine.write_all(STOP);
}

/// Shows what the engine tells, up to its last word.
fn listen(engine: &mut Child, selection: &Selection) -> Option<Word> {
    let mut words = BufReader::new(engine.stdout.take()?);
    loop {
        match Word::read(&mut words).ok()?? {
            Word::Selected { by, functions, sites } => notes::selected(selection, by, functions, sites),
            Word::Unmatched { patterns } => notes::not_found(&patterns),
            Word::Loaded {
                path,
                functions,
                sites,
            } => notes::loaded(&path, functions, sites),
            Word::Running { pid } => eprintln!(
                "lineprof: attached to {pid}; Ctrl-C ends the profile and leaves the process running"
            ),
            Word::Crossed(crossing) => breaking::say(&crossing),
            Word::FirstEnded => notes::first_ended(),
            // Asked for by `top`.
            Word::SoFar { .. } | Word::Exited { .. } => {}
            last @ (Word::Report { .. } | Word::Failed(_)) => return Some(last),
        }
    }
}
