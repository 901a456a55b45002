//! What a transaction touches: pages brought into its view, before-images of those
//! that it writes.
use types::{Instant, PageId};

use crate::pages::{Mapping, Pending};
use crate::txn::Phase;
use crate::{Access, AccessResult, Dtm, PageMemory, PageState};

impl Dtm {
    pub(crate) fn access_page(
        &mut self,
        now: Instant,
        page: PageId,
        access: Access,
        memory: &mut impl PageMemory,
    ) -> AccessResult {
        assert!(
            self.txn.phase == Phase::Running,
            "only a running transaction accesses pages"
        );
        if self.txn.is_marked() {
            return AccessResult::Stopped;
        }
        if self.pages.entry(page).mapping != Mapping::Current
            && let Some(result) = self.bring(now, page, access, memory)
        {
            return result;
        }
        let entry = self.pages.entry(page);
        assert!(
            entry.mapping == Mapping::Current,
            "an-unmarked-view-is-current: {page}"
        );
        entry.touched = self.txn.number;
        if access == Access::Write && entry.before.is_none() {
            entry.before = Some(self.images.copy_of(memory.bytes(page)));
            self.txn.dirty.push(page);
            memory.unprotect(page);
        }
        AccessResult::Ready
    }

    /// Maps a page that is cached, else asks for it; `None` if it is mapped now.
    fn bring(
        &mut self,
        now: Instant,
        page: PageId,
        access: Access,
        memory: &mut impl PageMemory,
    ) -> Option<AccessResult> {
        let entry = self.pages.entry(page);
        if entry.state != PageState::Invalid {
            let came_ahead = entry.is_ahead;
            self.map(page, memory);
            if came_ahead {
                self.read_on(page, access, memory);
                self.settle(now, memory);
            }
            return self.txn.is_marked().then_some(AccessResult::Stopped);
        }
        let is_on_its_way = entry.pending != Pending::None;
        assert!(!self.is_dead(page.region), "the-dead-are-left: {page}");
        self.txn.waiting = Some((page, access));
        self.request_shared(page);
        if !is_on_its_way {
            self.read_ahead(page, access);
        }
        self.settle(now, memory);
        if self.txn.is_marked() {
            return Some(AccessResult::Stopped);
        }
        let is_mapped = self.pages.entry(page).mapping == Mapping::Current;
        if is_mapped {
            None
        } else {
            Some(AccessResult::Wait)
        }
    }

    /// Brings a page from the cache into the view.
    pub(crate) fn map(&mut self, page: PageId, memory: &mut impl PageMemory) {
        let entry = self.pages.entry(page);
        assert!(entry.mapping == Mapping::Absent, "mapped-once: {page}");
        let frame = entry.side.take().expect("a copy is mapped or on the side");
        memory.map(page, &frame);
        entry.mapping = Mapping::Current;
        entry.is_ahead = false;
        let stamp = entry.stamp;
        if entry.is_contended {
            self.contention.mapped.push(page);
        }
        self.images.recycle(frame);
        if self.is_foreign(stamp) {
            self.deps.mapped(page);
        }
    }

    /// Counts a mapped page as touched; the transaction waits for it no more.
    pub(crate) fn touch(&mut self, page: PageId) {
        self.pages.entry(page).touched = self.txn.number;
        self.txn.waiting = None;
    }

    /// Whether losing the page aborts the transaction: linear memory counts as read
    /// while it is mapped, other pages once they were accessed.
    pub(crate) fn is_touched(&self, page: PageId) -> bool {
        let Some(entry) = self.pages.get(page) else {
            return false;
        };
        let is_mapped = match entry.mapping {
            Mapping::Absent => false,
            Mapping::Current => page.is_linear() || entry.touched == self.txn.number,
            Mapping::Stale => true,
        };
        is_mapped && self.txn.is_active()
    }
}
