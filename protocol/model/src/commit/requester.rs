//! A node of the commit model that wants a page: rules 8 to 11.
use crate::commit::config::{Op, Plant};
use crate::commit::state::{
    Copy, Fault, Hold, Mapping, Message, Pending, Phase, Set, Upgrade, Wish, only, small,
};
use crate::commit::step::Step;

impl Step<'_> {
    pub(crate) fn request_shared(&mut self, me: usize, page: usize, hold: Hold) {
        let entry = self.page(me, page);
        if entry.pending != Pending::Nothing || entry.backs_off {
            return;
        }
        entry.pending = Pending::Read;
        self.ask(me, page, Wish::Read(hold));
    }

    fn request_exclusive(&mut self, me: usize, page: usize) {
        let entry = self.page(me, page);
        if entry.pending != Pending::Nothing || entry.backs_off {
            return;
        }
        entry.pending = Pending::Exclusive(Upgrade::default());
        self.ask(me, page, Wish::Exclusive);
    }

    fn ask(&mut self, me: usize, page: usize, wish: Wish) {
        let home = usize::from(self.config.homes[page]);
        let ts = self.ts(me);
        self.send(me, home, page, Message::Get { ts, wish });
    }

    /// Makes the request again that the living transaction still needs.
    pub(crate) fn ask_again(&mut self, me: usize, page: usize) {
        let is_waited_for = self.waits_for(me, page);
        let is_committing = self.is_committing(me);
        let entry = self.page(me, page);
        if is_waited_for && entry.copy == Copy::Invalid {
            let hold = self.surest_wish(me);
            self.request_shared(me, page, hold);
        } else if is_committing && entry.is_dirty && entry.copy != Copy::Modified {
            self.request_exclusive(me, page);
        }
    }

    /// Reads that are repeated ask for copies unless they are writes; which of the two a
    /// guess would choose is tried where a read begins.
    pub(crate) fn surest_wish(&self, me: usize) -> Hold {
        match self.next_op(me) {
            Some(Op::Write(_) | Op::Silent(_)) if !self.is_query(me) => Hold::Whole,
            _ => Hold::Copy,
        }
    }

    pub(crate) fn on_data(&mut self, me: usize, page: usize, version: u8, hold: Hold) {
        let waits = self.waits_for(me, page);
        let is_late = self.config.has(Plant::TouchedLate);
        let entry = self.page(me, page);
        if entry.pending != Pending::Read || entry.copy != Copy::Invalid {
            return self.fail(Fault::Directory);
        }
        entry.pending = Pending::Nothing;
        entry.version = version;
        entry.copy = match hold {
            Hold::Copy => Copy::Shared,
            Hold::Whole => Copy::Modified,
        };
        if waits {
            entry.mapping = Mapping::Current;
            entry.seen = version;
            entry.is_untouched = is_late;
            self.state.nodes[me].waits_for = None;
        }
        self.confirm_read(me, page, Some(hold));
    }

    pub(crate) fn on_read_nack(&mut self, me: usize, page: usize) {
        let entry = self.page(me, page);
        if entry.pending != Pending::Read {
            return self.fail(Fault::Directory);
        }
        entry.pending = Pending::Nothing;
        entry.backs_off = true;
        self.confirm_read(me, page, None);
    }

    fn confirm_read(&mut self, me: usize, page: usize, held: Option<Hold>) {
        let home = usize::from(self.config.homes[page]);
        self.send(me, home, page, Message::ReadConfirm(held));
    }

    pub(crate) fn on_stale(&mut self, me: usize, page: usize) {
        let entry = self.page(me, page);
        let is_asked_for = matches!(entry.pending, Pending::Exclusive(_));
        if !is_asked_for || entry.copy != Copy::Invalid {
            return self.fail(Fault::Directory);
        }
        entry.pending = Pending::Nothing;
        self.ask_again(me, page);
    }

    pub(crate) fn on_grant(&mut self, me: usize, page: usize, need: Set) {
        if self.page(me, page).copy == Copy::Invalid {
            return self.fail(Fault::Directory);
        }
        self.on_answer(me, page, |upgrade| upgrade.need = Some(need));
    }

    pub(crate) fn on_ack(&mut self, me: usize, page: usize, from: usize, was_owner: bool) {
        self.on_answer(me, page, |upgrade| {
            upgrade.acked |= only(from);
            upgrade.owner_moved |= was_owner;
        });
    }

    pub(crate) fn on_nack(&mut self, me: usize, page: usize, from: usize) {
        self.on_answer(me, page, |upgrade| upgrade.refused |= only(from));
    }

    fn on_answer(&mut self, me: usize, page: usize, note: impl FnOnce(&mut Upgrade)) {
        let has_skipped = self.config.has(Plant::SkippedAck);
        let Pending::Exclusive(upgrade) = &mut self.page(me, page).pending else {
            // The answer that was not waited for.
            if !has_skipped {
                self.fail(Fault::Directory);
            }
            return;
        };
        note(upgrade);
        let upgrade = *upgrade;
        let answers = (upgrade.acked | upgrade.refused).count_ones();
        let Some(need) = upgrade.need else {
            return;
        };
        if answers + u32::from(has_skipped) >= need.count_ones() {
            self.conclude(me, page, upgrade);
        }
    }

    /// Ends the transition, also for a transaction that is dead.
    fn conclude(&mut self, me: usize, page: usize, upgrade: Upgrade) {
        let is_exclusive = upgrade.refused == 0;
        let forgets = self.config.has(Plant::FailureForgotten);
        let entry = self.page(me, page);
        entry.pending = Pending::Nothing;
        entry.backs_off = !is_exclusive;
        if is_exclusive {
            entry.copy = Copy::Modified;
        } else if upgrade.owner_moved && !forgets {
            entry.copy = Copy::Owned;
        }
        let message = Message::Confirm {
            is_exclusive,
            refused: upgrade.refused,
            is_owner: entry.copy.is_owner(),
        };
        let home = usize::from(self.config.homes[page]);
        let is_dead = !self.is_committing(me);
        if !is_dead || !self.config.has(Plant::DeadUnconfirmed) {
            self.send(me, home, page, message);
        }
        if is_exclusive {
            self.try_commit(me);
        }
    }

    /// A living transaction waits for just this page.
    fn waits_for(&self, me: usize, page: usize) -> bool {
        let node = &self.state.nodes[me];
        let is_alive = !node.is_marked || self.config.has(Plant::MarkedMapping);
        node.phase == Phase::Running && is_alive && node.waits_for == Some(small(page))
    }
}
