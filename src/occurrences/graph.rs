//! The control flow of one instance, between lines of sites.
//!
//! Must not know: counts.
//!
//! Node 0 is the entry from outside. Every other node is one line of one site; a site with several lines is a chain,
//! and a site without lines one node without a line, so that flow through it is not lost.

use crate::plan::{LineId, Plan, SiteIndex};

/// A node's position.
pub(super) type Node = u32;

/// Where every instance is entered.
pub(super) const ENTRY: Node = 0;

/// Nodes with their lines, and the edges both ways.
#[derive(Debug)]
pub(super) struct Graph {
    lines: Vec<Option<LineId>>,
    successors: Adjacency,
    predecessors: Adjacency,
}

/// Lists of nodes, packed one after the other.
#[derive(Debug)]
pub(super) struct Adjacency {
    starts: Vec<u32>,
    nodes: Vec<Node>,
}

/// Where the nodes of the plan's sites are.
#[derive(Debug)]
pub(super) struct NodeMap {
    /// The first node of each site, in step with the plan's sites; only those of the present instance are good.
    first: Vec<Node>,
}

impl NodeMap {
    pub(super) fn new(plan: &Plan) -> NodeMap {
        NodeMap {
            first: vec![ENTRY; plan.sites.len()],
        }
    }

    pub(super) fn first(&self, site: SiteIndex) -> Node {
        self.first[site.index()]
    }

    pub(super) fn last(&self, plan: &Plan, site: SiteIndex) -> Node {
        self.first(site) + (plan.site(site).lines.len().max(1) - 1) as Node
    }

    /// Numbers the nodes of `sites`, and gives their lines.
    pub(super) fn assign(&mut self, plan: &Plan, sites: &[SiteIndex]) -> Vec<Option<LineId>> {
        let mut lines = vec![None];
        for &site in sites {
            self.first[site.index()] = lines.len() as Node;
            match plan.site(site).lines.as_slice() {
                [] => lines.push(None),
                of_site => lines.extend(of_site.iter().copied().map(Some)),
            }
        }
        lines
    }
}

impl Graph {
    pub(super) fn new(lines: Vec<Option<LineId>>, mut edges: Vec<(Node, Node)>) -> Graph {
        edges.sort_unstable();
        edges.dedup();
        let successors = Adjacency::new(lines.len(), edges.iter().copied());
        let predecessors = Adjacency::new(lines.len(), edges.iter().map(|&(from, to)| (to, from)));
        Graph {
            lines,
            successors,
            predecessors,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn line(&self, node: Node) -> Option<LineId> {
        self.lines[node as usize]
    }

    pub(super) fn successors(&self, node: Node) -> &[Node] {
        self.successors.of(node)
    }

    pub(super) fn predecessors(&self, node: Node) -> &[Node] {
        self.predecessors.of(node)
    }
}

impl Adjacency {
    pub(super) fn new(nodes: usize, edges: impl Iterator<Item = (Node, Node)> + Clone) -> Adjacency {
        let mut starts = vec![0; nodes + 1];
        for (from, _) in edges.clone() {
            starts[from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut free = starts.clone();
        let mut targets = vec![ENTRY; starts[nodes] as usize];
        for (from, to) in edges {
            targets[free[from as usize] as usize] = to;
            free[from as usize] += 1;
        }
        Adjacency {
            starts,
            nodes: targets,
        }
    }

    pub(super) fn of(&self, node: Node) -> &[Node] {
        &self.nodes[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }
}
