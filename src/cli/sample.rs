//! `lineprof sample`: memory over time, into a file that `mprof` reads.
//!
//! Must not know: how memory is read, and what a record looks like.
//!
//! What goes wrong with the file is no fault of the program's: it runs to its end.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::ZonedDateTime;
use lineprof::metric::Reading;
use lineprof::report::escape::Escaped;
use lineprof::sample::{
    Descendants, Ended, Error, Named, Outcome, Sample, Sampler, Settings, StopListener, processes_named,
    stop_pair,
};
use lineprof::timeline::{Point, Record, Writer, command_line};
use lineprof::units::Bytes;
use lineprof_tracer::{Origin, Pid, SignalMask, Untraced};

use super::args;
use super::functions::counted;
use super::hint::{self, Failure};
use super::output::Destination;
use super::program;
use super::signals::{JobControl, Signals};

const TOO_SHORT: &str =
    "the process ended before its memory could be read; `lineprof memit` asks the kernel for its peak";

/// Samples; the program's exit code, or one of ours.
pub(crate) fn run(args: &args::Sample) -> ExitCode {
    sample(args).unwrap_or_else(|failure| failure.say())
}

fn sample(args: &args::Sample) -> Result<ExitCode, Failure> {
    let blocked = SignalMask::of_this_thread();
    let signals = Signals::take(JobControl::Own)
        .map_err(|errno| Failure::new(format!("cannot take signals: {errno}")))?;
    // The process and the file are made sure of before anything runs.
    let found = args.pid.as_deref().map(find).transpose()?;
    let launch = match &found {
        Some(_) => None,
        None => Some(program::find(&args.program, blocked)?),
    };
    let mut timeline = Timeline::create(args.output.as_deref())?;
    let (handle, listener) =
        stop_pair().map_err(|error| Failure::new(format!("cannot make a pipe: {}", hint::reason(&error))))?;
    let process = match (found, launch) {
        (Some(process), _) => {
            signals.stop(Box::new(move || handle.stop()));
            let what = format!("sampling process {} until Ctrl-C,", process.pid());
            timeline.say_where(&args.sampling, &what);
            timeline.begin(&command_of(&process));
            sampling(&process, args, &listener, &mut timeline).inspect_err(|_| timeline.take_back())?;
            process
        }
        (None, Some(launch)) => {
            // Said before it runs: a program may be over within a millisecond.
            timeline.say_where(&args.sampling, "sampling");
            let process = Untraced::start(&launch).map_err(|error| {
                timeline.take_back();
                hint::trace(&error)
            })?;
            signals.hand_on(process.pid().0);
            timeline.begin(&command_line(&launch.arguments));
            match sampling(&process, args, &listener, &mut timeline) {
                Ok(Ended::Timeout) => return timeline.end().map(|()| ExitCode::SUCCESS),
                Ok(Ended::Process | Ended::Asked | Ended::Enough) => {}
                Err(failure) => {
                    // It is not harmed by what lineprof cannot do.
                    let _ended = process.reap();
                    return Err(failure);
                }
            }
            process
        }
        (None, None) => return Err(Failure::new("there is no program to sample")),
    };
    let end = match process.origin() {
        Origin::Found => None,
        Origin::Started => Some(process.reap().map_err(|error| hint::trace(&error))?.end),
    };
    timeline.end()?;
    Ok(end.map_or(ExitCode::SUCCESS, program::passed_on))
}

/// Samples until the end, and tells what there is to tell of it.
fn sampling(
    process: &Untraced,
    args: &args::Sample,
    stop: &StopListener,
    timeline: &mut Timeline,
) -> Result<Ended, Failure> {
    let sampler = match Sampler::new(process, settings(&args.sampling, args.multiprocess)) {
        Ok(sampler) => sampler,
        Err(error) if error.is_gone() => {
            eprintln!("lineprof: {TOO_SHORT}");
            return Ok(Ended::Process);
        }
        Err(error) => return Err(explain(error)),
    };
    let outcome = sampler
        .run(stop, &mut |sample| timeline.add(sample))
        .map_err(explain)?;
    tell(process, &outcome, timeline.peak);
    Ok(outcome.ended)
}

pub(crate) fn settings(sampling: &args::Sampling, multiprocess: bool) -> Settings {
    Settings {
        interval: sampling.interval,
        timeout: sampling.timeout,
        metric: sampling.metric.into(),
        reading: Reading::Counters,
        descendants: match (sampling.include_children, multiprocess) {
            (false, false) => Descendants::Ignored,
            (true, false) => Descendants::Added,
            (false, true) => Descendants::Listed,
            (true, true) => Descendants::AddedAndListed,
        },
    }
}

fn tell(process: &Untraced, outcome: &Outcome, peak: Bytes) {
    let samples = counted(usize::try_from(outcome.samples).unwrap_or(usize::MAX), "sample");
    match outcome.samples {
        0 => eprintln!("lineprof: {TOO_SHORT}"),
        _ => eprintln!("lineprof: {samples}, peak {:.3} MiB", peak.mebibytes()),
    }
    if outcome.missed > 0 {
        eprintln!(
            "lineprof: {} came too late and were left out: this machine is busy, or the interval is too short for it",
            counted(usize::try_from(outcome.missed).unwrap_or(usize::MAX), "reading")
        );
    }
    if let Some(unreadable) = outcome.unreadable {
        eprintln!(
            "lineprof: process {} and maybe others below it belong to somebody else and are in no sample; root may read them",
            unreadable.pid
        );
    }
    if outcome.ended == Ended::Timeout {
        eprintln!("lineprof: the time is up; process {} runs on", process.pid());
    }
}

/// The process that `--pid` means.
fn find(text: &str) -> Result<Untraced, Failure> {
    let pid = match text.parse() {
        Ok(pid) => pid,
        Err(_) => one_named(text)?,
    };
    Untraced::find(Pid(pid)).map_err(|error| hint::trace(&error))
}

fn one_named(name: &str) -> Result<i32, Failure> {
    let own = Pid(std::process::id().cast_signed());
    match processes_named(name, own).as_slice() {
        [] => Err(Failure::new(format!("no process has `{name}` in its name"))
            .hint("`ps -e` lists the processes and their names")),
        [one] => Ok(one.pid),
        several => Err(ambiguous(name, several)),
    }
}

fn ambiguous(name: &str, several: &[Named]) -> Failure {
    const MOST_NAMED: usize = 10;
    let named = several.iter().take(MOST_NAMED);
    let mut list: Vec<String> = named.map(|one| format!("{} ({})", one.pid, one.name)).collect();
    if several.len() > MOST_NAMED {
        list.push(format!("{} more", several.len() - MOST_NAMED));
    }
    let first = several.first().map_or(0, |one| one.pid);
    Failure::new(format!(
        "several processes have the name `{name}`: {}",
        list.join(", ")
    ))
    .hint(format!("name one by its pid: `--pid {first}`"))
}

/// The command of a running process, or where it hides that, its number, as `mprof attach` has it.
fn command_of(process: &Untraced) -> String {
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::fs::read(process.identity().folder().join("cmdline")).unwrap_or_default();
    let words = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if words.is_empty() {
        return process.pid().to_string();
    }
    let words: Vec<&std::ffi::OsStr> = words.split(|b| *b == 0).map(OsStrExt::from_bytes).collect();
    command_line(&words)
}

pub(crate) fn explain(error: Error) -> Failure {
    match &error {
        Error::Memory { pid, source } => {
            let failure = Failure::new(format!("{error}: {}", hint::reason(source)));
            match source.kind() {
                io::ErrorKind::PermissionDenied => failure.hint(format!(
                    "pss and uss are for the owner and root: use `--metric rss`, or `sudo lineprof sample --pid {pid}`"
                )),
                io::ErrorKind::NotFound => failure.hint("it may have ended; kernels before 4.14 have no pss and uss"),
                _ => failure.hint("/proc has to be mounted, and to show the process: see `hidepid` in proc(5)"),
            }
        }
        Error::Wait { source, .. } => Failure::new(format!("{error}: {source}")),
        _ => Failure::new(error.to_string()),
    }
}

/// The file that is written, and what has become of it.
struct Timeline {
    writer: Writer<Box<dyn Write>>,
    to: Destination,
    peak: Bytes,
    /// What went wrong first.
    failed: Option<io::Error>,
}

impl Timeline {
    fn create(output: Option<&Path>) -> Result<Timeline, Failure> {
        let created = match output {
            Some(path) => match Destination::new(Some(path), Destination::Stdout) {
                Destination::File(path) => {
                    File::create(&path).map(|file| (Destination::File(path), Some(file)))
                }
                other => Ok((other, None)),
            },
            None => {
                create_by_time(ZonedDateTime::now()).map(|(path, file)| (Destination::File(path), Some(file)))
            }
        };
        let (to, file) = created.map_err(|error| {
            let name = output.map_or("a file in this folder".into(), |path| path.display().to_string());
            Failure::new(format!(
                "cannot write the samples to {name}: {}",
                hint::reason(&error)
            ))
            .hint("name a file in a folder that can be written: `-o FILE`")
        })?;
        let writer: Box<dyn Write> = match file {
            Some(file) => Box::new(file),
            None => Box::new(io::stdout()),
        };
        Ok(Timeline {
            writer: Writer::new(writer),
            to,
            peak: Bytes(0),
            failed: None,
        })
    }

    fn say_where(&self, sampling: &args::Sampling, what: &str) {
        let seconds = sampling.interval.as_secs_f64();
        let to = self.to.to_string();
        eprintln!("lineprof: {what} every {seconds} s into {}", Escaped(&to));
    }

    /// Removes the file of a program that never was.
    fn take_back(&self) {
        if let Destination::File(path) = &self.to {
            // What is left of it is empty.
            let _kept = std::fs::remove_file(path);
        }
    }

    fn begin(&mut self, command: &str) {
        let command = Record::Command(command.into());
        self.failed = self.writer.write(&command).err();
    }

    fn add(&mut self, sample: &Sample) -> ControlFlow<()> {
        self.peak = self.peak.max(sample.memory);
        let point = |memory: Bytes| Point {
            memory: memory.into(),
            at: sample.at.into(),
        };
        let written = self
            .writer
            .write(&Record::Memory(point(sample.memory)))
            .and_then(|()| {
                sample.descendants.iter().try_for_each(|member| {
                    self.writer.write(&Record::Child {
                        name: member.pid.to_string().into(),
                        point: point(member.memory),
                    })
                })
            });
        match written {
            Ok(()) if self.failed.is_none() => ControlFlow::Continue(()),
            written => {
                self.failed = self.failed.take().or(written.err());
                // Whoever waits for the end of a long run hears of it now.
                let reason = self.failed.as_ref().map(hint::reason).unwrap_or_default();
                eprintln!(
                    "lineprof: sampling ends here: {}: {reason}",
                    Escaped(&self.to.to_string())
                );
                ControlFlow::Break(())
            }
        }
    }

    /// Writes what is held.
    fn end(mut self) -> Result<(), Failure> {
        let written = self.writer.hand_on();
        match self.failed.or(written.err()) {
            None => Ok(()),
            // Whoever read has read enough.
            Some(error) if self.to == Destination::Stdout && error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(())
            }
            Some(error) => Err(Failure::new(format!(
                "cannot write the samples to {}: {}",
                self.to,
                hint::reason(&error)
            ))
            .hint("what was sampled before is in the file; for the rest there has to be room")),
        }
    }
}

/// A new file with the name that `mprof` gives and looks for: by local time, to the second.
///
/// The name of another that began in the same second is never taken: the next second's is.
fn create_by_time(mut now: ZonedDateTime) -> io::Result<(PathBuf, File)> {
    loop {
        let path = PathBuf::from(now.strftime("mprofile_%Y%m%d%H%M%S.dat").to_string());
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                now = now.saturating_add(jiff::SignedDuration::from_secs(1));
            }
            other => return other.map(|file| (path, file)),
        }
    }
}
