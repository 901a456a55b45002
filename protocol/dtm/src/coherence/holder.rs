//! A node that has a page which another one wants. It answers at once, always: an
//! answer that waited for a transaction could wait in a circle.
use types::{NodeId, PageId, Seq, TxnTimestamp};
use wire::{Hold, Message, PageVersion, ReadRefusal};

use crate::coherence::habit::Stay;
use crate::pages::Mapping;
use crate::{Dtm, Event, PageMemory, PageState, Why};

/// Who wants to read a page, and how it may hold it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    pub(crate) node: NodeId,
    pub(crate) ts: TxnTimestamp,
    pub(crate) hold: Hold,
}

impl Dtm {
    pub(crate) fn on_invalidate(
        &mut self,
        page: PageId,
        seq: Seq,
        requester: NodeId,
        ts: TxnTimestamp,
        memory: &mut impl PageMemory,
    ) {
        let entry = self.pages.entry(page);
        assert!(
            entry.state != PageState::Invalid,
            "listed-holders-hold: {page}"
        );
        assert!(!entry.pending.is_read(), "no-overtaking: {page}");
        let is_touched = self.is_touched(page);
        if is_touched && self.txn.refuses(ts) {
            self.events.push(Event::Refused { page, requester });
            self.links
                .send(requester, Message::InvalidateNack { page, seq });
            return;
        }
        self.note_contention(page, is_touched);
        if is_touched {
            self.mark(Why::Conflict);
        }
        let was_owner = self.drop_copy(page, is_touched, memory);
        self.links.send(
            requester,
            Message::InvalidateAck {
                page,
                seq,
                was_owner,
            },
        );
    }

    pub(crate) fn on_forward(
        &mut self,
        page: PageId,
        seq: Seq,
        reader: Reader,
        memory: &mut impl PageMemory,
    ) {
        let entry = self.pages.entry(page);
        if entry.state == PageState::Invalid {
            let message = Message::ReadNack {
                page,
                seq,
                reason: ReadRefusal::Miss,
            };
            self.links.send(reader.node, message);
            return;
        }
        let is_needed =
            self.txn.is_committing() && entry.is_dirty() && entry.state == PageState::Modified;
        if is_needed && self.txn.refuses(reader.ts) {
            let message = Message::ReadNack {
                page,
                seq,
                reason: ReadRefusal::Busy,
            };
            self.links.send(reader.node, message);
            return;
        }
        let content = self.committed(page, memory);
        let hold = self.give(page, reader.hold, memory);
        let message = Message::Data {
            page,
            seq,
            content,
            hold,
        };
        self.links.send(reader.node, message);
        if is_needed {
            // The committer has lost its exclusiveness to an older reader.
            self.txn.missing += 1;
            self.ask_again(page);
        }
    }

    /// Gives the reader a copy, or the page itself if it may have that and the running
    /// transaction has not touched it: no transaction is marked for a reader's sake.
    fn give(&mut self, page: PageId, wanted: Hold, memory: &mut impl PageMemory) -> Hold {
        let is_touched = self.is_touched(page);
        let entry = self.pages.entry(page);
        if entry.state != PageState::Modified {
            return Hold::Shared;
        }
        if wanted == Hold::Exclusive && !is_touched {
            self.drop_copy(page, false, memory);
            self.counters.pages_given_away += 1;
            return Hold::Exclusive;
        }
        entry.state = PageState::Owned;
        Hold::Shared
    }

    /// The committed version of a page of which there is a copy here.
    pub(crate) fn committed(&mut self, page: PageId, memory: &impl PageMemory) -> PageVersion {
        let entry = self.pages.entry(page);
        assert!(
            entry.state != PageState::Invalid,
            "only a copy can be passed on: {page}"
        );
        entry.committed(page, memory)
    }

    /// Gives the copy up; its last version goes to the stores from here. A transaction
    /// that has touched it (and is marked by now) keeps seeing the old bytes.
    fn drop_copy(&mut self, page: PageId, is_touched: bool, memory: &mut impl PageMemory) -> bool {
        if self.pages.entry(page).is_uncaptured {
            self.capture(page, memory);
        }
        let entry = self.pages.entry(page);
        let was_owner = entry.is_owner();
        let stay = match entry.stamp.node == self.links.me {
            true => Stay::Written,
            false => Stay::Read,
        };
        if !core::mem::take(&mut entry.is_ahead) {
            entry.habit.learn(stay);
        }
        entry.state = PageState::Invalid;
        for frame in [entry.before.take(), entry.side.take()]
            .into_iter()
            .flatten()
        {
            self.images.recycle(frame);
        }
        if entry.mapping == Mapping::Current && is_touched {
            entry.mapping = Mapping::Stale;
            self.txn.stale.push(page);
        } else if entry.mapping == Mapping::Current {
            entry.mapping = Mapping::Absent;
            memory.unmap(page);
        }
        was_owner
    }

    /// Makes a page contended that has aborted transactions which perhaps did not even
    /// read it, and keeps a contended page so.
    fn note_contention(&mut self, page: PageId, is_touched: bool) {
        let entry = self.pages.entry(page);
        if entry.is_contended {
            self.contention.renew(page, self.links.epoch);
            return;
        }
        let is_guess = is_touched && page.is_linear() && entry.touched != self.txn.number;
        if !is_guess || self.txn.is_marked() {
            return;
        }
        entry.conflicts += 1;
        if entry.conflicts >= self.config.contended_after {
            entry.is_contended = true;
            self.contention.add(page, self.links.epoch);
            self.counters.pages_contended += 1;
            self.events.push(Event::Contended { page });
        }
    }
}
