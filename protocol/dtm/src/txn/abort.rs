//! The end of a transaction that lost, failed or is not wanted any more.
use crate::pages::Mapping;
use crate::txn::Phase;
use crate::{Dtm, Event, PageMemory, Why};

impl Dtm {
    /// The transaction cannot commit any more. Whatever shows others that a page was
    /// given up is sent after this.
    pub(crate) fn mark(&mut self, why: Why) {
        if self.txn.is_marked() {
            return;
        }
        assert!(self.txn.is_active(), "only a transaction can be marked");
        self.txn.mark = Some(why);
        match why {
            Why::Conflict => {
                self.txn.losses += 1;
                self.counters.aborts_conflict += 1;
            }
            Why::Fallback => self.counters.aborts_fallback += 1,
            Why::Lost(..) => self.counters.aborts_lost += 1,
        }
        self.events.push(Event::Marked {
            ts: self.txn.ts,
            why,
        });
    }

    pub(crate) fn undo(&mut self, memory: &mut impl PageMemory) {
        assert!(
            self.txn.is_active(),
            "only a transaction can be rolled back"
        );
        self.restore_dirty(memory);
        while let Some(page) = self.txn.stale.pop() {
            let entry = self.pages.entry(page);
            assert!(
                entry.mapping == Mapping::Stale,
                "stale pages are listed: {page}"
            );
            entry.mapping = Mapping::Absent;
            memory.unmap(page);
        }
        self.txn.phase = Phase::Idle;
        self.txn.mark = None;
        self.txn.missing = 0;
        self.txn.waiting = None;
        self.txn.is_throttled = false;
    }

    /// Puts the before-images back. A page that was lost has none any more.
    pub(crate) fn restore_dirty(&mut self, memory: &mut impl PageMemory) {
        while let Some(page) = self.txn.dirty.pop() {
            let Some(before) = self.pages.entry(page).before.take() else {
                continue;
            };
            memory.restore(page, &before);
            memory.protect(page);
            self.images.recycle(before);
        }
    }

    /// A new view: the pages on which the transaction ran are gone already.
    pub(crate) fn forget_pages(&mut self) {
        self.txn.dirty.clear();
        self.txn.stale.clear();
        self.txn.missing = 0;
        self.txn.waiting = None;
        if self.txn.is_active() {
            self.txn.mark = None;
            self.mark(Why::Fallback);
        }
    }
}
