//! Links that carry nothing for a while in one direction, and links that break and are up
//! again: what was on its way is lost, and both ends are told before they see anything later.
//!
//! One of two members that have lost each other is given up, by the leader's own rules: who
//! has lost the leader, or of two others, after a while, the younger.
use dtm::Input;
use types::{Duration, NodeId, ViewNumber};

use crate::event::Event;
use crate::scenario::HoldEnd;
use crate::workload::index_below;
use crate::world::World;

/// Until an end of a broken link is told, at most.
const TOLD_WITHIN: Duration = Duration::from_micros(500);

impl World {
    /// One direction of a link that is there: both ends have entered a view with the other.
    fn choose_line(&mut self) -> Option<(NodeId, NodeId)> {
        let candidates = self.candidates();
        let knows = |one: NodeId, other: NodeId| {
            let view = self.nodes[&one].dtm.view();
            view.is_some_and(|view| view.member(other).is_some())
        };
        let lines_of = |&from: &NodeId| {
            let others = candidates.iter().filter(move |&&to| to != from);
            others.map(move |&to| (from, to))
        };
        let lines = candidates.iter().flat_map(lines_of);
        let lines = lines.filter(|&(from, to)| knows(from, to) && knows(to, from));
        let lines: Vec<(NodeId, NodeId)> = lines.collect();
        if lines.is_empty() {
            self.common.note(format_args!("there is no link"));
            return None;
        }
        Some(lines[index_below(lines.len(), &mut self.common.prng)])
    }

    /// What a member says to another does not arrive for a while.
    pub(crate) fn on_hold(&mut self, lasts: Duration, end: HoldEnd) {
        let Some(line) = self.choose_line() else {
            return;
        };
        self.common
            .note(format_args!("{} does not reach {}", line.0, line.1));
        self.happened.holds += 1;
        let until = self.common.now + lasts;
        self.network.hold(line, until);
        self.unnoticed += 1;
        self.push(lasts, Event::HoldEnds { line, end });
        // Without either half of question and answer the leader hears nothing.
        let leader = self.leader.view().leader;
        let patience = self.common.scenario.patience;
        let silent = match line {
            (from, node) | (node, from) if from == leader && patience < lasts => node,
            _ => return,
        };
        let view = self.leader.view().number;
        let pair = (leader, silent);
        self.unnoticed += 1;
        self.push(patience, Event::Settle { view, pair });
    }

    pub(crate) fn on_hold_end(&mut self, line: (NodeId, NodeId), end: HoldEnd) {
        self.unnoticed -= 1;
        match end {
            HoldEnd::Arrive => {}
            HoldEnd::Break(down) => self.break_link(line, down),
        }
    }

    /// A link breaks.
    pub(crate) fn on_reset(&mut self, down: Duration) {
        if let Some(pair) = self.choose_line() {
            self.break_link(pair, down);
        }
    }

    fn break_link(&mut self, pair: (NodeId, NodeId), down: Duration) {
        self.common
            .note(format_args!("the link of {} and {} breaks", pair.0, pair.1));
        self.happened.resets += 1;
        let told = [(); 2].map(|()| self.common.span(TOLD_WITHIN));
        let up_at = self.common.now + told[0].max(told[1]) + down;
        self.network.break_link(pair, up_at);
        for ((at, node), after) in [pair, (pair.1, pair.0)].into_iter().zip(told) {
            self.unnoticed += 1;
            self.push(after, Event::LinkLost { at, node });
        }
    }

    /// A node is told that what it has said to another last, or should have heard, may be lost.
    pub(crate) fn on_link_lost(&mut self, at: NodeId, lost: NodeId) {
        self.unnoticed -= 1;
        self.network.tell((at, lost));
        if self.common.planted.hides_losses() {
            return;
        }
        let view = self.nodes.get(&at).and_then(|node| node.dtm.view());
        let Some(view) = view.filter(|view| view.member(lost).is_some()) else {
            return;
        };
        self.common.note(format_args!("{at} has lost {lost}"));
        let number = view.number;
        if !self.common.planted.talks_on() {
            self.feed(at, Input::LinkLost { node: lost });
        }
        let current = self.leader.view();
        let (view, pair) = (current.number, (at, lost));
        let quarter = Duration::from_nanos(self.common.scenario.patience.as_nanos() / 4);
        let after = match current.leader {
            // Sooner if its end is known to be dead.
            leader if leader == at => self.common.span(quarter),
            // The leader notices it, too.
            leader if leader == lost => return,
            _ if number == view => quarter,
            // News of an earlier view.
            _ => return,
        };
        self.unnoticed += 1;
        self.push(after, Event::Settle { view, pair });
    }

    /// Of two members that do not reach each other, one goes.
    pub(crate) fn on_settle(&mut self, number: ViewNumber, (one, other): (NodeId, NodeId)) {
        self.unnoticed -= 1;
        let view = self.leader.view();
        let is_well =
            |node: NodeId| view.member(node).is_some() && self.candidates().contains(&node);
        if view.number != number || !is_well(one) || !is_well(other) {
            return;
        }
        let younger = one.max(other);
        let order = match younger == view.leader {
            true => [one.min(other), younger],
            false => [younger, one.min(other)],
        };
        let patience = self.common.scenario.patience;
        match order.into_iter().find(|&node| self.may_give_up(node)) {
            Some(node) => self.give_up(node),
            None => {
                self.unnoticed += 1;
                let pair = (one, other);
                self.push(patience, Event::Settle { view: number, pair });
            }
        }
    }
}
