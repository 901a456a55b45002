//! Epochs that are retained, and segments that go and stay because of them.
use std::collections::BTreeSet;

use crate::common::{FIRST, US, content, page, part};
use platform::{Disk, SegmentNumber};
use store::{Difference, MemoryDisk, NotRetained, OpenError, ReadError, RetainError, Store, Tail};
use types::{Epoch, Version};

/// Small, so that an epoch fills more than one.
const SEGMENT_SIZE: u32 = 20_000;

fn epochs(epochs: &[u64]) -> BTreeSet<Epoch> {
    epochs.iter().copied().map(Epoch).collect()
}

fn open(disk: MemoryDisk) -> Store<MemoryDisk> {
    Store::open_with(disk, US, SEGMENT_SIZE).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes ten pages in this epoch, and waits until that is stable.
fn live(store: &mut Store<MemoryDisk>, epoch: u64) {
    let fill = u8::try_from(epoch).unwrap();
    for index in 0..10 {
        let content = content(epoch, epoch, fill);
        store.put_frame(page(index), &content).unwrap();
    }
    sync(store, epoch);
    store.set_stable(Epoch(epoch), 1000 * epoch).unwrap();
}

fn sync(store: &mut Store<MemoryDisk>, epoch: u64) {
    store.end_part(part(1, epoch), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    while !store.is_durable() {
        store.poll().unwrap();
    }
}

#[test]
fn a_retained_epoch_is_read_after_later_ones_and_a_restart_and_then_given_up() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    store.retain(&epochs(&[1, 3])).unwrap();
    for epoch in 2..=9 {
        live(&mut store, epoch);
    }
    sync(&mut store, 10);
    let mut store = open(store.into_disk().crash(Tail::Lost));
    assert!(store.retained().eq([Epoch(1), Epoch(3)]));
    for epoch in [1, 3, 9] {
        let fill = u8::try_from(epoch).unwrap();
        let found = store.read_as_of(page(4), Epoch(epoch)).unwrap();
        assert_eq!(found, Some(content(epoch, epoch, fill)));
        let stamp = content(epoch, epoch, fill).stamp;
        assert_eq!(
            store.read_version(page(4), Version(epoch), stamp).unwrap(),
            found
        );
    }
    let stamp = content(5, 5, 5).stamp;
    assert_eq!(
        store.read_version(page(4), Version(5), stamp).unwrap(),
        None
    );
    // What is said of them is in segments that are gone.
    let listed: Vec<u64> = store.snapshots().map(|one| one.epoch.0).collect();
    let all = [1, 3, 9].iter().all(|epoch| listed.contains(epoch));
    assert!(all && !listed.contains(&5), "{listed:?}");

    let kept = store.stats().bytes_live;
    store.retain(&epochs(&[3])).unwrap();
    let epoch = Epoch(1);
    assert_eq!(
        store.read_as_of(page(4), epoch),
        Err(ReadError::NotRetained { epoch })
    );
    sync(&mut store, 11);
    assert_eq!(store.stats().bytes_live, kept / 3 * 2);
    assert!(store.read_as_of(page(4), Epoch(3)).unwrap().is_some());
}

#[test]
fn pages_that_differ_are_found_without_reading() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    store.retain(&epochs(&[1, 2])).unwrap();
    store.put_frame(page(3), &content(2, 2, 1)).unwrap();
    store.put_frame(page(11), &content(1, 2, 1)).unwrap();
    store.set_stable(Epoch(2), 0).unwrap();
    live(&mut store, 3);
    let reads = store.disk_mut().reads();
    let differences: Vec<_> = store.differences(Epoch(1), Epoch(2)).unwrap().collect();
    let difference = |index, before: Option<u64>, after: u64| Difference {
        page: page(index),
        before: before.map(Version),
        after: Some(Version(after)),
    };
    let expected = [difference(3, Some(1), 2), difference(11, None, 1)];
    assert_eq!(differences, expected);
    assert_eq!(store.differences(Epoch(2), Epoch(3)).unwrap().count(), 10);
    assert_eq!(store.differences(Epoch(3), Epoch(3)).unwrap().count(), 0);
    let pages = store.pages_as_of(page(0).extent(), Epoch(1)).unwrap();
    assert!(pages.eq((0..10).map(|index| (page(index), Version(1)))));
    let epoch = Epoch(7);
    let unknown = store.differences(Epoch(1), epoch).err();
    assert_eq!(unknown, Some(NotRetained { epoch }));
    assert_eq!(store.disk_mut().reads(), reads);
}

/// A store that was away, or is new, has of an epoch what the others give it.
#[test]
fn what_was_superseded_comes_back_from_another_store() {
    let mut whole = open(MemoryDisk::new());
    live(&mut whole, 1);
    whole.retain(&epochs(&[1])).unwrap();
    live(&mut whole, 2);
    let mut late = open(MemoryDisk::new());
    live(&mut late, 1);
    live(&mut late, 2);
    late.retain(&epochs(&[1])).unwrap();
    assert_eq!(
        late.pages_as_of(page(0).extent(), Epoch(1))
            .unwrap()
            .count(),
        0
    );
    for (page, version, stamp) in whole.kept_versions(page(0).extent()) {
        let content = whole.read_version(page, version, stamp).unwrap().unwrap();
        late.put_frame(page, &content).unwrap();
    }
    for epoch in [1, 2].map(Epoch) {
        let all = whole.pages_as_of(page(0).extent(), epoch).unwrap();
        assert!(late.pages_as_of(page(0).extent(), epoch).unwrap().eq(all));
    }
}

#[test]
fn too_many_epochs_are_refused() {
    let mut store = open(MemoryDisk::new());
    let many: Vec<u64> = (3..5000).collect();
    assert!(matches!(
        store.retain(&epochs(&many)),
        Err(RetainError::TooMany { .. })
    ));
    assert_eq!(store.retained().count(), 0);
}

/// A store of which several segments are needed, and the numbers of these.
fn spread() -> (MemoryDisk, Vec<SegmentNumber>) {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    store.retain(&epochs(&[1])).unwrap();
    for epoch in 2..=6 {
        live(&mut store, epoch);
    }
    // What is dropped is deleted after one sync, and does not come back after another.
    sync(&mut store, 7);
    sync(&mut store, 8);
    let mut disk = store.into_disk().crash(Tail::Lost);
    let segments = disk.segments().unwrap();
    (disk, segments)
}

#[test]
fn a_segment_that_is_missing_is_missed() {
    let (disk, segments) = spread();
    assert!(segments.len() > 3 && segments[0] == FIRST, "{segments:?}");
    let gone = segments.last().unwrap().0 - FIRST.0;
    assert!(
        gone > u32::try_from(segments.len()).unwrap(),
        "some are gone"
    );
    for &segment in &segments[..segments.len() - 1] {
        let mut disk = disk.clone();
        disk.delete(segment).unwrap();
        let error = Store::open_with(disk, US, SEGMENT_SIZE).err().unwrap();
        assert_eq!(error, OpenError::Missing { segment });
        let text = error.to_string();
        assert!(
            text.contains(&format!("segment {segment} is missing")),
            "{text}"
        );
    }
}

#[test]
fn a_segment_that_comes_back_changes_nothing() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    let mut old = store.disk_mut().clone();
    let mut bytes = vec![0; usize::try_from(old.length(FIRST).unwrap()).unwrap()];
    old.read(FIRST, 0, &mut bytes).unwrap();
    for epoch in 2..=6 {
        live(&mut store, epoch);
    }
    sync(&mut store, 7);
    let mut disk = store.into_disk().crash(Tail::Lost);
    assert!(!disk.segments().unwrap().contains(&FIRST));
    disk.create(FIRST).unwrap();
    disk.append(FIRST, bytes).unwrap();
    let mut store = open(disk);
    for index in 0..10 {
        assert_eq!(store.read(page(index)).unwrap(), Some(content(6, 6, 6)));
    }
    sync(&mut store, 8);
    assert!(!store.disk_mut().segments().unwrap().contains(&FIRST));
}
