//! What an arrival needs of the plan, in one place.
//!
//! Must not know: frames, memory.
//!
//! Read on in `machine.rs`.

use super::edges::PackedPrevious;
use crate::plan::{Exit, FunctionId, InstanceId, LineId, Plan, SiteIndex};

/// What is known of one site.
#[derive(Debug, Clone, Copy)]
pub(super) struct SiteFacts {
    pub(super) instance: InstanceId,
    pub(super) function: FunctionId,
    pub(super) declaration: LineId,
    first_line: u32,
    lines: u32,
    pub(super) entry: Entry,
    pub(super) exit: Exit,
}

/// Whether calls arrive at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    No,
    /// Only calls arrive.
    Call,
    /// Calls arrive, and jumps of the frame itself.
    CallOrLoop,
}

/// All sites of the plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Sites {
    facts: Vec<SiteFacts>,
    /// The lines of all sites, one site after the other.
    lines: Vec<LineId>,
}

impl Sites {
    /// Learns the sites at the end of the plan that are not known yet.
    pub(super) fn extend(&mut self, plan: &Plan) {
        for site in &plan.sites[self.facts.len()..] {
            let instance = plan.instance(site.instance);
            let entry = match (site.entry, instance.entry_reached_by_jump) {
                (false, _) => Entry::No,
                (true, false) => Entry::Call,
                (true, true) => Entry::CallOrLoop,
            };
            self.facts.push(SiteFacts {
                instance: site.instance,
                function: instance.function,
                declaration: plan.function(instance.function).declaration,
                first_line: self.lines.len() as u32,
                lines: site.lines.len() as u32,
                entry,
                exit: site.exit,
            });
            self.lines.extend_from_slice(&site.lines);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// What is known of `site`, and its lines.
    pub(super) fn site(&self, site: SiteIndex) -> (SiteFacts, &[LineId]) {
        let facts = self.facts[site.index()];
        let lines = &self.lines[facts.first_line as usize..][..facts.lines as usize];
        (facts, lines)
    }

    /// The line that a frame stands on which passed `previous` last; `declaration` before the first line.
    pub(super) fn line_after(&self, previous: Option<SiteIndex>, declaration: LineId) -> LineId {
        let lines = previous.map_or(&[][..], |previous| self.site(previous).1);
        lines.last().copied().unwrap_or(declaration)
    }
}

impl From<Option<SiteIndex>> for PackedPrevious {
    fn from(previous: Option<SiteIndex>) -> PackedPrevious {
        previous.map_or(PackedPrevious::ENTRY, PackedPrevious::site)
    }
}
