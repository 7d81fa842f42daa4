//! One profile, on the thread that traces.
//!
//! Must not know: reports, terminals.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use lineprof_tracer::{Children, Engine, Gauge, Identity, Launch, Options, Session, stop_pair};

use super::follow::{Following, command_of};
use super::prepared::Prepared;
use super::summary::Named;
use super::watch::Entered;
use super::{Error, Observer, Outcome, Progress, Settings, Target};
use crate::metric::Reading;
use crate::profile::Metric;
use crate::report::escape;

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
        // What it makes, or becomes, may have what is wanted.
        Err(vain) if settings.children == Children::Followed && program.exists() => Err(vain),
        // What is wrong with the process says more than what is wrong with its file.
        Err(error) if matches!(target, Target::Attach(_)) => {
            start(target, process.as_ref(), settings, observer).and(Err(error))?
        }
        other => Ok(other?),
    };
    if let Ok(prepared) = &prepared {
        tell(prepared, observer);
    }
    let started = (SystemTime::now(), Instant::now());
    let session = start(target, process.as_ref(), settings, observer)?;
    let pid = session.pid();
    let (command, entered) = match target {
        Target::Launch { arguments, .. } => {
            let valid = |argument: &std::ffi::OsString| escape::valid(argument.as_encoded_bytes());
            (arguments.iter().map(valid).collect(), Entered::AfterSites)
        }
        Target::Attach(pid) => (command_of(*pid), Entered::BeforeSites),
    };
    let named = Named {
        pid,
        command,
        executable,
        started,
    };
    let following = Following::begin(session, prepared, named, entered, settings, observer)?;
    observer.progress(Progress::Running { pid });
    following.until_the_end(observer)
}

/// The engine that can do what is asked for: code in the process reads only what the kernel counts as it goes, and a
/// child that is followed would count in its parent's memory.
fn engine(settings: &Settings) -> Engine {
    let counted =
        matches!(settings.metric, Metric::Rss | Metric::Anon) && settings.reading == Reading::Counters;
    // A process that counts its lines itself tells of them late.
    let one_by_one = settings.trigger.is_set() || settings.calls.is_some();
    let inline = counted && settings.children != Children::Followed && !one_by_one;
    match settings.engine {
        Engine::Inline | Engine::Auto if inline => Engine::Inline,
        Engine::Inline | Engine::Auto => Engine::Displaced,
        engine @ (Engine::Displaced | Engine::InPlace) => engine,
    }
}

fn tell(prepared: &Prepared, observer: &mut dyn Observer) {
    if !prepared.planned.plan.functions.is_empty() {
        observer.progress(Progress::Selected {
            by: prepared.selection.by,
            functions: prepared.planned.plan.functions.len(),
            sites: prepared.planned.plan.sites.len(),
        });
    }
    // Else a library may have them.
    if prepared.object.interpreter().is_none() && !prepared.missed.unmatched.is_empty() {
        let patterns = prepared.missed.unmatched.clone();
        observer.progress(Progress::Unmatched { patterns });
    }
}

fn start(
    target: &Target,
    process: Option<&Identity>,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Session, Error> {
    let options = Options {
        engine: engine(settings),
        gauge: match settings.metric {
            Metric::Anon => Gauge::Anonymous,
            Metric::Rss | Metric::Pss | Metric::Uss => Gauge::Resident,
        },
        gates: settings.gates,
        keeper: settings.keeper,
        pinning: settings.pinning,
        children: settings.children,
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
