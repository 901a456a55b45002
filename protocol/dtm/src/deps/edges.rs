//! Edges between intervals: the newest interval of each other node that one depends on.
//! The newest stands for all before it, because intervals of a node depend on each other
//! in turn.
use alloc::collections::BTreeMap;
use types::{Interval, NodeId, Stamp};

/// What an interval depends on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Edges(BTreeMap<NodeId, Interval>);

impl Edges {
    /// Whether an edge to this interval says more than what is known.
    pub(crate) fn is_new(&self, to: Stamp) -> bool {
        let known = self.0.get(&to.node);
        known.is_none_or(|&known| known < to.interval)
    }

    /// Adds an edge.
    pub(crate) fn add(&mut self, to: Stamp) {
        let known = self.0.entry(to.node).or_insert(to.interval);
        *known = to.interval.max(*known);
    }

    /// All of them, ascending by node.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Stamp> + '_ {
        let stamp = |(&node, &interval)| Stamp { node, interval };
        self.0.iter().map(stamp)
    }
}
