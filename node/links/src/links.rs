//! What a node tells its links to do; how they do it is the business of the table.

use alloc::string::{String, ToString};
use platform::{Event, JoinerId, LinkCounters, Links, LostWhy};
use types::NodeId;
use wire::Envelope;

use crate::exchange::Exchange;
use crate::hello::NOBODY;
use crate::link_table::{End, State};
use crate::machine::{Machine, Token};
use crate::outbox::Outbox;

impl<M: Machine> Links for Exchange<M> {
    fn become_node(&mut self, me: NodeId) {
        let table = &mut self.links;
        assert_ne!(me, NOBODY, "0 is no member's id");
        assert!(
            table.me == NOBODY || table.me == me,
            "a process is one node for its life"
        );
        table.me = me;
        table.review_held(&mut self.core);
    }

    fn address(&self) -> String {
        self.links.address.to_string()
    }

    fn call(&mut self, address: &str) -> JoinerId {
        let (table, core) = (&mut self.links, &mut self.core);
        let from = table.address.ip();
        let allowed = table.allowed(&core.machine, address);
        let Some(socket) = allowed.and_then(|to| core.machine.dial(from, to)) else {
            let joiner = JoinerId(core.next_token().0 as u64);
            let why = LostWhy::Unreachable;
            core.events.push_back(Event::JoinerLost { joiner, why });
            return joiner;
        };
        let token = table.add(core, socket, State::Door, Outbox::default());
        let joiner = JoinerId(token.0 as u64);
        table.connection(token).state = State::Dialing(End::Joiner(joiner));
        table.watch(core.machine.now(), token);
        joiner
    }

    fn connect(&mut self, node: NodeId, address: &str) {
        let (table, core) = (&mut self.links, &mut self.core);
        assert_ne!(
            table.me, NOBODY,
            "members have links, joining processes call"
        );
        if node == table.me {
            return;
        }
        let address = table.allowed(&core.machine, address);
        let peer = table.peers.entry(node).or_default();
        peer.address = address;
        if peer.connection.is_some() {
            return;
        }
        if peer.address.is_none() {
            core.events.push_back(Event::LinkLost {
                node,
                why: LostWhy::Unreachable,
            });
        } else if table.me > node && peer.redial_at.is_none() {
            table.dial_peer(core, node);
        }
        table.review_held(core);
    }

    fn disconnect(&mut self, node: NodeId) {
        let (table, core) = (&mut self.links, &mut self.core);
        let Some(peer) = table.peers.remove(&node) else {
            return;
        };
        if let Some(token) = peer.connection {
            let mut connection = table.remove(core, token);
            if matches!(connection.state, State::Up(_)) {
                // As far as it goes: the peer is being left.
                let _ = connection.stream.flush(&mut core.machine);
                core.machine.finish(&mut connection.stream.socket);
            }
            core.machine.close(connection.stream.socket);
        }
    }

    fn bind(&mut self, joiner: JoinerId, node: NodeId) {
        let (table, core) = (&mut self.links, &mut self.core);
        let token = Token(usize::try_from(joiner.0).expect("made from a token"));
        if let Some(old) = table.peers.entry(node).or_default().connection.take() {
            table.close(core, old);
        }
        core.events.retain(|event| match event {
            Event::Joiner {
                joiner: who,
                envelope,
            } => *who != joiner || envelope.from != NOBODY,
            _ => true,
        });
        let connection = table.connections.get_mut(&token);
        let up = State::Up(End::Joiner(joiner));
        match connection.filter(|connection| connection.state == up) {
            Some(connection) => {
                connection.state = State::Up(End::Peer(node));
                table.on_up(core, token, node);
            }
            None => {
                core.events.push_back(Event::LinkLost {
                    node,
                    why: LostWhy::Closed,
                });
            }
        }
    }

    fn send(&mut self, to: NodeId, envelope: &Envelope) {
        let (table, core) = (&mut self.links, &mut self.core);
        table.counters.messages_sent += 1;
        let outbox_bytes_max = table.outbox_bytes_max;
        if to == table.me {
            core.events.push_back(Event::Message(envelope.clone()));
            return;
        }
        let Some(peer) = table.peers.get_mut(&to) else {
            return;
        };
        if peer.is_loss_untold {
            return;
        }
        if let Some(token) = peer.connection {
            table.push(core, token, envelope);
            return;
        }
        wire::encode(envelope, peer.waiting.tail());
        if peer.waiting.pending() > outbox_bytes_max {
            peer.waiting = Outbox::default();
            peer.is_loss_untold = true;
            core.events.push_back(Event::LinkLost {
                node: to,
                why: LostWhy::Stuck,
            });
        }
    }

    fn send_joiner(&mut self, joiner: JoinerId, envelope: &Envelope) {
        let token = Token(usize::try_from(joiner.0).expect("made from a token"));
        if self.links.holds(token) {
            self.links.counters.messages_sent += 1;
            self.links.push(&mut self.core, token, envelope);
        }
    }

    fn pending_bytes(&self, to: NodeId) -> usize {
        let Some(peer) = self.links.peers.get(&to) else {
            return 0;
        };
        let connection = peer
            .connection
            .and_then(|token| self.links.connections.get(&token));
        match connection {
            Some(connection) => connection.stream.pending(),
            None => peer.waiting.pending(),
        }
    }

    fn flush(&mut self) {
        self.links.flush(&mut self.core);
    }

    fn counters(&self) -> LinkCounters {
        self.links.counters
    }
}
