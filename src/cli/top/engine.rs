//! The engine of a view: the process that starts or attaches to the program, and traces it.
//!
//! Must not know: the view.
//!
//! Its standard streams are the program's. What it has to say, and what it is told, goes by two pipes of their own,
//! which it takes by their numbers.

use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use lineprof::profiler::{Pid, SignalMask, Target};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::output::Output;
use crate::cli::args::TopEngine;
use crate::cli::attach::{self, Front};
use crate::cli::hint::{Failure, reason};
use crate::cli::profile::{self, Many};

/// Traces for a view.
pub(crate) fn run(args: &TopEngine) -> ExitCode {
    let blocked = SignalMask::of_this_thread();
    let front = match <[i32; 2]>::try_from(args.front.as_slice()).map(Front::by_descriptors) {
        Ok(Ok(front)) => front,
        Ok(Err(error)) => return Failure::new(format!("cannot hear the front: {}", reason(&error))).say(),
        Err(_) => return Failure::new("`lineprof top-engine` is for lineprof's own use").say(),
    };
    let target = match args.profile.pid {
        Some(pid) => Ok(Target::Attach(Pid(pid))),
        None => profile::launch(&args.profile.program, blocked),
    };
    match target {
        Ok(target) => attach::run_engine(
            front,
            &target,
            Ok(profile::settings(&args.profile)),
            Many::of(&args.profile),
            None,
        ),
        Err(failure) => failure.say(),
    }
}

/// An engine that runs.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) process: Child,
    pub(super) to: PipeWriter,
    pub(super) from: PipeReader,
}

/// Starts it with the words that this process was started with.
pub(super) fn start(attaches: bool, output: &Output) -> io::Result<Engine> {
    let (its_from, to) = pipe()?;
    let (from, its_to) = pipe()?;
    // Nothing else is started meanwhile that could inherit them as well.
    fcntl(&its_from, FcntlArg::F_SETFD(FdFlag::empty()))?;
    fcntl(&its_to, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("lineprof").arg("top-engine").arg("--front");
    command.args([its_from.as_raw_fd(), its_to.as_raw_fd()].map(|fd| fd.to_string()));
    // Behind `top`.
    command.args(std::env::args_os().skip(2));
    output.take(&mut command)?;
    if attaches {
        command.stdin(Stdio::null());
    }
    let process = command.spawn()?;
    Ok(Engine { process, to, from })
}
