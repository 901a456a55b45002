//! The store against a reference of a few lines, crashing at every single write.
//!
//! A run is a random sequence of frames, parts, stable epochs and fallbacks. It is
//! repeated with the disk failing at its first write, its second, and so on; after
//! each failure the disk crashes in several ways, the store is opened again and must
//! have everything that it acknowledged, and nothing that was undone.
use crate::common::US;
use platform::DiskError;
use std::collections::{BTreeMap, BTreeSet};
use store::{
    Damage, DamagedPart, MemoryDisk, Pace, Part, PartError, RetainError, Store, SyncMode, Tail,
};
use types::{
    Durability, Epoch, Extent, Fallback, Interval, NodeId, PAGE_SIZE, PageId, Prng, Stamp, Version,
    View, ViewNumber,
};
use wire::{Image, PageVersion};

const SEGMENT_SIZE: u32 = 30_000;
const NODES: u64 = 3;
const PAGES: u64 = 12;
const PACES: [Pace; 2] = [Pace::Earned, Pace::Idle];

/// Everything that was ever written, and what became of it.
#[derive(Clone)]
struct Model {
    /// Versions that no fallback undid, ascending.
    pages: BTreeMap<PageId, Vec<PageVersion>>,
    epoch: Epoch,
    stable: Epoch,
    fallbacks: Vec<Fallback>,
    /// Parts of epochs that are closed and not stable yet, acknowledged or not.
    open: BTreeSet<Part>,
    /// Sets of retained epochs that a crash may leave behind; the last is what was said last.
    retained: Vec<BTreeSet<Epoch>>,
}

impl Model {
    fn new() -> Self {
        let (pages, fallbacks, open) = (BTreeMap::new(), vec![], BTreeSet::new());
        Self {
            pages,
            epoch: Epoch(1),
            stable: Epoch(0),
            fallbacks,
            open,
            retained: vec![BTreeSet::new()],
        }
    }

    fn step(&mut self, store: &mut Store<MemoryDisk>, prng: &mut Prng) -> Result<(), DiskError> {
        match prng.below(26) {
            0..12 => self.write(store, prng)?,
            12..15 => self.close_epoch(store)?,
            15..17 => {
                store.disk_mut().complete_sync();
                self.poll(store)?;
            }
            17..19 => self.advance_stable(store)?,
            19..21 => self.retain(store, prng)?,
            21..25 => drop(store.clean(PACES[index(prng, 2)])?),
            _ => {
                self.fall_back();
                store.apply_view(&self.view())?;
            }
        }
        let page = PageId::new(1, u32::try_from(prng.below(PAGES)).unwrap() * 100);
        match store.read(page) {
            Ok(found) => assert_eq!(found.as_ref(), self.newest(page), "page {page}"),
            Err(store::ReadError::Disk(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        }
        Ok(())
    }

    fn write(&mut self, store: &mut Store<MemoryDisk>, prng: &mut Prng) -> Result<(), DiskError> {
        let page = PageId::new(1, u32::try_from(prng.below(PAGES)).unwrap() * 100);
        let versions = self.pages.entry(page).or_default();
        let version = versions
            .last()
            .map_or(Version(1), |last| last.version.next());
        let node = NodeId(u32::try_from(prng.below(NODES)).unwrap());
        let stamp = Stamp {
            node,
            interval: Interval {
                epoch: self.epoch,
                sub: 0,
            },
        };
        let mut bytes = [0; PAGE_SIZE];
        match prng.below(4) {
            0 => {}
            1 => bytes[..8].copy_from_slice(&prng.next_u64().to_le_bytes()),
            _ => {
                bytes.fill(1);
                bytes[..8].copy_from_slice(&prng.next_u64().to_le_bytes());
            }
        }
        let content = PageVersion {
            version,
            stamp,
            image: Image::of(&bytes),
        };
        versions.push(content.clone());
        store.receive_frame(node, page, &content)
    }

    fn close_epoch(&mut self, store: &mut Store<MemoryDisk>) -> Result<(), DiskError> {
        let epoch = self.epoch;
        self.epoch = epoch.next();
        for node in 0..NODES {
            let part = Part {
                node: NodeId(u32::try_from(node).unwrap()),
                epoch,
            };
            self.open.insert(part);
            let frames = self.pages.values().flatten();
            let frames = frames.filter(|one| one.stamp.node == part.node);
            let frames = frames.filter(|one| one.stamp.epoch() == epoch).count();
            end_part(store, part, u32::try_from(frames).unwrap())?;
        }
        self.poll(store)
    }

    fn poll(&mut self, store: &mut Store<MemoryDisk>) -> Result<(), DiskError> {
        for part in store.poll()? {
            assert!(self.open.remove(&part), "{part:?} acknowledged twice");
        }
        if store.is_durable() {
            self.retained.drain(..self.retained.len() - 1);
        }
        Ok(())
    }

    /// Gives up some epochs, and adds the newest stable one or one to come.
    fn retain(&mut self, store: &mut Store<MemoryDisk>, prng: &mut Prng) -> Result<(), DiskError> {
        let mut epochs = self.retained.last().unwrap().clone();
        epochs.retain(|_| prng.chance(3, 4));
        epochs.insert(Epoch(self.stable.0 + prng.below(3)));
        self.retained.push(epochs.clone());
        store.retain(&epochs).map_err(|error| match error {
            RetainError::Disk(error) => error,
            error => panic!("{error}"),
        })
    }

    fn as_of(&self, page: PageId, epoch: Epoch) -> Option<&PageVersion> {
        let mut versions = self.pages.get(&page)?.iter().rev();
        versions.find(|version| version.stamp.epoch() <= epoch)
    }

    /// Everything of every epoch that is kept is there.
    fn check_kept(&self, store: &mut Store<MemoryDisk>) {
        let retained = self.retained.last().unwrap();
        let kept: Vec<Epoch> = retained.range(..self.stable).copied().collect();
        for &epoch in kept.iter().chain([&self.stable]) {
            let mut expected = vec![];
            for page in pages() {
                let found = store.read_as_of(page, epoch).unwrap();
                assert_eq!(found.as_ref(), self.as_of(page, epoch), "{page} of {epoch}");
                expected.extend(found.map(|found| (page, found.version)));
            }
            let extents: Vec<Extent> = store.extents_as_of(epoch).unwrap().collect();
            let pages = extents.iter();
            let pages = pages.flat_map(|extent| store.pages_as_of(*extent, epoch).unwrap());
            assert!(pages.eq(expected.iter().copied()), "pages of {epoch}");
            for &other in &kept {
                let version = |page, epoch| self.as_of(page, epoch).map(|one| one.version);
                let differences = pages_that(|page| version(page, epoch) != version(page, other));
                let found = store.differences(epoch, other).unwrap();
                let found: Vec<PageId> = found.map(|one| one.page).collect();
                assert_eq!(found, differences, "from {epoch} to {other}");
            }
        }
    }

    fn advance_stable(&mut self, store: &mut Store<MemoryDisk>) -> Result<(), DiskError> {
        let unstored = self.open.iter().map(|part| part.epoch).min();
        let end = unstored.unwrap_or(self.epoch);
        self.stable = Epoch(end.0 - 1).max(self.stable);
        store.set_stable(self.stable, self.stable.0 * 100)
    }

    fn fall_back(&mut self) {
        let first_epoch = Epoch(self.epoch.0 + 2);
        let nodes = (0..u32::try_from(NODES).unwrap()).map(NodeId);
        self.fallbacks
            .push(Fallback::to_stable(self.stable, first_epoch, nodes));
        self.epoch = first_epoch;
        self.open.clear();
        for versions in self.pages.values_mut() {
            versions.retain(|version| version.stamp.epoch() <= self.stable);
        }
    }

    fn view(&self) -> View {
        View {
            number: ViewNumber(1 + self.fallbacks.len() as u64),
            leader: NodeId(0),
            members: vec![],
            leaving: vec![],
            stable: self.stable,
            first_epoch: self.epoch,
            durability: Durability::Disk,
            fallbacks: self.fallbacks.clone(),
        }
    }

    fn newest(&self, page: PageId) -> Option<&PageVersion> {
        self.pages.get(&page).and_then(|versions| versions.last())
    }

    /// What a cluster does after a crash: it falls back, and every disk is told.
    fn restart(&mut self, disk: MemoryDisk) -> Store<MemoryDisk> {
        let mut store = open(disk);
        let retained: BTreeSet<Epoch> = store.retained().collect();
        assert!(
            self.retained.contains(&retained),
            "{retained:?} are retained, but {:?} were to be",
            self.retained
        );
        self.retained = vec![retained];
        self.fall_back();
        store.apply_view(&self.view()).unwrap();
        store.set_stable(self.stable, 0).unwrap();
        for page in pages() {
            let found = store.read(page).unwrap();
            assert_eq!(
                found.as_ref(),
                self.newest(page),
                "page {page} after a crash"
            );
        }
        self.check_kept(&mut store);
        let pages = self
            .pages
            .values()
            .filter(|versions| !versions.is_empty())
            .count();
        assert_eq!(store.stats().pages, pages as u64);
        // A footer that a crash tore costs a scan, and that was it.
        let is_footer =
            |damage: &Damage| damage.page.is_none() && damage.part == DamagedPart::Payload;
        let worse: Vec<_> = store.damage().filter(|damage| !is_footer(damage)).collect();
        assert!(worse.is_empty(), "{worse:?}");
        store
    }
}

/// All of its frames are there, so only the disk can fail.
fn end_part(store: &mut Store<MemoryDisk>, part: Part, frames: u32) -> Result<(), DiskError> {
    store.end_part(part, frames).map_err(|error| match error {
        PartError::Disk(error) => error,
        PartError::Incomplete { .. } => panic!("{error}"),
    })
}

fn index(prng: &mut Prng, count: u64) -> usize {
    usize::try_from(prng.below(count)).unwrap()
}

fn pages() -> impl Iterator<Item = PageId> {
    (0..PAGES).map(|index| PageId::new(1, u32::try_from(index).unwrap() * 100))
}

fn pages_that(is_one: impl Fn(PageId) -> bool) -> Vec<PageId> {
    pages().filter(|page| is_one(*page)).collect()
}

fn open(disk: MemoryDisk) -> Store<MemoryDisk> {
    Store::open_with(disk, US, SEGMENT_SIZE).unwrap_or_else(|error| panic!("{error}"))
}

/// How the disk fails.
#[derive(Clone, Copy)]
enum Failing {
    /// At its write of this number, half of which it does.
    Write(u64),
    /// It is full after so many bytes.
    Full(u64),
}

/// Runs until the disk fails; whether it did.
fn run(seed: u64, failing: Failing) -> bool {
    let mut prng = Prng::new(seed);
    let mut disk = MemoryDisk::new();
    disk.set_sync_mode(if seed.is_multiple_of(2) {
        SyncMode::Held
    } else {
        SyncMode::Immediate
    });
    let mut store = open(disk);
    let number = match failing {
        Failing::Write(number) => {
            store.disk_mut().fail_after(number);
            number
        }
        Failing::Full(bytes) => {
            store.disk_mut().fill_after(bytes);
            bytes
        }
    };
    let mut model = Model::new();
    let failed = (0..150).any(|_| model.step(&mut store, &mut prng).is_err());
    let disk = store.into_disk();
    let torn = seed ^ number << 32;
    for tail in 0..6 {
        let mut model = model.clone();
        let mut prng = Prng::new(torn ^ tail << 56);
        let left = match tail {
            0 => disk.crash(Tail::Lost),
            1 => disk.crash(Tail::Kept),
            _ => disk.crash(Tail::Torn(&mut prng)),
        };
        let mut store = model.restart(left);
        for _ in 0..20 {
            model.step(&mut store, &mut prng).unwrap();
        }
        let left = store.into_disk().crash(Tail::Torn(&mut prng));
        model.restart(left);
    }
    failed
}

#[test]
fn whatever_write_fails_what_was_acknowledged_is_there_and_nothing_undone_is_served() {
    for seed in 0..8 {
        let mut failing = 0;
        while run(seed, Failing::Write(failing)) {
            failing += 1;
        }
        assert!(failing > 40, "seed {seed} wrote only {failing} times");
    }
}

#[test]
fn a_disk_that_is_full_at_any_byte_loses_nothing_that_was_acknowledged() {
    for seed in 0..2 {
        // Not a multiple of anything that is written.
        let mut room = 0;
        while run(seed, Failing::Full(room)) {
            room += 3001;
        }
        assert!(room > 100_000, "seed {seed} wrote only {room} bytes");
    }
}
