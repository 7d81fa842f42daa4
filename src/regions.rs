//! Regions: marked lines of a function, which have an account of their own.
//!
//! Must not know: how a mark looks in a file, how sites are watched.
//!
//! ```text
//! 20  int work(int n) {
//! 21      for (int i = 0; i < n; i++) {     ◄─┐ comes from outside: an entry
//! 22          LINEPROF_REGION("fill");        │
//! 23          char *block = malloc(4096);   ──┘
//! 24          memset(block, 1, 4096);           inside
//! 25      }                                     the block ends, and the region
//! ```
//! A region is what its function recorded on the region's lines: nothing more is watched. An entry is a step to a site
//! inside from one outside; the function's steps are kept for occurrences, and that is why it costs nothing. A site of
//! another file (a macro, an inlined function) lies where the nearest site before it in the code lies. A turn of a loop
//! that begins no line outside of the region (some `for` of Rust) is no new entry.
//!
//! Read on in `block`: where a region ends whose mark does not tell.

use std::collections::HashMap;

use lineprof_dwarf::{Mark, MarkKind};

use crate::plan::{FunctionId, InstanceId, LineId, Plan, PlannedSite, SiteIndex};
use crate::profile::{FunctionProfile, RegionProfile};
use crate::recorder::{EdgeCounts, Previous};
use crate::source::SourceCache;
use crate::units::Change;

mod block;

/// Adds the regions of `marks` to the functions that they are in; what cannot be told of one, a sentence each.
///
/// State: `functions` are those of `plan`, in any order.
pub fn add(
    functions: &mut [FunctionProfile],
    plan: &Plan,
    edges: &EdgeCounts,
    marks: &[Mark],
    sources: &mut SourceCache,
) -> Vec<String> {
    let mut notes = Vec::new();
    for mark in marks.iter().filter(|mark| mark.kind == MarkKind::Region) {
        // The innermost: a closure has lines of its own inside of another function's.
        let around = |(_, function): &(FunctionId, &crate::plan::PlannedFunction)| {
            mark.is_in(&function.file) && (function.line..=function.last_line).contains(&mark.line)
        };
        let planned = (0..).map(FunctionId).zip(&plan.functions).filter(around);
        let Some((id, planned)) = planned.max_by_key(|(_, function)| function.line) else {
            continue;
        };
        let lines = mark.lines.or_else(|| {
            let source = sources.read(&planned.file).ok()?;
            Some((mark.line, block::end(source, mark.line)?))
        });
        let Some((first, last)) = lines else {
            notes.push(format!(
                "the region {mark} has no table: the block it is in cannot be found in the source"
            ));
            continue;
        };
        let file = crate::profile::path_text(&planned.file);
        let is_it = |function: &&mut FunctionProfile| {
            function.name == planned.name && function.line == planned.line && function.file == file
        };
        let Some(function) = functions.iter_mut().find(is_it) else {
            continue;
        };
        let inside = |line: LineId| {
            let line = plan.line(line);
            line.file.is_none() && (first..=last).contains(&line.line)
        };
        let entries = entries(plan, edges, id, &inside);
        let region = region(function, mark, (first, last), entries);
        function.regions.push(region);
    }
    notes
}

/// What `function` recorded on the lines from `first` to `last`.
fn region(function: &FunctionProfile, mark: &Mark, (first, last): (u32, u32), entries: u64) -> RegionProfile {
    let own = function.lines.iter();
    let own = own.filter(|line| line.file.is_none() && (first..=last).contains(&line.line));
    RegionProfile {
        name: mark.name.clone(),
        line: first,
        last_line: last,
        entries,
        increment: Change(
            own.clone()
                .fold(0, |sum, line| sum.saturating_add(line.increment.0)),
        ),
        memory: own.filter_map(|line| line.memory).max(),
    }
}

/// How often control came to the lines that are `inside` from others of the function, or from its callers.
fn entries(plan: &Plan, edges: &EdgeCounts, function: FunctionId, inside: &dyn Fn(LineId) -> bool) -> u64 {
    let mut sites_of: HashMap<InstanceId, Vec<(SiteIndex, &PlannedSite)>> = HashMap::new();
    for (index, site) in (0..).map(SiteIndex).zip(&plan.sites) {
        if plan.instance(site.instance).function == function {
            sites_of.entry(site.instance).or_default().push((index, site));
        }
    }
    let mut entries = 0;
    for sites in sites_of.values_mut() {
        sites.sort_by_key(|(_, site)| site.address);
        let mut is_inside: HashMap<SiteIndex, bool> = HashMap::new();
        let mut before = false;
        for (index, site) in sites.iter() {
            let own = site
                .lines
                .iter()
                .rev()
                .find(|line| plan.line(**line).file.is_none());
            before = own.map_or(before, |line| inside(*line));
            is_inside.insert(*index, before);
        }
        let inside = |site: &SiteIndex| is_inside.get(site).copied().unwrap_or_default();
        for (index, _) in sites.iter().filter(|(index, _)| inside(index)) {
            let came = edges.into_site(*index).filter(|(previous, _)| match previous {
                Previous::Entry => true,
                Previous::Site(from) => !inside(from),
                // It was inside or not; an entry is what was seen.
                Previous::Adopted => false,
            });
            entries += came.map(|(_, times)| times).sum::<u64>();
        }
    }
    entries
}
