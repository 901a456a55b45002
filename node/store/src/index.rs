//! Where each version of a page is: per extent a sorted list, so that a page costs
//! one entry and a lookup two searches.
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
    /// Its bytes are zeroes and are not stored.
    pub(crate) is_zero: bool,
}

/// All versions that may still be needed.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Sorted by page and version; never empty.
    extents: BTreeMap<Extent, Vec<Slot>>,
    /// Extents with versions above stable: where there is something to settle.
    unsettled: BTreeSet<Extent>,
    pages: u64,
}

/// An entry without what its extent says.
#[derive(Clone, Copy, Debug)]
struct Slot {
    page: PageIndex,
    is_zero: bool,
    version: Version,
    stamp: Stamp,
    position: Position,
}

impl Slot {
    fn new(entry: &Entry) -> Self {
        let Entry {
            page,
            version,
            stamp,
            position,
            is_zero,
        } = *entry;
        Self {
            page: page.index,
            is_zero,
            version,
            stamp,
            position,
        }
    }
}

impl Index {
    /// The index of these versions, of which a page may have several.
    pub(crate) fn build(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by_key(|entry| (entry.page, entry.version, entry.position));
        let is_same_extent = |a: &Entry, b: &Entry| a.page.extent() == b.page.extent();
        let extents = entries.chunk_by(is_same_extent).map(|entries| {
            let mut slots: Vec<Slot> = Vec::with_capacity(entries.len());
            for entry in entries {
                // A frame that was sent again counts where it was written last.
                let last = slots.last().map(|slot| (slot.page, slot.version));
                slots.pop_if(|_| last == Some((entry.page.index, entry.version)));
                slots.push(Slot::new(entry));
            }
            (entries[0].page.extent(), slots)
        });
        let extents: BTreeMap<_, _> = extents.collect();
        let unsettled = extents.keys().copied().collect();
        let pages = extents.values().map(|slots| count_pages(slots)).sum();
        Self {
            extents,
            unsettled,
            pages,
        }
    }

    /// Adds a version, not stable yet. Gives the place of the same version if it was
    /// there already: a frame may be sent again.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Position> {
        let extent = entry.page.extent();
        let slots = self.extents.entry(extent).or_default();
        self.unsettled.insert(extent);
        let Entry {
            page,
            version,
            stamp,
            position,
            is_zero,
        } = entry;
        let slot = Slot {
            page: page.index,
            is_zero,
            version,
            stamp,
            position,
        };
        match slots.binary_search_by_key(&(page.index, version), |slot| (slot.page, slot.version)) {
            Ok(at) => Some(core::mem::replace(&mut slots[at], slot).position),
            Err(at) => {
                let is_known = slots.get(at).is_some_and(|next| next.page == page.index)
                    || at > 0 && slots[at - 1].page == page.index;
                self.pages += u64::from(!is_known);
                slots.insert(at, slot);
                None
            }
        }
    }

    /// The newest version of a page.
    pub(crate) fn newest(&self, page: PageId) -> Option<Entry> {
        let slots = self.extents.get(&page.extent())?;
        let end = slots.partition_point(|slot| slot.page <= page.index);
        let slot = slots[..end].last().filter(|slot| slot.page == page.index)?;
        let Slot {
            version,
            stamp,
            position,
            is_zero,
            ..
        } = *slot;
        Some(Entry {
            page,
            version,
            stamp,
            position,
            is_zero,
        })
    }

    /// Drops every version with such a stamp; `freed` gets their places.
    pub(crate) fn drop_undone(
        &mut self,
        is_undone: impl Fn(Stamp) -> bool,
        mut freed: impl FnMut(Position),
    ) {
        let mut pages = 0;
        self.extents.retain(|_, slots| {
            slots.retain(|slot| {
                let undone = is_undone(slot.stamp);
                if undone {
                    freed(slot.position);
                }
                !undone
            });
            pages += count_pages(slots);
            !slots.is_empty()
        });
        self.unsettled
            .retain(|extent| self.extents.contains_key(extent));
        self.pages = pages;
    }

    /// Drops what is superseded by a version that is stable; `freed` gets the places.
    pub(crate) fn settle(&mut self, stable: Epoch, mut freed: impl FnMut(Position)) {
        self.unsettled.retain(|extent| {
            let slots = self
                .extents
                .get_mut(extent)
                .expect("unsettled extents have versions");
            drop_superseded(slots, stable, &mut freed);
            slots.iter().any(|slot| slot.stamp.epoch() > stable)
        });
    }

    /// Extents of which there is any page, ascending.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.extents.keys().copied()
    }

    /// Pages of which there is any version.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// Places of all versions.
    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.extents.values().flatten().map(|slot| slot.position)
    }
}

/// Keeps per page the newest version that is stable, and all above it. Versions of a
/// page grow with their epochs, so "above" is the same in both.
fn drop_superseded(slots: &mut Vec<Slot>, stable: Epoch, freed: &mut impl FnMut(Position)) {
    let mut kept = 0;
    for at in 0..slots.len() {
        let superseded = slots
            .get(at + 1)
            .is_some_and(|next| next.page == slots[at].page && next.stamp.epoch() <= stable);
        if superseded {
            freed(slots[at].position);
        } else {
            slots[kept] = slots[at];
            kept += 1;
        }
    }
    slots.truncate(kept);
}

fn count_pages(slots: &[Slot]) -> u64 {
    let mut count = 0;
    let mut last = None;
    for slot in slots {
        count += u64::from(last != Some(slot.page));
        last = Some(slot.page);
    }
    count
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
            is_zero: false,
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
        assert_eq!(index.pages(), 1);
    }
}
