//! A node of the commit model that has a page which another one wants: rules 5 to 7.
use crate::commit::config::Plant;
use crate::commit::state::{Copy, Fault, Hold, Mapping, Message, Pending, Phase};
use crate::commit::step::Step;

impl Step<'_> {
    pub(crate) fn on_invalidate(&mut self, me: usize, page: usize, requester: usize, ts: u8) {
        let entry = self.page(me, page);
        if entry.copy == Copy::Invalid || entry.pending == Pending::Read {
            return self.fail(Fault::Directory);
        }
        let is_touched = self.is_touched(me, page);
        if is_touched && self.refuses(me, ts) {
            return self.send(me, requester, page, Message::InvalidateNack);
        }
        if is_touched {
            self.mark(me);
        }
        let was_owner = self.drop_copy(me, page);
        self.send(me, requester, page, Message::InvalidateAck { was_owner });
    }

    pub(crate) fn on_forward(
        &mut self,
        me: usize,
        page: usize,
        requester: usize,
        ts: u8,
        hold: Hold,
    ) {
        let entry = *self.page(me, page);
        if entry.copy == Copy::Invalid {
            // `ReadRefusal::Miss`: cannot be, as copies are never dropped silently.
            return self.fail(Fault::Directory);
        }
        let is_needed = self.is_committing(me) && entry.is_dirty && entry.copy == Copy::Modified;
        let is_served = self.config.has(Plant::CommitterServesAll) || !self.refuses(me, ts);
        if is_needed && !is_served {
            return self.send(me, requester, page, Message::ReadNack);
        }
        let hold = self.give(me, page, hold);
        let version = entry.version;
        self.send(me, requester, page, Message::Data { version, hold });
        if is_needed {
            self.ask_again(me, page);
        }
    }

    /// Gives the page away whole if nobody else has it and the transaction has not touched
    /// it, else a copy.
    fn give(&mut self, me: usize, page: usize, wanted: Hold) -> Hold {
        let is_touched = self.is_touched(me, page) && !self.config.has(Plant::HandOverTouched);
        let may_share = self.config.has(Plant::HandOverShared);
        let entry = self.page(me, page);
        let is_alone = entry.copy == Copy::Modified || (may_share && entry.copy.is_owner());
        if wanted == Hold::Whole && is_alone && !is_touched {
            self.drop_copy(me, page);
            return Hold::Whole;
        }
        if entry.copy == Copy::Modified {
            entry.copy = Copy::Owned;
        }
        Hold::Copy
    }

    /// Gives the copy up. A marked transaction that has touched it keeps the old bytes.
    fn drop_copy(&mut self, me: usize, page: usize) -> bool {
        let is_touched = self.is_touched(me, page);
        let is_marked = self.state.nodes[me].is_marked;
        let entry = self.page(me, page);
        let was_owner = entry.copy.is_owner();
        entry.copy = Copy::Invalid;
        entry.version = 0;
        entry.is_dirty = false;
        if is_touched && is_marked {
            entry.mapping = Mapping::Stale;
        } else if !is_touched {
            entry.mapping = Mapping::Absent;
        }
        was_owner
    }

    /// Whether losing the page aborts the transaction: mapped pages are unmapped between
    /// transactions, or calm and count as read.
    fn is_touched(&self, me: usize, page: usize) -> bool {
        let node = &self.state.nodes[me];
        let entry = &node.pages[page];
        node.phase != Phase::Done && entry.mapping != Mapping::Absent && !entry.is_untouched
    }

    /// Older wins, but a running transaction defends itself only once it is aged.
    fn refuses(&self, me: usize, ts: u8) -> bool {
        let node = &self.state.nodes[me];
        let defends = match node.phase {
            Phase::Done => false,
            Phase::Running => self.is_aged(me) && !self.config.has(Plant::AgedUndefended),
            Phase::Committing => true,
        };
        defends && !node.is_marked && self.ts(me) < ts
    }

    pub(crate) fn is_aged(&self, me: usize) -> bool {
        let has_lost_enough = self.state.nodes[me].losses >= self.config.ageing_losses;
        has_lost_enough && !self.config.has(Plant::NoAgeing)
    }

    fn mark(&mut self, me: usize) {
        if self.state.nodes[me].is_marked {
            return;
        }
        if self.is_aged(me) && self.is_oldest(me) {
            self.fail(Fault::OldestMarked);
        }
        let ageing_losses = self.config.ageing_losses;
        let view = self.state.nodes[me].view();
        let now = self.state.truth[view].map(|truth| truth.version);
        let node = &mut self.state.nodes[me];
        node.is_marked = true;
        node.at_mark = now;
        node.losses = ageing_losses.min(node.losses + 1);
    }

    fn is_oldest(&self, me: usize) -> bool {
        let nodes = self.state.nodes.iter().enumerate();
        let mut others = nodes.filter(|(_, node)| node.phase != Phase::Done);
        others.all(|(other, _)| self.ts(me) <= self.ts(other))
    }
}
