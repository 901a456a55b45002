//! A small model of the control plane: one truth that survives every crash. It knows
//! who is alive, records stable epochs and decides views.
use std::collections::{BTreeMap, BTreeSet};

use control::recovery_line;
use types::limits::REPLICAS;
use types::{Durability, Epoch, Fallback, Member, NodeId, View, ViewNumber};
use wire::Testimony;

/// The control plane.
#[derive(Debug)]
pub(crate) struct Leader {
    view: View,
    /// Per member: up to which epoch its parts are stored.
    stored: BTreeMap<NodeId, Epoch>,
    stable: Epoch,
    /// Per member: up to which epoch its parts are in the memories of its stores' nodes.
    held: BTreeMap<NodeId, Epoch>,
    safe: Safe,
    /// What survivors have reported since a failure was noticed.
    gathering: Option<Gathering>,
    gatherings: u64,
}

/// What members were told to be safe although it may not be stable.
#[derive(Clone, Copy, Debug, Default)]
struct Safe {
    epoch: Epoch,
    /// Members that were lost since.
    lost: usize,
    /// So many may be.
    lost_max: usize,
}

/// The dependencies of the survivors, before a decision.
#[derive(Debug, Default)]
struct Gathering {
    missing: BTreeSet<NodeId>,
    testimonies: BTreeMap<NodeId, Testimony>,
}

/// What a decision about stability depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stability {
    /// Fewer members have crashed than each part has copies.
    Safe,
    /// All copies of a part may have been at members that crashed.
    Frozen,
}

impl Leader {
    /// The first view.
    pub(crate) fn new(members: Vec<Member>, durability: Durability) -> Self {
        let view = View {
            number: ViewNumber(1),
            leader: members[0].node,
            members,
            leaving: vec![],
            stable: Epoch(0),
            first_epoch: Epoch(1),
            durability,
            fallbacks: vec![],
        };
        Self {
            view,
            stored: BTreeMap::new(),
            stable: Epoch(0),
            held: BTreeMap::new(),
            safe: Safe::default(),
            gathering: None,
            gatherings: 0,
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
        let is_frozen = stability == Stability::Frozen || self.gathering.is_some();
        if slowest <= self.stable || is_frozen {
            return None;
        }
        self.stable = slowest;
        Some(slowest)
    }

    /// The same of what is in the memories of nodes: the epoch that is safe now, if that
    /// makes one.
    pub(crate) fn on_epoch_held(
        &mut self,
        from: NodeId,
        epoch: Epoch,
        stability: Stability,
    ) -> Option<Epoch> {
        let held = self.held.entry(from).or_default();
        *held = epoch.max(*held);
        let of = |node: NodeId| self.held.get(&node).copied().unwrap_or_default();
        let slowest = self.view.nodes().map(of).min()?;
        let is_frozen = stability == Stability::Frozen || self.gathering.is_some();
        let is_news = slowest > self.safe.epoch.max(self.stable);
        if !is_news || is_frozen || !self.is_stable_before_view() {
            return None;
        }
        self.safe = Safe {
            epoch: slowest,
            lost: 0,
            lost_max: REPLICAS.min(self.view.staying().count()) - 1,
        };
        Some(slowest)
    }

    /// Whether those that leave in this view have nothing any more that is not stable.
    pub(crate) fn is_stable_before_view(&self) -> bool {
        self.stable.next() >= self.view.first_epoch
    }

    /// Forgets that the newest epochs are stable: only for planted faults.
    pub(crate) fn forget(&mut self, epochs: u64) {
        self.stable.0 = self.stable.0.saturating_sub(epochs);
    }

    /// Asks these members for their dependencies, anew; the number of the question.
    pub(crate) fn gather(&mut self, survivors: impl Iterator<Item = NodeId>) -> u64 {
        self.gatherings += 1;
        self.gathering = Some(Gathering {
            missing: survivors.collect(),
            testimonies: BTreeMap::new(),
        });
        self.gatherings
    }

    /// Whether this is the question that waits for answers.
    pub(crate) fn is_gathering(&self, number: u64) -> bool {
        self.gathering.is_some() && self.gatherings == number
    }

    /// A member answers; whether all have.
    pub(crate) fn on_testimony(&mut self, from: NodeId, testimony: Testimony) -> bool {
        let gathering = self.gathering.as_mut().expect("it was asked");
        gathering.missing.remove(&from);
        gathering.testimonies.insert(from, testimony);
        gathering.missing.is_empty()
    }

    /// Decides the next view: who depends on what was lost goes back as far as he must, and
    /// everybody goes on in an epoch above all that were ever used.
    pub(crate) fn decide(
        &mut self,
        (members, leaving): (Vec<Member>, Vec<NodeId>),
        lost: &[NodeId],
        first_epoch: Epoch,
    ) -> Fallback {
        let keeps_leader = members.iter().any(|member| member.node == self.view.leader);
        let leader = if keeps_leader {
            self.view.leader
        } else {
            members[0].node
        };
        let gathering = self.gathering.take().unwrap_or_default();
        let past = &self.view.fallbacks;
        let fallback = Fallback {
            stable: self.stable,
            cuts: recovery_line(self.stable, past, lost, &gathering.testimonies),
            first_epoch,
        };
        self.safe.lost += lost.len();
        self.view.fallbacks.push(fallback.clone());
        self.view = View {
            number: ViewNumber(self.view.number.0 + 1),
            leader,
            members,
            leaving,
            stable: self.stable,
            first_epoch,
            durability: self.view.durability,
            fallbacks: core::mem::take(&mut self.view.fallbacks),
        };
        self.stored.clear();
        self.held.clear();
        fallback
    }

    /// Up to here what members have committed was told to be safe; unless more were lost
    /// since than may be.
    pub(crate) fn promised(&self) -> Epoch {
        let Safe {
            epoch,
            lost,
            lost_max,
        } = self.safe;
        if lost <= lost_max { epoch } else { Epoch(0) }
    }
}
