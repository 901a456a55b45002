//! A view: who is in the cluster, from which epoch on, and what was undone before.
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::{Durability, Epoch, Interval, NodeId, Stamp, StoreId};

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

/// The last interval of a node that a fallback keeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Cut {
    /// The node.
    pub node: NodeId,
    /// Everything that it committed later is undone.
    pub last: Interval,
}

/// One fallback decision: what the nodes of `cuts` committed after their cut, before
/// `first_epoch`, is undone. Decisions accumulate; whoever missed one applies all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Fallback {
    /// The newest stable epoch at that time. No cut lies before its end, unless somebody wanted
    /// the memory to go back.
    pub stable: Epoch,
    /// Nodes that are gone or go back, ascending by node. All others keep everything.
    pub cuts: Vec<Cut>,
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
    /// Members that are about to go for good, ascending: they commit nothing more, are home
    /// of nothing, and their stores get no copies. Never all.
    pub leaving: Vec<NodeId>,
    /// The newest stable epoch when the view began.
    pub stable: Epoch,
    /// The epoch in which every member starts, at least two above every epoch that any
    /// node, dead ones included, may have used before.
    pub first_epoch: Epoch,
    /// What makes work safe.
    pub durability: Durability,
    /// All fallback decisions so far, oldest first.
    pub fallbacks: Vec<Fallback>,
}

impl Fallback {
    /// A decision after which these nodes, ascending, keep what is stable and nothing else.
    #[must_use]
    pub fn to_stable(
        stable: Epoch,
        first_epoch: Epoch,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let last = Interval::last_of(stable);
        let cuts = nodes.into_iter().map(|node| Cut { node, last });
        Self {
            stable,
            cuts: cuts.collect(),
            first_epoch,
        }
    }

    /// Whether this decision undid what was committed in this interval of this node.
    #[must_use]
    pub fn undoes(&self, stamp: Stamp) -> bool {
        let cut = self.cut(stamp.node);
        cut.is_some_and(|cut| cut.undoes(stamp, self.first_epoch))
    }

    /// Where the node is cut; `None`: it keeps everything.
    #[must_use]
    pub fn cut(&self, node: NodeId) -> Option<Cut> {
        let at = self.cuts.binary_search_by_key(&node, |cut| cut.node);
        at.ok().map(|at| self.cuts[at])
    }
}

impl Cut {
    /// Whether a decision for a view that began with `first_epoch` undid with this cut what
    /// has this stamp.
    #[must_use]
    pub fn undoes(&self, stamp: Stamp, first_epoch: Epoch) -> bool {
        stamp.node == self.node && stamp.interval > self.last && stamp.epoch() < first_epoch
    }
}

impl View {
    /// Whether some recorded decision undid the version with this stamp.
    #[must_use]
    pub fn is_undone(&self, stamp: Stamp) -> bool {
        self.fallbacks.iter().any(|fallback| fallback.undoes(stamp))
    }

    /// Members that went back when the view began.
    pub fn reset(&self) -> impl Iterator<Item = NodeId> + '_ {
        let decided = self.fallbacks.last();
        let cut = move |node: &NodeId| decided.is_some_and(|decided| decided.cut(*node).is_some());
        self.nodes().filter(cut)
    }

    /// Whether a decision since an earlier view has the node go back: it may have missed one.
    #[must_use]
    pub fn takes_back(&self, node: NodeId, since: &Self) -> bool {
        let mut since = self.since(since);
        since.any(|decided| decided.cut(node).is_some())
    }

    /// Whether a decision undid something that was committed up to the end of this epoch.
    #[must_use]
    pub fn goes_behind(&self, epoch: Epoch) -> bool {
        let end = Interval::last_of(epoch);
        let mut later = self.fallbacks.iter().filter(|one| epoch < one.first_epoch);
        later.any(|decided| decided.cuts.iter().any(|cut| cut.last < end))
    }

    /// The decisions since an earlier view.
    pub fn since<'view>(&'view self, earlier: &Self) -> impl Iterator<Item = &'view Fallback> {
        let entered = earlier.first_epoch;
        let decided = self.fallbacks.iter();
        decided.filter(move |decided| decided.first_epoch > entered)
    }

    /// The last epoch before the view. Nobody commits anything in it: it is left free for
    /// what the dead have left.
    ///
    /// # Panics
    /// If the view is the first: nobody has died before it.
    #[must_use]
    pub fn legacy_epoch(&self) -> Epoch {
        let before = self.first_epoch.0.checked_sub(1);
        Epoch(before.expect("work starts in epoch 1"))
    }

    /// The member with this node id.
    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.node == node)
    }

    /// Whether it is a member that is about to go for good.
    #[must_use]
    pub fn is_leaving(&self, node: NodeId) -> bool {
        self.leaving.contains(&node)
    }

    /// The members that are not about to go, ascending: what the cluster keeps is theirs.
    pub fn staying(&self) -> impl Iterator<Item = &Member> {
        let stays = |member: &&Member| !self.is_leaving(member.node);
        self.members.iter().filter(stays)
    }

    /// The nodes of the view, ascending.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().map(|member| member.node)
    }
}
