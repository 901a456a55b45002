//! Contended pages: linear memory that is mapped only for transactions that touch it.
//!
//! Calm pages stay mapped and count as read by every transaction, which costs nothing
//! until somebody else writes them. A page that has aborted transactions which may not
//! even have read it is contended until it has been left alone for some epochs.
use alloc::vec::Vec;
use types::{Epoch, PageId};

/// The contended pages; few, so plain lists.
#[derive(Debug, Default)]
pub(crate) struct Contention {
    /// With the epoch of the last invalidation.
    pages: Vec<(PageId, Epoch)>,
    /// Those that some transaction has mapped since the last one began.
    pub(crate) mapped: Vec<PageId>,
}

impl Contention {
    pub(crate) fn add(&mut self, page: PageId, epoch: Epoch) {
        self.pages.push((page, epoch));
    }

    /// A contended page was invalidated again.
    pub(crate) fn renew(&mut self, page: PageId, epoch: Epoch) {
        let known = self.pages.iter_mut().find(|(known, _)| *known == page);
        known.expect("every contended page is listed").1 = epoch;
    }

    /// Removes a page that has been quiet for `calm_after` epochs, if there is one.
    pub(crate) fn next_calm(&mut self, epoch: Epoch, calm_after: u32) -> Option<PageId> {
        let is_quiet = |last: Epoch| epoch.0 - last.0 >= u64::from(calm_after);
        let at = self.pages.iter().position(|&(_, last)| is_quiet(last))?;
        Some(self.pages.swap_remove(at).0)
    }

    pub(crate) fn contains(&self, page: PageId) -> bool {
        self.pages.iter().any(|&(known, _)| known == page)
    }

    /// The page is not there any more.
    pub(crate) fn remove(&mut self, page: PageId) {
        self.pages.retain(|&(known, _)| known != page);
        self.mapped.retain(|&known| known != page);
    }

    pub(crate) fn clear(&mut self) {
        self.pages.clear();
        self.mapped.clear();
    }
}
