//! The rule on the shapes it was made for.
//!
//! Must not know: how dominators and cycles are found, except in the comparison with their definitions.

use super::*;
use crate::plan::{FunctionId, Plan, SiteIndex};
use crate::recorder::{EdgeCounts, Previous};
use crate::scripted::{At, Thread};

/// A function whose body is given as the lines of its sites.
struct Scripted {
    plan: Plan,
    function: FunctionId,
    sites: Vec<SiteIndex>,
    edges: EdgeCounts,
}

impl Scripted {
    /// The first site is the entry. The declaration's line is 1.
    fn new(sites: &[&[u32]]) -> Scripted {
        let mut plan = Plan::default();
        let (function, instance) = plan.add_function("f", 1);
        let mut added = Vec::new();
        for lines in sites {
            let at = if added.is_empty() { At::Entry } else { At::Middle };
            added.push(plan.add_site(instance, lines, at));
        }
        Scripted {
            plan,
            function,
            sites: added,
            edges: EdgeCounts::default(),
        }
    }

    /// Static flow along these sites.
    fn flow(mut self, sites: &[usize]) -> Scripted {
        let path: Vec<SiteIndex> = sites.iter().map(|&site| self.sites[site]).collect();
        self.plan.add_flow(&path);
        self
    }

    /// A call that passes these sites.
    fn run(mut self, sites: &[usize]) -> Scripted {
        let mut previous = Previous::Entry;
        for &site in sites {
            self.edges.add(previous, self.sites[site], 1);
            previous = Previous::Site(self.sites[site]);
        }
        self
    }

    fn counts<const N: usize>(&self, lines: [u32; N]) -> [u64; N] {
        let occurrences = count(&self.plan, &self.edges);
        lines.map(|line| occurrences.of(self.plan.find_line(self.function, line)))
    }
}

#[test]
fn a_for_loop_counts_its_head_once_more_than_its_body() {
    // 2: i = 0 | jump | 3: body | 2: i++ | 2: i < n | 4: }
    let f = Scripted::new(&[&[1], &[2], &[3], &[2], &[2], &[4]]);
    let f = f.flow(&[0, 1, 4, 2, 3, 4, 5]);
    let f = f.run(&[0, 1, 4, 2, 3, 4, 2, 3, 4, 2, 3, 4, 5]);
    assert_eq!(f.counts([1, 2, 3, 4]), [1, 4, 3, 1]);
}

#[test]
fn a_for_loop_that_never_runs_its_body_counts_once() {
    let f = Scripted::new(&[&[1], &[2], &[3], &[2], &[2], &[4]])
        .flow(&[0, 1, 4, 2, 3, 4, 5])
        .run(&[0, 1, 4, 5]);
    assert_eq!(f.counts([1, 2, 3, 4]), [1, 1, 0, 1]);
}

#[test]
fn a_condition_over_two_lines_counts_once() {
    // 2: if (a && | 3: b) | 2: the jump on the result | 4: then | 5: }
    let f = Scripted::new(&[&[1], &[2], &[3], &[2], &[4], &[5]]);
    let f = f.flow(&[0, 1, 2, 3, 4, 5]).flow(&[1, 5]).flow(&[3, 5]);
    let f = f.run(&[0, 1, 2, 3, 4, 5]).run(&[0, 1, 5]).run(&[0, 1, 2, 3, 5]);
    assert_eq!(f.counts([2, 3, 4, 5]), [3, 2, 1, 3]);
}

#[test]
fn a_condition_over_two_lines_counts_once_for_each_round_of_a_loop() {
    let f = Scripted::new(&[&[1], &[2], &[3], &[2], &[4], &[5]])
        .flow(&[0, 1, 2, 3, 4, 1])
        .flow(&[1, 5]);
    let f = f.run(&[0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 5]);
    assert_eq!(f.counts([2, 3, 4]), [3, 2, 2]);
}

#[test]
fn a_loop_that_closes_on_one_line_counts_its_rounds() {
    let f = Scripted::new(&[&[1], &[2], &[3]])
        .flow(&[0, 1, 1, 2])
        .run(&[0, 1, 1, 1, 1, 2]);
    assert_eq!(f.counts([2, 3]), [4, 1]);
    let f = Scripted::new(&[&[1], &[2], &[2], &[3]])
        .flow(&[0, 1, 2, 1])
        .flow(&[2, 3])
        .run(&[0, 1, 2, 1, 2, 1, 2, 3]);
    assert_eq!(f.counts([2, 3]), [3, 1]);
}

#[test]
fn several_lines_of_one_site_are_passed_in_order() {
    let f = Scripted::new(&[&[1, 2, 3], &[3, 4, 3]])
        .flow(&[0, 1])
        .run(&[0, 1])
        .run(&[0, 1]);
    assert_eq!(f.counts([1, 2, 3, 4]), [2, 2, 2, 2]);
}

#[test]
fn a_loop_over_a_site_with_several_lines_counts_each() {
    let f = Scripted::new(&[&[1], &[2, 3], &[4]])
        .flow(&[0, 1, 1, 2])
        .run(&[0, 1, 1, 1, 2]);
    assert_eq!(f.counts([2, 3, 4]), [3, 3, 1]);
}

#[test]
fn a_jump_table_that_decoding_could_not_follow_adds_its_edges() {
    // 2: switch in a loop | 3, 4: cases | 2: the jump back; nothing is known of the ways to the cases.
    let f = Scripted::new(&[&[1], &[2], &[3], &[4], &[5]]);
    let f = f.flow(&[0, 1]).flow(&[2, 1]).flow(&[3, 1]).flow(&[1, 4]);
    let f = f.run(&[0, 1, 2, 1, 3, 1, 2, 1, 4]);
    assert_eq!(f.counts([1, 2, 3, 4, 5]), [1, 4, 2, 1, 1]);
}

#[test]
fn the_declaration_counts_calls_where_no_site_has_it() {
    let f = Scripted::new(&[&[2], &[3]])
        .flow(&[0, 1])
        .run(&[0, 1])
        .run(&[0, 1])
        .run(&[0]);
    assert_eq!(f.counts([1, 2, 3]), [3, 3, 2]);
}

#[test]
fn an_entry_without_a_line_still_counts_calls() {
    let f = Scripted::new(&[&[], &[3]]).flow(&[0, 1]);
    let mut thread = Thread::new(&f.plan);
    for _ in 0..3 {
        thread.arrive(f.sites[0], 500, 0).arrive(f.sites[1], 400, 0);
    }
    let occurrences = count(&f.plan, &thread.finish().edges);
    assert_eq!(
        [1, 3].map(|line| occurrences.of(f.plan.find_line(f.function, line))),
        [3, 3]
    );
}

#[test]
fn instances_of_a_function_are_summed() {
    let mut f = Scripted::new(&[&[1], &[2]]).flow(&[0, 1]).run(&[0, 1]);
    let other = f.plan.add_instance(f.function);
    let entry = f.plan.add_site(other, &[1], At::Entry);
    let body = f.plan.add_site(other, &[2], At::Middle);
    f.plan.add_flow(&[entry, body]);
    f.edges.add(Previous::Entry, entry, 5);
    f.edges.add(Previous::Site(entry), body, 5);
    assert_eq!(f.counts([1, 2]), [6, 6]);
}

#[test]
fn recursion_counts_every_activation() {
    let f = Scripted::new(&[&[1], &[2], &[3]]).flow(&[0, 1, 2]);
    let mut thread = Thread::new(&f.plan);
    for depth in 0..5 {
        thread
            .arrive(f.sites[0], 500 - depth * 50, 0)
            .arrive(f.sites[1], 480 - depth * 50, 0);
    }
    for depth in (0..5).rev() {
        thread.arrive(f.sites[2], 480 - depth * 50, 0);
    }
    let occurrences = count(&f.plan, &thread.finish().edges);
    assert_eq!(
        [1, 2, 3].map(|line| occurrences.of(f.plan.find_line(f.function, line))),
        [5, 5, 5]
    );
}

#[test]
fn a_line_that_longjmp_comes_back_to_counts_again() {
    // 2: if (setjmp() == 0) | 3: work() which jumps back into the middle of line 2 | 4: the other way
    let f = Scripted::new(&[&[1], &[2], &[3], &[2], &[4]])
        .flow(&[0, 1, 3, 2])
        .flow(&[3, 4]);
    let f = f.run(&[0, 1, 3, 2, 3, 4]);
    assert_eq!(f.counts([2, 3, 4]), [2, 1, 1]);
}

#[test]
fn arrivals_in_adopted_frames_say_nothing_of_the_flow_but_count() {
    let mut f = Scripted::new(&[&[1], &[2], &[3], &[2]]).flow(&[0, 1, 2, 3]);
    f.edges.add(Previous::Adopted, f.sites[2], 1);
    f.edges.add(Previous::Site(f.sites[2]), f.sites[3], 1);
    assert_eq!(f.counts([1, 2, 3]), [0, 0, 1]);
}

#[test]
fn a_loop_with_two_entries_is_no_mystery() {
    // A switch into a loop: 2 jumps to either 3 or 4, which go round; the 3 after 4 is reached from both.
    let f = Scripted::new(&[&[1], &[2], &[3], &[4], &[5]])
        .flow(&[0, 1, 2, 3, 2])
        .flow(&[1, 3])
        .flow(&[3, 4]);
    let f = f.run(&[0, 1, 3, 2, 3, 2, 3, 4]);
    assert_eq!(f.counts([2, 3, 4, 5]), [1, 2, 3, 1]);
}

/// Random graphs against the words of the rule: ways are searched for with a node taken out.
#[test]
fn random_graphs_agree_with_the_words_of_the_rule() {
    let mut state = 7u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % limit
    };
    for _ in 0..2000 {
        let nodes = 2 + below(9);
        let lines: Vec<u32> = (0..nodes).map(|_| 2 + below(3) as u32).collect();
        let edges: Vec<(usize, usize)> = (0..nodes + below(nodes * 2))
            .map(|_| (below(nodes), below(nodes)))
            .collect();
        let single: Vec<&[u32]> = lines.iter().map(std::slice::from_ref).collect();
        let mut f = Scripted::new(&single);
        for &(from, to) in &edges {
            f = f.flow(&[from, to]);
        }
        let reaches = |from: &[usize], to: usize, without: Option<usize>| {
            let mut seen = vec![false; nodes];
            let mut open: Vec<usize> = from
                .iter()
                .copied()
                .filter(|&node| Some(node) != without)
                .collect();
            while let Some(node) = open.pop() {
                if node == to {
                    return true;
                }
                if !std::mem::replace(&mut seen[node], true) {
                    let next = edges
                        .iter()
                        .filter(|edge| edge.0 == node && Some(edge.1) != without);
                    open.extend(next.map(|edge| edge.1));
                }
            }
            false
        };
        let after = |node: usize| {
            edges
                .iter()
                .filter(|edge| edge.0 == node)
                .map(|edge| edge.1)
                .collect::<Vec<_>>()
        };
        let dominates = |above: usize, node: usize| above == node || !reaches(&[0], node, Some(above));
        for to in (0..nodes).filter(|&node| reaches(&[0], node, None)) {
            let continues = (0..nodes).any(|other| {
                other != to
                    && lines[other] == lines[to]
                    && reaches(&[0], other, None)
                    && dominates(other, to)
                    && !reaches(&after(to), to, Some(other))
            });
            // Adopted arrivals leave the graph as it is, and count like those from another line.
            f.edges = EdgeCounts::default();
            f.edges.add(Previous::Adopted, f.sites[to], 1);
            let [counted] = f.counts([lines[to]]);
            assert_eq!(counted == 0, continues, "node {to} of {lines:?}, {edges:?}");
            for from in edges.iter().filter(|edge| edge.1 == to).map(|edge| edge.0) {
                if lines[from] == lines[to] && reaches(&[0], from, None) {
                    f.edges = EdgeCounts::default();
                    f.edges.add(Previous::Site(f.sites[from]), f.sites[to], 1);
                    let [counted] = f.counts([lines[to]]);
                    assert_eq!(
                        counted == 1,
                        from == to || dominates(to, from),
                        "{from} to {to} of {lines:?}, {edges:?}"
                    );
                }
            }
        }
    }
}

/// An interpreter's loop: a head with ten thousand sites behind it, a few of which loop themselves.
#[test]
fn a_function_of_ten_thousand_sites_is_counted_at_once() {
    let sites: Vec<Vec<u32>> = (0..12_000u32)
        .map(|site| vec![1 + site - (site % 5 == 4) as u32 * 2])
        .collect();
    let mut f = Scripted::new(&sites.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for case in 0..400usize {
        let first = 10 + case * 29;
        let mut path = vec![1, 2, first];
        path.extend(first + 1..first + 29);
        path.push(1);
        f = f
            .flow(&path)
            .flow(&[first + 20, first + 3])
            .flow(&[first + 15, first + 12])
            .flow(&[first + 7, 1]);
        f = f.run(&[vec![0], path].concat());
    }
    let started = std::time::Instant::now();
    let occurrences = count(&f.plan, &f.edges);
    println!("12,000 sites counted in {:?}", started.elapsed());
    assert!(occurrences.of(f.plan.find_line(f.function, 3)) >= 400);
}
