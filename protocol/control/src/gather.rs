//! Before a view is decided its survivors stand fenced and say on what their work depends.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use types::{NodeId, ViewNumber};
use wire::IntervalEdges;

/// The question to the survivors of a view, and their answers.
#[derive(Debug)]
pub(crate) struct Gather {
    view: ViewNumber,
    survivors: Vec<NodeId>,
    missing: BTreeSet<NodeId>,
    reports: BTreeMap<NodeId, Vec<IntervalEdges>>,
}

impl Gather {
    /// Nobody has answered yet.
    pub(crate) fn new(view: ViewNumber, survivors: Vec<NodeId>) -> Self {
        Self {
            view,
            missing: survivors.iter().copied().collect(),
            survivors,
            reports: BTreeMap::new(),
        }
    }

    /// Whether just these were asked, in this view. If one of them dies, the others are
    /// asked again: the answers of the last time are final, so they say the same.
    pub(crate) fn is_of(&self, view: ViewNumber, survivors: &[NodeId]) -> bool {
        self.view == view && self.survivors == survivors
    }

    pub(crate) fn on_report(&mut self, from: NodeId, intervals: &[IntervalEdges]) {
        if self.missing.remove(&from) {
            self.reports.insert(from, intervals.to_vec());
        }
    }

    /// What all have answered, once they have.
    pub(crate) fn reports(&self) -> Option<&BTreeMap<NodeId, Vec<IntervalEdges>>> {
        self.missing.is_empty().then_some(&self.reports)
    }
}
