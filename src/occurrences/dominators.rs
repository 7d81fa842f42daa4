//! Dominators: which nodes are passed on every way from the entry to a node.
//!
//! Must not know: lines, counts.
//!
//! Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm": walk the nodes in reverse postorder until nothing
//! changes, which on compiled code is two rounds. The tree is then numbered in preorder, so that "dominates" is two
//! comparisons. Nothing recurses: an interpreter's main loop has ten thousand sites.

use super::graph::{Adjacency, ENTRY, Graph, Node};

const UNREACHED: u32 = u32::MAX;

/// The dominator tree of a graph.
#[derive(Debug)]
pub(super) struct Dominators {
    /// The nodes that can be reached, in preorder of the tree.
    preorder: Vec<Node>,
    /// The immediate dominator of each node; the entry's is itself.
    immediate: Vec<Node>,
    /// Position in `preorder`, and the position after the node's last descendant.
    spans: Vec<(u32, u32)>,
}

impl Dominators {
    pub(super) fn of(graph: &Graph) -> Dominators {
        let postorder = postorder(graph);
        let immediate = immediate(graph, &postorder);
        let reached = |node: &Node| immediate[*node as usize] != UNREACHED;
        let edges = (0..graph.len() as Node).filter(|node| *node != ENTRY && reached(node));
        let tree = Adjacency::new(graph.len(), edges.map(|node| (immediate[node as usize], node)));

        let mut preorder = Vec::with_capacity(postorder.len());
        let mut spans = vec![(UNREACHED, UNREACHED); graph.len()];
        let mut open = vec![(ENTRY, 0)];
        while let Some((node, next)) = open.last_mut() {
            if *next == 0 {
                spans[*node as usize].0 = preorder.len() as u32;
                preorder.push(*node);
            }
            if let Some(&child) = tree.of(*node).get(*next) {
                *next += 1;
                open.push((child, 0));
            } else {
                spans[*node as usize].1 = preorder.len() as u32;
                open.pop();
            }
        }
        Dominators {
            preorder,
            immediate,
            spans,
        }
    }

    /// Whether every way to `below` passes `above`; a node dominates itself. Nothing is said of unreachable nodes.
    pub(super) fn dominates(&self, above: Node, below: Node) -> bool {
        let (start, end) = self.spans[above as usize];
        let (place, _) = self.spans[below as usize];
        start != UNREACHED && start <= place && place < end
    }

    /// The reachable nodes; each comes after its dominators, and a subtree lies together.
    pub(super) fn preorder(&self) -> &[Node] {
        &self.preorder
    }

    pub(super) fn is_reachable(&self, node: Node) -> bool {
        self.immediate[node as usize] != UNREACHED
    }
}

fn postorder(graph: &Graph) -> Vec<Node> {
    let mut order = Vec::with_capacity(graph.len());
    let mut seen = vec![false; graph.len()];
    seen[ENTRY as usize] = true;
    let mut open = vec![(ENTRY, 0)];
    while let Some((node, next)) = open.last_mut() {
        if let Some(&successor) = graph.successors(*node).get(*next) {
            *next += 1;
            if !std::mem::replace(&mut seen[successor as usize], true) {
                open.push((successor, 0));
            }
        } else {
            order.push(*node);
            open.pop();
        }
    }
    order
}

fn immediate(graph: &Graph, postorder: &[Node]) -> Vec<Node> {
    let mut rank = vec![0; graph.len()];
    for (place, &node) in (0u32..).zip(postorder) {
        rank[node as usize] = place;
    }
    let mut immediate = vec![UNREACHED; graph.len()];
    immediate[ENTRY as usize] = ENTRY;
    let meet = |immediate: &[Node], mut one: Node, mut other: Node| {
        while one != other {
            while rank[one as usize] < rank[other as usize] {
                one = immediate[one as usize];
            }
            while rank[other as usize] < rank[one as usize] {
                other = immediate[other as usize];
            }
        }
        one
    };
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for &node in postorder.iter().rev().filter(|&&node| node != ENTRY) {
            let known = graph
                .predecessors(node)
                .iter()
                .copied()
                .filter(|&from| immediate[from as usize] != UNREACHED);
            if let Some(dominator) = known.reduce(|one, other| meet(&immediate, one, other))
                && immediate[node as usize] != dominator
            {
                immediate[node as usize] = dominator;
                changed = true;
            }
        }
    }
    immediate
}
