//! Regions that nobody needs any more: the newest versions of their pages are not kept for
//! their own sake, only those that retained epochs need.
//!
//! Nothing of this is on the disk. A store that is opened again keeps what it finds until it is
//! told once more.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use platform::Disk;
use types::{Epoch, Extent, Living, RegionId, View};

use crate::index::{Entry, Index, Slot};
use crate::store::Store;
use crate::superseded::Retained;

/// Extents that [`Store::poll`] looks at after regions have died: some 200 µs.
const EXTENTS_PER_POLL: usize = 4;
/// Before all extents.
const FIRST: Extent = first_of(RegionId(0));

/// What is known of dead regions.
#[derive(Debug, Default)]
pub(crate) struct Dead {
    /// Of those that the store has, the first epoch for which it need not keep anything.
    since: BTreeMap<RegionId, Epoch>,
    /// What was said last, and the same epoch for all that it calls dead.
    said: Option<(Living, Epoch)>,
}

impl Dead {
    /// From which epoch on nothing is in the region; `None`: it lives.
    pub(crate) fn since(&self, region: RegionId) -> Option<Epoch> {
        let known = self.since.get(&region).copied();
        let said = || {
            self.said
                .as_ref()
                .filter(|(living, _)| living.is_dead(region))
        };
        known.or_else(|| said().map(|&(_, since)| since))
    }
}

impl<D: Disk> Store<D> {
    /// These regions live of all that applications had up to an epoch. Of the others the store
    /// keeps what epochs need that are retained up to now, and nothing else. In later ones
    /// nothing is there, whatever other stores give.
    ///
    /// The space comes back by and by, with [`Store::poll`] and [`Store::clean`]. A store that
    /// does not know yet that the epoch is stable has missed something, and does nothing.
    pub fn bury(&mut self, living: &Living) {
        let stable = self.stable();
        if living.epoch > stable {
            return;
        }
        let is_retained = self.history.retained().contains(&stable);
        let since = if is_retained { stable.next() } else { stable };
        self.index.bury(living, since);
        self.bury_from = Some(FIRST);
    }

    /// Goes on dropping what nobody needs of dead regions.
    pub(crate) fn drop_dead(&mut self) {
        let Some(from) = self.bury_from else {
            return;
        };
        let mut freed = Vec::new();
        let retained = self.history.retained();
        self.bury_from = self
            .index
            .drop_dead(from, EXTENTS_PER_POLL, retained, &mut freed);
        if self.bury_from.is_none() && core::mem::take(&mut self.bury_again) {
            self.bury_from = Some(FIRST);
        }
        self.free(&freed);
    }

    /// Fewer epochs are retained: what dead regions have for them may go.
    pub(crate) fn look_at_dead_again(&mut self) {
        match self.bury_from {
            Some(_) => self.bury_again = true,
            None => self.bury_from = Some(FIRST),
        }
    }
}

impl Index {
    fn bury(&mut self, living: &Living, since: Epoch) {
        let mut known = BTreeMap::new();
        let mut next = self.settled.range(FIRST..).next();
        while let Some((&Extent { region, .. }, _)) = next {
            if living.is_dead(region) {
                let before = self.dead.since(region);
                known.insert(region, before.unwrap_or(since));
            }
            let after = region.0.checked_add(1).map(|next| first_of(RegionId(next)));
            next = after.and_then(|after| self.settled.range(after..).next());
        }
        self.dead = Dead {
            since: known,
            said: Some((living.clone(), since)),
        };
    }

    /// A view begins: what was said of an epoch that is undone does not count. (It was no later
    /// than these.)
    pub(crate) fn exhume(&mut self, view: &View) {
        let is_undone = |since: Epoch| view.goes_behind(since);
        self.dead.since.retain(|_, since| !is_undone(*since));
        self.dead.said.take_if(|(_, since)| is_undone(*since));
    }

    /// Drops what nobody needs, in so many extents of dead regions from this one on. Gives
    /// where to go on, if that was not all.
    fn drop_dead(
        &mut self,
        from: Extent,
        count: usize,
        retained: &Retained,
        freed: &mut Vec<Entry>,
    ) -> Option<Extent> {
        let mut next = self.next_dead(from);
        for _ in 0..count {
            let extent = next?;
            self.drop_dead_of(extent, retained, freed);
            next = self.next_dead(Extent {
                index: extent.index + 1,
                ..extent
            });
        }
        next
    }

    /// The first extent of a dead region from this one on.
    fn next_dead(&self, mut from: Extent) -> Option<Extent> {
        loop {
            let (&extent, _) = self.settled.range(from..).next()?;
            if self.dead.since(extent.region).is_some() {
                return Some(extent);
            }
            from = first_of(RegionId(extent.region.0.checked_add(1)?));
        }
    }

    fn drop_dead_of(&mut self, extent: Extent, retained: &Retained, freed: &mut Vec<Entry>) {
        let first = freed.len();
        let slots = self.settled.remove(&extent).unwrap_or_default();
        self.pages -= slots.len() as u64;
        let mut kept = Vec::new();
        for slot in slots {
            let page = slot.page_in(extent);
            let mut newest = Some(slot.place.entry(page, slot.version));
            while let Some(entry) = newest.take_if(|entry| !self.is_needed(entry, retained)) {
                freed.push(entry);
                newest = self.take_older(page);
            }
            kept.extend(newest.as_ref().map(Slot::of));
        }
        self.pages += kept.len() as u64;
        if !kept.is_empty() {
            self.settled.insert(extent, kept);
        }
        self.release_bases(first, retained, freed);
    }
}

const fn first_of(region: RegionId) -> Extent {
    Extent { region, index: 0 }
}
