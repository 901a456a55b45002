//! Before a view is decided its survivors stand fenced and say on what their work depends.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use types::{NodeId, ViewNumber};
use wire::Testimony;

/// The question to the survivors of a view, and their answers.
#[derive(Debug)]
pub(crate) struct Gather {
    view: ViewNumber,
    survivors: Vec<NodeId>,
    missing: BTreeSet<NodeId>,
    testimonies: BTreeMap<NodeId, Testimony>,
}

impl Gather {
    /// Nobody has answered yet.
    pub(crate) fn new(view: ViewNumber, survivors: Vec<NodeId>) -> Self {
        Self {
            view,
            missing: survivors.iter().copied().collect(),
            survivors,
            testimonies: BTreeMap::new(),
        }
    }

    /// Whether just these were asked, in this view. If one of them dies, the others are
    /// asked again: the answers of the last time are final, so they say the same.
    pub(crate) fn is_of(&self, view: ViewNumber, survivors: &[NodeId]) -> bool {
        self.view == view && self.survivors == survivors
    }

    pub(crate) fn on_testimony(&mut self, from: NodeId, testimony: &Testimony) {
        if self.missing.remove(&from) {
            self.testimonies.insert(from, testimony.clone());
        }
    }

    /// What all have answered, once they have.
    pub(crate) fn testimonies(&self) -> Option<&BTreeMap<NodeId, Testimony>> {
        self.missing.is_empty().then_some(&self.testimonies)
    }
}
