//! Which versions are kept: of each page the newest stable one (but not of dead regions, see
//! `dead`), the newest one of each epoch that is to be retained, every one that is not stable,
//! and the bases of deltas among these. All others are superseded.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use types::{Epoch, PageId, Stamp, Version};

use crate::delta::BASE_SIZE_MIN;
use crate::index::{Entry, Index, Place, Slot, all_of};
use crate::record::Position;

/// The epochs that are to be retained, apart from the newest stable one.
pub(crate) type Retained = BTreeSet<Epoch>;

impl Index {
    /// The index of these versions. Of those that are there twice the one that was written
    /// last counts, unless it is one of those that are known to be damaged.
    pub(crate) fn build(
        mut entries: Vec<Entry>,
        damaged: &BTreeSet<Position>,
        stable: Epoch,
        retained: &Retained,
    ) -> Self {
        // They come in runs, as they were written: those are found by a stable sort.
        entries.sort_by(|one, other| {
            let is_good = |entry: &Entry| !damaged.contains(&entry.position);
            let by_version = (one.page, one.version).cmp(&(other.page, other.version));
            by_version
                .then_with(|| is_good(one).cmp(&is_good(other)))
                .then_with(|| one.position.cmp(&other.position))
        });
        let mut index = Self::default();
        let mut superseded = Vec::new();
        for &entry in &entries {
            index.insert(entry, stable, retained, &mut superseded);
        }
        // A base may have been superseded before its delta came.
        let deltas: Vec<Entry> = index.entries().filter(|entry| entry.base > 0).collect();
        for delta in deltas {
            let Some(base) = delta.base() else { continue };
            let end = entries.partition_point(|one| (one.page, one.version) <= (delta.page, base));
            let found = entries[..end].last();
            let found = found.filter(|one| one.page == delta.page && one.version == base);
            if let Some(found) = found
                && index.version(delta.page, base).is_none()
            {
                index.older.insert((delta.page, base), Place::of(found));
            }
        }
        index
    }

    /// Adds a version. `freed` gets those that it supersedes: itself, if it is not needed;
    /// or the same one, if it was there already, for a frame may be sent again.
    pub(crate) fn insert(
        &mut self,
        entry: Entry,
        stable: Epoch,
        retained: &Retained,
        freed: &mut Vec<Entry>,
    ) {
        let Entry { page, version, .. } = entry;
        self.deltas += u64::from(entry.base > 0);
        let first = freed.len();
        if entry.stamp.epoch() <= stable {
            self.insert_stable(entry, retained, freed);
        } else {
            let replaced = self.pending.insert((page, version), Place::of(&entry));
            freed.extend(replaced.map(|place| place.entry(page, version)));
        }
        self.release_bases(first, retained, freed);
    }

    /// Of the deltas that were freed from `first` on: drops the bases that no other needs.
    pub(crate) fn release_bases(
        &mut self,
        first: usize,
        retained: &Retained,
        freed: &mut Vec<Entry>,
    ) {
        if self.deltas == 0 {
            return;
        }
        for at in first..freed.len() {
            let Entry { page, .. } = freed[at];
            let base = freed[at].base();
            let base =
                base.and_then(|base| self.older.get(&(page, base))?.entry(page, base).into());
            if let Some(base) = base.filter(|base: &Entry| !self.is_needed(base, retained)) {
                self.older.remove(&(page, base.version));
                freed.push(base);
            }
        }
    }

    /// Whether a delta that is kept needs this version.
    fn is_base(&self, entry: &Entry) -> bool {
        let Entry { page, version, .. } = *entry;
        // Most are too short to be one.
        if self.deltas == 0 || usize::from(entry.length) <= BASE_SIZE_MIN {
            return false;
        }
        let above = (page, version.next())..=(page, Version(u64::MAX));
        let apart = self.older.range(above.clone());
        let apart = apart.chain(self.pending.range(above));
        let apart = apart.map(|(&(_, version), place)| place.entry(page, version));
        let newest = self.settled(page);
        let mut above = newest.into_iter().chain(apart);
        above.any(|one| one.base() == Some(version))
    }

    /// Whether a stable version would be kept. One that is there already is not.
    pub(crate) fn wants_stable(
        &self,
        page: PageId,
        version: Version,
        stamp: Stamp,
        retained: &Retained,
    ) -> bool {
        let newest = self.settled(page).map(|newest| newest.version);
        if newest < Some(version) && self.dead.since(page.region).is_none() {
            return true;
        }
        let is_new = newest != Some(version) && !self.older.contains_key(&(page, version));
        is_new && self.is_retained(page, version, stamp.epoch(), retained)
    }

    fn insert_stable(&mut self, entry: Entry, retained: &Retained, freed: &mut Vec<Entry>) {
        let Entry { page, version, .. } = entry;
        let slots = self.settled.entry(page.extent()).or_default();
        let at = match slots.binary_search_by_key(&page.index, |slot| slot.page) {
            Err(at) => {
                slots.insert(at, Slot::of(&entry));
                self.pages += 1;
                return;
            }
            Ok(at) => at,
        };
        if version >= slots[at].version {
            let slot = core::mem::replace(&mut slots[at], Slot::of(&entry));
            let replaced = slot.place.entry(page, slot.version);
            if version > slot.version && self.is_needed(&replaced, retained) {
                let place = Place::of(&replaced);
                self.older.insert((page, replaced.version), place);
            } else {
                freed.push(replaced);
            }
        } else if self.is_needed(&entry, retained) {
            let replaced = self.older.insert((page, version), Place::of(&entry));
            freed.extend(replaced.map(|place| place.entry(page, version)));
            self.drop_if_superseded(page, version, retained, freed);
        } else {
            freed.push(entry);
        }
    }

    /// The version below this one has become the newest of fewer epochs.
    fn drop_if_superseded(
        &mut self,
        page: PageId,
        below: Version,
        retained: &Retained,
        freed: &mut Vec<Entry>,
    ) {
        let lower = self.older.range((page, Version(0))..(page, below));
        let mut lower = lower.map(|(&(_, version), place)| place.entry(page, version));
        let Some(entry) = lower.next_back() else {
            return;
        };
        if !self.is_needed(&entry, retained) {
            self.older.remove(&(page, entry.version));
            freed.push(entry);
        }
    }

    /// Whether a version that is not kept for its own sake is needed all the same.
    pub(crate) fn is_needed(&self, entry: &Entry, retained: &Retained) -> bool {
        self.is_retained(entry.page, entry.version, entry.stamp.epoch(), retained)
            || self.is_base(entry)
    }

    /// Whether a version is the newest one of an epoch that is to be retained.
    pub(crate) fn is_retained(
        &self,
        page: PageId,
        version: Version,
        epoch: Epoch,
        retained: &Retained,
    ) -> bool {
        if retained.is_empty() {
            return false;
        }
        let above = (page, version.next())..=(page, Version(u64::MAX));
        let next = self.older.range(above).next();
        let next = next.map(|(_, place)| place.stamp).or_else(|| {
            let newest = self.slot(page).filter(|slot| slot.version > version)?;
            Some(newest.place.stamp)
        });
        let end = next
            .map(Stamp::epoch)
            .or_else(|| self.dead.since(page.region));
        let end = end.unwrap_or(Epoch(u64::MAX));
        epoch < end && retained.range(epoch..end).next().is_some()
    }

    /// Everything up to this epoch has become stable.
    pub(crate) fn settle(&mut self, stable: Epoch, retained: &Retained, freed: &mut Vec<Entry>) {
        let mut settled = Vec::new();
        self.pending.retain(|&(page, version), place| {
            let is_pending = place.stamp.epoch() > stable;
            if !is_pending {
                settled.push(place.entry(page, version));
            }
            is_pending
        });
        let first = freed.len();
        // The newest first: a base is needed if its delta is.
        for entry in settled.into_iter().rev() {
            self.insert_stable(entry, retained, freed);
        }
        self.release_bases(first, retained, freed);
    }

    /// Drops every version with such a stamp.
    pub(crate) fn drop_undone(
        &mut self,
        is_undone: impl Fn(Stamp) -> bool,
        retained: &Retained,
        freed: &mut Vec<Entry>,
    ) {
        let first = freed.len();
        let mut is_kept = |page, version, place: &Place| {
            let undone = is_undone(place.stamp);
            if undone {
                freed.push(place.entry(page, version));
            }
            !undone
        };
        self.pending
            .retain(|&(page, version), place| is_kept(page, version, place));
        self.older
            .retain(|&(page, version), place| is_kept(page, version, place));
        let mut uncovered = Vec::new();
        for (&extent, slots) in &mut self.settled {
            slots.retain(|slot| {
                let page = slot.page_in(extent);
                let is_kept = is_kept(page, slot.version, &slot.place);
                if !is_kept {
                    uncovered.push(page);
                }
                is_kept
            });
        }
        self.settled.retain(|_, slots| !slots.is_empty());
        self.pages -= uncovered.len() as u64;
        for page in uncovered {
            self.uncover(page);
        }
        self.release_bases(first, retained, freed);
    }

    /// The newest stable version of the page was undone: the one before it is that now.
    fn uncover(&mut self, page: PageId) {
        if let Some(entry) = self.take_older(page) {
            let nothing_else = Retained::new();
            self.insert_stable(entry, &nothing_else, &mut Vec::new());
        }
    }

    /// Takes the newest of the older versions of a page.
    pub(crate) fn take_older(&mut self, page: PageId) -> Option<Entry> {
        let older = self.older.range(all_of(page)).next_back();
        let (&(_, version), &place) = older?;
        self.older.remove(&(page, version));
        Some(place.entry(page, version))
    }

    /// Drops what is not to be retained any more, looking at so many versions from `from`
    /// on. Gives where to go on, if that was not all.
    pub(crate) fn prune(
        &mut self,
        from: (PageId, Version),
        count: usize,
        retained: &Retained,
        freed: &mut Vec<Entry>,
    ) -> Option<(PageId, Version)> {
        let mut looked_at = self.older.range(from..);
        let step = looked_at.by_ref().take(count);
        let step: Vec<Entry> = step
            .map(|(&(page, version), place)| place.entry(page, version))
            .collect();
        let next = looked_at.next().map(|(key, _)| *key);
        let first = freed.len();
        for entry in step {
            if !self.is_needed(&entry, retained) {
                self.older.remove(&(entry.page, entry.version));
                freed.push(entry);
            }
        }
        self.release_bases(first, retained, freed);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::SegmentNumber;
    use types::{Interval, NodeId};

    const PAGE: PageId = PageId::new(1, 7);

    fn entry(page: u32, version: u64, epoch: u64) -> Entry {
        let interval = Interval {
            epoch: Epoch(epoch),
            sub: 0,
        };
        Entry {
            page: PageId::new(1, page),
            version: Version(version),
            stamp: Stamp {
                node: NodeId(1),
                interval,
            },
            position: at(u32::try_from(version).unwrap()),
            length: 4096,
            base: 0,
        }
    }

    fn at(offset: u32) -> Position {
        Position {
            segment: SegmentNumber(1),
            offset,
        }
    }

    fn epochs(epochs: &[u64]) -> Retained {
        epochs.iter().copied().map(Epoch).collect()
    }

    /// An index in which these (version, epoch) of the page were written before anything
    /// was stable.
    fn index(written: &[(u64, u64)]) -> Index {
        let mut index = Index::default();
        let mut freed = Vec::new();
        for &(version, epoch) in written {
            let entry = entry(7, version, epoch);
            index.insert(entry, Epoch(0), &Retained::new(), &mut freed);
        }
        assert_eq!(freed, []);
        index
    }

    fn versions(freed: &[Entry]) -> Vec<u64> {
        let mut versions: Vec<u64> = freed.iter().map(|entry| entry.version.0).collect();
        versions.sort_unstable();
        versions
    }

    #[test]
    fn the_newest_stable_version_and_all_above_it_are_kept() {
        let mut index = index(&[(1, 1), (2, 3), (3, 5), (4, 8), (5, 9)]);
        let mut freed = Vec::new();
        index.settle(Epoch(6), &Retained::new(), &mut freed);
        assert_eq!(versions(&freed), [1, 2]);
        assert_eq!(index.newest(PAGE).unwrap().version, Version(5));
        index.drop_undone(
            |stamp| stamp.epoch() > Epoch(6),
            &Retained::new(),
            &mut freed,
        );
        assert_eq!(versions(&freed), [1, 2, 4, 5]);
        assert_eq!(index.newest(PAGE).unwrap().version, Version(3));
        assert_eq!(index.pages(), 1);
    }

    #[test]
    fn the_newest_version_of_each_retained_epoch_is_kept() {
        let mut index = index(&[(1, 1), (2, 3), (3, 5), (4, 8), (5, 9)]);
        let (mut freed, retained) = (Vec::new(), epochs(&[4, 7, 20]));
        index.settle(Epoch(9), &retained, &mut freed);
        assert_eq!(versions(&freed), [1, 4]);
        let as_of = |index: &Index, epoch| index.as_of(PAGE, Epoch(epoch)).unwrap().version.0;
        assert_eq!([4, 7, 9].map(|epoch| as_of(&index, epoch)), [2, 3, 5]);
        let after = index.prune((PAGE, Version(0)), 1, &epochs(&[4]), &mut freed);
        assert_eq!(after, Some((PAGE, Version(3))));
        let after = index.prune(after.unwrap(), 1, &epochs(&[4]), &mut freed);
        assert_eq!((after, versions(&freed)), (None, [1, 3, 4].into()));
        assert_eq!([4, 9].map(|epoch| as_of(&index, epoch)), [2, 5]);
    }

    #[test]
    fn a_stable_version_that_comes_late_takes_its_place() {
        let mut index = index(&[(2, 3), (6, 9)]);
        let (mut freed, retained) = (Vec::new(), epochs(&[4, 7]));
        index.settle(Epoch(9), &retained, &mut freed);
        assert_eq!(freed, []);
        // Of epoch 4 the one that is there was not the newest, of epoch 6 none is wanted.
        for (version, epoch, wanted) in [(3, 4, true), (5, 8, false), (4, 5, true)] {
            let entry = entry(7, version, epoch);
            let Entry { stamp, version, .. } = entry;
            assert_eq!(index.wants_stable(PAGE, version, stamp, &retained), wanted);
            index.insert(entry, Epoch(9), &retained, &mut freed);
            assert!(!index.wants_stable(PAGE, version, stamp, &retained));
        }
        assert_eq!(versions(&freed), [2, 5]);
        assert_eq!(index.as_of(PAGE, Epoch(7)).unwrap().version, Version(4));
        assert_eq!(index.as_of(PAGE, Epoch(4)).unwrap().version, Version(3));
    }

    #[test]
    fn a_page_of_which_everything_was_undone_is_gone() {
        let mut index = index(&[(1, 4)]);
        let mut freed = Vec::new();
        index.insert(
            entry(300, 1, 2),
            Epoch(0),
            &Retained::new(),
            &mut Vec::new(),
        );
        index.drop_undone(
            |stamp| stamp.epoch() > Epoch(3),
            &Retained::new(),
            &mut freed,
        );
        index.settle(Epoch(3), &Retained::new(), &mut freed);
        assert_eq!(index.newest(PAGE), None);
        let extents: Vec<_> = index.extents().collect();
        assert_eq!(extents, [PageId::new(1, 300).extent()]);
        assert_eq!(index.pages(), 1);
    }

    #[test]
    fn a_base_is_kept_as_long_as_a_delta_needs_it() {
        let mut index = index(&[(1, 1)]);
        let (mut freed, none) = (Vec::new(), Retained::new());
        index.settle(Epoch(1), &none, &mut freed);
        let delta = |version, epoch, base| Entry {
            base,
            ..entry(7, version, epoch)
        };
        let all = [
            delta(2, 2, 1),
            delta(3, 3, 2),
            delta(4, 4, 3),
            delta(5, 5, 0),
        ];
        index.insert(all[0], Epoch(1), &none, &mut freed);
        index.insert(all[1], Epoch(1), &none, &mut freed);
        index.settle(Epoch(3), &epochs(&[2]), &mut freed);
        assert_eq!(freed, []);
        index.insert(all[2], Epoch(3), &none, &mut freed);
        index.settle(Epoch(4), &epochs(&[2]), &mut freed);
        assert_eq!(versions(&freed), [3]);
        index.insert(all[3], Epoch(4), &none, &mut freed);
        index.settle(Epoch(5), &epochs(&[2]), &mut freed);
        // The version of the retained epoch still needs it.
        assert_eq!(versions(&freed), [3, 4]);
        let after = index.prune((PAGE, Version(0)), 10, &none, &mut freed);
        assert_eq!((after, versions(&freed)), (None, [1, 2, 3, 4].into()));
        let written = [&[entry(7, 1, 1)], &all[..]].concat();
        for (stable, expected) in [(3, 3), (4, 2), (5, 1)] {
            let until = written
                .iter()
                .filter(|entry| entry.stamp.epoch().0 <= stable);
            let until = until.copied().collect();
            let index = Index::build(until, &BTreeSet::new(), Epoch(stable), &epochs(&[2]));
            let kept = index.versions(PAGE).count();
            assert!(kept >= expected, "{kept} versions when {stable} is stable");
            let bases: Vec<_> = index.versions(PAGE).filter_map(|one| one.base()).collect();
            assert!(bases.iter().all(|base| index.is_stable(PAGE, *base)));
        }
    }

    #[test]
    fn a_frame_sent_again_replaces_itself() {
        let mut index = index(&[(1, 4)]);
        let again = Entry {
            position: at(99),
            ..entry(7, 1, 4)
        };
        let mut freed = Vec::new();
        index.insert(again, Epoch(0), &Retained::new(), &mut freed);
        assert_eq!(freed, [entry(7, 1, 4)]);
        assert_eq!(index.newest(PAGE), Some(again));
        index.settle(Epoch(4), &Retained::new(), &mut freed);
        assert_eq!(index.newest(PAGE), Some(again));
        assert_eq!(index.pages(), 1);
    }
}
