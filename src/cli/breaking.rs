//! Breaking where memory crosses a limit: what is said, and who gets the program then.
//!
//! Must not know: how a crossing is found, how a process is stopped.
//!
//! ```text
//! report   said, profiled on
//! kill     said, killed by the tracer; the table follows
//! stop     said, stopped ─► the table, the commands to type
//! gdb      said, stopped ─► gdb on this terminal ─► the table
//! core     said, stopped ─► gcore ─► SIGCONT ─► the table
//! ```
//! A program that lineprof started is its child also when it is stopped: a lineprof that ended would leave a stopped
//! job to nobody, which the kernel sends SIGHUP (setpgid(2), orphaned process groups). So it waits, and passes the exit
//! code on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use lineprof::profile::{BacktraceFrame, Crossing, Limit, Report};
use lineprof::profiler::{Pid, Then, Trigger};
use lineprof::report::escape::Escaped;
use lineprof_tracer::End;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};

use super::args::{BreakAction, Profile};
use super::hint::{self, Failure};
use super::permission::{self, Facts};
use super::size;

/// For gdb: that the process is stopped is not worth stopping for once more, and it goes on by `continue`.
const NO_STOP: &str = "handle SIGSTOP nostop noprint nopass";

/// What a shell makes of SIGKILL.
const KILLED: u8 = 128 + 9;

/// What is done with a program that was left stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heir {
    /// The user.
    Nobody,
    /// gdb, at this path.
    Gdb(PathBuf),
    /// gcore, at this path.
    Gcore(PathBuf),
}

/// What of `args` cannot be done, or who gets a program that is left stopped.
///
/// # Errors
/// Options that exclude each other, or a tool that is not there.
pub(crate) fn heir(args: &Profile, path: Option<&OsStr>) -> Result<Heir, Failure> {
    let breaking = &args.breaking;
    let is_set = breaking.break_at.is_some() || breaking.break_inc.is_some();
    let action = match breaking.break_action {
        Some(_) if !is_set => {
            return Err(
                Failure::new("`--break-action` says what happens at a limit, and none is set")
                    .hint("set one: `--break-at 500MiB`, or `--break-inc 64MiB`"),
            );
        }
        action => action.unwrap_or_default(),
    };
    if is_set {
        args.means.stop_at_lines("break on the line")?;
    }
    let family = args.family.children || args.family.merge_children;
    if family && !matches!(action, BreakAction::Report) {
        return Err(Failure::new(
            "with `--children` and `--merge-children` the only `--break-action` is `report`: the others end the profile of one process",
        )
        .hint("profile the process that grows alone: `lineprof --pid PID`"));
    }
    let tool = |name: &str| {
        lineprof_tracer::find_program(Path::new(name), path).ok_or_else(|| {
            Failure::new(format!("`--break-action` needs `{name}`: no such file in PATH")).hint(
                "install gdb, which brings it (`apt-get install gdb`, `dnf install gdb`), or use `--break-action stop`",
            )
        })
    };
    let by_another = matches!(action, BreakAction::Gdb | BreakAction::Core);
    if by_another && args.pid.is_none() && !may_attach(&permission::read(None)) {
        return Err(Failure::new(
            "gdb could not attach to the program: this kernel lets a program trace only what it started (kernel.yama.ptrace_scope)",
        )
        .hint("allow it until the next boot: `sudo sysctl kernel.yama.ptrace_scope=0`")
        .hint("or run lineprof as root, or use another `--break-action`"));
    }
    match action {
        BreakAction::Gdb => tool("gdb").map(Heir::Gdb),
        BreakAction::Core => tool("gcore").map(Heir::Gcore),
        BreakAction::Report | BreakAction::Stop | BreakAction::Kill => Ok(Heir::Nobody),
    }
}

/// Whether a program that lineprof has started may be traced by another that it has started (Yama, ptrace_scope).
fn may_attach(facts: &Facts) -> bool {
    facts.scope.is_none_or(|scope| scope == 0) || facts.may_trace_all()
}

/// The limits, for the profiler.
pub(crate) fn trigger(args: &Profile) -> Trigger {
    Trigger {
        at: args.breaking.break_at,
        increment: args.breaking.break_inc,
        then: match args.breaking.break_action.unwrap_or_default() {
            BreakAction::Report => Then::GoOn,
            BreakAction::Gdb | BreakAction::Core | BreakAction::Stop => Then::LeaveStopped,
            BreakAction::Kill => Then::Kill,
        },
    }
}

/// Limits cost a stop a line, which nobody asked for.
pub(crate) fn note_engine(args: &Profile) {
    if trigger(args).is_set() {
        args.means.note_stops("break on the very line");
    }
}

/// Says where memory crossed a limit.
pub(crate) fn say(crossing: &Crossing) {
    eprintln!("lineprof: {}", Escaped(&headline(crossing)));
    for (number, frame) in crossing.backtrace.iter().enumerate() {
        eprintln!("  #{number} {}", Escaped(&described(frame)));
    }
}

fn described(frame: &BacktraceFrame) -> String {
    let name = frame.function.as_deref();
    let name = name.map_or_else(|| format!("?? ({:#x})", frame.address), str::to_owned);
    let place = match (&frame.file, frame.line, &frame.module) {
        (Some(file), Some(line), _) => format!(" at {file}:{line}"),
        (_, _, Some(module)) => format!(" in {module}"),
        (_, _, None) => String::new(),
    };
    let inlined = if frame.inlined { " (inlined)" } else { "" };
    format!("{name}{place}{inlined}")
}

fn headline(crossing: &Crossing) -> String {
    let Crossing {
        memory,
        file,
        line,
        function,
        thread,
        ..
    } = crossing;
    let memory_is = size::amount(*memory);
    let added = crossing.ran.as_ref().map(|ran| {
        let sign = if ran.increment.0 < 0 { "gave back" } else { "added" };
        let bytes = lineprof::units::Bytes(ran.increment.0.unsigned_abs());
        let place = if ran.file == *file {
            format!("line {}", ran.line)
        } else {
            format!("{}:{}", name_of(&ran.file), ran.line)
        };
        (place, sign, size::amount(bytes))
    });
    let at = format!("at {}:{line} in {function} (thread {thread})", name_of(file));
    match (crossing.limit, added) {
        (Limit::Memory(limit), added) => {
            let how = if *memory == limit {
                "which is the limit"
            } else {
                "above"
            };
            let limit = if *memory == limit {
                String::new()
            } else {
                format!(" {}", size::amount(limit))
            };
            let last = added.map_or_else(String::new, |(place, verb, bytes)| {
                format!("; {place} {verb} {bytes}")
            });
            format!("memory is {memory_is}, {how}{limit}, {at}{last}")
        }
        (Limit::Increment(limit), Some((place, verb, bytes))) => format!(
            "{place} {verb} {bytes}, the limit being {}; memory is {memory_is}, {at}",
            size::amount(limit)
        ),
        (Limit::Increment(_), None) => format!("memory is {memory_is}, {at}"),
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Hands the stopped process over; returns when the heir has done with it.
///
/// # Errors
/// The heir could not be started, or failed; what is to be done about the process is said.
pub(crate) fn hand_over(process: Pid, heir: &Heir) -> Result<(), Failure> {
    match heir {
        Heir::Nobody => Ok(()),
        Heir::Gdb(gdb) => {
            let started = with_clean_mask(|| {
                let pid = process.to_string();
                Command::new(gdb).args(["-q", "-p", &pid, "-ex", NO_STOP]).spawn()
            });
            match started.and_then(|mut gdb| gdb.wait()) {
                Ok(_) => {
                    // What gdb gives back is stopped still, by the signal that it met it with.
                    continued(process);
                    Ok(())
                }
                Err(error) => Err(not_handed_over(process, &hint::reason(&error))),
            }
        }
        Heir::Gcore(gcore) => {
            let mut command = Command::new(gcore);
            command
                .arg("-o")
                .arg("core")
                .arg(process.to_string())
                .stdin(Stdio::null());
            let output = with_clean_mask(|| command.output());
            let core = format!("core.{process}");
            match output {
                Ok(output) if output.status.success() => {
                    eprintln!("lineprof: core file written: {core}");
                    continued(process);
                    Ok(())
                }
                other => {
                    continued(process);
                    let why = match other {
                        Ok(output) => last_line(&output.stderr),
                        Err(error) => hint::reason(&error),
                    };
                    Err(Failure::new(format!("cannot write {core} with gcore: {why}"))
                        .hint("gcore writes into the folder that lineprof runs in; the program goes on unprofiled"))
                }
            }
        }
    }
}

fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    said.lines().last().unwrap_or("it says nothing").to_owned()
}

/// Says what failed; the code to exit with, if anything did.
pub(crate) fn say_failures<const N: usize>(outcomes: [Result<(), Failure>; N]) -> Option<ExitCode> {
    let mut code = None;
    for failure in outcomes.into_iter().filter_map(Result::err) {
        code = Some(failure.say());
    }
    code
}

fn not_handed_over(process: Pid, why: &str) -> Failure {
    Failure::new(format!("cannot start gdb: {why}")).hint(commands(process))
}

/// What to type about a stopped process.
fn commands(process: Pid) -> String {
    format!(
        "process {process} is stopped on that line: `gdb -p {process} -ex '{NO_STOP}'` looks at it, `kill -CONT {process}` lets it go on, `kill -KILL {process}` ends it"
    )
}

/// Tells what to do with a process that nobody got.
pub(crate) fn say_commands(process: Pid) {
    eprintln!("lineprof: {}", commands(process));
}

fn continued(process: Pid) {
    // Whoever killed it meanwhile knows.
    let _gone = kill(nix::unistd::Pid::from_raw(process.0), Signal::SIGCONT);
}

/// A child inherits what the calling thread blocks, and lineprof blocks what a terminal sends.
fn with_clean_mask<T>(start: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    let before = SigSet::empty().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
    let started = start();
    before.thread_set_mask()?;
    started
}

/// The exit code where a process was attached to: one that was killed as it was asked for has failed.
pub(crate) fn code_of(report: &Report, args: &Profile) -> ExitCode {
    let crossed = report
        .profiles()
        .iter()
        .any(|profile| !profile.crossings.is_empty());
    if crossed && trigger(args).then == Then::Kill {
        ExitCode::from(KILLED)
    } else {
        ExitCode::SUCCESS
    }
}

/// Waits for the end of a program that lineprof started and does not trace any more.
pub(crate) fn end_of(process: Pid) -> Option<End> {
    loop {
        match waitpid(nix::unistd::Pid::from_raw(process.0), None) {
            Ok(WaitStatus::Exited(_, code)) => return Some(End::Exited(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Some(End::Killed(lineprof_tracer::Signal(signal as i32)));
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => {
                tracing::warn!(%errno, "the end of the program is not heard of");
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lineprof::profile::RanLine;
    use lineprof::units::{Bytes, Change};

    fn crossing(limit: Limit, memory: u64, increment: i64) -> Crossing {
        Crossing {
            limit,
            memory: Bytes(memory),
            file: "/src/app.c".to_owned(),
            line: 12,
            function: "load".to_owned(),
            thread: 4711,
            ran: Some(RanLine {
                file: "/src/app.c".to_owned(),
                line: 11,
                increment: Change(increment),
            }),
            backtrace: Vec::new(),
        }
    }

    #[test]
    fn a_message_has_the_line_that_is_next_and_the_one_that_ran() {
        let limit = Limit::Memory(Bytes(500 << 20));
        assert_eq!(
            headline(&crossing(limit, 512 << 20, 32 << 20)),
            "memory is 512 MiB, above 500 MiB, at app.c:12 in load (thread 4711); line 11 added 32 MiB"
        );
        assert_eq!(
            headline(&crossing(limit, 500 << 20, -4096)),
            "memory is 500 MiB, which is the limit, at app.c:12 in load (thread 4711); line 11 gave back 4 KiB"
        );
        let entered = Crossing {
            ran: None,
            ..crossing(limit, 512 << 20, 0)
        };
        assert_eq!(
            headline(&entered),
            "memory is 512 MiB, above 500 MiB, at app.c:12 in load (thread 4711)"
        );
        assert_eq!(
            headline(&crossing(Limit::Increment(Bytes(16 << 20)), 512 << 20, 32 << 20)),
            "line 11 added 32 MiB, the limit being 16 MiB; memory is 512 MiB, at app.c:12 in load (thread 4711)"
        );
    }

    #[test]
    fn gdb_may_attach_where_yama_lets_it() {
        let mut facts = permission::read(None);
        facts.own.effective = 0;
        for (scope, may) in [(None, true), (Some(0), true), (Some(1), false), (Some(2), false)] {
            facts.scope = scope;
            assert_eq!(may_attach(&facts), may, "{scope:?}");
        }
        facts.own.effective = u64::MAX;
        assert!(may_attach(&facts));
    }
}
