//! Epochs that are retained: what the memory was like then stays readable, whatever is
//! written later.
use alloc::vec::Vec;
use platform::Disk;
use types::limits::SNAPSHOTS_MAX;
use types::{Epoch, Extent, PageId, Stamp, Version};
use wire::PageVersion;

use crate::error::{NotRetained, ReadError, RetainError};
use crate::fact::Fact;
use crate::index::{Difference, Entry};
use crate::store::Store;
use crate::superseded::Retained;

/// Versions that [`Store::poll`] looks at after epochs were given up: some 100 µs.
const PRUNED_PER_POLL: usize = 1024;
/// Before all versions.
const FIRST: (PageId, Version) = (PageId::new(0, 0), Version(0));

impl<D: Disk> Store<D> {
    /// Retains these epochs, and none that was retained before and is not among them. The
    /// newest stable epoch is always kept; to go on reading it later it must be retained
    /// before the next one is stable. An epoch may be named before it is stable.
    ///
    /// [`Store::is_durable`] says when that has reached the device.
    ///
    /// Of an epoch that was not retained while later ones became stable, the store has what
    /// was not superseded, and what other stores give it. So whoever wants to know what a page
    /// was like asks all stores that may have it: the highest version counts.
    ///
    /// # Errors
    /// If there are more than [`SNAPSHOTS_MAX`], or the disk failed. Then the old ones are
    /// retained.
    pub fn retain(&mut self, epochs: &Retained) -> Result<(), RetainError> {
        self.log.check()?;
        let max = SNAPSHOTS_MAX;
        if epochs.len() > max {
            return Err(RetainError::TooMany { max });
        }
        let retained = self.history.retained();
        if epochs == retained {
            return Ok(());
        }
        let is_less = !epochs.is_superset(retained);
        let fact = Fact::Retained(epochs.iter().copied().collect());
        self.history.note(&fact);
        self.append_fact(fact)?;
        self.sync_wanted = self.log.end();
        if is_less {
            self.prune_from = Some(FIRST);
            self.look_at_dead_again();
        }
        Ok(self.seal_if_full()?)
    }

    /// The epochs that are retained, ascending.
    pub fn retained(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.history.retained().iter().copied()
    }

    /// Whether everything that was said to the store, of what it says to nobody that it is
    /// stored, has reached the device: which epochs are retained, for one.
    pub fn is_durable(&self) -> bool {
        self.log.durable() >= self.sync_wanted
    }

    /// The version that the page had in this epoch, which is retained or the newest stable
    /// one.
    ///
    /// # Errors
    /// If it is neither, the disk failed, or that version is damaged.
    pub fn read_as_of(
        &mut self,
        page: PageId,
        epoch: Epoch,
    ) -> Result<Option<PageVersion>, ReadError> {
        self.check_kept(epoch)?;
        match self.index.as_of(page, epoch) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    /// The stable versions of pages of an extent that are kept for their own sake, ascending:
    /// the newest, unless the region is dead, and those of epochs that are retained.
    pub fn kept_versions(&self, extent: Extent) -> Vec<(PageId, Version, Stamp)> {
        let (index, retained) = (&self.index, self.history.retained());
        let lives = index.dead.since(extent.region).is_none();
        let is_kept = |entry: &Entry| {
            let Entry { page, version, .. } = *entry;
            let is_newest = || index.slot(page).is_some_and(|slot| slot.version == version);
            index.is_retained(page, version, entry.stamp.epoch(), retained) || lives && is_newest()
        };
        let kept = index.stable_versions(extent).filter(is_kept);
        kept.map(|entry| (entry.page, entry.version, entry.stamp))
            .collect()
    }

    /// The pages of an extent that had a version in this epoch, with that version, ascending.
    ///
    /// # Errors
    /// If the epoch is neither retained nor the newest stable one.
    pub fn pages_as_of(
        &self,
        extent: Extent,
        epoch: Epoch,
    ) -> Result<impl Iterator<Item = (PageId, Version)> + '_, NotRetained> {
        self.check_kept(epoch)?;
        Ok(self.index.pages_as_of(extent, epoch))
    }

    /// The extents that had a page in this epoch, ascending.
    ///
    /// # Errors
    /// If the epoch is neither retained nor the newest stable one.
    pub fn extents_as_of(
        &self,
        epoch: Epoch,
    ) -> Result<impl Iterator<Item = Extent> + '_, NotRetained> {
        self.check_kept(epoch)?;
        Ok(self.index.extents_as_of(epoch))
    }

    /// The pages that have other versions in the second of these epochs than in the first,
    /// ascending. Looks at the index only: a page that was written with the bytes that it
    /// had is among them.
    ///
    /// # Errors
    /// If one of the epochs is neither retained nor the newest stable one.
    pub fn differences(
        &self,
        first: Epoch,
        second: Epoch,
    ) -> Result<impl Iterator<Item = Difference> + '_, NotRetained> {
        self.check_kept(first)?;
        self.check_kept(second)?;
        Ok(self.index.differences(first, second))
    }

    fn check_kept(&self, epoch: Epoch) -> Result<(), NotRetained> {
        if self.history.is_kept(epoch) {
            return Ok(());
        }
        Err(NotRetained { epoch })
    }

    /// Goes on forgetting what belongs to epochs that are not retained any more.
    pub(crate) fn prune(&mut self) {
        let Some(from) = self.prune_from else {
            return;
        };
        let mut freed = Vec::new();
        let retained = self.history.retained();
        self.prune_from = self
            .index
            .prune(from, PRUNED_PER_POLL, retained, &mut freed);
        self.free(&freed);
    }
}
