//! Views at a member: joining, entering the next one, losing the leader.
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use control::{Follower, Process};
use dtm::Input;
use platform::{Disk, JoinerId, LostWhy};
use types::{Epoch, Extent, NodeId, View, ViewNumber};
use wire::{Envelope, Message};

use crate::core::Core;
use crate::{FatalReason, Platform};

/// Extents named in one inventory message.
const EXTENTS_PER_MESSAGE: usize = 16 * 1024;

impl<P: Platform, D: Disk> Core<P, D> {
    /// Asks the leader to let this process in.
    pub(crate) fn join(&mut self, leader: &str) {
        let joiner = self.platform.call(leader);
        self.joining = Some(joiner);
        let message = Message::Join {
            address: self.platform.address(),
            store: self.store.id(),
            name: self.config.name.clone(),
        };
        self.platform.send_joiner(joiner, &stranger(message));
    }

    pub(crate) fn on_joiner(&mut self, joiner: JoinerId, envelope: Envelope) {
        match envelope.message {
            Message::Join {
                address,
                store,
                name,
            } if self.leadership.is_some() => {
                self.on_join(
                    joiner,
                    Process {
                        address,
                        store,
                        name,
                    },
                );
            }
            Message::NewView { .. } if self.joining == Some(joiner) => {
                self.platform.bind(joiner, envelope.from);
                self.on_new_view(envelope);
            }
            Message::Expelled if self.joining == Some(joiner) => {
                self.fatal = Some(FatalReason::Expelled);
            }
            // What the leader has said on the heels of the view, or even before.
            _ if self.joining == Some(joiner) => self.on_message(envelope),
            _ => {}
        }
    }

    pub(crate) fn on_joiner_lost(&mut self, joiner: JoinerId, why: LostWhy) {
        if self.joining == Some(joiner) && self.dtm.view().is_none() {
            self.fatal = Some(FatalReason::LeaderLost(why.to_string()));
        }
        self.forget_joiner(joiner);
    }

    pub(crate) fn on_link_lost(&mut self, node: NodeId, why: LostWhy) {
        let Some(view) = self.dtm.view() else { return };
        let leader = view.leader;
        if self.leadership.is_some() {
            self.on_member_lost(node);
        } else if node == leader {
            self.fatal = Some(FatalReason::LeaderLost(why.to_string()));
        } else if view.member(node).is_some() {
            self.say(leader, Message::Unreachable { node });
        }
    }

    pub(crate) fn on_new_view(&mut self, envelope: Envelope) {
        let Message::NewView {
            view,
            you,
            addresses,
        } = envelope.message
        else {
            return;
        };
        if view.number <= self.view_number() || view.member(you).is_none() {
            return;
        }
        if view.members.len() != addresses.len() {
            return;
        }
        self.enter(&view, you, &addresses);
    }

    /// Enters a view: what it undoes is dropped, everything else stays.
    pub(crate) fn enter(&mut self, view: &View, you: NodeId, addresses: &[String]) {
        let left: Vec<NodeId> = self.dtm.view().map_or_else(Vec::new, |old| {
            old.nodes()
                .filter(|node| view.member(*node).is_none())
                .collect()
        });
        for node in left {
            self.platform.disconnect(node);
        }
        self.platform.become_node(you);
        for (node, address) in view.nodes().zip(addresses) {
            if node != you {
                self.platform.connect(node, address);
            }
        }
        if let Err(error) = self.store.apply_view(view) {
            self.store_failed(&error);
            return;
        }
        let is_new = self.dtm.view().is_none() || self.dtm.me() != you;
        let timeout = self.config.failure_timeout;
        let is_leader = self.leadership.is_some();
        self.follower = (!is_leader).then(|| Follower::new(self.now, timeout));
        self.figures.view_entered();
        self.feed(Input::View {
            view: view.clone(),
            you,
        });
        if is_new || view.reset().any(|node| node == you) {
            self.steps.clear();
            self.resets += 1;
        }
        self.undo_replies(view);
        self.say_inventory();
        self.flush();
        self.take_early(view.number);
    }

    /// Tells every member, this one included, which extents the store knows.
    fn say_inventory(&mut self) {
        let stored = self.store.inventory().into_iter();
        let extents: BTreeSet<Extent> = stored.chain(self.dtm.offered_extents()).collect();
        let extents: Vec<Extent> = extents.into_iter().collect();
        let members: Vec<NodeId> = self.dtm.view().expect("just entered").nodes().collect();
        let parts = extents.chunks(EXTENTS_PER_MESSAGE).map(<[Extent]>::to_vec);
        let mut parts: Vec<Vec<Extent>> = parts.collect();
        let last = parts.pop().unwrap_or_default();
        for node in members {
            for extents in &parts {
                self.say(
                    node,
                    Message::Inventory {
                        extents: extents.clone(),
                        last: false,
                    },
                );
            }
            self.say(
                node,
                Message::Inventory {
                    extents: last.clone(),
                    last: true,
                },
            );
        }
    }

    /// Handles the messages that had come before their view.
    fn take_early(&mut self, number: ViewNumber) {
        let early = core::mem::take(&mut self.early);
        for envelope in early {
            if envelope.view >= number {
                self.on_message(envelope);
            }
        }
    }
}

/// An envelope of a process that is no member.
pub(crate) fn stranger(message: Message) -> Envelope {
    Envelope {
        from: NodeId(0),
        view: ViewNumber(0),
        epoch: Epoch(0),
        message,
    }
}
