//! Members that are given up although they live: the cluster goes on without them; what they
//! do meanwhile does not count; when they learn of it they come back as somebody else.
//!
//! They have no leases here, as real nodes have: the more they do, the more is checked.
use types::{Duration, NodeId};

use crate::event::Event;
use crate::world::World;

/// Without an answer of anybody a node ends by itself after so many times what a member is
/// waited for.
const LAPSE: u64 = 5;

impl World {
    /// Whether the cluster can go on without this node: somebody else stays.
    pub(crate) fn may_give_up(&self, id: NodeId) -> bool {
        let view = self.leader.view();
        let mut others = view.staying().map(|member| member.node);
        let is_well = |node| self.candidates().contains(&node) && !self.leaving.contains(&node);
        others.any(|other| other != id && is_well(other))
    }

    /// The leader goes on without a node that lives, as far as anybody can tell.
    pub(crate) fn give_up(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if self.released.contains(&id) || !self.given_up.insert(id) {
            return;
        }
        node.commits_before = node.dtm.counters().commits;
        self.common.note(format_args!("{id} is given up"));
        self.happened.given_up += 1;
        let lapse = self.common.scenario.patience.as_nanos() * LAPSE;
        self.push(Duration::from_nanos(lapse), Event::Expelled(id));
        self.unnoticed += 1;
        self.on_decide();
    }

    /// A view without them is decided: they are told, if they can be reached.
    pub(crate) fn expel(&mut self) {
        for id in self.given_up.clone() {
            // The leader may have no link with it any more: then it has to see for itself.
            if self.common.prng.chance(1, 2) {
                continue;
            }
            let delay = self.common.span(self.common.scenario.view_delay_max);
            self.push_at(self.told_at(id, delay), Event::Expelled(id));
        }
    }

    /// A node learns that it is no member any more: it ends, and its disk comes back with a
    /// node that nobody knows.
    pub(crate) fn on_expelled(&mut self, id: NodeId) {
        if !self.given_up.contains(&id) {
            return;
        }
        self.common.note(format_args!("{id} is expelled"));
        if self.common.planted.readmits() {
            self.given_up.remove(&id);
            self.unnoticed += 1;
            self.push(Duration::ZERO, Event::Decide);
            return;
        }
        let node = &self.nodes[&id];
        self.happened.commits_in_vain += node.dtm.counters().commits - node.commits_before;
        let store = self.end(id, self.common.now);
        self.unnoticed += 1;
        let after = self.common.span(Duration::from_millis(4));
        self.push(after, Event::Return(store));
    }
}
