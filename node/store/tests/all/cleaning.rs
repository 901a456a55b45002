//! Cleaning: a store that is written for ever stays small, and loses nothing by it.
use std::collections::BTreeMap;

use crate::common::{FIRST, FRAME, HEAD, US, content, page, part};
use platform::{Disk, SegmentNumber};
use store::{Damage, DamagedPart, MemoryDisk, Pace, ReadError, Stats, Store, Tail};
use types::{Epoch, PAGE_SIZE, Prng};
use wire::{Image, PageVersion};

const SEGMENT_SIZE: u32 = 256 << 10;
const PAGES: u32 = 1000;

fn open(disk: MemoryDisk) -> Store<MemoryDisk> {
    open_with(disk, SEGMENT_SIZE)
}

fn open_with(disk: MemoryDisk, segment_size: u32) -> Store<MemoryDisk> {
    Store::open_with(disk, US, segment_size).unwrap_or_else(|error| panic!("{error}"))
}

/// A store that is written, and what it should have.
struct Life {
    store: Store<MemoryDisk>,
    epoch: u64,
    expected: BTreeMap<u32, u64>,
}

impl Life {
    fn new() -> Self {
        Self::with(SEGMENT_SIZE)
    }

    fn with(segment_size: u32) -> Self {
        let store = open_with(MemoryDisk::new(), segment_size);
        let mut life = Self {
            store,
            epoch: 0,
            expected: BTreeMap::new(),
        };
        let all: Vec<u32> = (0..PAGES).collect();
        all.chunks(50).for_each(|pages| life.epoch(pages));
        life
    }

    /// An epoch in which these pages are written, and cleaning as it has been earned.
    fn epoch(&mut self, pages: &[u32]) {
        self.epoch += 1;
        let epoch = self.epoch;
        for &index in pages {
            let version = self.expected.entry(index).or_default();
            *version += 1;
            let content = content(*version, epoch, fill(index, *version));
            self.store.put_frame(page(index), &content).unwrap();
            self.store.clean(Pace::Earned).unwrap();
        }
        self.store.end_part(part(1, epoch), 0).unwrap();
        while self.store.poll().unwrap().is_empty() {}
        self.store.set_stable(Epoch(epoch), 0).unwrap();
    }

    /// Nothing is written for so long that there is nothing left to be done.
    fn rest(&mut self) {
        let mut slices = 0;
        while self.store.clean(Pace::Idle).unwrap().is_more || !self.store.is_durable() {
            self.store.poll().unwrap();
            slices += 1;
            assert!(slices < 10_000, "cleaning has no end");
        }
        self.store.poll().unwrap();
    }

    fn check(&mut self) {
        for (&index, &version) in &self.expected {
            let found = self.store.read(page(index)).unwrap().unwrap();
            assert_eq!(found.version.0, version, "page {index}");
            let expected = content(version, 0, fill(index, version));
            assert_eq!(found.image, expected.image, "page {index}");
        }
    }
}

fn fill(index: u32, version: u64) -> u8 {
    u8::try_from((u64::from(index) + version) % 250).unwrap() + 1
}

fn amplification(stats: &Stats) -> f64 {
    // The segment that is being written is not full, and those just dropped are about to go.
    let slack = 3 * u64::from(SEGMENT_SIZE);
    (stats.bytes_stored - slack) as f64 / stats.bytes_live as f64
}

#[test]
fn a_store_that_is_written_for_ever_stays_within_twice_what_is_live() {
    // All pages alike; and one in ten gets nine writes of ten.
    for skewed in [0, 9] {
        let mut prng = Prng::new(3);
        let mut life = Life::new();
        for epoch in 0..400 {
            let mut any = || {
                let few = prng.below(10) < skewed;
                let pages = if few { PAGES / 10 } else { PAGES };
                u32::try_from(prng.below(pages.into())).unwrap()
            };
            let pages: Vec<u32> = (0..50).map(|_| any()).collect();
            life.epoch(&pages);
            let stats = life.store.stats();
            assert!(
                epoch < 50 || amplification(&stats) <= 2.0,
                "skewed {skewed}, epoch {epoch}: {stats:?}"
            );
        }
        let stats = life.store.stats();
        let share = stats.bytes_cleaned as f64 / stats.bytes_written as f64;
        assert!((0.05..0.5).contains(&share), "{stats:?}");
        life.check();
        life.store = open(life.store.into_disk().crash(Tail::Lost));
        life.check();
    }
}

/// A segment has a share of what is live, and so has the youngest, which is not cleaned.
#[test]
fn a_store_that_is_smaller_than_a_segment_stays_within_twice_what_is_live() {
    let mut prng = Prng::new(4);
    let mut life = Life::with(store::SEGMENT_SIZE);
    for epoch in 0..400 {
        let any = |_| u32::try_from(prng.below(PAGES.into())).unwrap();
        let pages: Vec<u32> = (0..50).map(any).collect();
        life.epoch(&pages);
        let stats = life.store.stats();
        let factor = stats.bytes_stored as f64 / stats.bytes_live as f64;
        assert!(epoch < 50 || factor <= 2.0, "epoch {epoch}: {stats:?}");
    }
    life.check();
    life.store = Store::open(life.store.into_disk().crash(Tail::Lost), US).unwrap();
    life.check();
}

/// Of pages that are nearly empty a third of the log are footers.
#[test]
fn a_store_of_nearly_empty_pages_stays_within_twice_what_is_live() {
    const MANY: u32 = 1 << 16;
    let mut prng = Prng::new(5);
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    let all: Vec<u32> = (0..MANY).collect();
    let any = |_| u32::try_from(prng.below(MANY.into())).unwrap();
    let later: Vec<u32> = (0..4 * MANY).map(any).collect();
    let epochs = all.chunks(64).chain(later.chunks(64));
    for (epoch, pages) in (1..).zip(epochs) {
        for &index in pages {
            let mut bytes = [0; PAGE_SIZE];
            bytes[0] = 1;
            let image = Image::of(&bytes);
            let content = PageVersion {
                image,
                ..content(epoch, epoch, 0)
            };
            store.put_frame(page(index), &content).unwrap();
        }
        store.end_part(part(1, epoch), 0).unwrap();
        while store.poll().unwrap().is_empty() {}
        store.set_stable(Epoch(epoch), 0).unwrap();
        store.clean(Pace::Earned).unwrap();
        let stats = store.stats();
        let factor = stats.bytes_stored as f64 / stats.bytes_live as f64;
        assert!(epoch < 100 || factor <= 2.0, "epoch {epoch}: {stats:?}");
    }
    assert_eq!(store.stats().pages, MANY.into());
}

#[test]
fn an_idle_store_gets_its_space_back() {
    let mut life = Life::new();
    // Nothing of what was written is live but the last of a few pages.
    life.expected.retain(|index, _| *index < 10);
    let gone: Vec<u32> = (0..PAGES).collect();
    for pages in gone.chunks(50) {
        let epoch = life.epoch + 1;
        for &index in pages.iter().filter(|index| **index >= 10) {
            let zero = content(2, epoch, 0);
            life.store.put_frame(page(index), &zero).unwrap();
        }
        life.epoch(&[]);
    }
    life.rest();
    let stats = life.store.stats();
    let live = 10 * (FRAME + 40) + 990 * (HEAD + 40);
    assert_eq!(stats.bytes_live, live as u64);
    assert!(stats.bytes_stored < 2 * stats.bytes_live, "{stats:?}");
    life.check();
    let mut store = open(life.store.into_disk().crash(Tail::Lost));
    assert_eq!(store.read(page(500)).unwrap(), Some(content(2, 31, 0)));
}

/// A store with every fourth page in its old segments, the first of which are damaged.
fn damaged() -> (Life, Vec<(u32, SegmentNumber, usize)>) {
    let mut life = Life::new();
    let most: Vec<u32> = (0..PAGES).filter(|index| index % 4 != 0).collect();
    let damaged = [4, 8].map(|index| (index, FIRST, HEAD + FRAME * index as usize));
    for (_, segment, offset) in damaged {
        life.store
            .disk_mut()
            .flip_bit(segment, offset + HEAD + 5, 1);
    }
    most.chunks(50).for_each(|pages| life.epoch(pages));
    (life, damaged.to_vec())
}

#[test]
fn what_is_damaged_is_reported_and_kept_and_the_rest_is_saved() {
    let (mut life, damaged) = damaged();
    life.rest();
    let found: Vec<Damage> = life.store.damage().copied().collect();
    let places = found.iter().map(|damage| {
        assert_eq!(damage.part, DamagedPart::Payload);
        (damage.segment, damage.offset as usize)
    });
    let mut expected: Vec<_> = damaged
        .iter()
        .map(|(_, segment, at)| (*segment, *at))
        .collect();
    expected.reverse();
    let mut places: Vec<_> = places.collect();
    places.sort_unstable();
    expected.sort_unstable();
    assert_eq!(places, expected);
    let segments = life.store.disk_mut().segments().unwrap();
    assert!(segments.contains(&FIRST), "{segments:?}");
    assert!(!segments.contains(&SegmentNumber(2)), "{segments:?}");
    // Superseding it is as good as mending it.
    for (index, ..) in damaged {
        let error = life.store.read(page(index)).unwrap_err();
        assert!(matches!(error, ReadError::Damaged(_)), "{error}");
        life.epoch(&[index]);
    }
    life.rest();
    life.check();
    assert_eq!(life.store.damage().count(), 0);
    assert!(!life.store.disk_mut().segments().unwrap().contains(&FIRST));
}

/// A footer that cannot be read, or that lacks an entry, costs a look at the whole index.
#[test]
fn segments_with_damaged_footers_are_cleaned_too() {
    let mut life = Life::new();
    let disk = life.store.disk_mut();
    for segment in [1, 2].map(SegmentNumber) {
        let length = usize::try_from(disk.length(segment).unwrap()).unwrap();
        // Its trailer; and the version in its first entry.
        let entries = (SEGMENT_SIZE as usize / FRAME + 1) * 40;
        let at = if segment == FIRST {
            length - 60
        } else {
            length - 64 - entries
        };
        disk.flip_bit(segment, at, 1);
    }
    let most: Vec<u32> = (0..PAGES).filter(|index| index % 4 != 0).collect();
    most.chunks(50).for_each(|pages| life.epoch(pages));
    life.rest();
    let segments = life.store.disk_mut().segments().unwrap();
    assert!(!segments.contains(&FIRST) && !segments.contains(&SegmentNumber(2)));
    life.check();
}
