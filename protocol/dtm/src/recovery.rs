//! What a node keeps from one view to the next.
//!
//! A fallback undoes what depends on lost work, and nothing else: copies of versions that
//! were not undone stay where they are, and so do the frames that wait for the stores.
//! What a page holds that was undone is decided by its home, from the copies, the frames
//! and the stores of all members; nobody puts an earlier version back by himself.
use alloc::vec::Vec;
use types::{Epoch, Extent, Interval, PAGES_PER_EXTENT, PageId, Version, View};
use wire::{Held, HeldAs};

use crate::deps::Dependencies;
use crate::pages::{Mapping, PageTable};
use crate::snapshot::parts::Parts;
use crate::snapshot::received::Received;
use crate::{Dtm, PageMemory, PageState, Why};

impl Dtm {
    /// Enters a view as a node that is new in the cluster: it knows nothing.
    pub(crate) fn begin_anew(&mut self, epoch: Epoch, memory: &mut impl PageMemory) {
        for (page, entry) in self.pages.iter() {
            if entry.mapping != Mapping::Absent {
                memory.unmap(page);
            }
        }
        self.pages = PageTable::default();
        self.contention.clear();
        self.forget_pages();
        self.snapshot = Parts::new(epoch);
        self.deps = Dependencies::new(epoch);
        self.received = Received::default();
        self.legacy.clear();
        self.offers.clear();
    }

    /// Enters a view as the node that it was in the last one.
    pub(crate) fn go_on(&mut self, epoch: Epoch, view: &View, memory: &mut impl PageMemory) {
        if self.txn.is_active() {
            self.mark(Why::Fallback);
        }
        let is_deep = self.goes_behind_stable(view);
        let pages: Vec<PageId> = match is_deep {
            true => self.pages.iter().map(|(page, _)| page).collect(),
            false => {
                let foreign = self.foreign_pages().iter().copied();
                foreign.chain(self.snapshot.written_pages()).collect()
            }
        };
        for page in pages {
            let entry = self.pages.entry(page);
            // A page that nobody has written may be one of a region that is somebody else's now.
            let is_of_nobody = is_deep && entry.version == Version(0);
            let is_gone = is_of_nobody || view.is_undone(entry.stamp);
            if entry.state != PageState::Invalid && is_gone {
                self.drop_undone(page, memory);
            }
        }
        self.snapshot
            .enter(epoch, self.stable, |stamp| view.is_undone(stamp));
        self.enter_deps(epoch, view);
        let pages = &self.pages;
        let has_no_copy = |page| {
            let entry = pages.get(page);
            entry.is_none_or(|entry| entry.state == PageState::Invalid)
        };
        self.offers = self.snapshot.frames_of(has_no_copy);
        self.enter_legacy(view);
    }

    /// Whether something that is stable is undone: then any page may hold it. Nothing else
    /// than the operator's order does so.
    fn goes_behind_stable(&self, view: &View) -> bool {
        let stable = Interval::last_of(self.stable);
        let since = view.since(self.current_view());
        let mut cuts = since.flat_map(|decided| &decided.cuts);
        cuts.any(|cut| cut.last < stable)
    }

    /// A copy of a version that was undone goes without a trace.
    fn drop_undone(&mut self, page: PageId, memory: &mut impl PageMemory) {
        self.counters.pages_undone += 1;
        let entry = self.pages.entry(page);
        entry.state = PageState::Invalid;
        entry.is_uncaptured = false;
        entry.is_ahead = false;
        let frames = [entry.before.take(), entry.side.take()];
        frames
            .into_iter()
            .flatten()
            .for_each(|frame| self.images.recycle(frame));
        if entry.mapping == Mapping::Current {
            entry.mapping = Mapping::Absent;
            memory.unmap(page);
        }
    }

    /// The copies of an extent, for its home.
    pub(crate) fn held_in(&self, extent: Extent) -> Vec<Held> {
        let first = extent.index * PAGES_PER_EXTENT;
        let pages = (first..first + PAGES_PER_EXTENT).map(|at| PageId::new(extent.region.0, at));
        let held = pages.filter_map(|page| {
            let entry = self.pages.get(page)?;
            let held_as = match entry.state {
                PageState::Invalid => return None,
                PageState::Shared => HeldAs::Sharer,
                PageState::Owned => HeldAs::Owner,
                PageState::Modified => HeldAs::OnlyHolder,
            };
            let version = entry.version;
            Some(Held {
                page,
                version,
                held_as,
            })
        });
        held.collect()
    }
}
