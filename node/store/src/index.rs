//! Where each version of a page is. What is stable lies in a sorted list per extent, so
//! that a page costs one entry and a lookup two searches; what is not lies apart, so that
//! the versions that every epoch brings and supersedes do not move those lists about.
//!
//! Kept per page: the newest version that is stable, which is what a fallback goes
//! back to, and every version above it; all others are superseded.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use types::{Epoch, Extent, PageId, PageIndex, Stamp, Version};

use crate::record::Position;

/// One version of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) page: PageId,
    pub(crate) version: Version,
    pub(crate) stamp: Stamp,
    /// Where its record begins.
    pub(crate) position: Position,
    /// Bytes of its image.
    pub(crate) length: u16,
}

/// All versions that may still be needed.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The newest stable version of each page, sorted by page; no list is empty.
    settled: BTreeMap<Extent, Vec<Slot>>,
    /// Versions that are not stable yet: few, and they come and go with every epoch.
    pending: BTreeMap<(PageId, Version), Place>,
    /// Pages in `settled`.
    pages: u64,
}

/// What is known of a version apart from its page and number.
#[derive(Clone, Copy, Debug)]
struct Place {
    stamp: Stamp,
    position: Position,
    length: u16,
}

/// The newest stable version of a page.
#[derive(Clone, Copy, Debug)]
struct Slot {
    page: PageIndex,
    version: Version,
    place: Place,
}

impl Index {
    /// The index of these versions, of which a page may have several: of those up to
    /// `stable` the newest counts.
    pub(crate) fn build(mut entries: Vec<Entry>, stable: Epoch) -> Self {
        entries.sort_unstable_by_key(|entry| (entry.page, entry.version, entry.position));
        let mut index = Self::default();
        for versions in entries.chunk_by(|a, b| a.page == b.page) {
            // Versions of a page grow with their epochs.
            let first_pending = versions.partition_point(|one| one.stamp.epoch() <= stable);
            let (settled, pending) = versions.split_at(first_pending);
            if let Some(newest) = settled.last() {
                index.pages += 1;
                let extent = newest.page.extent();
                let slots = index.settled.entry(extent).or_default();
                slots.push(Slot::new(
                    newest.page.index,
                    newest.version,
                    Place::of(newest),
                ));
            }
            // A frame that was sent again counts where it was written last.
            let pending = pending.iter();
            let pending = pending.map(|one| ((one.page, one.version), Place::of(one)));
            index.pending.extend(pending);
        }
        index
    }

    /// Adds a version, not stable yet. Gives the place of the same version if it was
    /// there already: a frame may be sent again.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Position> {
        let Entry { page, version, .. } = entry;
        let replaced = self.pending.insert((page, version), Place::of(&entry));
        replaced.map(|place| place.position)
    }

    /// The newest version of a page.
    pub(crate) fn newest(&self, page: PageId) -> Option<Entry> {
        let all = (page, Version(0))..=(page, Version(u64::MAX));
        let pending = self.pending.range(all).next_back();
        let (version, place) = match pending {
            Some((&(_, version), &place)) => (version, place),
            None => return self.settled(page),
        };
        Some(place.entry(page, version))
    }

    /// This version of a page.
    pub(crate) fn version(&self, page: PageId, version: Version) -> Option<Entry> {
        let pending = self.pending.get(&(page, version));
        let pending = pending.map(|place| place.entry(page, version));
        let settled = || self.settled(page).filter(|entry| entry.version == version);
        pending.or_else(settled)
    }

    /// The newest stable version of a page.
    pub(crate) fn settled(&self, page: PageId) -> Option<Entry> {
        let slots = self.settled.get(&page.extent())?;
        let at = slots.binary_search_by_key(&page.index, |slot| slot.page);
        let slot = &slots[at.ok()?];
        Some(slot.place.entry(page, slot.version))
    }

    /// The pages of an extent with a stable version, ascending.
    pub(crate) fn settled_pages(
        &self,
        extent: Extent,
    ) -> impl Iterator<Item = (PageId, Version)> + '_ {
        let slots = self.settled.get(&extent).into_iter().flatten();
        slots.map(move |slot| {
            let page = PageId {
                region: extent.region,
                index: slot.page,
            };
            (page, slot.version)
        })
    }

    /// Drops every version with such a stamp; `freed` gets their places.
    pub(crate) fn drop_undone(
        &mut self,
        is_undone: impl Fn(Stamp) -> bool,
        mut freed: impl FnMut(Position),
    ) {
        let mut is_kept = |place: &Place| {
            let undone = is_undone(place.stamp);
            if undone {
                freed(place.position);
            }
            !undone
        };
        self.pending.retain(|_, place| is_kept(place));
        self.settled.retain(|_, slots| {
            slots.retain(|slot| is_kept(&slot.place));
            !slots.is_empty()
        });
        let settled: usize = self.settled.values().map(Vec::len).sum();
        self.pages = settled as u64;
    }

    /// Drops what is superseded by a version that is stable; `freed` gets the places.
    pub(crate) fn settle(&mut self, stable: Epoch, mut freed: impl FnMut(Position)) {
        let (settled, pages) = (&mut self.settled, &mut self.pages);
        self.pending.retain(|&(page, version), place| {
            let is_pending = place.stamp.epoch() > stable;
            if !is_pending {
                let slots = settled.entry(page.extent()).or_default();
                let slot = Slot::new(page.index, version, *place);
                // In ascending order of versions, so the newest is what stays.
                match slots.binary_search_by_key(&page.index, |slot| slot.page) {
                    Ok(at) => freed(core::mem::replace(&mut slots[at], slot).place.position),
                    Err(at) => {
                        slots.insert(at, slot);
                        *pages += 1;
                    }
                }
            }
            is_pending
        });
    }

    /// Extents of which there is any page, ascending.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        let pending = self.pending.keys().map(|(page, _)| page.extent());
        let all: BTreeSet<Extent> = self.settled.keys().copied().chain(pending).collect();
        all.into_iter()
    }

    /// Pages of which there is a stable version.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// Places of all versions.
    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        let settled = self.settled.values().flatten().map(|slot| &slot.place);
        settled
            .chain(self.pending.values())
            .map(|place| place.position)
    }
}

impl Place {
    fn of(entry: &Entry) -> Self {
        let Entry {
            stamp,
            position,
            length,
            ..
        } = *entry;
        Self {
            stamp,
            position,
            length,
        }
    }

    fn entry(self, page: PageId, version: Version) -> Entry {
        let Self {
            stamp,
            position,
            length,
        } = self;
        Entry {
            page,
            version,
            stamp,
            position,
            length,
        }
    }
}

impl Slot {
    fn new(page: PageIndex, version: Version, place: Place) -> Self {
        Self {
            page,
            version,
            place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use platform::SegmentNumber;
    use types::{Interval, NodeId};

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
        }
    }

    fn at(offset: u32) -> Position {
        Position {
            segment: SegmentNumber(1),
            offset,
        }
    }

    #[test]
    fn the_newest_stable_version_and_all_above_it_are_kept() {
        let mut index = Index::default();
        for (version, epoch) in [(1, 1), (2, 3), (3, 5), (4, 8), (5, 9)] {
            assert_eq!(index.insert(entry(7, version, epoch)), None);
        }
        let mut freed = vec![];
        index.settle(Epoch(6), |position| freed.push(position));
        assert_eq!(freed, [at(1), at(2)]);
        assert_eq!(index.newest(PageId::new(1, 7)).unwrap().version, Version(5));

        index.drop_undone(
            |stamp| stamp.epoch() > Epoch(6),
            |position| freed.push(position),
        );
        assert_eq!(freed[2..], [at(4), at(5)]);
        assert_eq!(index.newest(PageId::new(1, 7)).unwrap().version, Version(3));
        assert_eq!(index.pages(), 1);
    }

    #[test]
    fn a_page_of_which_everything_was_undone_is_gone() {
        let mut index = Index::default();
        index.insert(entry(7, 1, 4));
        index.insert(entry(300, 1, 2));
        index.drop_undone(|stamp| stamp.epoch() > Epoch(3), |_| ());
        index.settle(Epoch(3), |_| ());
        assert_eq!(index.newest(PageId::new(1, 7)), None);
        assert_eq!(
            index.extents().collect::<Vec<_>>(),
            [PageId::new(1, 300).extent()]
        );
        assert_eq!(index.pages(), 1);
    }

    #[test]
    fn a_frame_sent_again_replaces_itself() {
        let mut index = Index::default();
        index.insert(entry(7, 1, 4));
        let again = Entry {
            position: at(99),
            ..entry(7, 1, 4)
        };
        assert_eq!(index.insert(again), Some(at(1)));
        assert_eq!(index.newest(PageId::new(1, 7)), Some(again));
        index.settle(Epoch(4), |_| ());
        assert_eq!(index.newest(PageId::new(1, 7)), Some(again));
        assert_eq!(index.pages(), 1);
    }
}
