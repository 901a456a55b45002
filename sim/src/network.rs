//! Lines between nodes: reliable and in order per pair, slow in different ways, held up
//! for a while, broken together with what is on its way, and cut off when their sender dies.
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

/// One direction of a link.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Of every message.
    base: Duration,
    /// Arrival of the last message: the next one does not overtake it.
    last: Instant,
    /// Nothing arrives before.
    open_at: Instant,
    /// How often the link has broken.
    breaks: u64,
    /// Of how many of these the sender knows.
    told: u64,
}

/// When a message arrives, if it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Passage {
    pub(crate) at: Instant,
    /// Breaks of the link that its sender knew of.
    told: u64,
}

/// All lines.
#[derive(Debug)]
pub(crate) struct Network {
    delays: Delays,
    lines: BTreeMap<(NodeId, NodeId), Line>,
    /// Messages of a dead node that would arrive later are lost.
    cut_after: BTreeMap<NodeId, Instant>,
}

impl Network {
    pub(crate) fn new(delays: Delays) -> Self {
        Self {
            delays,
            lines: BTreeMap::new(),
            cut_after: BTreeMap::new(),
        }
    }

    /// When a message that is sent now arrives.
    pub(crate) fn passage(
        &mut self,
        now: Instant,
        (from, to): (NodeId, NodeId),
        prng: &mut Prng,
    ) -> Passage {
        let Delays {
            base_min,
            base_max,
            jitter_max,
        } = self.delays;
        let up_to =
            |max: Duration, prng: &mut Prng| Duration::from_nanos(prng.below(max.as_nanos() + 1));
        let line = self.lines.entry((from, to)).or_insert_with(|| Line {
            base: match from == to {
                true => Duration::ZERO,
                false => base_min + up_to(base_max, prng),
            },
            ..Line::default()
        });
        let jitter = up_to(jitter_max, prng);
        let at = now + line.base + jitter;
        line.last = at.max(line.last).max(line.open_at);
        Passage {
            at: line.last,
            told: line.told,
        }
    }

    /// Nothing that is sent over this line from now on arrives before `until`.
    pub(crate) fn hold(&mut self, line: (NodeId, NodeId), until: Instant) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.open_at = until.max(line.open_at);
        }
    }

    /// Before this moment nothing that is sent now arrives.
    pub(crate) fn open_at(&self, line: (NodeId, NodeId)) -> Instant {
        self.lines
            .get(&line)
            .map_or_else(Instant::default, |line| line.open_at)
    }

    /// The link breaks, and is up again at `up_at`: what is under way is lost, and what
    /// either end says before it is told.
    pub(crate) fn break_link(&mut self, (one, other): (NodeId, NodeId), up_at: Instant) {
        for line in [(one, other), (other, one)] {
            if let Some(line) = self.lines.get_mut(&line) {
                line.breaks += 1;
                (line.last, line.open_at) = (up_at, up_at);
            }
        }
    }

    /// One end of a line is told that its link has broken.
    pub(crate) fn tell(&mut self, line: (NodeId, NodeId)) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.told = line.breaks;
        }
    }

    /// A node has died: of what it has sent, only what arrives up to `moment` arrives.
    pub(crate) fn cut(&mut self, from: NodeId, moment: Instant) {
        self.cut_after.insert(from, moment);
    }

    /// Whether a message that would arrive now is lost.
    pub(crate) fn is_lost(&self, line: (NodeId, NodeId), passage: Passage) -> bool {
        let cut_after = self.cut_after.get(&line.0);
        let is_cut = cut_after.is_some_and(|&moment| passage.at > moment);
        is_cut || self.lines[&line].breaks != passage.told
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
            let arrival = network.passage(now, line, &mut prng).at;
            assert!(arrival >= last && arrival >= now);
            last = arrival;
        }
    }

    #[test]
    fn a_broken_link_loses_what_is_said_before_its_end_is_told() {
        let mut network = Network::new(Delays {
            base_min: Duration::from_micros(5),
            base_max: Duration::ZERO,
            jitter_max: Duration::ZERO,
        });
        let mut prng = Prng::new(1);
        let (line, back) = ((NodeId(1), NodeId(2)), (NodeId(2), NodeId(1)));
        let at = |micros: u64| Instant::from_nanos(micros * 1000);
        let before = network.passage(at(0), line, &mut prng);
        let answer = network.passage(at(0), back, &mut prng);
        network.break_link(line, at(50));
        let unaware = network.passage(at(10), line, &mut prng);
        network.tell(line);
        let after = network.passage(at(20), line, &mut prng);
        assert_eq!(after.at, at(50));
        assert!(
            [before, unaware]
                .iter()
                .all(|&sent| network.is_lost(line, sent))
        );
        assert!(network.is_lost(back, answer));
        assert!(!network.is_lost(line, after));
    }
}
