//! One profile, on the thread that traces.
//!
//! Must not know: reports, terminals.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use lineprof_dwarf::{DebugSearch, FileAddr, FrameRule, ObjectFile};
use lineprof_tracer::{
    Counts, End, Event, Hit, Launch, Options, Pid, Session, SiteId, SiteRequest, stop_pair,
};

use super::missed::{self, Missed};
use super::{Error, Observer, Outcome, Progress, Settings, Target};
use crate::image::LoadBias;
use crate::metric::{self, MemoryReader};
use crate::occurrences;
use crate::plan::{RefusedSite, SiteIndex};
use crate::planner::{self, Planned};
use crate::profile::{self, Profile, Schema, Tracing};
use crate::recorder::{Arrival, Concurrency, Recorder, StackKey, StackPointer, ThreadKey};
use crate::report::escape;
use crate::source::SourceCache;
use crate::units::Bytes;

pub(super) fn run(
    target: &Target,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
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
            start(target, settings, observer).and(Err(error))?
        }
        other => other?,
    };
    observer.progress(Progress::Selected {
        functions: prepared.planned.plan.functions.len(),
        sites: prepared.planned.plan.sites.len(),
        unmatched: prepared.missed.unmatched.clone(),
    });
    let started = (SystemTime::now(), Instant::now());
    let session = start(target, settings, observer)?;
    let command = match target {
        Target::Launch { arguments, .. } => arguments
            .iter()
            .map(|a| escape::valid(a.as_encoded_bytes()))
            .collect(),
        Target::Attach(pid) => command_of(*pid),
    };
    let watch = Watch::begin(session, prepared, settings, target)?;
    observer.progress(Progress::Running {
        pid: watch.session.pid(),
    });
    let watched = watch.follow(observer)?;
    Ok(watched.outcome(command, &executable, settings, started))
}

fn start(target: &Target, settings: &Settings, observer: &mut dyn Observer) -> Result<Session, Error> {
    let options = Options {
        engine: settings.engine,
        pinning: settings.pinning,
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
        Target::Attach(pid) => Session::attach(*pid, options, listener)?,
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
struct Prepared {
    object: ObjectFile,
    planned: Planned,
    inode: u64,
    built: Option<SystemTime>,
    granularity: Bytes,
    missed: Missed,
}

impl Prepared {
    fn new(program: &Path, executable: &Path, settings: &Settings) -> Result<Prepared, Error> {
        let mut search = DebugSearch::default();
        if let Some(directory) = executable.parent() {
            search = search.for_program_in(directory);
        }
        let object = ObjectFile::open(program, &search)?;
        let found = settings.selection.resolve(&object)?;
        if found.functions.is_empty() {
            let vain = missed::no_match(&object, &settings.selection, &found)?;
            return Err(Error::NoMatch(vain));
        }
        let planned = planner::plan(&object, &found.functions)?;
        let metadata = std::fs::metadata(program).ok();
        let granularity =
            metric::granularity(settings.metric, settings.reading).map_err(|source| Error::Memory {
                pid: std::process::id(),
                source,
            })?;
        Ok(Prepared {
            object,
            planned,
            inode: metadata.as_ref().map_or(0, MetadataExt::ino),
            built: metadata.and_then(|m| m.modified().ok()),
            granularity,
            missed: Missed::new(&settings.selection, &found),
        })
    }
}

/// A process that is being watched.
struct Watch {
    session: Session,
    prepared: Prepared,
    /// The plan's site for each of the session's.
    sites: Vec<SiteIndex>,
    /// How to find a frame whose entry was not seen, a site each; empty where every entry is seen.
    rules: Vec<Option<FrameRule>>,
    reader: MemoryReader,
    recorder: Recorder,
}

/// A process that was watched.
struct Watched {
    prepared: Prepared,
    recorder: Recorder,
    memory: Bytes,
    counts: Counts,
    pid: Pid,
    end: profile::End,
    exit: Option<End>,
}

impl Watch {
    fn begin(
        mut session: Session,
        mut prepared: Prepared,
        settings: &Settings,
        target: &Target,
    ) -> Result<Watch, Error> {
        let pid = session.pid();
        let number = pid.0.cast_unsigned();
        let mappings = session.mappings()?;
        let bias = LoadBias::find(prepared.object.segments(), &mappings, prepared.inode)
            .ok_or(Error::NotMapped { pid: number })?;
        let sites = plant(&mut session, &mut prepared.planned, bias)?;
        let rules = match target {
            Target::Launch { .. } => Vec::new(),
            Target::Attach(_) => {
                let addresses = prepared.planned.plan.sites.iter().map(|site| site.address);
                addresses
                    .map(|address| prepared.object.frame_rule(address))
                    .collect()
            }
        };
        // Read after planting: each page of code that was written is private now, and counts.
        let reader = MemoryReader::open(pid, pid.leader(), settings.metric, settings.reading)
            .map_err(|source| Error::Memory { pid: number, source })?;
        let recorder = Recorder::new(&prepared.planned.plan);
        Ok(Watch {
            session,
            prepared,
            sites,
            rules,
            reader,
            recorder,
        })
    }

    fn follow(mut self, observer: &mut dyn Observer) -> Result<Watched, Error> {
        let pid = self.session.pid();
        let mut replaced = false;
        let (end, exit) = loop {
            match self.session.next_event()? {
                Event::Hit(hit) => self.hit(&hit),
                Event::ThreadEnding(thread) => {
                    let memory = self.reader.read(thread.tid);
                    self.recorder
                        .thread_ended(ThreadKey(u64::from(thread.serial)), memory);
                }
                Event::Stopped(by) => observer.progress(Progress::Stopped { by }),
                Event::Executed => replaced = true,
                Event::Ended(exit) => {
                    let end = match exit {
                        _ if replaced => profile::End::Executed,
                        End::Exited(code) => profile::End::Exited { code },
                        End::Killed(signal) => profile::End::Killed {
                            signal: signal.name(),
                        },
                    };
                    break (end, Some(exit));
                }
                Event::StopRequested => {
                    // The last reading with everything still open.
                    self.reader.read(pid.leader());
                    break (profile::End::Detached, None);
                } // The process of an attached session that execs is nobody's child here: its end is not heard of.
            }
            if replaced && !self.session.is_own_child() {
                break (profile::End::Executed, None);
            }
        };
        let counts = self.session.counts();
        if end == profile::End::Detached {
            self.session.detach()?;
        }
        Ok(Watched {
            prepared: self.prepared,
            recorder: self.recorder,
            memory: self.reader.last(),
            counts,
            pid,
            end,
            exit,
        })
    }

    fn hit(&mut self, hit: &Hit) {
        let site = self.sites[hit.site.index()];
        let rule = self.rules.get(site.index()).copied().flatten();
        let entry_sp = rule.and_then(|rule| {
            let cfa = hit
                .registers
                .dwarf(rule.register)?
                .wrapping_add_signed(rule.offset);
            // The return address lies below the CFA (System V ABI for AMD64, 3.2.2).
            Some(StackPointer(cfa.wrapping_sub(8)))
        });
        let memory = self.reader.read(hit.thread.tid);
        self.recorder.arrive(Arrival {
            thread: ThreadKey(u64::from(hit.thread.serial)),
            stack: StackKey::THREAD,
            site,
            sp: StackPointer(hit.registers.sp().0),
            entry_sp,
            memory,
            concurrency: if hit.threads > 1 {
                Concurrency::Shared
            } else {
                Concurrency::Alone
            },
        });
    }
}

/// Plants every site of the plan; what is refused is taken note of in the plan.
fn plant(session: &mut Session, planned: &mut Planned, bias: LoadBias) -> Result<Vec<SiteIndex>, Error> {
    let request = |(site, instruction): (&crate::plan::PlannedSite, &Vec<u8>)| SiteRequest {
        address: bias.remote(site.address),
        instruction: instruction.clone(),
    };
    let requests: Vec<SiteRequest> = planned
        .plan
        .sites
        .iter()
        .zip(&planned.instructions)
        .map(request)
        .collect();
    let answers = session.plant(&requests)?;
    let mut sites = Vec::with_capacity(answers.len());
    for (index, answer) in (0..).map(SiteIndex).zip(answers) {
        match answer {
            Ok(SiteId(number)) => {
                debug_assert_eq!(
                    number as usize,
                    sites.len(),
                    "sites are numbered as they are planted"
                );
                sites.push(index);
            }
            Err(reason) => {
                let site = planned.plan.site(index);
                let function = planned.plan.instance(site.instance).function;
                let line = site.lines.first().map_or_else(
                    || planned.plan.function(function).line,
                    |line| planned.plan.line(*line).line,
                );
                let address = site.address;
                planned.plan.refused.push(RefusedSite {
                    address,
                    function,
                    line,
                    reason: reason.to_string(),
                });
            }
        }
    }
    Ok(sites)
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
