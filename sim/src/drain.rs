//! Members that leave for good: in one view they are still there and do nothing, in the
//! next they are gone, with their disks.
use types::{Duration, NodeId};

use crate::event::Event;
use crate::workload::index_below;
use crate::world::World;

impl World {
    /// Some member is told to leave, if nobody is and another stays.
    pub(crate) fn on_drain(&mut self) {
        let nodes = self.leader.view().nodes();
        let is_well =
            |node: &NodeId| self.nodes.contains_key(node) && !self.given_up.contains(node);
        let candidates: Vec<NodeId> = nodes.filter(is_well).collect();
        if candidates.len() < 2 || self.leaving().next().is_some() {
            self.common.note(format_args!("nobody can leave now"));
            return;
        }
        let leaver = candidates[index_below(candidates.len(), &mut self.common.prng)];
        self.common.note(format_args!("{leaver} is to leave"));
        self.leaving.insert(leaver);
        self.unnoticed += 1;
        self.push(Duration::ZERO, Event::Decide);
    }

    /// Those that are to leave, live, and have not been let go.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = NodeId> + '_ {
        let leaving = self.leaving.iter().copied();
        leaving.filter(|node| self.nodes.contains_key(node) && !self.released.contains(node))
    }

    /// Those that leave in this view can go when what they have done is stable and what
    /// they have is elsewhere.
    pub(crate) fn release(&mut self) {
        let view = self.leader.view();
        let is_due = self.released.is_empty()
            && self.given_up.is_empty()
            && !view.leaving.is_empty()
            && view
                .leaving
                .iter()
                .all(|node| self.nodes.contains_key(node))
            && self.replicated == view.number
            && self.leader.is_stable_before_view();
        if is_due {
            self.released.extend(&view.leaving);
            self.unnoticed += 1;
            self.push(Duration::ZERO, Event::Decide);
        }
    }

    /// A view without them is decided: nobody needs them or their disks.
    pub(crate) fn let_go(&mut self) {
        for id in core::mem::take(&mut self.released) {
            self.leaving.remove(&id);
            // It may have crashed since.
            if !self.nodes.contains_key(&id) {
                continue;
            }
            self.common.note(format_args!("{id} has left"));
            let store = self.end(id, self.common.now);
            self.stores.remove(&store);
            self.left += 1;
        }
    }
}
