//! The end of a transaction that was not marked.
//!
//! All pages that it touched are current, or it would be marked. Once those that it
//! wrote are held by nobody else it commits, in the step that brings the last answer:
//! a commit whose pages are all modified here is a few assignments and no message.
use types::{Instant, Stamp};
use wire::PageVersion;

use crate::pages::Mapping;
use crate::txn::Phase;
use crate::{CommitMode, Dtm, Event, PageMemory, PageState};

impl Dtm {
    pub(crate) fn end_body(&mut self, now: Instant, memory: &mut impl PageMemory) {
        assert!(
            self.txn.phase == Phase::Running,
            "only a running transaction commits"
        );
        if self.txn.is_marked() {
            return;
        }
        match self.txn.mode {
            CommitMode::Discard => {
                self.restore_dirty(memory);
                self.counters.queries += 1;
            }
            CommitMode::Apply => self.drop_silent_stores(memory),
        }
        self.txn.phase = Phase::Committing;
        self.txn.missing = self.count_missing();
        if self.try_commit(memory) {
            self.counters.commits_local += 1;
            return;
        }
        for at in 0..self.txn.dirty.len() {
            self.ask_again(self.txn.dirty[at]);
        }
        self.settle(now, memory);
    }

    /// Commits if nothing stands in the way.
    pub(crate) fn try_commit(&mut self, memory: &mut impl PageMemory) -> bool {
        if !self.txn.is_committing() || self.txn.missing > 0 {
            return false;
        }
        if !self.txn.dirty.is_empty() && self.snapshot.retained() >= self.config.frames_max {
            if !self.txn.is_throttled {
                self.counters.commits_throttled += 1;
                self.events.push(Event::Throttled);
            }
            self.txn.is_throttled = true;
            return false;
        }
        if !self.deps.has_unnoted_pages() || self.note_edges() {
            self.finish(memory);
        }
        !self.txn.is_committing()
    }

    fn finish(&mut self, memory: &mut impl PageMemory) {
        let stamp = Stamp {
            node: self.links.me,
            interval: self.deps.open(),
        };
        self.deps.note_commit();
        for at in 0..self.txn.dirty.len() {
            self.write_page(at, stamp);
            memory.protect(self.txn.dirty[at]);
        }
        core::mem::swap(&mut self.txn.dirty, &mut self.txn.written);
        self.txn.dirty.clear();
        self.txn.is_throttled = false;
        self.txn.waiting = None;
        self.txn.phase = Phase::Committed(stamp);
        self.counters.commits += 1;
        self.events.push(Event::Committed { stamp });
    }

    /// Makes the bytes of the dirty page at this place of the list the next version. The
    /// one before is kept if it was the last of its interval.
    fn write_page(&mut self, at: usize, stamp: Stamp) {
        let page = self.txn.dirty[at];
        let entry = self.pages.entry(page);
        assert!(
            entry.state == PageState::Modified,
            "committed-pages-are-modified: {page}"
        );
        assert!(
            entry.mapping == Mapping::Current,
            "an-unmarked-view-is-current: {page}"
        );
        assert!(
            entry.stamp.epoch() <= stamp.epoch(),
            "epochs-ascend: {page}"
        );
        let before = entry
            .before
            .take()
            .expect("a dirty page has a before-image");
        if entry.is_uncaptured && entry.stamp.interval < stamp.interval {
            let content = PageVersion {
                version: entry.version,
                stamp: entry.stamp,
                image: self.images.image_of(before),
            };
            self.keep_frame(page, content);
        } else {
            self.images.recycle(before);
        }
        let entry = self.pages.entry(page);
        entry.version = entry.version.next();
        entry.stamp = stamp;
        entry.is_uncaptured = true;
        if entry.listed != stamp.epoch() {
            entry.listed = stamp.epoch();
            entry.listed_at = self.snapshot.list(page);
        }
        self.events.push(Event::Wrote {
            page,
            version: self.pages.entry(page).version,
        });
    }

    /// Pages that were written but hold the bytes they held before are only read: they
    /// stay touched, so they are as current at the commit as the bytes claim, and
    /// writing equal bytes there and then would change nothing.
    fn drop_silent_stores(&mut self, memory: &mut impl PageMemory) {
        let mut at = 0;
        while let Some(&page) = self.txn.dirty.get(at) {
            let entry = self.pages.entry(page);
            let before = entry
                .before
                .as_ref()
                .expect("a dirty page has a before-image");
            if memory.bytes(page) != &**before {
                at += 1;
                continue;
            }
            let before = entry.before.take().expect("just looked at");
            self.images.recycle(before);
            memory.protect(page);
            self.txn.dirty.swap_remove(at);
            self.counters.silent_stores += 1;
        }
    }

    /// Dirty pages that others may hold.
    pub(crate) fn count_missing(&self) -> usize {
        let is_missing = |page| {
            let entry = self.pages.get(page).expect("a dirty page has an entry");
            entry.state != PageState::Modified
        };
        self.txn
            .dirty
            .iter()
            .filter(|&&page| is_missing(page))
            .count()
    }
}
