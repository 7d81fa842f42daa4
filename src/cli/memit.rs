//! `lineprof memit`: a program's peak memory, as IPython's `%memit` prints it.
//!
//! Must not know: how memory is read.
//!
//! - *peak*: what the kernel noted, to the page, where it can be nobody else's (`lineprof::sample::peak_of`); with
//!   descendants, another metric or a timeout, the greatest that was seen.
//! - *increment*: the peak less the first reading after exec, before the program's own code has run.
//! - *best of N*: the run with the greatest peak, which is what memory_profiler prints: `max(mem_usage)`. Memory that one
//!   run needed, the next may need.

use std::ops::ControlFlow;
use std::process::ExitCode;

use lineprof::metric::HighWaterReader;
use lineprof::sample::{Descendants, Ended, Peak, Sampler, Settings, peak_of, stop_pair};
use lineprof::units::Bytes;
use lineprof_tracer::{End, SignalMask, Untraced};

use super::args::{self, Metric};
use super::hint::{self, Failure};
use super::signals::{JobControl, Signals};
use super::{program, sample};

/// What one run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    end: End,
    peak: Peak,
    start: Bytes,
}

/// Runs and prints; the code of the first run that failed.
pub(crate) fn run(args: &args::Memit) -> ExitCode {
    measure(args).unwrap_or_else(|failure| failure.say())
}

fn measure(args: &args::Memit) -> Result<ExitCode, Failure> {
    let blocked = SignalMask::of_this_thread();
    let signals = Signals::take(JobControl::Own)
        .map_err(|errno| Failure::new(format!("cannot take signals: {errno}")))?;
    let launch = program::find(&args.program, blocked)?;
    let mut runs = Vec::new();
    for _ in 0..args.repeat {
        let process = Untraced::start(&launch).map_err(|error| hint::trace(&error))?;
        signals.hand_on(process.pid().0);
        let run = one(process, args)?;
        runs.push(run);
        // Who ended it by a signal does not mean the next.
        if matches!(run.end, End::Killed(_)) {
            break;
        }
    }
    if let Some(text) = printed(&runs) {
        eprintln!("{text}");
    }
    let failed = runs.iter().map(|run| run.end).find(|end| *end != End::Exited(0));
    Ok(failed.map_or(ExitCode::SUCCESS, program::passed_on))
}

fn one(process: Untraced, args: &args::Memit) -> Result<Run, Failure> {
    let pipe = |error| Failure::new(format!("cannot make a pipe: {}", hint::reason(&error)));
    let (_held, listener) = stop_pair().map_err(pipe)?;
    let settings = Settings {
        interval: args.interval,
        timeout: args.timeout,
        metric: args.metric.into(),
        descendants: if args.include_children {
            Descendants::Added
        } else {
            Descendants::Ignored
        },
        ..Settings::default()
    };
    // The kernel notes resident memory, of a process.
    let noted = args.metric == Metric::Rss && !args.include_children;
    let mark = noted
        .then(|| HighWaterReader::open(&process.identity().folder()).ok())
        .flatten();
    let (mut seen, mut start) = (Bytes(0), None);
    let sampled = Sampler::new(&process, settings).and_then(|sampler| {
        sampler.run(&listener, &mut |sample| {
            start.get_or_insert(sample.memory);
            let mark = mark.as_ref().and_then(HighWaterReader::read);
            seen = seen.max(sample.memory).max(mark.unwrap_or_default());
            ControlFlow::Continue(())
        })
    });
    let ended = match sampled {
        Ok(outcome) => outcome.ended,
        Err(error) if error.is_gone() => Ended::Process,
        Err(error) => {
            let _ended = process.reap();
            return Err(sample::explain(error));
        }
    };
    let reaped = process.reap().map_err(|error| hint::trace(&error))?;
    let peak = match ended {
        Ended::Process if noted => peak_of(seen, &reaped),
        _ => Peak::Exact(seen),
    };
    Ok(Run {
        end: reaped.end,
        peak,
        start: start.unwrap_or_default(),
    })
}

fn printed(runs: &[Run]) -> Option<String> {
    let best = runs.iter().max_by_key(|run| run.peak.bytes())?;
    let peak = best.peak.bytes();
    let mut text = format!(
        "peak memory: {:.2} MiB, increment: {:.2} MiB",
        peak.mebibytes(),
        peak.change_since(best.start).mebibytes()
    );
    match best.peak {
        Peak::Exact(_) => {}
        Peak::AtLeast { noted, .. } => {
            text += &format!(
                "\nlineprof: at least; the kernel has noted {:.2} MiB, which a child may have had: see -C",
                noted.mebibytes()
            );
        }
        Peak::AtMost(_) => {
            text += "\nlineprof: at most; it is so little that lineprof may have had it before it became the program";
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(peak: Peak) -> Run {
        Run {
            end: End::Exited(0),
            peak,
            start: Bytes(1 << 20),
        }
    }

    #[test]
    fn the_run_with_the_greatest_peak_is_printed() {
        let runs = [30, 52, 41].map(|mebibytes| run(Peak::Exact(Bytes(mebibytes << 20))));
        let text = printed(&runs);
        assert_eq!(
            text.as_deref(),
            Some("peak memory: 52.00 MiB, increment: 51.00 MiB")
        );
        assert_eq!(printed(&[]), None);
    }

    #[test]
    fn what_is_only_a_bound_is_said_to_be_one() {
        let (seen, noted) = (Bytes(2 << 20), Bytes(9 << 20));
        let text = printed(&[run(Peak::AtLeast { seen, noted })]).expect("there is a run");
        assert!(
            text.starts_with("peak memory: 2.00 MiB, increment: 1.00 MiB\nlineprof: at least"),
            "{text}"
        );
        let text = printed(&[run(Peak::AtMost(noted))]).expect("there is a run");
        assert!(text.contains("9.00 MiB") && text.contains("at most"), "{text}");
    }
}
