//! `--timeline FILE`: memory over time and calls, of a process that is profiled, in mprof's format.
//!
//! Must not know: how they were come by.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use lineprof::profiler::{Profiled, Timeline};
use lineprof::report::escape::Escaped;
use lineprof::timeline::{Record, Span, Writer, command_line};

use super::args::Profile;
use super::breaking;
use super::functions::counted;
use super::hint::{self, Failure};
use super::output::Destination;

/// The most calls in a file.
pub(crate) const MOST_CALLS: usize = 100_000;

/// What of `args` cannot be done, before anything runs; says what it costs.
pub(crate) fn check(args: &Profile) -> Result<(), Failure> {
    let Some(path) = args.timeline.as_deref() else {
        return Ok(());
    };
    args.means.stop_at_lines("tell when a call began")?;
    if args.family.children || args.family.merge_children {
        return Err(Failure::new(
            "`--timeline` is of one process, and `--children` and `--merge-children` of many",
        )
        .hint("profile one alone: `lineprof --pid PID --timeline FILE`")
        .hint("for the memory of all without calls: `lineprof sample -M PROGRAM`"));
    }
    let to = Destination::new(Some(path), Destination::Stdout);
    if to == Destination::Stdout {
        return Err(Failure::new("`--timeline` needs a file: stdout is the program's")
            .hint("name one, as in `--timeline work.dat`"));
    }
    if args.writing.output.as_deref() == Some(path) {
        return Err(
            Failure::new(format!("{} would be both report and timeline", path.display()))
                .hint("give `-o` and `--timeline` a file each"),
        );
    }
    to.check().map_err(|error| not_written(path, &error))?;
    if !breaking::trigger(args).is_set() {
        args.means.note_stops("tell when each call begins and ends");
    }
    Ok(())
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::new(format!(
        "cannot write the timeline to {path}: {}",
        hint::reason(error)
    ))
    .hint("name a file in a folder that can be written: `--timeline FILE`")
}

/// Writes the timeline where it is wanted; what there is to say of it goes to the notes of the profile.
pub(crate) fn write(profiled: &mut [Profiled], to: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = to else {
        return Ok(());
    };
    for one in profiled {
        let Some(timeline) = one.timeline.take() else {
            continue;
        };
        let command = command_line(&one.profile.command);
        File::create(path)
            .and_then(|file| write_all(&command, &timeline, BufWriter::new(file)))
            .map_err(|error| not_written(path, &error))?;
        one.profile.notes.extend(left_out(&timeline));
        let name = path.display().to_string();
        eprintln!(
            "lineprof: {} of memory and {} in {name}; `lineprof plot {name}` draws them",
            counted(timeline.readings.len(), "reading"),
            counted(timeline.calls.len(), "call"),
            name = Escaped(&name)
        );
    }
    Ok(())
}

fn write_all(command: &str, timeline: &Timeline, to: impl io::Write) -> io::Result<()> {
    let mut writer = Writer::new(to);
    writer.write(&Record::Command(command.into()))?;
    for point in &timeline.readings {
        writer.write(&Record::Memory(*point))?;
    }
    for Span {
        name,
        begin,
        end,
        depth,
    } in &timeline.calls
    {
        writer.write(&Record::Function {
            name: name.into(),
            begin: *begin,
            end: *end,
            depth: *depth,
        })?;
    }
    writer.hand_on()
}

fn left_out(timeline: &Timeline) -> Option<String> {
    (timeline.left_out > 0).then(|| {
        format!(
            "the timeline has the first {MOST_CALLS} calls; {} that began later are left out: name fewer functions",
            timeline.left_out
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_left_out_are_told_of() {
        let mut timeline = Timeline::default();
        assert_eq!(left_out(&timeline), None);
        timeline.left_out = 7;
        let note = left_out(&timeline).expect("some are missing");
        assert!(note.contains("first 100000 calls; 7 that"), "{note}");
    }
}
