//! A small model of the control plane: one truth that survives every crash. It knows
//! who is alive, records stable epochs and decides views.
use std::collections::BTreeMap;

use types::{Epoch, Fallback, Member, NodeId, View, ViewNumber};

/// The control plane.
#[derive(Debug)]
pub(crate) struct Leader {
    view: View,
    /// Per member: up to which epoch its parts are stored.
    stored: BTreeMap<NodeId, Epoch>,
    stable: Epoch,
}

/// What a decision about stability depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stability {
    /// At most one member of the view has crashed: each part has a copy elsewhere.
    Safe,
    /// All copies of a part may have been at members that crashed.
    Frozen,
}

impl Leader {
    /// The first view.
    pub(crate) fn new(members: Vec<Member>) -> Self {
        let view = View {
            number: ViewNumber(1),
            leader: members[0].node,
            members,
            stable: Epoch(0),
            first_epoch: Epoch(1),
            fallbacks: vec![],
        };
        Self {
            view,
            stored: BTreeMap::new(),
            stable: Epoch(0),
        }
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    pub(crate) fn stable(&self) -> Epoch {
        self.stable
    }

    /// A member has stored its parts up to an epoch; the new stable epoch, if this
    /// makes one.
    pub(crate) fn on_epoch_stored(
        &mut self,
        from: NodeId,
        epoch: Epoch,
        stability: Stability,
    ) -> Option<Epoch> {
        let stored = self.stored.entry(from).or_default();
        *stored = epoch.max(*stored);
        let of = |node: NodeId| self.stored.get(&node).copied().unwrap_or_default();
        let slowest = self.view.nodes().map(of).min()?;
        if slowest <= self.stable || stability == Stability::Frozen {
            return None;
        }
        self.stable = slowest;
        Some(slowest)
    }

    /// Forgets that the newest epochs are stable: only for planted faults.
    pub(crate) fn forget(&mut self, epochs: u64) {
        self.stable.0 = self.stable.0.saturating_sub(epochs);
    }

    /// Decides the next view: everybody goes back to the stable epoch and goes on in
    /// one above all epochs that were ever used.
    pub(crate) fn decide(&mut self, members: Vec<Member>, first_epoch: Epoch) -> Fallback {
        let keeps_leader = members.iter().any(|member| member.node == self.view.leader);
        let leader = if keeps_leader {
            self.view.leader
        } else {
            members[0].node
        };
        let fallback = Fallback {
            stable: self.stable,
            first_epoch,
        };
        self.view.fallbacks.push(fallback);
        self.view = View {
            number: ViewNumber(self.view.number.0 + 1),
            leader,
            members,
            stable: self.stable,
            first_epoch,
            fallbacks: core::mem::take(&mut self.view.fallbacks),
        };
        self.stored.clear();
        fallback
    }
}
