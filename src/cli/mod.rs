//! The command line: words in, a report and an exit code out.
//!
//! Must not know: how anything is measured. This is the only place that reads the environment, prints, or
//! handles signals.
//!
//! | file | holds |
//! |---|---|
//! | `args` | the words |
//! | `profile` | `lineprof PROGRAM` |
//! | `attach` | `lineprof --pid PID`, in two processes |
//! | `top` | `lineprof top`: a profile while it grows, in the terminal |
//! | `sample` | `lineprof sample` |
//! | `peaks`, `shelf` | `lineprof peak`, and `list`, `rm`, `clean`: the files that `lineprof sample` left in a folder |
//! | `means` | engines and gates: what contradicts what |
//! | `plot` | `lineprof plot` |
//! | `memit` | `lineprof memit` |
//! | `program` | the program that a command line names, and its exit code |
//! | `breaking` | what happens where memory crosses a limit |
//! | `size` | amounts of memory as they are typed |
//! | `timeline` | `--timeline FILE` |
//! | `report`, `kept` | `lineprof report`, and the reports that nobody was there to take |
//! | `functions` | `lineprof functions BINARY` |
//! | `demo` | `lineprof demo` |
//! | `header` | `lineprof header` |
//! | `doctor` | `lineprof doctor [PID]` |
//! | `output` | where a report goes, and in which format |
//! | `signals` | who hears Ctrl-C |
//! | `notes` | what a reader of a report has to know |
//! | `hint` | what to do about an error |
//! | `permission` | why the kernel does not let us trace |

mod args;
mod attach;
mod breaking;
mod demo;
mod doctor;
mod functions;
mod header;
mod hint;
mod kept;
mod means;
mod memit;
mod notes;
mod output;
mod peaks;
mod permission;
mod plot;
mod profile;
mod program;
mod report;
mod sample;
mod shelf;
mod signals;
mod size;
mod timeline;
mod top;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

/// Exit codes of our own, as `env`, `nohup` and `timeout` use them (POSIX, env: EXIT STATUS).
pub(crate) const FAILED: u8 = 125;
pub(crate) const CANNOT_RUN: u8 = 126;
pub(crate) const NOT_FOUND: u8 = 127;

/// Runs the command line; the code to exit with.
pub(crate) fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_env("LINEPROF_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // A closed pipe is the only way this can fail, and nobody is left to tell.
            let _closed = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(FAILED),
            };
        }
    };
    match args.command {
        Some(args::Command::Functions(functions)) => functions::run(&functions),
        Some(args::Command::Demo(demo)) => demo::run(&demo),
        Some(args::Command::Header) => header::run(),
        Some(args::Command::Doctor(doctor)) => doctor::run(&doctor),
        Some(args::Command::DoctorTarget(target)) => doctor::run_target(&target),
        Some(args::Command::Report(report)) => report::run(&report),
        Some(args::Command::Sample(sample)) => sample::run(&sample),
        Some(args::Command::Plot(plot)) => plot::run(&plot),
        Some(args::Command::Peak(peaks)) => peaks::run(&peaks),
        Some(args::Command::List) => shelf::list(),
        Some(args::Command::Rm(remove)) => shelf::remove(&remove),
        Some(args::Command::Clean(clean)) => shelf::clean(&clean),
        Some(args::Command::Memit(memit)) => memit::run(&memit),
        Some(args::Command::Top(top)) => top::run(&top),
        Some(args::Command::TopEngine(engine)) => top::run_engine(&engine),
        Some(args::Command::Engine(profile)) => profile::run_engine(&profile),
        None => profile::run(&args.profile),
    }
}
