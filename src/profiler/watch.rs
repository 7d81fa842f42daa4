//! A process that is watched: hits become arrivals, libraries come and go.
//!
//! Must not know: reports, terminals.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use lineprof_dwarf::FrameRule;
use lineprof_tracer::{Arrived, Children, Hit, Keeper, Session, SiteId, SiteRequest, Tid, TraceeId};

use super::images::{self, Images};
use super::prepared::Prepared;
use super::summary::{Named, Watched};
use super::timeline::Readings;
use super::{Error, Observer, Settings, Trigger, crossed, passages};
use crate::image::LoadBias;
use crate::metric::MemoryReader;
use crate::plan::{Plan, RefusedSite, SiteIndex};
use crate::planner::Planned;
use crate::profile::{self, Crossing};
use crate::recorder::{
    Arrival, Came, Concurrency, Exits, Level, Moment, Recorder, StackKey, StackPointer, ThreadKey,
};
use crate::units::Bytes;

mod libraries;

/// What a site of the session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    /// A site of the plan.
    Line(SiteIndex),
    /// The loader has mapped or unmapped something.
    Loader,
    /// The program's own code begins: everything is mapped that it was linked with.
    Start,
}

/// Whether functions can have been entered before the sites were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// The program had not begun.
    AfterSites,
    /// It was attached to, or is a copy of a process in the middle of its work.
    BeforeSites,
}

/// What is known of a program; its copies share it until one of them loads a library.
#[derive(Clone)]
pub(super) struct Known(Rc<Facts>);

#[derive(Clone)]
struct Facts {
    named: Named,
    prepared: Prepared,
    images: Images,
    /// What each of the memory's sites is for.
    sites: Vec<Planted>,
    /// How to find a frame whose entry was not seen, a site each; none behind the end, where every entry is seen.
    rules: Vec<Option<FrameRule>>,
}

impl Known {
    /// The site of the plan.
    pub(super) fn line_of(&self, id: SiteId) -> Option<SiteIndex> {
        match self.0.sites.get(id.index()) {
            Some(Planted::Line(site)) => Some(*site),
            Some(Planted::Loader | Planted::Start) | None => None,
        }
    }

    pub(super) fn prepared(&self) -> &Prepared {
        &self.0.prepared
    }

    pub(super) fn named(&self) -> &Named {
        &self.0.named
    }
}

/// A process that is being watched.
pub(super) struct Watch {
    named: Named,
    /// Which one it is of the session's, in order of their beginnings.
    number: usize,
    pub(super) known: Known,
    entered: Entered,
    reader: MemoryReader,
    /// The last reading, without what is lineprof's.
    pub(super) memory: Bytes,
    pub(super) recorder: Recorder,
    /// With the limits that have not been crossed.
    trigger: Trigger,
    pub(super) crossings: Vec<Crossing>,
    /// Where memory over time is asked for.
    readings: Option<Readings>,
}

impl Watch {
    /// Plants all sites that can be planted now.
    ///
    /// # Errors
    /// As [`super::profile`].
    pub(super) fn begin(
        session: &mut Session,
        prepared: Prepared,
        named: Named,
        number: usize,
        entered: Entered,
        settings: &Settings,
        observer: &mut dyn Observer,
    ) -> Result<Watch, Error> {
        let pid = named.pid;
        let process = pid.0.cast_unsigned();
        let mappings = session.mappings()?;
        let not_mapped = || Error::NotMapped { pid: process };
        // Not by the path that the file was read by: that may have been another process's.
        let link = format!("/proc/{pid}/exe");
        let own = images::code_of(Path::new(&link), &mappings).ok_or_else(not_mapped)?;
        let bias = LoadBias::find(prepared.object.segments(), &mappings, own.inode).ok_or_else(not_mapped)?;
        let reader = reader(&named, settings)?;
        let images = Images::new(
            &prepared.selection,
            &prepared.object,
            &prepared.planned,
            &prepared.missed,
            &own,
        );
        let has_libraries = !prepared.selection.is_default();
        let all = 0..prepared.planned.plan.sites.len() as u32;
        let recorder = recorder(&prepared.planned.plan, settings);
        let facts = Facts {
            named: named.clone(),
            prepared,
            images,
            sites: Vec::new(),
            rules: Vec::new(),
        };
        let mut watch = Watch {
            named,
            number,
            known: Known(Rc::new(facts)),
            entered,
            reader,
            memory: Bytes(0),
            recorder,
            trigger: settings.trigger,
            crossings: Vec::new(),
            readings: settings.calls.map(|_| Readings::new()),
        };
        watch.plant(session, &all, bias)?;
        // A copy of it has frames that were entered before the copy was made.
        let with_rules = entered == Entered::BeforeSites || settings.children == Children::Followed;
        if with_rules {
            watch.add_rules(all, None);
        }
        if has_libraries {
            // Of several processes, one may have what another has not.
            let tells = settings.children == Children::RunFree;
            watch.watch_libraries(session, bias, with_rules, tells, observer)?;
        }
        if settings.keeper == Keeper::Nobody {
            watch.copy_routines(session)?;
        }
        Ok(watch)
    }

    /// Has all that can run inline do so at once; what cannot is refused, since it has no breakpoint.
    ///
    /// # Errors
    /// Nothing is left.
    fn copy_routines(&mut self, session: &mut Session) -> Result<(), Error> {
        session.copy_routines()?;
        let (mut first, left_out) = (None, session.not_inline());
        let of_plan = self
            .known
            .0
            .sites
            .iter()
            .filter(|what| matches!(what, Planted::Line(_)))
            .count();
        for (SiteId(id), reason) in &left_out {
            let Some(Planted::Line(index)) = self.known.0.sites.get(*id as usize).copied() else {
                continue;
            };
            first.get_or_insert(*reason);
            refuse(&mut self.facts().prepared.planned, index, &reason.to_string());
        }
        match first {
            Some(reason) if left_out.len() >= of_plan => Err(Error::NothingInline(reason)),
            Some(_) | None => Ok(()),
        }
    }

    /// Watches a copy of a process, with the same sites.
    ///
    /// # Errors
    /// Its memory cannot be read.
    pub(super) fn of_copy(
        known: Known,
        named: Named,
        number: usize,
        settings: &Settings,
    ) -> Result<Watch, Error> {
        let mut reader = reader(&named, settings)?;
        reader.read(named.pid.leader());
        Ok(Watch {
            recorder: recorder(&known.0.prepared.planned.plan, settings),
            named,
            number,
            known,
            entered: Entered::BeforeSites,
            memory: reader.last(),
            reader,
            trigger: settings.trigger,
            crossings: Vec::new(),
            readings: settings.calls.map(|_| Readings::new()),
        })
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    pub(super) fn named(&self) -> &Named {
        &self.named
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    fn facts(&mut self) -> &mut Facts {
        Rc::make_mut(&mut self.known.0)
    }

    /// Where frames begin that were entered before the session; `object` is the file, if not the program's own.
    fn add_rules(&mut self, sites: Range<u32>, object: Option<&lineprof_dwarf::ObjectFile>) {
        let facts = Rc::make_mut(&mut self.known.0);
        let object = object.unwrap_or(&facts.prepared.object);
        let plan = &facts.prepared.planned.plan;
        // Libraries of which nothing is profiled have no sites: none is skipped.
        let addresses = sites.map(|site| plan.site(SiteIndex(site)).address);
        let rules: Vec<_> = addresses.map(|address| object.frame_rule(address)).collect();
        facts.rules.extend(rules);
    }

    fn set(&mut self, SiteId(number): SiteId, what: Planted) {
        let place = number as usize;
        let sites = &mut self.facts().sites;
        debug_assert!(place <= sites.len(), "sites are numbered as they are planted");
        if place == sites.len() {
            sites.push(what);
        } else {
            sites[place] = what;
        }
    }

    /// Plants sites of the plan; what is refused is taken note of in the plan.
    fn plant(&mut self, session: &mut Session, sites: &Range<u32>, bias: LoadBias) -> Result<(), Error> {
        let planned = &self.known.0.prepared.planned;
        let request = |site: u32| SiteRequest {
            address: bias.remote(planned.plan.site(SiteIndex(site)).address),
            instruction: planned.instructions[site as usize].clone(),
        };
        let requests: Vec<SiteRequest> = sites.clone().map(request).collect();
        let answers = session.plant(&requests)?;
        session.add_routines(passages::routines(&planned.plan, sites, bias, &answers));
        for (index, answer) in sites.clone().map(SiteIndex).zip(answers) {
            match answer {
                Ok(id) => self.set(id, Planted::Line(index)),
                Err(reason) => refuse(&mut self.facts().prepared.planned, index, &reason.to_string()),
            }
        }
        Ok(())
    }

    /// Reads the memory where nothing has happened: each page of code that was written is private now, and counts.
    pub(super) fn read_baseline(&mut self) {
        self.memory = self.reader.read(self.named.pid.leader());
        self.note_reading();
    }

    /// The last reading, with everything still open.
    pub(super) fn read_last(&mut self, session: &Session) {
        self.read(session, self.named.pid.leader());
    }

    /// A thread is about to end.
    pub(super) fn thread_ends(&mut self, session: &Session, thread: TraceeId) {
        let memory = self.read(session, thread.tid);
        self.recorder
            .thread_ended(ThreadKey(u64::from(thread.serial)), memory);
    }

    /// What was recorded, up to here.
    pub(super) fn watched(self, session: &Session, end: profile::End) -> Watched {
        let prepared = Rc::unwrap_or_clone(self.known.0).prepared;
        Watched {
            named: self.named,
            prepared,
            recorder: self.recorder,
            memory: self.memory,
            counts: session.counts(),
            not_inline: passages::not_inline(&session.not_inline()),
            end,
            crossings: self.crossings,
            readings: self.readings,
        }
    }

    /// A thread is at a site; where memory crossed a limit, if it did.
    ///
    /// # Errors
    /// As [`super::profile`].
    pub(super) fn hit(
        &mut self,
        session: &mut Session,
        hit: &Hit,
        observer: &mut dyn Observer,
    ) -> Result<Option<&Crossing>, Error> {
        match self.known.0.sites[hit.site.index()] {
            Planted::Line(site) => {
                let came = self.arrive(session, hit, site);
                let limit = came.and_then(|came| Some((came, self.trigger.fire(self.memory, came)?)));
                let Some((came, limit)) = limit else {
                    return Ok(None);
                };
                let plan = &self.known.0.prepared.planned.plan;
                let crossing = crossed::crossing(plan, session, hit, came, limit, self.memory);
                self.crossings.push(crossing);
                Ok(self.crossings.last())
            }
            Planted::Loader => self.look_at_libraries(session, false, observer).map(|()| None),
            Planted::Start => self.verdict(observer).map(|()| None),
        }
    }

    /// What the process has now, without what is lineprof's.
    fn read(&mut self, session: &Session, tid: Tid) -> Bytes {
        let Bytes(all) = self.reader.read(tid);
        self.memory = Bytes(all.saturating_sub(session.own_memory()));
        self.note_reading();
        self.memory
    }

    /// Takes the reading down for the timeline.
    fn note_reading(&mut self) {
        let Some(readings) = &mut self.readings else {
            return;
        };
        // Nanoseconds since the start: 64 bits are centuries.
        let since = self.named.started.1.elapsed().as_nanos();
        let at = Moment(u64::try_from(since).unwrap_or(u64::MAX));
        readings.add(Level {
            memory: self.memory,
            at,
        });
        self.recorder.at(at);
    }

    /// Takes in what threads have done without a stop.
    pub(super) fn take_passages(&mut self, session: &mut Session) {
        for passage in session.take_passages() {
            tracing::trace!(?passage, "passed");
            let site = |id| self.known.line_of(id);
            if let Some(arrival) = passages::take(
                &mut self.recorder,
                &self.known.0.prepared.planned.plan,
                &passage,
                site,
            ) {
                let entry_sp = self.entry_sp(arrival.site, passage.arrived.as_ref());
                self.memory = arrival.memory;
                self.recorder.arrive(Arrival { entry_sp, ..arrival });
            }
        }
    }

    /// Where a frame began whose entry was not seen, by the registers of an arrival in its middle.
    fn entry_sp_by(&self, site: SiteIndex, register: impl Fn(u16) -> Option<u64>) -> Option<StackPointer> {
        let rule = match self.entered {
            Entered::AfterSites => None,
            Entered::BeforeSites => self.known.0.rules.get(site.index()).copied().flatten(),
        }?;
        let cfa = register(rule.register)?.wrapping_add_signed(rule.offset);
        // The return address lies below the CFA (System V ABI for AMD64, 3.2.2).
        Some(StackPointer(cfa.wrapping_sub(8)))
    }

    /// The same for an arrival that was told of: of its registers two are known.
    fn entry_sp(&self, site: SiteIndex, arrived: Option<&Arrived>) -> Option<StackPointer> {
        let arrived = arrived?;
        // System V ABI for AMD64, figure 3.36.
        self.entry_sp_by(site, |register| match register {
            6 => Some(arrived.base_pointer),
            7 => Some(arrived.sp.0),
            _ => None,
        })
    }

    fn arrive(&mut self, session: &mut Session, hit: &Hit, site: SiteIndex) -> Option<Came> {
        let entry_sp = self.entry_sp_by(site, |register| hit.registers.dwarf(register));
        let memory = self.read(session, hit.thread.tid);
        session.arrived(hit.thread, memory.0);
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
            exits: Exits::AsPlanned,
        })
    }
}

fn recorder(plan: &Plan, settings: &Settings) -> Recorder {
    let mut recorder = Recorder::new(plan);
    if let Some(most) = settings.calls {
        recorder.tell_calls(most);
    }
    recorder
}

fn reader(named: &Named, settings: &Settings) -> Result<MemoryReader, Error> {
    let pid = named.pid;
    MemoryReader::open(pid, pid.leader(), settings.metric, settings.reading).map_err(|source| Error::Memory {
        pid: pid.0.cast_unsigned(),
        source,
    })
}

/// Takes note of a site that was not planted, once for each address and reason.
fn refuse(planned: &mut Planned, index: SiteIndex, reason: &str) {
    let plan = &mut planned.plan;
    let site = plan.site(index);
    let function = plan.instance(site.instance).function;
    let line = site
        .lines
        .first()
        .map_or_else(|| plan.function(function).line, |line| plan.line(*line).line);
    let refused = RefusedSite {
        address: site.address,
        function,
        line,
        reason: reason.to_owned(),
    };
    // A library that is loaded again is refused again.
    if !plan.refused.contains(&refused) {
        plan.refused.push(refused);
    }
}
