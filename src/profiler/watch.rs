//! A process that is watched: hits become arrivals, libraries come and go.
//!
//! Must not know: reports, terminals.

use std::ops::Range;

use lineprof_dwarf::FrameRule;
use lineprof_tracer::{Counts, End, Event, Hit, Pid, Session, SiteId, SiteRequest};

use super::images::{self, Images};
use super::run::Prepared;
use super::{Error, Observer, Progress, Settings, Target};
use crate::image::LoadBias;
use crate::metric::MemoryReader;
use crate::plan::{RefusedSite, SiteIndex};
use crate::planner::Planned;
use crate::profile;
use crate::recorder::{Arrival, Concurrency, Recorder, StackKey, StackPointer, ThreadKey};
use crate::units::Bytes;

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

/// A process that is being watched.
pub(super) struct Watch {
    session: Session,
    prepared: Prepared,
    images: Images,
    /// What each of the session's sites is for.
    sites: Vec<Planted>,
    /// How to find a frame whose entry was not seen, a site each; none behind the end, where every entry is seen.
    rules: Vec<Option<FrameRule>>,
    reader: MemoryReader,
    recorder: Recorder,
}

/// A process that was watched.
pub(super) struct Watched {
    pub(super) prepared: Prepared,
    pub(super) recorder: Recorder,
    pub(super) memory: Bytes,
    pub(super) counts: Counts,
    pub(super) pid: Pid,
    pub(super) end: profile::End,
    pub(super) exit: Option<End>,
}

impl Watch {
    /// Plants all sites that can be planted now.
    ///
    /// # Errors
    /// As [`super::profile`]. An attached process has been given back then.
    pub(super) fn begin(
        mut session: Session,
        prepared: Prepared,
        settings: &Settings,
        target: &Target,
        observer: &mut dyn Observer,
    ) -> Result<Watch, Error> {
        let pid = session.pid();
        let number = pid.0.cast_unsigned();
        let mappings = session.mappings()?;
        let own =
            images::code_of(prepared.object.path(), &mappings).ok_or(Error::NotMapped { pid: number })?;
        let bias = LoadBias::find(prepared.object.segments(), &mappings, own.inode)
            .ok_or(Error::NotMapped { pid: number })?;
        let reader = MemoryReader::open(pid, pid.leader(), settings.metric, settings.reading)
            .map_err(|source| Error::Memory { pid: number, source })?;
        let images = Images::new(
            pid,
            &settings.selection,
            &prepared.object,
            &prepared.planned,
            &prepared.missed,
            &own,
        );
        let all = 0..prepared.planned.plan.sites.len() as u32;
        let mut watch = Watch {
            session,
            images,
            sites: Vec::new(),
            rules: Vec::new(),
            reader,
            recorder: Recorder::new(&prepared.planned.plan),
            prepared,
        };
        watch.plant(&all, bias)?;
        let attached = matches!(target, Target::Attach(_));
        if attached {
            watch.add_rules(all, None);
        }
        if !settings.selection.is_default() {
            watch.watch_libraries(bias, attached, observer)?;
        }
        Ok(watch)
    }

    /// Looks at the libraries that are there, and prepares to hear of others.
    fn watch_libraries(
        &mut self,
        bias: LoadBias,
        attached: bool,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let mappings = self.session.mappings()?;
        if let Some(site) = images::loader_stop(&self.prepared.object, self.session.pid(), &mappings) {
            self.plant_own(site, Planted::Loader)?;
        }
        if attached {
            self.look_at_libraries(attached, observer)?;
            return self.verdict(observer);
        }
        let waits = self.prepared.vain.is_some() || !self.prepared.missed.unmatched.is_empty();
        match images::start_of(&self.prepared.object, bias) {
            Some(site) if waits => self.plant_own(site, Planted::Start),
            _ => Ok(()),
        }
    }

    /// Fails when nothing was found to profile in the program or what it was linked with; tells what was not found.
    fn verdict(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let patterns = self.prepared.missed.unmatched.clone();
        if !patterns.is_empty() && self.prepared.vain.is_none() {
            observer.progress(Progress::Unmatched { patterns });
        }
        match self.prepared.vain.take() {
            Some(vain) if self.prepared.planned.plan.functions.is_empty() => Err(vain),
            _ => Ok(()),
        }
    }

    fn plant_own(&mut self, site: SiteRequest, what: Planted) -> Result<(), Error> {
        match self.session.plant(&[site])?.pop() {
            Some(Ok(id)) => self.set(id, what),
            // Functions loaded later are not seen then; those that are there are.
            refused => tracing::warn!(?what, ?refused, "not planted"),
        }
        Ok(())
    }

    /// Takes in what the loader has done.
    fn look_at_libraries(&mut self, attached: bool, observer: &mut dyn Observer) -> Result<(), Error> {
        let mappings = self.session.mappings()?;
        for range in self.images.gone(&mappings) {
            self.session.unmapped(range);
        }
        let Prepared { planned, missed, .. } = &mut self.prepared;
        let came = self.images.came(&mappings, planned, missed);
        self.recorder.extend(&planned.plan);
        for image in came {
            self.plant(&image.sites, image.bias)?;
            let Some(first) = image.first.filter(|first| first.functions > 0) else {
                continue;
            };
            if attached {
                self.add_rules(image.sites.clone(), Some(&first.object));
            }
            observer.progress(Progress::Loaded {
                path: first.path,
                functions: first.functions,
                sites: image.sites.len(),
            });
        }
        Ok(())
    }

    /// Where frames begin that were entered before the session; `object` is the file, if not the program's own.
    fn add_rules(&mut self, sites: Range<u32>, object: Option<&lineprof_dwarf::ObjectFile>) {
        let object = object.unwrap_or(&self.prepared.object);
        let plan = &self.prepared.planned.plan;
        // Libraries of which nothing is profiled have no sites: none is skipped.
        let addresses = sites.map(|site| plan.site(SiteIndex(site)).address);
        let rules: Vec<_> = addresses.map(|address| object.frame_rule(address)).collect();
        self.rules.extend(rules);
    }

    fn set(&mut self, SiteId(number): SiteId, what: Planted) {
        let place = number as usize;
        debug_assert!(
            place <= self.sites.len(),
            "sites are numbered as they are planted"
        );
        if place == self.sites.len() {
            self.sites.push(what);
        } else {
            self.sites[place] = what;
        }
    }

    /// Plants sites of the plan; what is refused is taken note of in the plan.
    fn plant(&mut self, sites: &Range<u32>, bias: LoadBias) -> Result<(), Error> {
        let planned = &self.prepared.planned;
        let request = |site: u32| SiteRequest {
            address: bias.remote(planned.plan.site(SiteIndex(site)).address),
            instruction: planned.instructions[site as usize].clone(),
        };
        let requests: Vec<SiteRequest> = sites.clone().map(request).collect();
        let answers = self.session.plant(&requests)?;
        for (index, answer) in sites.clone().map(SiteIndex).zip(answers) {
            match answer {
                Ok(id) => self.set(id, Planted::Line(index)),
                Err(reason) => refuse(&mut self.prepared.planned, index, &reason.to_string()),
            }
        }
        Ok(())
    }

    /// Follows the process to its end, or to where it is left.
    ///
    /// # Errors
    /// As [`super::profile`].
    pub(super) fn follow(mut self, observer: &mut dyn Observer) -> Result<Watched, Error> {
        let pid = self.session.pid();
        // Read after planting: each page of code that was written is private now, and counts.
        self.reader.read(pid.leader());
        let mut replaced = false;
        let (end, exit) = loop {
            match self.session.next_event()? {
                Event::Hit(hit) => match self.sites[hit.site.index()] {
                    Planted::Line(site) => self.hit(&hit, site),
                    Planted::Loader => self.look_at_libraries(false, observer)?,
                    Planted::Start => self.verdict(observer)?,
                },
                Event::ThreadEnding(thread) => {
                    let memory = self.reader.read(thread.tid);
                    self.recorder
                        .thread_ended(ThreadKey(u64::from(thread.serial)), memory);
                }
                Event::Stopped(by) => observer.progress(Progress::Stopped { by }),
                Event::Executed | Event::Began(_) => replaced = true,
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

    fn hit(&mut self, hit: &Hit, site: SiteIndex) {
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
