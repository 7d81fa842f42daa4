//! The rule: which steps are occurrences of a line.
//!
//! Must not know: how dominators and cycles are found.
//!
//! Each instance is counted by itself, and the lines of a function are summed over its instances.

use std::collections::HashMap;

use super::cycles::Cycles;
use super::dominators::Dominators;
use super::graph::{ENTRY, Graph, Node, NodeMap};
use crate::plan::{LineId, Plan, SiteIndex};
use crate::recorder::{EdgeCounts, Previous};

/// How often each line of a plan ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrences {
    lines: Vec<u64>,
}

impl Occurrences {
    /// How often `line` ran.
    pub fn of(&self, line: LineId) -> u64 {
        self.lines[line.index()]
    }
}

/// Counts the lines of `plan` that the steps in `edges` ran.
pub fn count(plan: &Plan, edges: &EdgeCounts) -> Occurrences {
    let mut sites_of = vec![Vec::new(); plan.instances.len()];
    for (index, site) in (0..).map(SiteIndex).zip(&plan.sites) {
        sites_of[site.instance.index()].push(index);
    }
    let mut lines = vec![0; plan.lines.len()];
    let mut calls = vec![0; plan.functions.len()];
    let mut has_site = vec![false; plan.lines.len()];
    for line in plan.sites.iter().flat_map(|site| &site.lines) {
        has_site[line.index()] = true;
    }
    let mut nodes = NodeMap::new(plan);
    for (instance, sites) in plan.instances.iter().zip(&sites_of) {
        let ran = sites.iter().any(|&site| edges.into_site(site).next().is_some());
        if !ran {
            continue;
        }
        let graph = flow(plan, &instance.edges, sites, edges, &mut nodes);
        count_instance(plan, &graph, sites, edges, &nodes, &mut lines);
        let entries = sites.iter().filter(|&&site| plan.site(site).entry);
        let entered = entries.flat_map(|&site| edges.into_site(site));
        calls[instance.function.index()] += entered
            .filter(|(previous, _)| *previous == Previous::Entry)
            .map(|(_, times)| times)
            .sum::<u64>();
    }
    for (function, calls) in plan.functions.iter().zip(calls) {
        if !has_site[function.declaration.index()] {
            lines[function.declaration.index()] = calls;
        }
    }
    Occurrences { lines }
}

/// The control flow of an instance: what decoding found, and what was seen to happen.
fn flow(
    plan: &Plan,
    decoded: &[(SiteIndex, SiteIndex)],
    sites: &[SiteIndex],
    edges: &EdgeCounts,
    nodes: &mut NodeMap,
) -> Graph {
    let lines = nodes.assign(plan, sites);
    let mut flow = Vec::with_capacity(lines.len() + decoded.len());
    for &(from, to) in decoded {
        flow.push((nodes.last(plan, from), nodes.first(to)));
    }
    for &site in sites {
        let (first, last) = (nodes.first(site), nodes.last(plan, site));
        flow.extend((first..last).map(|node| (node, node + 1)));
        if plan.site(site).entry {
            flow.push((ENTRY, first));
        }
        for (previous, _) in edges.into_site(site) {
            match previous {
                Previous::Entry => flow.push((ENTRY, first)),
                Previous::Site(from) => flow.push((nodes.last(plan, from), first)),
                // How control came there is not known, so it says nothing about the flow.
                Previous::Adopted => {}
            }
        }
    }
    Graph::new(lines, flow)
}

fn count_instance(
    plan: &Plan,
    graph: &Graph,
    sites: &[SiteIndex],
    edges: &EdgeCounts,
    nodes: &NodeMap,
    lines: &mut [u64],
) {
    let dominators = Dominators::of(graph);
    let continuations = continuations(graph, &dominators, &Cycles::of(graph, &dominators));
    let mut count = |from: Option<Node>, to: Node, times: u64| {
        let Some(line) = graph.line(to) else { return };
        let occurs = match from {
            Some(from) if graph.line(from) == Some(line) => from == to || dominators.dominates(to, from),
            _ => !continuations[to as usize],
        };
        if occurs {
            lines[line.index()] += times;
        }
    };
    for &site in sites {
        let (first, last) = (nodes.first(site), nodes.last(plan, site));
        let mut arrivals = 0;
        for (previous, times) in edges.into_site(site) {
            arrivals += times;
            match previous {
                Previous::Entry | Previous::Adopted => count(None, first, times),
                Previous::Site(from) => count(Some(nodes.last(plan, from)), first, times),
            }
        }
        for node in first..last {
            count(Some(node), node + 1, arrivals);
        }
    }
}

/// The nodes that only continue their line.
///
/// It is enough to ask the nearest dominator of the same line: if a farther one is on every cycle through the node,
/// the nearer one is, since every way from the farther one to the node passes it.
fn continuations(graph: &Graph, dominators: &Dominators, cycles: &Cycles) -> Vec<bool> {
    let mut continues = vec![false; graph.len()];
    let mut above: HashMap<LineId, Vec<Node>> = HashMap::new();
    for &node in dominators.preorder() {
        let Some(line) = graph.line(node) else { continue };
        let above = above.entry(line).or_default();
        while above
            .pop_if(|candidate| !dominators.dominates(*candidate, node))
            .is_some()
        {}
        if let Some(&nearest) = above.last() {
            continues[node as usize] = cycles.needs(node, nearest);
        }
        above.push(node);
    }
    continues
}
