//! One order of all operations that agrees with the lists and with real time.
//!
//! It exists iff the graph of what must come before what has no cycle. As among the
//! transactions inside a cluster, real time is a chain of *ticks*, here of the answers: an
//! operation leads to the tick of its answer, a tick to the next one and to every operation
//! that began before the next answer.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use super::orders::{Order, Orders};
use super::{Edge, Element, List, OperationId, Violation};
use crate::{DependencyKind, Moment, cycle};

/// Looks for a cycle.
pub(super) fn check(orders: &Orders<'_>) -> Result<(), Violation> {
    let graph = Graph::new(orders);
    match cycle::find(&graph.successors) {
        None => Ok(()),
        Some(cycle) => Err(Violation::Cycle {
            edges: graph.edges_of(&cycle),
        }),
    }
}

/// Vertices `0..count` are the operations, all others the ticks of answers in their order.
struct Graph {
    count: usize,
    successors: Vec<Vec<usize>>,
    /// Edges through lists, to explain a cycle.
    through_lists: BTreeMap<(usize, usize), Edge>,
}

impl Graph {
    fn new(orders: &Orders<'_>) -> Self {
        let count = orders.operations.len();
        let mut graph = Self {
            count,
            successors: vec![Vec::new(); count],
            through_lists: BTreeMap::new(),
        };
        for (&list, order) in &orders.lists {
            graph.add_list(orders, list, order);
        }
        graph.add_unseen(orders);
        graph.add_time(orders);
        graph
    }

    /// Each element comes after the one before it, and its readers between it and the next.
    fn add_list(&mut self, orders: &Orders<'_>, list: List, order: &Order) {
        let appender = |place: usize| orders.appender(list, order.elements[place]);
        for place in 1..order.elements.len() {
            let ends = [appender(place - 1), appender(place)];
            self.add(ends, DependencyKind::Overwrite, list);
        }
        for sight in &order.sights {
            if let Some(last) = sight.read.checked_sub(1) {
                let ends = [appender(last), sight.operation];
                self.add(ends, DependencyKind::ReadFrom, list);
            }
            if sight.read < order.elements.len() {
                let ends = [sight.operation, appender(sight.read)];
                self.add(ends, DependencyKind::Anti, list);
            }
        }
    }

    /// What was appended by an operation that has happened, and seen by nobody, came after all
    /// that anybody has seen of the list.
    fn add_unseen(&mut self, orders: &Orders<'_>) {
        let all = orders.lists.iter();
        let seen: BTreeSet<(List, Element)> = all
            .flat_map(|(&list, order)| order.elements.iter().map(move |&element| (list, element)))
            .collect();
        let is_seen = |place: &(List, Element)| seen.contains(place);
        for (id, operation) in (0..).map(OperationId).zip(orders.operations) {
            if operation.end().is_none() && !operation.appends.iter().any(is_seen) {
                continue;
            }
            let unseen = operation.appends.iter().filter(|place| !is_seen(place));
            for (list, order) in unseen.filter_map(|(list, _)| orders.lists.get_key_value(list)) {
                for sight in &order.sights {
                    self.add([sight.operation, id], DependencyKind::Anti, *list);
                }
            }
        }
    }

    fn add_time(&mut self, orders: &Orders<'_>) {
        let ids = (0..).zip(orders.operations);
        let ends = ids.filter_map(|(id, operation)| Some((operation.end()?, id)));
        let mut answers: Vec<(Moment, usize)> = ends.collect();
        answers.sort_unstable();
        let tick = |index: usize| self.count + index;
        let mut successors = vec![Vec::new(); answers.len()];
        for (index, &(_, id)) in answers.iter().enumerate() {
            self.successors[id].push(tick(index));
            if index > 0 {
                successors[index - 1].push(tick(index));
            }
        }
        for (id, operation) in orders.operations.iter().enumerate() {
            let before = answers.partition_point(|&(at, _)| at < operation.begin);
            if let Some(last) = before.checked_sub(1) {
                successors[last].push(id);
            }
        }
        self.successors.extend(successors);
    }

    fn add(&mut self, ends: [OperationId; 2], kind: DependencyKind, list: List) {
        let [from, to] = ends;
        let list = Some(list);
        let edge = Edge {
            from,
            to,
            kind,
            list,
        };
        if from != to && self.through_lists.insert((from.0, to.0), edge).is_none() {
            self.successors[from.0].push(to.0);
        }
    }

    /// The edges along a cycle; a stretch of ticks becomes one edge of real time.
    fn edges_of(&self, cycle: &[usize]) -> Vec<Edge> {
        let operations: Vec<usize> = cycle
            .iter()
            .copied()
            .filter(|&vertex| vertex < self.count)
            .collect();
        let next = operations.iter().cycle().skip(1);
        let pairs = operations.iter().zip(next);
        pairs.map(|(&from, &to)| self.edge(from, to)).collect()
    }

    fn edge(&self, from: usize, to: usize) -> Edge {
        let known = self.through_lists.get(&(from, to)).copied();
        known.unwrap_or(Edge {
            from: OperationId(from),
            to: OperationId(to),
            kind: DependencyKind::RealTime,
            list: None,
        })
    }
}
