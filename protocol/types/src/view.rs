//! A view: who is in the cluster, from which epoch on, and what was undone before.
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::{Epoch, NodeId, Stamp, StoreId};

/// Number of a view; messages of another view are dropped.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct ViewNumber(pub u64);

/// A node of a view and the disk it serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its disk.
    pub store: StoreId,
}

/// One fallback decision: everything committed in epochs above `stable` and below
/// `first_epoch` is undone. Decisions accumulate; whoever missed one applies all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fallback {
    /// The newest epoch that survives.
    pub stable: Epoch,
    /// First epoch of the view that the decision started; above every epoch that
    /// any node, dead ones included, may have used before.
    pub first_epoch: Epoch,
}

/// The members of the cluster and what they agree on at its start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct View {
    /// Number of the view, ascending.
    pub number: ViewNumber,
    /// The member that advances epochs and records decisions.
    pub leader: NodeId,
    /// Members in ascending order of node id.
    pub members: Vec<Member>,
    /// The newest stable epoch when the view began.
    pub stable: Epoch,
    /// The epoch in which every member starts.
    pub first_epoch: Epoch,
    /// All fallback decisions so far, oldest first.
    pub fallbacks: Vec<Fallback>,
}

impl Fallback {
    /// Whether this decision undid what was committed in `epoch`.
    #[must_use]
    pub fn undoes(&self, epoch: Epoch) -> bool {
        self.stable < epoch && epoch < self.first_epoch
    }
}

impl View {
    /// Whether some recorded decision undid the version with this stamp.
    #[must_use]
    pub fn is_undone(&self, stamp: Stamp) -> bool {
        self.fallbacks
            .iter()
            .any(|fallback| fallback.undoes(stamp.epoch()))
    }

    /// The member with this node id.
    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.node == node)
    }

    /// The nodes of the view, ascending.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().map(|member| member.node)
    }
}
