//! What the person who starts a simulation may fix; the seed decides the rest.
use crate::Plant;

/// Options of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Number of nodes at the start; the seed's choice if `None`.
    pub nodes: Option<usize>,
    /// A fault of the memory to put in from outside.
    pub plant: Option<Plant>,
    /// How many of the last events are told.
    pub events_kept: usize,
    /// Events that a part of a run may take.
    pub events_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: None,
            plant: None,
            events_kept: 40,
            events_max: 150_000,
        }
    }
}
