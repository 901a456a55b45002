//! The invariants of `docs/protocol.md` that one node can check by itself. Those that
//! concern several nodes are checked by whoever sees them all.
use types::{PAGE_SIZE, PageId};

use crate::pages::{Mapping, PageEntry, Pending};
use crate::{Dtm, PageMemory, PageState};

impl Dtm {
    pub(crate) fn check_all(&self, memory: &impl PageMemory) {
        let mut dirty = 0;
        for (page, entry) in self.pages.iter() {
            self.check_copy(page, entry);
            self.check_request(page, entry);
            self.check_producer(page, entry);
            self.check_zero(page, entry, memory);
            dirty += usize::from(entry.is_dirty());
        }
        assert!(!self.links.has_local(), "nothing-unsaid");
        self.home.check();
        self.check_transaction(dirty);
        if self.view.is_some() {
            self.snapshot.check(self.links.epoch);
            assert!(self.stable < self.links.epoch, "stable-is-left");
        }
    }

    fn check_copy(&self, page: PageId, entry: &PageEntry) {
        if entry.state == PageState::Invalid {
            assert!(entry.side.is_none(), "copies-have-one-place: {page}");
            assert!(
                entry.mapping != Mapping::Current,
                "an-unmarked-view-is-current: {page}"
            );
        } else {
            let is_on_side = entry.mapping != Mapping::Current;
            assert!(
                entry.side.is_some() == is_on_side,
                "copies-have-one-place: {page}"
            );
        }
        assert!(
            !entry.is_ahead || entry.side.is_some(),
            "ahead-is-on-the-side: {page}"
        );
        if entry.mapping == Mapping::Stale {
            assert!(self.txn.is_marked(), "an-unmarked-view-is-current: {page}");
            assert!(self.txn.stale.contains(&page), "stale-is-listed: {page}");
        }
        if entry.is_dirty() {
            assert!(self.txn.is_active(), "dirty-needs-a-transaction: {page}");
            assert!(
                entry.mapping == Mapping::Current,
                "writers-hold-a-copy: {page}"
            );
        }
        assert!(
            entry.stamp.epoch() <= self.links.epoch,
            "data-brings-its-epoch: {page}"
        );
        let is_listed = self.contention.contains(page);
        assert!(
            entry.is_contended == is_listed,
            "contended-is-listed: {page}"
        );
    }

    fn check_request(&self, page: PageId, entry: &PageEntry) {
        let is_upgrade = self.upgrades.contains_key(&page);
        assert!(
            is_upgrade == (entry.pending == Pending::Exclusive),
            "one-request-per-page: {page}"
        );
        if entry.pending.is_read() {
            assert!(
                entry.state == PageState::Invalid,
                "one-request-per-page: {page}"
            );
        }
        if is_upgrade {
            assert!(
                entry.state != PageState::Modified,
                "one-request-per-page: {page}"
            );
        }
    }

    fn check_producer(&self, page: PageId, entry: &PageEntry) {
        if !entry.is_uncaptured {
            return;
        }
        assert!(entry.is_owner(), "every-write-is-kept: {page}");
        assert!(
            entry.stamp.node == self.links.me,
            "every-write-is-kept: {page}"
        );
        let epoch = entry.stamp.epoch();
        assert!(
            self.snapshot.is_listed(page, epoch),
            "every-write-is-kept: {page}"
        );
    }

    fn check_zero(&self, page: PageId, entry: &PageEntry, memory: &impl PageMemory) {
        let is_readable = entry.mapping == Mapping::Current && !entry.is_dirty();
        if is_readable && entry.version.0 == 0 {
            assert!(
                memory.bytes(page) == &[0; PAGE_SIZE],
                "unwritten-is-zero: {page}"
            );
        }
    }

    fn check_transaction(&self, dirty: usize) {
        assert!(
            self.txn.is_marked() || dirty == self.txn.dirty.len(),
            "dirty-is-listed"
        );
        assert!(
            self.txn.is_marked() || self.txn.stale.is_empty(),
            "stale-is-listed"
        );
        if self.txn.is_committing() {
            assert!(
                self.txn.missing == self.count_missing(),
                "missing-is-counted"
            );
        }
    }
}
