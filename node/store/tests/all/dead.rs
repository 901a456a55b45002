//! Regions that nobody needs any more: their space comes back, but for what epochs need that
//! are retained.
use std::collections::{BTreeMap, BTreeSet};

use crate::common::{US, content, part, view};
use store::{Difference, MemoryDisk, Pace, Store, Tail};
use types::{Epoch, Living, PAGE_SIZE, PageId, Prng, RegionId, Version};
use wire::{Image, PageVersion};

const SEGMENT_SIZE: u32 = 256 << 10;
/// Regions of two processes that end, and of one that goes on.
const FIRST: u32 = 300;
const SECOND: u32 = 301;
const OTHER: u32 = 302;

fn open(disk: MemoryDisk) -> Store<MemoryDisk> {
    Store::open_with(disk, US, SEGMENT_SIZE).unwrap_or_else(|error| panic!("{error}"))
}

fn epochs(epochs: &[u64]) -> BTreeSet<Epoch> {
    epochs.iter().copied().map(Epoch).collect()
}

/// Of the regions below 310 these were needed in this epoch.
fn living(epoch: u64, regions: &[u32]) -> Living {
    Living {
        epoch: Epoch(epoch),
        below: RegionId(310),
        regions: regions.iter().copied().map(RegionId).collect(),
    }
}

/// Version `epoch` of the first pages of these regions, in this epoch, which is stable then.
fn live(store: &mut Store<MemoryDisk>, epoch: u64, pages: u32, regions: &[u32]) {
    for &region in regions {
        for index in 0..pages {
            let content = content(epoch, epoch, fill(epoch));
            let page = PageId::new(region, index);
            store.put_frame(page, &content).unwrap();
        }
    }
    store.end_part(part(1, epoch), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    store.set_stable(Epoch(epoch), epoch).unwrap();
}

fn fill(epoch: u64) -> u8 {
    u8::try_from(epoch % 250).unwrap() + 1
}

/// Nothing is written for so long that there is nothing left to be done.
fn rest(store: &mut Store<MemoryDisk>) {
    let mut idle = 0;
    for _ in 0..10_000 {
        let cleaned = store.clean(Pace::Idle).unwrap();
        let before = store.stats();
        store.poll().unwrap();
        let is_done = !cleaned.is_more && store.is_durable() && store.stats() == before;
        idle = if is_done { idle + 1 } else { 0 };
        if idle == 100 {
            return;
        }
    }
    panic!("cleaning has no end");
}

fn as_of(store: &mut Store<MemoryDisk>, region: u32, epoch: u64) -> Option<u64> {
    let page = PageId::new(region, 3);
    let found = store.read_as_of(page, Epoch(epoch)).unwrap()?;
    let version = found.version.0;
    assert_eq!(found, content(version, version, fill(version)));
    Some(version)
}

#[test]
fn the_space_of_dead_regions_comes_back_and_nothing_else_goes() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1, 2000, &[FIRST, SECOND]);
    live(&mut store, 2, 10, &[2, OTHER]);
    rest(&mut store);
    let full = store.stats();
    store.bury(&living(2, &[SECOND, OTHER]));
    rest(&mut store);
    let half = store.stats();
    assert_eq!(half.pages, full.pages - 2000);
    assert!(half.bytes_live < full.bytes_live * 11 / 20, "{half:?}");
    assert!(half.bytes_stored < full.bytes_stored * 3 / 4, "{half:?}");
    store.bury(&living(2, &[OTHER]));
    rest(&mut store);
    let none = store.stats();
    assert_eq!((none.pages, none.versions), (20, 20));
    let slack = 2 * u64::from(SEGMENT_SIZE);
    assert!(none.bytes_stored < slack, "{none:?}");
    let mut store = open(store.into_disk().crash(Tail::Lost));
    for page in [PageId::new(2, 7), PageId::new(OTHER, 7)] {
        let expected = Some(content(2, 2, fill(2)));
        assert_eq!(store.read(page).unwrap(), expected);
    }
}

#[test]
fn what_retained_epochs_need_stays_until_they_are_given_up() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1, 10, &[FIRST]);
    store.retain(&epochs(&[1, 4])).unwrap();
    live(&mut store, 2, 10, &[FIRST]);
    live(&mut store, 3, 10, &[FIRST, OTHER]);
    live(&mut store, 4, 10, &[OTHER]);
    live(&mut store, 5, 10, &[OTHER]);
    store.bury(&living(5, &[OTHER]));
    store.retain(&epochs(&[1, 4, 6])).unwrap();
    live(&mut store, 6, 10, &[OTHER]);
    rest(&mut store);
    // In epoch 4 the region may have been needed. In 5 that is not retained, and after it, it
    // was not.
    let found = [1, 4, 6].map(|epoch| as_of(&mut store, FIRST, epoch));
    assert_eq!(found, [Some(1), Some(3), None]);
    assert_eq!(as_of(&mut store, OTHER, 4), Some(4));
    let extent = PageId::new(FIRST, 0).extent();
    assert!(
        store
            .pages_as_of(extent, Epoch(6))
            .unwrap()
            .next()
            .is_none()
    );
    assert_eq!(store.pages_as_of(extent, Epoch(4)).unwrap().count(), 10);
    let gone = Difference {
        page: PageId::new(FIRST, 0),
        before: Some(Version(3)),
        after: None,
    };
    let mut differences = store.differences(Epoch(4), Epoch(6)).unwrap();
    assert_eq!(differences.next(), Some(gone));
    drop(differences);

    let before = store.stats().versions;
    store.retain(&epochs(&[1, 6])).unwrap();
    rest(&mut store);
    // Of one region the newest is needed no more, but the one before it; of the other also.
    assert_eq!(store.stats().versions, before - 20);
    let found = [1, 6].map(|epoch| as_of(&mut store, FIRST, epoch));
    assert_eq!(found, [Some(1), None]);
    store.retain(&epochs(&[6])).unwrap();
    rest(&mut store);
    assert_eq!(store.inventory(), [PageId::new(OTHER, 0).extent()]);
}

#[test]
fn the_newest_epoch_counts_if_it_is_retained() {
    for is_retained in [true, false] {
        let mut store = open(MemoryDisk::new());
        let retained = if is_retained {
            epochs(&[3])
        } else {
            epochs(&[])
        };
        store.retain(&retained).unwrap();
        live(&mut store, 3, 10, &[FIRST]);
        store.bury(&living(2, &[]));
        rest(&mut store);
        assert_eq!(as_of(&mut store, FIRST, 3), is_retained.then_some(3));
        // Said again, with a later epoch, it changes nothing.
        live(&mut store, 4, 10, &[OTHER]);
        store.bury(&living(4, &[OTHER]));
        rest(&mut store);
        let pages = if is_retained { 20 } else { 10 };
        assert_eq!(store.stats().pages, pages);
    }
}

#[test]
fn what_is_said_of_an_epoch_that_is_not_stable_here_is_ignored() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 3, 10, &[FIRST]);
    store.bury(&living(4, &[]));
    rest(&mut store);
    assert_eq!(store.stats().pages, 10);
    assert_eq!(as_of(&mut store, FIRST, 3), Some(3));
}

/// Another store may not have been told yet.
#[test]
fn copies_of_what_nobody_needs_are_not_taken() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 2, 10, &[OTHER]);
    store.retain(&epochs(&[5])).unwrap();
    live(&mut store, 5, 10, &[OTHER]);
    live(&mut store, 8, 10, &[OTHER]);
    store.bury(&living(8, &[OTHER]));
    for region in [FIRST, SECOND] {
        for epoch in [3, 4, 6] {
            let late = content(epoch, epoch, fill(epoch));
            let page = PageId::new(region, 3);
            store.put_frame(page, &late).unwrap();
        }
        assert_eq!(as_of(&mut store, region, 5), Some(4));
        let kept = store.kept_versions(PageId::new(region, 0).extent());
        let versions: Vec<u64> = kept.iter().map(|(_, version, _)| version.0).collect();
        assert_eq!(versions, [4]);
    }
    store.retain(&epochs(&[])).unwrap();
    rest(&mut store);
    assert_eq!(store.inventory(), [PageId::new(OTHER, 0).extent()]);
}

/// Nothing of it is on the disk: what cleaning has left is there again, until it is said anew.
#[test]
fn a_store_that_is_opened_again_is_told_again() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1, 10, &[FIRST]);
    live(&mut store, 2, 10, &[OTHER]);
    store.bury(&living(2, &[OTHER]));
    live(&mut store, 3, 10, &[OTHER]);
    assert_eq!(store.stats().pages, 10);
    let mut store = open(store.into_disk().crash(Tail::Lost));
    let stable = store.stable().0;
    assert_eq!(as_of(&mut store, FIRST, stable), Some(1));
    store.bury(&living(2, &[OTHER]));
    rest(&mut store);
    assert_eq!(store.stats().pages, 10);
    assert_eq!(as_of(&mut store, FIRST, stable), None);
}

/// In the epoch to which the memory goes back the process lived; what becomes of it then is
/// kept like anything else.
#[test]
fn who_goes_back_has_what_was_dead() {
    let mut store = open(MemoryDisk::new());
    store.retain(&epochs(&[1])).unwrap();
    live(&mut store, 1, 10, &[FIRST]);
    live(&mut store, 2, 10, &[FIRST]);
    live(&mut store, 3, 10, &[OTHER]);
    store.bury(&living(3, &[OTHER]));
    rest(&mut store);
    store.apply_view(&view(&[(1, 10)])).unwrap();
    rest(&mut store);
    let page = PageId::new(FIRST, 3);
    assert_eq!(store.read(page).unwrap(), Some(content(1, 1, fill(1))));
    live(&mut store, 10, 10, &[FIRST]);
    store.retain(&epochs(&[])).unwrap();
    live(&mut store, 11, 10, &[OTHER]);
    rest(&mut store);
    assert_eq!(as_of(&mut store, FIRST, 11), Some(10));
    // A fallback that undoes nothing of that epoch leaves it dead.
    store.bury(&living(11, &[OTHER]));
    store.apply_view(&view(&[(1, 10), (11, 20)])).unwrap();
    rest(&mut store);
    assert_eq!(as_of(&mut store, FIRST, 11), None);
}

/// What anybody may ask for: of the regions that live everything, of those that are dead what
/// epochs have that were retained when it was said.
#[test]
fn a_store_equals_its_model_whatever_ends_when() {
    for seed in 0..60 {
        let mut prng = Prng::new(seed);
        let mut model = Model::default();
        let mut store = open(MemoryDisk::new());
        for epoch in 1..80 {
            model.step(&mut prng, &mut store, epoch);
            model.check(&mut store, epoch, seed);
        }
        store.retain(&epochs(&[])).unwrap();
        store.bury(&living(79, &model.alive()));
        rest(&mut store);
        let alive: BTreeSet<u32> = model.alive().into_iter().collect();
        let left = store.inventory();
        assert!(left.iter().all(|extent| alive.contains(&extent.region.0)));
    }
}

/// A page most of which is always the same, so that it is kept as a delta now and then.
fn little_new(epoch: u64) -> PageVersion {
    let mut bytes = [0xA5; PAGE_SIZE];
    bytes[..8].copy_from_slice(&epoch.to_le_bytes());
    PageVersion {
        image: Image::of(&bytes),
        ..content(epoch, epoch, 0)
    }
}

#[derive(Default)]
struct Model {
    /// By region: its pages' versions, by epoch.
    written: BTreeMap<u32, BTreeMap<u32, Vec<u64>>>,
    /// Since when regions are dead, for the store.
    dead: BTreeMap<u32, u64>,
    /// Processes that have ended.
    ended: BTreeSet<u32>,
    retained: BTreeSet<Epoch>,
}

impl Model {
    fn alive(&self) -> Vec<u32> {
        (300..306).filter(|one| !self.ended.contains(one)).collect()
    }

    fn step(&mut self, prng: &mut Prng, store: &mut Store<MemoryDisk>, epoch: u64) {
        let mut below = |limit: u64| u32::try_from(prng.below(limit)).unwrap();
        for region in self.alive() {
            for _ in 0..below(6) {
                let index = below(8);
                let versions = self.written.entry(region).or_default();
                let versions = versions.entry(index).or_default();
                if versions.last() != Some(&epoch) {
                    versions.push(epoch);
                    let page = PageId::new(region, index);
                    store.put_frame(page, &little_new(epoch)).unwrap();
                }
            }
        }
        if below(4) == 0 {
            self.retained.insert(Epoch(epoch));
        }
        if below(6) == 0 {
            self.retained.pop_first();
        }
        store.retain(&self.retained).unwrap();
        store.end_part(part(1, epoch), 0).unwrap();
        while store.poll().unwrap().is_empty() {}
        store.set_stable(Epoch(epoch), epoch).unwrap();
        if below(12) == 0 {
            self.ended.insert(300 + below(6));
        }
        if below(6) == 0 {
            store.bury(&living(epoch, &self.alive()));
            let is_retained = u64::from(self.retained.contains(&Epoch(epoch)));
            for &region in &self.ended {
                self.dead.entry(region).or_insert(epoch + is_retained);
            }
        }
        for _ in 0..below(20) {
            store.clean(Pace::Idle).unwrap();
            store.poll().unwrap();
        }
    }

    fn check(&self, store: &mut Store<MemoryDisk>, epoch: u64, seed: u64) {
        let kept = self.retained.iter().map(|kept| kept.0).chain([epoch]);
        for kept in kept {
            for region in 300..306 {
                let is_dead = self.dead.get(&region).is_some_and(|&since| since <= kept);
                for index in 0..8 {
                    let versions = self.written.get(&region);
                    let versions = versions.and_then(|pages| pages.get(&index));
                    let mut versions = versions.into_iter().flatten().rev();
                    let expected = versions.find(|version| **version <= kept);
                    let expected = expected.filter(|_| !is_dead).copied();
                    let page = PageId::new(region, index);
                    let found = store.read_as_of(page, Epoch(kept)).unwrap();
                    let expected = expected.map(little_new);
                    assert!(found == expected, "seed {seed}, {page} in epoch {kept}");
                }
            }
        }
    }
}
