//! Libraries of a process that is watched: those that are there, and those that come and go.
//!
//! Must not know: what is in them (`images`).

use std::rc::Rc;

use lineprof_tracer::{Session, SiteRequest};

use super::{Entered, Planted, Watch};
use crate::image::LoadBias;
use crate::profiler::images;
use crate::profiler::prepared::Prepared;
use crate::profiler::{Error, Observer, Progress};

impl Watch {
    /// Looks at the libraries that are there, and prepares to hear of others.
    pub(super) fn watch_libraries(
        &mut self,
        session: &mut Session,
        bias: LoadBias,
        with_rules: bool,
        tells: bool,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let mappings = session.mappings()?;
        if let Some(site) = images::loader_stop(&self.known.0.prepared.object, self.named.pid, &mappings) {
            self.plant_own(session, site, Planted::Loader)?;
        }
        if self.entered == Entered::BeforeSites {
            self.look_at_libraries(session, with_rules, observer)?;
            return self.verdict(observer);
        }
        let prepared = &self.known.0.prepared;
        let waits = tells && (prepared.vain.is_some() || !prepared.missed.unmatched.is_empty());
        match images::start_of(&self.known.0.prepared.object, bias) {
            Some(site) if waits => self.plant_own(session, site, Planted::Start),
            _ => Ok(()),
        }
    }

    /// Fails when nothing was found to profile in the program or what it was linked with; tells what was not found.
    pub(super) fn verdict(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let patterns = self.known.0.prepared.missed.unmatched.clone();
        if !patterns.is_empty() && self.known.0.prepared.vain.is_none() {
            observer.progress(Progress::Unmatched { patterns });
        }
        let empty = self.known.0.prepared.planned.plan.functions.is_empty();
        match self.facts().prepared.vain.take().and_then(Rc::into_inner) {
            Some(vain) if empty => Err(vain),
            _ => Ok(()),
        }
    }

    fn plant_own(&mut self, session: &mut Session, site: SiteRequest, what: Planted) -> Result<(), Error> {
        match session.plant(&[site])?.pop() {
            Some(Ok(id)) => self.set(id, what),
            // Functions loaded later are not seen then; those that are there are.
            refused => tracing::warn!(?what, ?refused, "not planted"),
        }
        Ok(())
    }

    /// Takes in what the loader has done.
    pub(super) fn look_at_libraries(
        &mut self,
        session: &mut Session,
        with_rules: bool,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let mappings = session.mappings()?;
        let pid = self.named.pid;
        let facts = self.facts();
        for range in facts.images.gone(&mappings) {
            session.unmapped(range);
        }
        let Prepared { planned, missed, .. } = &mut facts.prepared;
        let came = facts.images.came(pid, &mappings, planned, missed);
        self.recorder.extend(&self.known.0.prepared.planned.plan);
        for image in came {
            self.plant(session, &image.sites, image.bias)?;
            let Some(first) = image.first.filter(|first| first.functions > 0) else {
                continue;
            };
            if with_rules {
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
}
