//! The leader's roll: who answers, who was reported unreachable, who has stored what.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use types::{Duration, Epoch, Instant, NodeId, View};

use crate::event::FailedWhy;

/// How long the leader waits for members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Silence after which a member is given up.
    pub(crate) failure_timeout: Duration,
    /// Silence for which it keeps what it has.
    pub(crate) lease: Duration,
}

/// What the leader knows about a member.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When the view began, then when it was heard last.
    heard_at: Instant,
    /// It has answered in this view.
    is_heard: bool,
    /// It has answered a heartbeat of this view.
    has_answered: bool,
    /// A heartbeat is on its way to it or back.
    is_asked: bool,
    /// Up to here its parts are at all their stores.
    stored: Epoch,
    /// Up to here they are in the memories of all their stores' nodes.
    held: Epoch,
}

/// The members of the view, the leader's own node aside, and how they do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roll {
    me: Option<NodeId>,
    entries: BTreeMap<NodeId, Entry>,
    /// What the leader's own node has stored.
    stored_here: Epoch,
    held_here: Epoch,
    failed: BTreeSet<NodeId>,
    /// Of these, those that may not know it, and until when they may go on as members.
    acting: BTreeMap<NodeId, Instant>,
    /// Members whose stores have given the others what they lacked.
    replicated: BTreeSet<NodeId>,
    /// Pairs of members that do not reach each other, and since when there are any.
    broken: BTreeSet<(NodeId, NodeId)>,
    broken_since: Option<Instant>,
}

impl Roll {
    /// A view begins. Members that have failed since it was decided stay failed.
    pub(crate) fn begin(&mut self, now: Instant, view: &View) {
        let failed = core::mem::take(&mut self.failed);
        let failed = failed
            .into_iter()
            .filter(|&node| view.member(node).is_some())
            .collect();
        let acting = core::mem::take(&mut self.acting);
        let is_member = |node: &NodeId| view.member(*node).is_some();
        assert!(acting.keys().all(is_member), "what-may-act-is-kept");
        let entry = Entry {
            heard_at: now,
            is_heard: false,
            has_answered: false,
            is_asked: false,
            stored: Epoch(0),
            held: Epoch(0),
        };
        let others = view.nodes().filter(|&node| node != view.leader);
        let entries = others.map(|node| (node, entry)).collect();
        *self = Self {
            me: Some(view.leader),
            entries,
            failed,
            acting,
            ..Self::default()
        };
    }

    /// Whether it is a member that has not failed.
    pub(crate) fn is_well(&self, node: NodeId) -> bool {
        let is_member = self.me == Some(node) || self.entries.contains_key(&node);
        is_member && !self.failed.contains(&node)
    }

    pub(crate) fn failed(&self) -> &BTreeSet<NodeId> {
        &self.failed
    }

    /// Gives a member up whose process is dead, or knows it; whether it was well before.
    /// The leader never gives itself up.
    pub(crate) fn fail(&mut self, node: NodeId) -> bool {
        self.acting.remove(&node);
        self.entries.contains_key(&node) && self.failed.insert(node)
    }

    /// The same of a member that may live on and know nothing of it: what it has is given
    /// to nobody before its lease is over.
    pub(crate) fn fail_unseen(&mut self, node: NodeId, lease: Duration) -> bool {
        let is_new = self.is_well(node) && self.fail(node);
        if is_new {
            let heard_at = self.entries[&node].heard_at;
            self.acting.insert(node, heard_at + lease);
        }
        is_new
    }

    /// Whether somebody was given up who may not know it and go on.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.acting.is_empty()
    }

    /// The member said something.
    pub(crate) fn hear(&mut self, now: Instant, node: NodeId) {
        if let Some(entry) = self.entries.get_mut(&node) {
            entry.heard_at = now;
            entry.is_heard = true;
        }
    }

    /// It was an answer to a heartbeat; whether to send the next at once. The first answer
    /// in a view is worth nothing to the member before it knows that it has arrived.
    pub(crate) fn on_answer(&mut self, node: NodeId) -> bool {
        let Some(entry) = self.entries.get_mut(&node) else {
            return false;
        };
        let is_first = !entry.has_answered;
        entry.has_answered = true;
        entry.is_asked = is_first;
        is_first
    }

    /// Whether it has said anything in this view.
    pub(crate) fn is_heard(&self, node: NodeId) -> bool {
        self.entries.get(&node).is_some_and(|entry| entry.is_heard)
    }

    /// Whether a heartbeat goes to this member now: it is well, and has answered the last one.
    pub(crate) fn ask_one(&mut self, node: NodeId) -> bool {
        let is_well = self.is_well(node);
        let entry = self.entries.get_mut(&node).filter(|_| is_well);
        entry.is_some_and(|entry| !core::mem::replace(&mut entry.is_asked, true))
    }

    /// Members to whom a heartbeat goes now: those that have answered the last one.
    pub(crate) fn ask(&mut self) -> Vec<NodeId> {
        let mut asked = Vec::new();
        for (&node, entry) in &mut self.entries {
            if !entry.is_asked && !self.failed.contains(&node) {
                entry.is_asked = true;
                asked.push(node);
            }
        }
        asked
    }

    /// Its store has given others what they lacked.
    pub(crate) fn on_replicated(&mut self, node: NodeId) {
        self.replicated.insert(node);
    }

    /// Whether all members' stores have given the others what they lacked.
    pub(crate) fn is_replicated(&self) -> bool {
        let mut members = self.entries.keys().copied().chain(self.me);
        members.all(|member| self.replicated.contains(&member))
    }

    pub(crate) fn on_epoch_stored(&mut self, node: NodeId, epoch: Epoch) {
        let stored = match self.entries.get_mut(&node) {
            Some(entry) => &mut entry.stored,
            None => &mut self.stored_here,
        };
        *stored = epoch.max(*stored);
    }

    /// The newest epoch that every member has stored.
    pub(crate) fn stored(&self) -> Epoch {
        let stored = self.entries.values().map(|entry| entry.stored);
        stored.fold(self.stored_here, Epoch::min)
    }

    pub(crate) fn on_epoch_held(&mut self, node: NodeId, epoch: Epoch) {
        let held = match self.entries.get_mut(&node) {
            Some(entry) => &mut entry.held,
            None => &mut self.held_here,
        };
        *held = epoch.max(*held);
    }

    /// The newest epoch of which every member's parts are held.
    pub(crate) fn held(&self) -> Epoch {
        let held = self.entries.values().map(|entry| entry.held);
        held.fold(self.held_here, Epoch::min)
    }

    pub(crate) fn on_unreachable(&mut self, now: Instant, reporter: NodeId, node: NodeId) {
        if reporter != node && self.is_well(node) {
            self.broken.insert((reporter.min(node), reporter.max(node)));
            self.broken_since.get_or_insert(now);
        }
    }

    /// Gives up whoever has been silent for too long, and whoever has stood between
    /// members that do not reach each other.
    pub(crate) fn expire(&mut self, now: Instant, patience: Patience) -> Vec<(NodeId, FailedWhy)> {
        let Patience {
            failure_timeout,
            lease,
        } = patience;
        let is_late = |entry: &Entry| silent_at(entry, failure_timeout) <= now;
        let silent = self.entries.iter().filter(|(_, entry)| is_late(entry));
        let mut given_up: Vec<_> = silent.map(|(&node, _)| (node, FailedWhy::Silent)).collect();
        if self.broken_at(lease).is_some_and(|at| at <= now) {
            let silent: Vec<_> = given_up.iter().map(|&(node, _)| node).collect();
            let isolated = self.settle_broken(&silent);
            given_up.extend(isolated.into_iter().map(|node| (node, FailedWhy::Isolated)));
        }
        given_up.retain(|&(node, _)| self.fail_unseen(node, lease));
        self.acting.retain(|_, until| now < *until);
        given_up
    }

    /// The fewest members, by repeatedly taking the one with most broken links, that
    /// must go so that all others reach each other. Of equals the younger goes.
    fn settle_broken(&mut self, gone: &[NodeId]) -> Vec<NodeId> {
        let mut broken = core::mem::take(&mut self.broken);
        self.broken_since = None;
        let is_gone = |node: &NodeId| gone.contains(node) || self.failed.contains(node);
        broken.retain(|(a, b)| !is_gone(a) && !is_gone(b));
        let mut isolated = Vec::new();
        while !broken.is_empty() {
            let links = |node: &NodeId| {
                broken
                    .iter()
                    .filter(|(a, b)| a == node || b == node)
                    .count()
            };
            let worst = self.entries.keys().max_by_key(|node| (links(node), **node));
            let worst = *worst.expect("of two members one is not the leader");
            broken.retain(|&(a, b)| a != worst && b != worst);
            isolated.push(worst);
        }
        isolated
    }

    /// When who has reported has reported, and who stands between them is clear.
    fn broken_at(&self, lease: Duration) -> Option<Instant> {
        self.broken_since.map(|since| since + lease)
    }

    /// When [`Roll::expire`] may give somebody up, or have waited enough for one.
    pub(crate) fn next_deadline(&self, patience: Patience) -> Option<Instant> {
        let Patience {
            failure_timeout,
            lease,
        } = patience;
        let well = self
            .entries
            .iter()
            .filter(|(node, _)| !self.failed.contains(node));
        let silent = well
            .map(|(_, entry)| silent_at(entry, failure_timeout))
            .min();
        let acting = self.acting.values().copied().min();
        [silent, self.broken_at(lease), acting]
            .into_iter()
            .flatten()
            .min()
    }
}

fn silent_at(entry: &Entry, failure_timeout: Duration) -> Instant {
    let first = if entry.is_heard {
        Duration::ZERO
    } else {
        failure_timeout
    };
    entry.heard_at + failure_timeout + first
}
