//! What the person who starts a simulation may fix; the seed decides the rest.
use crate::{FaultKind, Plant};

/// Options of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Number of nodes at the start; the seed's choice if `None`.
    pub nodes: Option<usize>,
    /// A fault of the memory to put in from outside.
    pub plant: Option<Plant>,
    /// Instead of what the seed has chosen, several faults of this kind happen.
    pub faults: Option<FaultKind>,
    /// What is looked at while the cluster runs.
    pub watch: Watch,
    /// How many of the last events are told.
    pub events_kept: usize,
    /// Events that a part of a run may take.
    pub events_max: u64,
}

/// What is looked at while the cluster runs; its history is judged in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watch {
    /// The states of pages on all nodes, too.
    Everything,
    /// Only what programs see.
    History,
    /// Nothing, also not the invariants of single nodes; no trace is kept. For clusters
    /// that are too large for the rest.
    Nothing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: None,
            plant: None,
            faults: None,
            watch: Watch::Everything,
            events_kept: 40,
            events_max: 600_000,
        }
    }
}
