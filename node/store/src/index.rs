//! Where each version is. The newest stable version of each page lies in a sorted list per
//! extent, so that a page costs one entry and a lookup two searches; what is not stable lies
//! apart, so that the versions that every epoch brings and supersedes do not move those
//! lists about; and so do older versions, which few pages have.
//!
//! What is kept, and what is superseded, is decided in `superseded`.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;
use types::{Epoch, Extent, PageId, PageIndex, Stamp, Version};

use crate::dead::Dead;
use crate::footer::ENTRY_SIZE;
use crate::record::{HEAD_SIZE, Position};

/// One version of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) page: PageId,
    pub(crate) version: Version,
    pub(crate) stamp: Stamp,
    /// Where its record begins.
    pub(crate) position: Position,
    /// Bytes of its payload.
    pub(crate) length: u16,
    /// How many versions before it that is from which its payload says what differs; 0: none.
    pub(crate) base: u16,
}

/// All versions that may still be needed.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The newest stable version of each page, sorted by page; no list is empty. Of a dead
    /// region the newest that is still needed.
    pub(crate) settled: BTreeMap<Extent, Vec<Slot>>,
    /// Older stable versions that are still needed, of pages that are in `settled`.
    pub(crate) older: BTreeMap<(PageId, Version), Place>,
    /// Versions that are not stable yet: few, and they come and go with every epoch.
    pub(crate) pending: BTreeMap<(PageId, Version), Place>,
    /// Pages in `settled`.
    pub(crate) pages: u64,
    /// Versions that were added as deltas: while there is none, nobody looks for them.
    pub(crate) deltas: u64,
    /// Regions that nobody needs any more.
    pub(crate) dead: Dead,
}

/// What is known of a version apart from its page and number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) stamp: Stamp,
    pub(crate) position: Position,
    pub(crate) length: u16,
    pub(crate) base: u16,
}

/// The newest stable version of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) page: PageIndex,
    pub(crate) version: Version,
    pub(crate) place: Place,
}

impl Entry {
    /// The version without which it cannot be read.
    pub(crate) fn base(&self) -> Option<Version> {
        let is_delta = self.base > 0;
        is_delta.then(|| Version(self.version.0.saturating_sub(self.base.into())))
    }

    /// Bytes on the disk that are there for it: its record, and its entry in a footer.
    pub(crate) fn cost(&self) -> u64 {
        let payload = usize::from(self.length).next_multiple_of(HEAD_SIZE);
        (HEAD_SIZE + payload + ENTRY_SIZE) as u64
    }
}

/// A page of which two epochs have different versions, or only one has any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The page.
    pub page: PageId,
    /// Its version in the first epoch.
    pub before: Option<Version>,
    /// Its version in the second.
    pub after: Option<Version>,
}

impl Index {
    /// The newest version of a page.
    pub(crate) fn newest(&self, page: PageId) -> Option<Entry> {
        let settled = self.settled(page);
        let pending = self.pending.range(all_of(page)).next_back();
        let pending = pending.map(|(&(_, version), place)| place.entry(page, version));
        // What was undone elsewhere may still be pending below what is stable.
        let newest = settled.into_iter().chain(pending);
        newest.max_by_key(|entry| entry.version)
    }

    /// The newest stable version of a page.
    pub(crate) fn settled(&self, page: PageId) -> Option<Entry> {
        let slot = self.slot(page)?;
        Some(slot.place.entry(page, slot.version))
    }

    /// The newest version of a page in an epoch that is kept.
    pub(crate) fn as_of(&self, page: PageId, epoch: Epoch) -> Option<Entry> {
        let slot = self.slot(page)?;
        self.slot_as_of(page, slot, epoch)
    }

    fn slot_as_of(&self, page: PageId, slot: &Slot, epoch: Epoch) -> Option<Entry> {
        let dead = self.dead.since(page.region);
        if dead.is_some_and(|since| since <= epoch) {
            return None;
        }
        if slot.place.stamp.epoch() <= epoch {
            return Some(slot.place.entry(page, slot.version));
        }
        let mut older = self.older.range(all_of(page)).rev();
        let (&(_, version), place) = older.find(|(_, place)| place.stamp.epoch() <= epoch)?;
        Some(place.entry(page, version))
    }

    /// A version of a page, with what its producer has put on it.
    pub(crate) fn with_stamp(&self, page: PageId, version: Version, stamp: Stamp) -> Option<Entry> {
        let found = self.of_version(page, version);
        found
            .into_iter()
            .flatten()
            .find(|entry| entry.stamp == stamp)
    }

    /// A version of a page, the stable one if there is another of its number.
    pub(crate) fn version(&self, page: PageId, version: Version) -> Option<Entry> {
        self.of_version(page, version).into_iter().flatten().next()
    }

    /// The stable version of this number and the one that is not.
    fn of_version(&self, page: PageId, version: Version) -> [Option<Entry>; 3] {
        let settled = self.settled(page).filter(|entry| entry.version == version);
        let apart = |places: &BTreeMap<(PageId, Version), Place>| {
            let place = places.get(&(page, version));
            place.map(|place| place.entry(page, version))
        };
        [settled, apart(&self.older), apart(&self.pending)]
    }

    /// Whether a version of a page is kept as a stable one.
    pub(crate) fn is_stable(&self, page: PageId, version: Version) -> bool {
        let newest = self.slot(page).is_some_and(|slot| slot.version == version);
        newest || self.older.contains_key(&(page, version))
    }

    /// All versions of a page that are kept, the newest stable one first.
    pub(crate) fn versions(&self, page: PageId) -> impl Iterator<Item = Entry> + '_ {
        let pending = self.pending.range(all_of(page));
        let apart = pending.chain(self.older.range(all_of(page)));
        let apart = apart.map(move |(&(_, version), place)| place.entry(page, version));
        self.settled(page).into_iter().chain(apart)
    }

    /// What is known of the version that is in this place, if it is kept and is read from
    /// there.
    pub(crate) fn find(&self, sought: &Entry) -> Option<Entry> {
        let Entry {
            page,
            version,
            position,
            ..
        } = *sought;
        let is_it = |place: &&Place| place.position == position;
        let slot = self.slot(page).filter(|slot| slot.version == version);
        let place = slot.map(|slot| &slot.place).filter(is_it);
        let place = place.or_else(|| self.older.get(&(page, version)).filter(is_it));
        let place = place.or_else(|| self.pending.get(&(page, version)).filter(is_it));
        place.map(|place| place.entry(page, version))
    }

    /// The version is read from another place from now on.
    pub(crate) fn relocate(&mut self, old: &Entry, new: &Entry) {
        let key = (old.page, old.version);
        let slots = self.settled.get_mut(&old.page.extent());
        let slot = slots.and_then(|slots| {
            let at = slots.binary_search_by_key(&old.page.index, |slot| slot.page);
            Some(&mut slots[at.ok()?])
        });
        let slot = slot.filter(|slot| slot.version == old.version);
        let settled = slot.map(|slot| &mut slot.place);
        let apart = self.older.get_mut(&key).into_iter();
        let apart = apart.chain(self.pending.get_mut(&key));
        let mut places = settled.into_iter().chain(apart);
        let place = places.find(|place| place.position == old.position);
        *place.expect("it is in the index") = Place::of(new);
    }

    /// So many versions after this one at most, in the order of pages and versions.
    pub(crate) fn entries_after(
        &self,
        last: Option<(PageId, Version)>,
        count: usize,
    ) -> Vec<Entry> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let extents = last.map_or(Bound::Unbounded, |(page, _)| Bound::Included(page.extent()));
        let settled = self.settled.range((extents, Bound::Unbounded));
        let settled = settled.flat_map(|(&extent, slots)| {
            let first = last.map_or(0, |(page, _)| {
                slots.partition_point(|slot| slot.page_in(extent) < page)
            });
            let entry = move |slot: &Slot| slot.place.entry(slot.page_in(extent), slot.version);
            slots[first..].iter().map(entry)
        });
        let is_after = |entry: &Entry| last.is_none_or(|last| (entry.page, entry.version) > last);
        let mut found: Vec<Entry> = settled.filter(is_after).take(count).collect();
        for apart in [&self.older, &self.pending] {
            let apart = apart.range((from, Bound::Unbounded)).take(count);
            found.extend(apart.map(|(&(page, version), place)| place.entry(page, version)));
        }
        found.sort_unstable_by_key(|entry| (entry.page, entry.version));
        found.truncate(count);
        found
    }

    /// Whether this is where a version is read from.
    pub(crate) fn holds(&self, page: PageId, version: Version, position: Position) -> bool {
        self.at_place(page, version, position).is_some()
    }

    /// A version of a page, if this is where it is read from.
    pub(crate) fn at_place(
        &self,
        page: PageId,
        version: Version,
        position: Position,
    ) -> Option<Entry> {
        let found = self.of_version(page, version).into_iter().flatten();
        found.into_iter().find(|entry| entry.position == position)
    }

    /// The pages of an extent with a version in an epoch that is kept, ascending.
    pub(crate) fn pages_as_of(
        &self,
        extent: Extent,
        epoch: Epoch,
    ) -> impl Iterator<Item = (PageId, Version)> + '_ {
        let entries = self.entries_as_of(extent, epoch);
        entries.map(|entry| (entry.page, entry.version))
    }

    /// The versions of these.
    pub(crate) fn entries_as_of(
        &self,
        extent: Extent,
        epoch: Epoch,
    ) -> impl Iterator<Item = Entry> + '_ {
        let slots = self.settled.get(&extent).into_iter().flatten();
        slots.filter_map(move |slot| self.slot_as_of(slot.page_in(extent), slot, epoch))
    }

    /// All stable versions of pages of an extent, ascending.
    pub(crate) fn stable_versions(&self, extent: Extent) -> impl Iterator<Item = Entry> + '_ {
        let slots = self.settled.get(&extent).into_iter().flatten();
        slots.flat_map(move |slot| {
            let page = slot.page_in(extent);
            let older = self.older.range(all_of(page));
            let older = older.map(|(&(page, version), place)| place.entry(page, version));
            older.chain([slot.place.entry(page, slot.version)])
        })
    }

    /// Extents with a page in an epoch that is kept, ascending.
    pub(crate) fn extents_as_of(&self, epoch: Epoch) -> impl Iterator<Item = Extent> + '_ {
        let extents = self.settled.keys().copied();
        extents.filter(move |&extent| self.pages_as_of(extent, epoch).next().is_some())
    }

    /// Pages that differ between two epochs that are kept, ascending.
    pub(crate) fn differences(
        &self,
        first: Epoch,
        second: Epoch,
    ) -> impl Iterator<Item = Difference> + '_ {
        let all = self.settled.iter();
        let all = all.flat_map(|(&extent, slots)| slots.iter().map(move |slot| (extent, slot)));
        all.filter_map(move |(extent, slot)| {
            let is_of_both = slot.place.stamp.epoch() <= first.min(second);
            if is_of_both && self.dead.since(extent.region).is_none() {
                return None;
            }
            let page = slot.page_in(extent);
            let version = |epoch| Some(self.slot_as_of(page, slot, epoch)?.version);
            let (before, after) = (version(first), version(second));
            (before != after).then_some(Difference {
                page,
                before,
                after,
            })
        })
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

    /// How many versions there are.
    pub(crate) fn count(&self) -> u64 {
        self.pages + (self.older.len() + self.pending.len()) as u64
    }

    /// All versions, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let settled = self.settled.iter();
        let settled = settled.flat_map(|(&extent, slots)| {
            let entry = move |slot: &Slot| slot.place.entry(slot.page_in(extent), slot.version);
            slots.iter().map(entry)
        });
        let apart = self.older.iter().chain(&self.pending);
        let apart = apart.map(|(&(page, version), place)| place.entry(page, version));
        settled.chain(apart)
    }

    pub(crate) fn slot(&self, page: PageId) -> Option<&Slot> {
        let slots = self.settled.get(&page.extent())?;
        let at = slots.binary_search_by_key(&page.index, |slot| slot.page);
        Some(&slots[at.ok()?])
    }
}

/// The keys of all versions of a page.
pub(crate) fn all_of(page: PageId) -> core::ops::RangeInclusive<(PageId, Version)> {
    (page, Version(0))..=(page, Version(u64::MAX))
}

impl Place {
    pub(crate) fn of(entry: &Entry) -> Self {
        let Entry {
            stamp,
            position,
            length,
            base,
            ..
        } = *entry;
        Self {
            stamp,
            position,
            length,
            base,
        }
    }

    pub(crate) fn entry(self, page: PageId, version: Version) -> Entry {
        let Self {
            stamp,
            position,
            length,
            base,
        } = self;
        Entry {
            page,
            version,
            stamp,
            position,
            length,
            base,
        }
    }
}

impl Slot {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            page: entry.page.index,
            version: entry.version,
            place: Place::of(entry),
        }
    }

    pub(crate) fn page_in(&self, extent: Extent) -> PageId {
        PageId {
            region: extent.region,
            index: self.page,
        }
    }
}
