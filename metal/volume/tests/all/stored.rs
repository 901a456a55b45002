//! The node's store on a volume that crashes.
use std::collections::BTreeMap;

use platform::{ClusterId, Disk, DiskError};
use store::{Identity, Pace, Part, PartError, Store};
use types::{Epoch, Interval, NodeId, PAGE_SIZE, PageId, Prng, Stamp, StoreId, Version};
use volume::{Volume, VolumeId};
use wire::{Image, PageVersion};

use crate::device::TestDevice;

const US: Identity = Identity {
    cluster: ClusterId(7),
    store: StoreId(8),
};
const PRODUCER: NodeId = NodeId(1);
const SEGMENT_BYTES: u32 = 1 << 20;
const PAGES: u64 = 40;

type TestStore = Store<Volume<TestDevice>>;

/// Pages as of the last epoch that was acknowledged, and those of epochs after it.
#[derive(Clone)]
struct Model {
    stored: BTreeMap<PageId, PageVersion>,
    written: BTreeMap<PageId, PageVersion>,
    /// Written in each epoch that is not acknowledged yet.
    parts: BTreeMap<Epoch, BTreeMap<PageId, PageVersion>>,
    epoch: Epoch,
    version: u64,
    stable: Epoch,
}

impl Model {
    fn new() -> Self {
        let (stored, written, parts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            stored,
            written,
            parts,
            epoch: Epoch(1),
            version: 0,
            stable: Epoch(0),
        }
    }

    /// An epoch: some pages, and their part. What was acknowledged becomes stable.
    fn step(&mut self, store: &mut TestStore, prng: &mut Prng) -> Result<(), DiskError> {
        let mut part = BTreeMap::new();
        for _ in 0..prng.below(60) {
            let page = PageId::new(1, u32::try_from(prng.below(PAGES)).unwrap() * 100);
            if part.contains_key(&page) {
                continue;
            }
            self.version += 1;
            let interval = Interval {
                epoch: self.epoch,
                sub: 0,
            };
            let mut bytes = [0; PAGE_SIZE];
            bytes.fill_with(|| prng.next_u64().to_le_bytes()[0] | 1);
            let content = PageVersion {
                version: Version(self.version),
                stamp: Stamp {
                    node: PRODUCER,
                    interval,
                },
                image: Image::of(&bytes),
            };
            store.receive_frame(PRODUCER, page, &content)?;
            part.insert(page, content);
        }
        let (node, epoch) = (PRODUCER, self.epoch);
        let frames = u32::try_from(part.len()).unwrap();
        let ended = store.end_part(Part { node, epoch }, frames);
        ended.map_err(|error| match error {
            PartError::Disk(error) => error,
            PartError::Incomplete { .. } => panic!("{error}"),
        })?;
        self.written.extend(part.clone());
        self.parts.insert(epoch, part);
        self.epoch = epoch.next();
        for _ in 0..prng.below(20) {
            self.poll(store)?;
        }
        if prng.chance(1, 2) {
            store.set_stable(self.stable, self.stable.0)?;
        }
        drop(store.clean(Pace::Idle)?);
        self.read(store, prng)
    }

    fn poll(&mut self, store: &mut TestStore) -> Result<(), DiskError> {
        for part in store.poll()? {
            let stored = self.parts.remove(&part.epoch).unwrap();
            self.stored.extend(stored);
            self.stable = part.epoch;
        }
        Ok(())
    }

    fn read(&self, store: &mut TestStore, prng: &mut Prng) -> Result<(), DiskError> {
        let at = prng.below(self.written.len().max(1) as u64);
        let Some((page, content)) = self.written.iter().nth(usize::try_from(at).unwrap()) else {
            return Ok(());
        };
        match store.read(*page) {
            Ok(found) => assert_eq!(found.as_ref(), Some(content)),
            Err(store::ReadError::Disk(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        }
        Ok(())
    }

    /// All that was acknowledged is there, and of later versions those that were written.
    fn restart(&mut self, device: TestDevice) -> TestStore {
        let volume = Volume::open(device).unwrap_or_else(|error| panic!("{error}"));
        let store = Store::open_with(volume, US, SEGMENT_BYTES);
        let mut store = store.unwrap_or_else(|error| panic!("{error}"));
        for (page, stored) in &self.stored {
            let found = store.read(*page).unwrap();
            let found = found.unwrap_or_else(|| panic!("{page} was acknowledged"));
            assert!(found.version >= stored.version, "{page}");
            let parts = self.parts.values();
            let mut later = parts.filter_map(|part| part.get(page));
            assert!(
                found == *stored || later.any(|later| found == *later),
                "{page}"
            );
        }
        assert_eq!(store.damage().count(), 0);
        // What came after is written again, as when a node catches up.
        self.stable = Epoch(self.epoch.0 - 1);
        for (page, content) in &self.written {
            store.receive_frame(PRODUCER, *page, content).unwrap();
        }
        let part = Part {
            node: PRODUCER,
            epoch: self.epoch,
        };
        self.parts.clear();
        self.parts.insert(part.epoch, self.written.clone());
        self.epoch = self.epoch.next();
        let frames = u32::try_from(self.written.len()).unwrap();
        store.end_part(part, frames).unwrap();
        while !self.parts.is_empty() {
            self.poll(&mut store).unwrap();
        }
        store.set_stable(self.stable, self.stable.0).unwrap();
        store
    }
}

fn device(sectors: u64, seed: u64) -> TestDevice {
    let mut device = TestDevice::new(sectors, seed);
    Volume::format(&mut device, VolumeId(seed)).unwrap();
    device
}

#[test]
fn a_store_on_a_volume_keeps_what_it_has_acknowledged() {
    let (mut crashes, mut segments) = (0, 0);
    for seed in 0..25 {
        let mut prng = Prng::new(seed);
        let mut model = Model::new();
        let mut store = model.restart(device(32 << 11, seed));
        for _ in 0..6 {
            for _ in 0..prng.below(40) {
                model.step(&mut store, &mut prng).unwrap();
            }
            segments = segments.max(store.disk_mut().segments().unwrap().last().unwrap().0);
            let device = store.into_disk().into_device().crash(&mut prng);
            store = model.restart(device);
            crashes += 1;
        }
    }
    assert!(crashes == 150 && segments > 10, "{segments} segments");
}

/// At any request, with several crashes after it.
#[test]
fn a_store_whose_device_fails_keeps_what_it_has_acknowledged() {
    let mut failures = 0;
    for failing in 0..60 {
        let mut prng = Prng::new(failing);
        let mut model = Model::new();
        let mut store = model.restart(device(32 << 11, failing));
        store.disk_mut().device_mut().fail_after(failing * 2);
        let failed = (0..60).any(|_| model.step(&mut store, &mut prng).is_err());
        failures += usize::from(failed);
        let device = store.into_disk().into_device();
        for _ in 0..4 {
            model.clone().restart(device.crash(&mut prng));
        }
    }
    assert!(failures > 50, "{failures} failures");
}
