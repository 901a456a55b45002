//! Regions that nobody needs any more: what this node has of them is given back.
//!
//! Whoever touches a page of an application has read, in the same transaction, that its
//! process lives. So when the end of the process is stable, every transaction that has touched
//! such a page has ended or is marked, and nobody waits for an answer that he needs. Messages
//! about these pages may still be under way; whoever knows better ignores them, and whoever
//! waits for them forgets it when he is told.
use types::{Living, PageId, RegionId};

use crate::pages::{Mapping, PageEntry, Pending};
use crate::{Dtm, PageMemory, PageState};

/// What this node knows of dead regions, in this view.
#[derive(Debug, Default)]
pub(crate) struct Dead {
    living: Option<Living>,
    /// Something may be left of them.
    is_left: bool,
}

/// Entries of a directory forgotten per extent of pages: they take about as long.
const ENTRIES_PER_EXTENT: usize = 256;

impl Dtm {
    /// Whether the region was an application's that has ended: nobody needs its pages. A new
    /// view forgets it, for the memory may have gone back; then it is said again.
    #[must_use]
    pub fn is_dead(&self, region: RegionId) -> bool {
        let living = self.dead.living.as_ref();
        living.is_some_and(|living| living.is_dead(region))
    }

    /// Gives back what this node has of dead regions, so many extents at most; whether more is
    /// left. While a transaction runs nothing is done: it may be one that is marked, on such a
    /// page.
    pub fn forget_dead(&mut self, extents_max: usize, memory: &mut impl PageMemory) -> bool {
        if self.txn.is_active() {
            return self.dead.is_left;
        }
        for _ in 0..extents_max {
            let Some(living) = self.dead.living.as_ref().filter(|_| self.dead.is_left) else {
                return false;
            };
            let is_dead = |region| living.is_dead(region);
            if let Some((first, entries)) = self.pages.take_extent(is_dead) {
                let pages = (first.index.0..).map(|index| PageId::new(first.region.0, index));
                for (page, entry) in pages.zip(&*entries) {
                    self.forget_page(page, entry, memory);
                }
            } else {
                self.dead.is_left = self.home.forget_dead(living, ENTRIES_PER_EXTENT);
            }
        }
        self.dead.is_left
    }

    /// The leader says which regions live. False if it speaks of an epoch of which this node
    /// does not know yet that it is stable: it has missed something, and hears of it again.
    #[must_use]
    pub(crate) fn on_living(&mut self, living: Living) -> bool {
        if living.epoch > self.stable {
            return false;
        }
        let is_dead = |page: &PageId| living.is_dead(page.region);
        self.offers.retain(|page, _| !is_dead(page));
        self.deps.forget(is_dead);
        self.dead.living = Some(living);
        self.dead.is_left = true;
        true
    }

    /// A view begins.
    pub(crate) fn forget_the_dead(&mut self) {
        self.dead = Dead::default();
    }

    fn forget_page(&mut self, page: PageId, entry: &PageEntry, memory: &mut impl PageMemory) {
        assert!(!entry.is_uncaptured, "the-dead-are-stable: {page}");
        assert!(!entry.is_dirty(), "dirty-needs-a-transaction: {page}");
        if entry.mapping != Mapping::Absent {
            memory.unmap(page);
        }
        match entry.pending {
            Pending::None => {}
            Pending::Read | Pending::Ahead => self.reading.retain(|reading| *reading != page),
            Pending::Exclusive => drop(self.upgrades.remove(&page)),
        }
        if entry.is_contended {
            self.contention.remove(page);
        }
        self.counters.pages_forgotten += u64::from(entry.state != PageState::Invalid);
    }
}
