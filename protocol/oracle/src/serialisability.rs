//! Strict serialisability: committed transactions can be put into one order that
//! agrees with what they read and wrote, and in which a transaction that began after
//! another had committed comes later.
//!
//! The order exists iff the graph of dependencies has no cycle. Real time would give
//! an edge for almost every pair; instead the commits form a chain of *ticks*: a
//! transaction leads to the tick of its commit, a tick to the next one and to every
//! transaction that began before the next commit.
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::{AttemptId, Dependency, DependencyKind, Timeline, Violation, cycle, dependencies};

/// Looks for a cycle.
///
/// # Errors
/// The transactions of a cycle and why each comes before the next.
pub fn check(timeline: &Timeline<'_>) -> Result<(), Violation> {
    let graph = Graph::new(timeline);
    match cycle::find(&graph.successors) {
        None => Ok(()),
        Some(cycle) => Err(Violation::Cycle {
            edges: graph.edges_of(&cycle),
        }),
    }
}

/// Vertices `0..n` are the transactions in commit order, `n..2n` the ticks of their
/// commits.
struct Graph<'timeline> {
    committed: &'timeline [AttemptId],
    successors: Vec<Vec<usize>>,
    /// Edges through pages, to explain a cycle.
    through_pages: BTreeMap<(usize, usize), Dependency>,
}

impl<'timeline> Graph<'timeline> {
    fn new(timeline: &'timeline Timeline<'_>) -> Self {
        let committed = timeline.committed();
        let n = committed.len();
        let vertex: BTreeMap<AttemptId, usize> = committed.iter().copied().zip(0..).collect();
        let mut successors = vec![Vec::new(); 2 * n];
        let mut through_pages = BTreeMap::new();
        for edge in dependencies(timeline) {
            let ends = (vertex[&edge.from], vertex[&edge.to]);
            if through_pages.insert(ends, edge).is_none() {
                successors[ends.0].push(ends.1);
            }
        }
        for index in 0..n {
            successors[index].push(n + index);
            if index + 1 < n {
                successors[n + index].push(n + index + 1);
            }
            let begin = timeline.history.attempt(committed[index]).begin;
            let before = committed.partition_point(|&id| timeline.commit_moment(id) < begin);
            if let Some(tick) = before.checked_sub(1) {
                successors[n + tick].push(index);
            }
        }
        Self {
            committed,
            successors,
            through_pages,
        }
    }

    /// The dependencies along a cycle; a stretch of ticks becomes one edge of real time.
    fn edges_of(&self, cycle: &[usize]) -> Vec<Dependency> {
        let transactions: Vec<usize> = cycle
            .iter()
            .copied()
            .filter(|&vertex| vertex < self.committed.len())
            .collect();
        let next = transactions.iter().cycle().skip(1);
        transactions
            .iter()
            .zip(next)
            .map(|(&from, &to)| self.edge(from, to))
            .collect()
    }

    fn edge(&self, from: usize, to: usize) -> Dependency {
        self.through_pages
            .get(&(from, to))
            .copied()
            .unwrap_or(Dependency {
                from: self.committed[from],
                to: self.committed[to],
                kind: DependencyKind::RealTime,
                page: None,
            })
    }
}
