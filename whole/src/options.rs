//! What the person who starts a run may fix; the seed decides the rest.
use crate::{FaultKind, Plant};

/// Options of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Number of nodes at the start; the seed's choice if `None`.
    pub nodes: Option<usize>,
    /// Faults of one kind only.
    pub faults: Option<FaultKind>,
    /// A bug to put into what lies around the nodes.
    pub plant: Option<Plant>,
    /// Somebody types, whatever the seed says.
    pub types: bool,
    /// How much is told.
    pub tell: Tell,
}

/// How much of a run is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tell {
    /// The end of the story, if something is wrong.
    End,
    /// The story.
    Story,
    /// The story, and every message.
    Messages,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: None,
            faults: None,
            plant: None,
            types: false,
            tell: Tell::End,
        }
    }
}
