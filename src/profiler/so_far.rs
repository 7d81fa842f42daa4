//! A profile while its program runs.
//!
//! Must not know: who looks, how often.
//!
//! ```text
//! recorder ─ what threads have told of ─► stays in it
//!     └─► clone ─ what they have counted since ─► its frames end now ─► profile
//! ```
//! Nothing is stopped for it, and the profile at the end is the one that it would have been.

use lineprof_tracer::Session;

use super::passages;
use super::summary::Found;
use super::watch::Watch;
use super::{Settings, SoFar};
use crate::profile;
use crate::source::SourceCache;

impl Watch {
    /// How it stands.
    pub(super) fn so_far(
        &mut self,
        session: &mut Session,
        settings: &Settings,
        sources: &mut SourceCache,
    ) -> SoFar {
        let counted = session.look_in();
        self.take_passages(session);
        // The last reading counts for the frames that are open, and for the next that looks.
        self.read_last(session);
        let mut recorder = self.recorder.clone();
        let plan = &self.known.prepared().planned.plan;
        for passage in counted {
            // It ends with no arrival.
            let _none = passages::take(&mut recorder, plan, &passage, |id| self.known.line_of(id));
        }
        let found = Found {
            recorder,
            memory: self.memory,
            counts: session.counts(),
            not_inline: passages::not_inline(&session.not_inline()),
            end: profile::End::Detached,
            crossings: self.crossings.clone(),
        };
        let (mut profile, _) = found.profile(self.named(), self.known.prepared(), settings, sources);
        for line in profile.functions.iter_mut().flat_map(|f| &mut f.lines) {
            line.text = None;
        }
        SoFar {
            profile,
            memory: self.memory,
        }
    }
}
