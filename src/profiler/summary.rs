//! What was recorded of a program becomes its profile.
//!
//! Must not know: sessions, terminals.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use lineprof_dwarf::FileAddr;
use lineprof_tracer::{Counts, Pid};

use super::prepared::Prepared;
use super::timeline::Readings;
use super::{Profiled, Settings};
use crate::occurrences;
use crate::profile::{self, Crossing, NotInline, Profile, Schema, Tracing};
use crate::recorder::{Calls, Recorder};
use crate::regions;
use crate::source::SourceCache;
use crate::units::Bytes;

/// A program that is watched, as the report calls it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) pid: Pid,
    pub(super) command: Vec<String>,
    pub(super) executable: PathBuf,
    pub(super) started: (SystemTime, Instant),
}

/// A program that was watched.
pub(super) struct Watched {
    pub(super) named: Named,
    pub(super) prepared: Prepared,
    pub(super) recorder: Recorder,
    pub(super) memory: Bytes,
    pub(super) counts: Counts,
    pub(super) not_inline: Vec<NotInline>,
    pub(super) end: profile::End,
    pub(super) crossings: Vec<Crossing>,
    pub(super) readings: Option<Readings>,
}

impl Watched {
    pub(super) fn profiled(self, settings: &Settings) -> Profiled {
        let found = Found {
            recorder: self.recorder,
            memory: self.memory,
            counts: self.counts,
            not_inline: self.not_inline,
            end: self.end,
            crossings: self.crossings,
        };
        let mut sources = SourceCache::new();
        let (profile, calls) = found.profile(&self.named, &self.prepared, settings, &mut sources);
        let (plan, (began, _)) = (&self.prepared.planned.plan, self.named.started);
        let readings = self.readings.zip(calls);
        let timeline = readings.map(|(readings, calls)| readings.finish(plan, began, calls));
        Profiled {
            profile,
            built: self.prepared.built,
            missed: self.prepared.missed,
            timeline,
        }
    }
}

/// What was found out about a program, up to now or to its end.
pub(super) struct Found {
    pub(super) recorder: Recorder,
    pub(super) memory: Bytes,
    pub(super) counts: Counts,
    pub(super) not_inline: Vec<NotInline>,
    pub(super) end: profile::End,
    pub(super) crossings: Vec<Crossing>,
}

impl Found {
    /// The profile, and the calls that were told one by one.
    pub(super) fn profile(
        self,
        named: &Named,
        prepared: &Prepared,
        settings: &Settings,
        sources: &mut SourceCache,
    ) -> (Profile, Option<Calls>) {
        let Named {
            pid,
            command,
            executable,
            started,
        } = named;
        let plan = &prepared.planned.plan;
        let planted = plan.sites.len() + planner_refused(plan);
        let mut recording = self.recorder.finish(self.memory);
        let calls = recording.calls.take();
        let occurrences = occurrences::count(plan, &recording.edges);
        let mut functions = profile::functions(plan, &recording, &occurrences, sources);
        let mut notes = notes(&self.counts);
        notes.extend(regions::add(
            &mut functions,
            plan,
            &recording.edges,
            &prepared.regions,
            sources,
        ));
        let path = std::path::absolute(executable).unwrap_or_else(|_| executable.clone());
        let profile = Profile {
            schema: Schema::Report1,
            lineprof: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.clone(),
            executable: profile::path_text(&path),
            build_id: prepared.object.build_id().map(hexadecimal),
            pid: pid.0.cast_unsigned(),
            metric: settings.metric,
            rss_granularity: prepared.granularity,
            started: timestamp(started.0),
            duration: started.1.elapsed().as_secs_f64(),
            end: self.end,
            tracing: Tracing {
                sites: planted as u64,
                inline: self.counts.inline as u64,
                displaced: self.counts.displaced as u64,
                in_place: self.counts.in_place as u64,
                stops: self.counts.stops,
                events: recording.arrivals,
                gate: self.counts.gate.map(|gate| gate.to_string()),
                code_pages: self.counts.code_pages as u64,
                refused: profile::refused(plan),
                not_inline: self.not_inline,
            },
            functions,
            crossings: self.crossings,
            notes,
        };
        (profile, calls)
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

/// What a reader of the numbers has to know of how they were come by.
fn notes(counts: &Counts) -> Vec<String> {
    let missed = counts.gate_missed;
    let missed = (missed > 0).then(|| {
        format!("the kernel left out {missed} changes of memory, of this process or of others: --engine displaced looks itself")
    });
    missed.into_iter().collect()
}
