//! What members hear of decisions, and of what needs none.
use alloc::vec::Vec;
use types::{Durability, NodeId, View};
use wire::Message;

use super::{Leader, Output};
use crate::event::FailedWhy;
use crate::state::Command;

impl Leader {
    /// Tells the members what is safe without being stable. That needs no decision: it is
    /// a fact that lasts, whoever leads. But if part of what was before the view is not
    /// stable yet, it may lie where the next loss finds it: then everybody waits for that.
    pub(super) fn tell_held(&mut self) {
        let held = self.roll.held();
        let Some(view) = self.view().filter(|_| self.is_running()) else {
            return;
        };
        let is_due = held > self.held.max(self.state.stable())
            && view.durability == Durability::Memory
            && self.state.stable() >= view.legacy_epoch()
            && self.roll.failed().is_empty();
        if is_due {
            self.held = held;
            self.tell_all(&Message::Held { epoch: held });
        }
    }

    /// Tells the members which epochs are kept, if they do not know.
    pub(super) fn tell_kept(&mut self) {
        let is_known = self
            .told_kept
            .iter()
            .copied()
            .eq(self.state.snapshots().epochs());
        if !is_known && self.is_running() {
            self.told_kept = self.state.snapshots().epochs().collect();
            let epochs = self.told_kept.clone();
            self.tell_all(&Message::Retain { epochs });
        }
    }

    pub(super) fn tell_all(&mut self, message: &Message) {
        let nodes: Vec<NodeId> = self.view().map_or_else(Vec::new, |v| v.nodes().collect());
        for to in nodes {
            let message = message.clone();
            self.outputs.push_back(Output::Send { to, message });
        }
    }

    /// Tells every member that is well.
    pub(super) fn tell_view(&mut self, view: &View) {
        let addresses = self.state.addresses();
        self.told_kept = self.state.snapshots().epochs().collect();
        for you in view.nodes().filter(|&node| self.roll.is_well(node)) {
            let message = Message::NewView {
                view: view.clone(),
                you,
                addresses: addresses.clone(),
                retained: self.told_kept.clone(),
            };
            self.outputs.push_back(Output::Send { to: you, message });
        }
    }

    /// Processes that were let in are members now, unless they have gone meanwhile.
    pub(super) fn bind_joined(&mut self, view: &View, command: &Command) {
        let Command::ChangeMembers { join, .. } = command else {
            return;
        };
        for process in join {
            let member = view
                .members
                .iter()
                .find(|member| member.store == process.store);
            let node = member.expect("those who join are members").node;
            let mut joiners = self.joiners.iter();
            match joiners
                .find(|(_, waiting)| *waiting == process)
                .map(|(&joiner, _)| joiner)
            {
                Some(joiner) => {
                    self.joiners.remove(&joiner);
                    self.outputs.push_back(Output::Bind { joiner, node });
                }
                None => self.fail(node, FailedWhy::LeftEarly),
            }
        }
    }
}
