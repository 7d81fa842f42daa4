//! One profile, on the thread that traces.
//!
//! Must not know: reports, terminals.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use lineprof_dwarf::{DebugSearch, FileAddr, ObjectFile};
use lineprof_tracer::{Identity, Launch, Options, Pid, Session, stop_pair};

use super::missed::{self, Missed};
use super::watch::{Watch, Watched};
use super::{Error, Observer, Outcome, Pending, Progress, Settings, Target};
use crate::metric;
use crate::occurrences;
use crate::planner::{self, Planned};
use crate::profile::{self, Profile, Schema, Tracing};
use crate::report::escape;
use crate::select::Selection;
use crate::source::SourceCache;
use crate::units::Bytes;

pub(super) fn run(
    target: &Target,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    // Held from here on: its number may get to another process while its file is read.
    let process = match target {
        Target::Launch { .. } => None,
        Target::Attach(pid) => Some(Identity::of(*pid)?),
    };
    let (program, executable) = match target {
        Target::Launch { program, .. } => (program.clone(), program.clone()),
        // The mapped file itself: the path on disk may hold another program by now.
        Target::Attach(pid) => {
            let link = PathBuf::from(format!("/proc/{pid}/exe"));
            let path = std::fs::read_link(&link).unwrap_or_else(|_| link.clone());
            (link, path)
        }
    };
    let prepared = match Prepared::new(&program, &executable, settings) {
        // What is wrong with the process says more than what is wrong with its file.
        Err(error) if matches!(target, Target::Attach(_)) => {
            start(target, process.as_ref(), settings, observer).and(Err(error))?
        }
        other => other?,
    };
    if !prepared.planned.plan.functions.is_empty() {
        observer.progress(Progress::Selected {
            functions: prepared.planned.plan.functions.len(),
            sites: prepared.planned.plan.sites.len(),
        });
    }
    // Else a library may have them.
    if prepared.object.interpreter().is_none() && !prepared.missed.unmatched.is_empty() {
        let patterns = prepared.missed.unmatched.clone();
        observer.progress(Progress::Unmatched { patterns });
    }
    let started = (SystemTime::now(), Instant::now());
    let session = start(target, process.as_ref(), settings, observer)?;
    let pid = session.pid();
    let command = match target {
        Target::Launch { arguments, .. } => arguments
            .iter()
            .map(|a| escape::valid(a.as_encoded_bytes()))
            .collect(),
        Target::Attach(pid) => command_of(*pid),
    };
    let watch = Watch::begin(session, prepared, settings, target, observer)?;
    observer.progress(Progress::Running { pid });
    let watched = watch.follow(observer)?;
    Ok(watched.outcome(command, &executable, settings, started))
}

fn start(
    target: &Target,
    process: Option<&Identity>,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Session, Error> {
    let options = Options {
        engine: settings.engine,
        pinning: settings.pinning,
        children: lineprof_tracer::Children::RunFree,
    };
    let (handle, listener) = stop_pair()?;
    let session = match target {
        Target::Launch {
            program,
            arguments,
            environment,
            blocked,
        } => {
            let launch = Launch {
                program: program.clone(),
                arguments: arguments.clone(),
                environment: environment.clone(),
                blocked: *blocked,
            };
            Session::launch(&launch, options, listener)?
        }
        Target::Attach(pid) => match process {
            Some(process) => Session::attach_to(process, options, listener)?,
            None => Session::attach(*pid, options, listener)?,
        },
    };
    observer.stoppable(handle);
    Ok(session)
}

fn command_of(pid: Pid) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(&[0]).unwrap_or(&line);
    line.split(|b| *b == 0).map(escape::valid).collect()
}

/// What is known before anything runs.
pub(super) struct Prepared {
    pub(super) object: ObjectFile,
    pub(super) planned: Planned,
    built: Option<SystemTime>,
    granularity: Bytes,
    pub(super) missed: Missed,
    /// Why the program's own file has nothing to profile; a library may have.
    pub(super) vain: Option<Error>,
}

impl Prepared {
    fn new(program: &Path, executable: &Path, settings: &Settings) -> Result<Prepared, Error> {
        let mut search = DebugSearch::default();
        if let Some(directory) = executable.parent() {
            search = search.for_program_in(directory);
        }
        let object = ObjectFile::open(program, &search)?;
        let may_have_libraries = object.interpreter().is_some() && !settings.selection.is_default();
        let (planned, missed, vain) = match plan(&object, &settings.selection) {
            Ok((planned, missed)) => (planned, missed, None),
            Err(vain) if may_have_libraries => {
                let vain = (settings.pending == Pending::Fail).then_some(vain);
                (Planned::default(), Missed::all(&settings.selection), vain)
            }
            Err(vain) => return Err(vain),
        };
        let metadata = std::fs::metadata(program).ok();
        let granularity =
            metric::granularity(settings.metric, settings.reading).map_err(|source| Error::Memory {
                pid: std::process::id(),
                source,
            })?;
        Ok(Prepared {
            object,
            planned,
            built: metadata.and_then(|m| m.modified().ok()),
            granularity,
            missed,
            vain,
        })
    }
}

/// The plan for the program's own file, and what of the selection is not in it.
fn plan(object: &ObjectFile, selection: &Selection) -> Result<(Planned, Missed), Error> {
    let found = selection.resolve(object)?;
    if found.functions.is_empty() {
        let vain = missed::no_match(object, selection, &found)?;
        return Err(Error::NoMatch(vain));
    }
    let planned = planner::plan(object, &found.functions)?;
    Ok((planned, Missed::new(selection, &found)))
}

impl Watched {
    fn outcome(
        self,
        command: Vec<String>,
        executable: &Path,
        settings: &Settings,
        started: (SystemTime, Instant),
    ) -> Outcome {
        let plan = &self.prepared.planned.plan;
        let planted = plan.sites.len() + planner_refused(plan);
        let recording = self.recorder.finish(self.memory);
        let occurrences = occurrences::count(plan, &recording.edges);
        let mut sources = SourceCache::new();
        let functions = profile::functions(plan, &recording, &occurrences, &mut sources);
        let path = std::path::absolute(executable).unwrap_or_else(|_| executable.to_path_buf());
        let profile = Profile {
            schema: Schema::Report1,
            lineprof: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            executable: profile::path_text(&path),
            build_id: self.prepared.object.build_id().map(hexadecimal),
            pid: self.pid.0.cast_unsigned(),
            metric: settings.metric,
            rss_granularity: self.prepared.granularity,
            started: timestamp(started.0),
            duration: started.1.elapsed().as_secs_f64(),
            end: self.end,
            tracing: Tracing {
                sites: planted as u64,
                inline: 0,
                displaced: self.counts.displaced as u64,
                in_place: self.counts.in_place as u64,
                stops: self.counts.stops,
                code_pages: self.counts.code_pages as u64,
                refused: profile::refused(plan),
            },
            functions,
            notes: Vec::new(),
        };
        Outcome {
            profile,
            exit: self.exit,
            built: self.prepared.built,
            missed: self.prepared.missed,
        }
    }
}

/// Refusals that came before planting have no site in the plan.
fn planner_refused(plan: &crate::plan::Plan) -> usize {
    let sites: HashSet<FileAddr> = plan.sites.iter().map(|site| site.address).collect();
    let refused = plan.refused.iter().map(|refused| refused.address);
    refused.filter(|address| !sites.contains(address)).count()
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _always = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 3339 in UTC, whole seconds.
fn timestamp(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| String::new(),
        |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}
