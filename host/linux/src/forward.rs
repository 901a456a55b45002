//! What a node tells its links and answers tools goes on to the exchange.
use platform::{JoinerId, LinkCounters, Links, RequestId, Requests};
use types::NodeId;
use wire::Envelope;

use crate::network::Network;

impl Links for Network {
    fn become_node(&mut self, me: NodeId) {
        self.exchange.become_node(me);
    }

    fn address(&self) -> String {
        self.exchange.address()
    }

    fn call(&mut self, address: &str) -> JoinerId {
        self.exchange.call(address)
    }

    fn connect(&mut self, node: NodeId, address: &str) {
        self.exchange.connect(node, address);
    }

    fn disconnect(&mut self, node: NodeId) {
        self.exchange.disconnect(node);
    }

    fn bind(&mut self, joiner: JoinerId, node: NodeId) {
        self.exchange.bind(joiner, node);
    }

    fn send(&mut self, to: NodeId, envelope: &Envelope) {
        self.exchange.send(to, envelope);
    }

    fn send_joiner(&mut self, joiner: JoinerId, envelope: &Envelope) {
        self.exchange.send_joiner(joiner, envelope);
    }

    fn pending_bytes(&self, to: NodeId) -> usize {
        self.exchange.pending_bytes(to)
    }

    fn flush(&mut self) {
        self.exchange.flush();
        self.sockets.flush(&mut self.exchange.core);
    }

    fn counters(&self) -> LinkCounters {
        self.exchange.counters()
    }
}

impl Requests for Network {
    fn reply(&mut self, id: RequestId, bytes: Vec<u8>) {
        self.exchange.reply(id, bytes);
    }
}
