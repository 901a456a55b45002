//! The members as the leader knows them, beyond what a view says.
use alloc::collections::BTreeMap;
use alloc::string::String;
use types::{Epoch, Instant, NodeId, StoreId};

/// A process that is or wants to be a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Candidate {
    pub(crate) address: String,
    pub(crate) store: StoreId,
    pub(crate) name: String,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) candidate: Candidate,
    /// When it was heard of last.
    pub(crate) heard: Instant,
    /// Its parts up to here are at their stores.
    pub(crate) stored: Epoch,
    /// It is gone; the view without it is being decided.
    pub(crate) is_lost: bool,
}

/// All members, the leader included.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Roster {
    pub(crate) peers: BTreeMap<NodeId, Peer>,
}

impl Roster {
    pub(crate) fn add(&mut self, node: NodeId, candidate: Candidate, now: Instant) {
        let peer = Peer {
            candidate,
            heard: now,
            stored: Epoch(0),
            is_lost: false,
        };
        let before = self.peers.insert(node, peer);
        assert!(before.is_none(), "node ids are never reused");
    }

    pub(crate) fn heard(&mut self, node: NodeId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.heard = now;
        }
    }

    pub(crate) fn stored(&mut self, node: NodeId, epoch: Epoch) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.stored = peer.stored.max(epoch);
        }
    }

    /// What all members have at their stores.
    pub(crate) fn stored_by_all(&self) -> Epoch {
        self.peers
            .values()
            .map(|peer| peer.stored)
            .min()
            .unwrap_or_default()
    }

    pub(crate) fn living(&self) -> impl Iterator<Item = (NodeId, &Peer)> + '_ {
        self.peers
            .iter()
            .filter(|(_, peer)| !peer.is_lost)
            .map(|(node, peer)| (*node, peer))
    }
}
