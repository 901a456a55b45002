//! Nodes that stand still for a while and disks that take long: nobody dies of it, but who
//! stands still for longer than he is waited for is given up.
use types::{Duration, Instant, NodeId};

use crate::event::Event;
use crate::workload::index_below;
use crate::world::World;

impl World {
    /// Some node handles nothing for a while; what happens to it piles up.
    pub(crate) fn on_pause(&mut self, lasts: Duration) {
        let is_awake = |id: &NodeId| self.nodes[id].asleep_until().is_none();
        let candidates = self.candidates().into_iter();
        let candidates: Vec<NodeId> = candidates.filter(is_awake).collect();
        if candidates.is_empty() {
            self.common.note(format_args!("nobody is awake"));
            return;
        }
        let id = candidates[index_below(candidates.len(), &mut self.common.prng)];
        let until = self.common.now + lasts;
        self.common.note(format_args!("{id} stands still"));
        self.happened.pauses += 1;
        let node = self.nodes.get_mut(&id).expect("chosen among the living");
        node.fall_asleep(until);
        self.unnoticed += 1;
        self.push(lasts, Event::Wake(id));
        let patience = self.common.scenario.patience;
        self.push(patience, Event::Silent { node: id, until });
    }

    /// A node goes on as if nothing had been, if it still lives.
    pub(crate) fn on_wake(&mut self, id: NodeId) {
        self.unnoticed -= 1;
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let piled = node.wake(self.common.now);
        self.common.note(format_args!(
            "{id} goes on, {} events piled up",
            piled.len()
        ));
        piled.into_iter().for_each(|event| self.handle(event));
    }

    /// A node that still stands still is given up.
    pub(crate) fn on_silent(&mut self, id: NodeId, until: Instant) {
        let node = self.nodes.get(&id);
        let is_asleep = node.is_some_and(|node| node.asleep_until() == Some(until));
        if is_asleep && self.may_give_up(id) {
            self.give_up(id);
        }
    }

    /// Some disk takes long for each sync that begins within a while.
    pub(crate) fn on_slow_disk(&mut self, lasts: Duration, sync_max: Duration) {
        let candidates = self.candidates();
        let id = candidates[index_below(candidates.len(), &mut self.common.prng)];
        let until = self.common.now + lasts;
        self.common
            .note(format_args!("the disk of {id} takes {sync_max:?}"));
        self.happened.slow_disks += 1;
        let store = self.nodes[&id].store;
        let store = self.stores.get_mut(&store).expect("a node's disk is there");
        store.slow_down(until, sync_max);
    }
}
