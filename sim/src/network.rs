//! Lines between nodes: reliable and in order per pair, slow in different ways, and
//! cut off when their sender dies.
use std::collections::BTreeMap;

use types::{Duration, Instant, NodeId, Prng};
use wire::Message;

/// How slow the lines are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delays {
    /// Of a line at least.
    pub(crate) base_min: Duration,
    /// Of a line beyond that, drawn once per pair and direction.
    pub(crate) base_max: Duration,
    /// Of a message, in addition.
    pub(crate) jitter_max: Duration,
}

/// Messages from node to node that only views and what follows from them cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) inventories: u64,
    /// Questions for the holders of an extent, and answers.
    pub(crate) holders: u64,
    /// Reads of stores, and answers.
    pub(crate) stores: u64,
}

impl Sent {
    /// What was sent since this.
    pub(crate) fn since(&self, before: Self) -> Self {
        Self {
            inventories: self.inventories - before.inventories,
            holders: self.holders - before.holders,
            stores: self.stores - before.stores,
        }
    }

    pub(crate) fn count(&mut self, message: &Message) {
        match message {
            Message::Inventory { .. } => self.inventories += 1,
            Message::GetHolders { .. } | Message::Holders { .. } => self.holders += 1,
            Message::StoreRead { .. } | Message::StoreData { .. } => self.stores += 1,
            _ => {}
        }
    }
}

/// All lines.
#[derive(Debug)]
pub(crate) struct Network {
    delays: Delays,
    bases: BTreeMap<(NodeId, NodeId), Duration>,
    /// Arrival of the last message of a line: the next one does not overtake it.
    arrivals: BTreeMap<(NodeId, NodeId), Instant>,
    /// Messages of a dead node that would arrive later are lost.
    cut_after: BTreeMap<NodeId, Instant>,
}

impl Network {
    pub(crate) fn new(delays: Delays) -> Self {
        let (bases, arrivals, cut_after) = Default::default();
        Self {
            delays,
            bases,
            arrivals,
            cut_after,
        }
    }

    /// When a message that is sent now arrives.
    pub(crate) fn arrival(
        &mut self,
        now: Instant,
        (from, to): (NodeId, NodeId),
        prng: &mut Prng,
    ) -> Instant {
        let up_to =
            |max: Duration, prng: &mut Prng| Duration::from_nanos(prng.below(max.as_nanos() + 1));
        let base = if from == to {
            Duration::ZERO
        } else {
            let Delays {
                base_min, base_max, ..
            } = self.delays;
            *self
                .bases
                .entry((from, to))
                .or_insert_with(|| base_min + up_to(base_max, prng))
        };
        let jitter = up_to(self.delays.jitter_max, prng);
        let last = self.arrivals.entry((from, to)).or_default();
        *last = (now + base + jitter).max(*last);
        *last
    }

    /// A node has died: of what it has sent, only what arrives up to `moment` arrives.
    pub(crate) fn cut(&mut self, from: NodeId, moment: Instant) {
        self.cut_after.insert(from, moment);
    }

    /// Whether a message that would arrive now is lost.
    pub(crate) fn is_lost(&self, now: Instant, from: NodeId) -> bool {
        self.cut_after
            .get(&from)
            .is_some_and(|&moment| now > moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_the_order() {
        let delays = Delays {
            base_min: Duration::from_micros(5),
            base_max: Duration::from_micros(10),
            jitter_max: Duration::from_micros(1000),
        };
        let mut network = Network::new(delays);
        let mut prng = Prng::new(1);
        let line = (NodeId(1), NodeId(2));
        let mut last = Instant::default();
        for step in 0..1000 {
            let now = Instant::from_nanos(step * 100);
            let arrival = network.arrival(now, line, &mut prng);
            assert!(arrival >= last && arrival >= now);
            last = arrival;
        }
    }
}
