//! What will happen, and to whom.
use types::{Epoch, Instant, NodeId, StoreId, View, ViewNumber};
use wire::Envelope;

use crate::network::Passage;
use crate::scenario::{Fault, HoldEnd};

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    Arrival {
        to: NodeId,
        envelope: Envelope,
        passage: Passage,
    },
    Deadline(NodeId),
    Step(NodeId),
    Snapshot(NodeId),
    Synced {
        at: NodeId,
        view: ViewNumber,
        to: NodeId,
        epoch: Epoch,
    },
    Epoch,
    /// Somebody waits for the present epoch: it ends before its time.
    EndEarly,
    Fault(Fault),
    Decide,
    Fence {
        node: NodeId,
        /// Of the question.
        number: u64,
    },
    Enter {
        node: NodeId,
        view: View,
    },
    Return(StoreId),
    Replicate,
    /// A node that stood still goes on.
    Wake(NodeId),
    /// A member has been silent for as long as it is waited for, if it still is.
    Silent {
        node: NodeId,
        until: Instant,
    },
    /// What was held up on this line is over.
    HoldEnds {
        line: (NodeId, NodeId),
        end: HoldEnd,
    },
    /// A node is told that it has lost a link.
    LinkLost {
        at: NodeId,
        node: NodeId,
    },
    /// The leader has waited for more news of members that do not reach each other.
    Settle {
        view: ViewNumber,
        pair: (NodeId, NodeId),
    },
    /// A node that was given up learns it.
    Expelled(NodeId),
}

impl Event {
    /// Whom it happens to.
    pub(crate) fn recipient(&self) -> Option<NodeId> {
        match *self {
            Self::Arrival { to: node, .. }
            | Self::Deadline(node)
            | Self::Step(node)
            | Self::Snapshot(node)
            | Self::Synced { at: node, .. }
            | Self::Fence { node, .. }
            | Self::Enter { node, .. }
            | Self::LinkLost { at: node, .. }
            | Self::Expelled(node) => Some(node),
            Self::Epoch
            | Self::EndEarly
            | Self::Fault(_)
            | Self::Decide
            | Self::Return(_)
            | Self::Replicate
            | Self::Wake(_)
            | Self::Silent { .. }
            | Self::HoldEnds { .. }
            | Self::Settle { .. } => None,
        }
    }
}
