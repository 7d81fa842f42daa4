//! Cycles: whether a node can reach itself without passing one of its dominators.
//!
//! Must not know: lines, counts.
//!
//! The nodes of every cycle lie in one strongly connected component. Its *entries*, the nodes with a predecessor
//! outside it, are taken out and the components of the rest are found in turn, until no cycle is left. That gives a tree
//! of nested components; on structured code they are the loops, and the entries their heads.
//!
//! If `u` dominates `t` and a cycle leads from `t` to `t` without `u`, some nested component has `t` and not `u`:
//! all nodes of that cycle are strictly dominated by `u`, and an entry of a component with `u` in it is not (there is a
//! way to it around the component). So taking entries out never breaks the cycle while `u` is in the same component, and
//! `u` must drop out first. The other direction is plain: a component with `t` and without `u` has such a cycle. Hence
//! `t` needs `u` exactly when the innermost component of `t` contains `u`, whether or not the graph is reducible.

use super::dominators::Dominators;
use super::graph::{Graph, Node};

const NONE: u32 = u32::MAX;

/// The tree of nested components with cycles.
#[derive(Debug)]
pub(super) struct Cycles {
    /// The component around each component.
    outer: Vec<u32>,
    /// The innermost component of each node.
    innermost: Vec<u32>,
}

impl Cycles {
    pub(super) fn of(graph: &Graph, dominators: &Dominators) -> Cycles {
        let mut cycles = Cycles {
            outer: Vec::new(),
            innermost: vec![NONE; graph.len()],
        };
        let mut search = Search::new(graph);
        let mut open = vec![(dominators.preorder().to_vec(), NONE)];
        while let Some((nodes, outer)) = open.pop() {
            for component in search.components(&nodes) {
                let is_inside =
                    |node: Node, search: &Search<'_>| search.component[node as usize] == component.id;
                let loops = component.nodes.len() > 1
                    || graph.successors(component.nodes[0]).contains(&component.nodes[0]);
                if !loops {
                    continue;
                }
                let id = cycles.outer.len() as u32;
                cycles.outer.push(outer);
                let mut rest = Vec::new();
                for &node in &component.nodes {
                    cycles.innermost[node as usize] = id;
                    let mut from = graph.predecessors(node).iter();
                    let entry = from.any(|&from| dominators.is_reachable(from) && !is_inside(from, &search));
                    if !entry {
                        rest.push(node);
                    }
                }
                open.push((rest, id));
            }
        }
        cycles
    }

    /// Whether `node` cannot reach itself without passing `dominator`, a node that dominates it.
    pub(super) fn needs(&self, node: Node, dominator: Node) -> bool {
        let around_node = self.innermost[node as usize];
        let mut around = self.innermost[dominator as usize];
        if around_node == NONE {
            return true;
        }
        // Components are numbered after those around them.
        while around != NONE && around > around_node {
            around = self.outer[around as usize];
        }
        around == around_node
    }
}

struct Component {
    id: u32,
    nodes: Vec<Node>,
}

/// Tarjan's algorithm within a set of nodes, without recursion.
struct Search<'graph> {
    graph: &'graph Graph,
    /// The set a node belongs to; only nodes of the present one are walked.
    set: Vec<u32>,
    sets: u32,
    /// The component found last for each node.
    component: Vec<u32>,
    components: u32,
    index: Vec<u32>,
    low: Vec<u32>,
    on_path: Vec<bool>,
}

impl<'graph> Search<'graph> {
    fn new(graph: &'graph Graph) -> Search<'graph> {
        let nodes = graph.len();
        Search {
            graph,
            set: vec![0; nodes],
            sets: 0,
            component: vec![NONE; nodes],
            components: 0,
            index: vec![NONE; nodes],
            low: vec![0; nodes],
            on_path: vec![false; nodes],
        }
    }

    /// The strongly connected components of `nodes`.
    fn components(&mut self, nodes: &[Node]) -> Vec<Component> {
        self.sets += 1;
        for &node in nodes {
            self.set[node as usize] = self.sets;
            self.index[node as usize] = NONE;
        }
        let mut found = Vec::new();
        let mut visited = 0;
        let mut path: Vec<Node> = Vec::new();
        let mut open: Vec<(Node, usize)> = Vec::new();
        for &root in nodes {
            if self.index[root as usize] != NONE {
                continue;
            }
            open.push((root, 0));
            while let Some((node, next)) = open.last_mut() {
                let node = *node;
                let place = node as usize;
                if *next == 0 {
                    self.index[place] = visited;
                    self.low[place] = visited;
                    visited += 1;
                    self.on_path[place] = true;
                    path.push(node);
                }
                if let Some(&successor) = self.graph.successors(node).get(*next) {
                    *next += 1;
                    if self.set[successor as usize] != self.sets {
                        continue;
                    }
                    if self.index[successor as usize] == NONE {
                        open.push((successor, 0));
                    } else if self.on_path[successor as usize] {
                        self.low[place] = self.low[place].min(self.index[successor as usize]);
                    }
                    continue;
                }
                open.pop();
                if let Some(&(parent, _)) = open.last() {
                    self.low[parent as usize] = self.low[parent as usize].min(self.low[place]);
                }
                if self.low[place] == self.index[place] {
                    found.push(self.take_component(&mut path, node));
                }
            }
        }
        found
    }

    fn take_component(&mut self, path: &mut Vec<Node>, root: Node) -> Component {
        let id = self.components;
        self.components += 1;
        let mut nodes = Vec::new();
        while let Some(node) = path.pop() {
            self.on_path[node as usize] = false;
            self.component[node as usize] = id;
            nodes.push(node);
            if node == root {
                break;
            }
        }
        Component { id, nodes }
    }
}
