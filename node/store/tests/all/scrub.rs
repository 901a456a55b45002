//! Damage is found before anybody asks for the page, and mended.
use std::collections::BTreeSet;

use crate::common::{FIRST, FRAME, HEAD, US, content, filled, known_durable, page, part};
use platform::{Disk, SegmentNumber};
use store::{Broken, MemoryDisk, Replaced, Store, Tail};
use types::{Epoch, PageId, Version};

const SEGMENT_SIZE: u32 = 100_000;

/// A round of scrubbing in steps of 7: how many versions were read, and which are damaged.
fn round(store: &mut Store<MemoryDisk>) -> (usize, Vec<(PageId, Version)>) {
    let (mut versions, mut damaged) = (0, vec![]);
    loop {
        let scrubbed = store.scrub_step(7).unwrap();
        assert!(scrubbed.versions <= 7);
        versions += scrubbed.versions;
        damaged.extend(scrubbed.damage.iter().map(|damage| damage.page.unwrap()));
        if scrubbed.is_round {
            return (versions, damaged);
        }
    }
}

fn sync(store: &mut Store<MemoryDisk>) {
    while !store.is_durable() {
        store.poll().unwrap();
    }
}

#[test]
fn every_version_is_read_once_a_round() {
    let mut store = Store::open_with(filled(40, SEGMENT_SIZE), US, SEGMENT_SIZE).unwrap();
    store.set_stable(Epoch(1), 0).unwrap();
    store.retain(&BTreeSet::from([Epoch(1)])).unwrap();
    for index in (0..40).step_by(3) {
        store.put_frame(page(index), &content(2, 2, 7)).unwrap();
        store.put_frame(page(index), &content(3, 3, 8)).unwrap();
    }
    store.set_stable(Epoch(2), 0).unwrap();
    for _ in 0..3 {
        assert_eq!(round(&mut store), (40 + 14 + 14, vec![]));
    }
}

#[test]
fn every_damaged_byte_of_a_version_is_found_and_mended() {
    let disk = known_durable(filled(40, SEGMENT_SIZE), SEGMENT_SIZE);
    for byte in (0..FRAME).step_by(59) {
        let mut disk = disk.clone();
        disk.flip_bit(FIRST, HEAD + 3 * FRAME + byte, 2);
        let mut store = Store::open_with(disk, US, SEGMENT_SIZE).unwrap();
        let damaged = vec![(page(3), Version(1))];
        assert_eq!(round(&mut store), (40, damaged));
        assert_eq!(store.damage().count(), 1);
        assert!(store.read(page(3)).is_err());
        let other = store.replace(page(3), &content(2, 1, 4)).unwrap();
        assert_eq!(other, Replaced::NotKept);
        let mended = store.replace(page(3), &content(1, 1, 4)).unwrap();
        assert_eq!(mended, Replaced::Written);
        sync(&mut store);
        let disk = store.into_disk().crash(Tail::Lost);
        let mut store = Store::open_with(disk, US, SEGMENT_SIZE).unwrap();
        assert_eq!(round(&mut store), (40, vec![]));
        assert_eq!(store.read(page(3)).unwrap(), Some(content(1, 1, 4)));
    }
}

#[test]
fn a_write_that_went_elsewhere_is_noticed_on_both_sides() {
    let mut disk = known_durable(filled(40, SEGMENT_SIZE), SEGMENT_SIZE);
    let mut misdirected = [0; FRAME];
    let (from, to) = (HEAD + 3 * FRAME, HEAD + 9 * FRAME);
    disk.read(FIRST, from as u64, &mut misdirected).unwrap();
    disk.overwrite(FIRST, to, &misdirected);
    disk.overwrite(FIRST, from, &[0; FRAME]);
    let mut store = Store::open_with(disk.clone(), US, SEGMENT_SIZE).unwrap();
    let damaged = [3, 9].map(|index| (page(index), Version(1)));
    assert_eq!(round(&mut store), (40, damaged.to_vec()));
    // Also without a footer: then nobody knows what is missing, and the store says so.
    let length = usize::try_from(disk.length(FIRST).unwrap()).unwrap();
    disk.overwrite(FIRST, length - HEAD, &[0; HEAD]);
    assert!(Store::open_with(disk, US, SEGMENT_SIZE).is_err());
}

#[test]
fn a_place_that_cannot_be_read_is_damage_and_a_sealed_segment_that_is_short_too() {
    let disk = known_durable(filled(60, SEGMENT_SIZE), SEGMENT_SIZE);
    let mut store = Store::open_with(disk, US, SEGMENT_SIZE).unwrap();
    let short = (HEAD + 3 * FRAME + 100) as u64;
    store.disk_mut().truncate(FIRST, short).unwrap();
    let (versions, damaged) = round(&mut store);
    assert_eq!(versions, 60);
    assert!(damaged.starts_with(&[(page(3), Version(1))]), "{damaged:?}");
    store.disk_mut().delete(SegmentNumber(2)).unwrap();
    assert!(round(&mut store).1.contains(&(page(30), Version(1))));
    store.put_frame(page(3), &content(2, 3, 7)).unwrap();
    store.end_part(part(1, 3), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
}

#[test]
fn what_is_found_damaged_is_told_once_whoever_has_found_it() {
    let mut disk = known_durable(filled(40, SEGMENT_SIZE), SEGMENT_SIZE);
    for damaged in [3, 5] {
        disk.flip_bit(FIRST, HEAD + damaged * FRAME + 100, 2);
    }
    let mut store = Store::open_with(disk, US, SEGMENT_SIZE).unwrap();
    // Footers are read, not pages.
    assert_eq!(store.take_broken(), []);
    let broken = |index| Broken {
        page: page(index),
        version: Version(1),
        stamp: content(1, 1, 0).stamp,
    };
    assert!(store.read(page(3)).is_err());
    assert_eq!(store.take_broken(), [broken(3)]);
    assert_eq!(round(&mut store).1.len(), 2);
    assert_eq!(store.take_broken(), [broken(5)]);
    assert!(store.is_broken(&broken(3)) && store.is_broken(&broken(5)));
    assert!(!store.is_broken(&broken(4)));
    store.replace(page(3), &content(1, 1, 4)).unwrap();
    assert!(!store.is_broken(&broken(3)));
    // A later version takes the place of the other.
    store.set_stable(Epoch(1), 0).unwrap();
    store.put_frame(page(5), &content(2, 2, 7)).unwrap();
    assert!(store.is_broken(&broken(5)));
    store.set_stable(Epoch(2), 0).unwrap();
    assert!(!store.is_broken(&broken(5)));
    assert_eq!(round(&mut store), (40, vec![]));
    assert_eq!(store.take_broken(), []);
}

#[test]
fn who_needs_a_damaged_version_is_known() {
    let mut store = Store::open_with(MemoryDisk::new(), US, SEGMENT_SIZE).unwrap();
    store.retain(&[2, 3, 6].map(Epoch).into()).unwrap();
    for (version, epoch) in [(1, 1), (2, 4), (3, 5), (4, 8)] {
        store
            .put_frame(page(0), &content(version, epoch, 7))
            .unwrap();
    }
    (1..8).for_each(|epoch| store.set_stable(Epoch(epoch), 0).unwrap());
    let needed_by = |store: &Store<MemoryDisk>, version, epoch| {
        let broken = Broken {
            page: page(0),
            version: Version(version),
            stamp: content(version, epoch, 7).stamp,
        };
        let epochs = store.epochs_of(&broken).into_iter();
        epochs.map(|epoch| epoch.0).collect::<Vec<u64>>()
    };
    assert_eq!(store.kept_epochs(), [2, 3, 6, 7].map(Epoch));
    assert_eq!(needed_by(&store, 1, 1), [2, 3]);
    assert_eq!(needed_by(&store, 3, 5), [6, 7]);
    assert_eq!(needed_by(&store, 4, 8), []);
    let next = |store: &mut Store<MemoryDisk>, version| {
        let next = store.read_next(page(0), Version(version)).unwrap();
        next.map(|next| next.version.0)
    };
    assert_eq!(next(&mut store, 1), Some(3));
    // Not stable yet.
    assert_eq!(next(&mut store, 3), None);
    store.set_stable(Epoch(8), 0).unwrap();
    assert_eq!(next(&mut store, 3), Some(4));
    assert_eq!(needed_by(&store, 3, 5), [6]);
    assert_eq!(needed_by(&store, 4, 8), [8]);
}

/// What readers have in memory of the disk says nothing of the disk.
#[test]
fn damage_behind_what_was_read_ahead_is_found() {
    let disk = known_durable(filled(40, SEGMENT_SIZE), SEGMENT_SIZE);
    let mut store = Store::open_with(disk, US, SEGMENT_SIZE).unwrap();
    for index in 0..5 {
        store.read(page(index)).unwrap();
    }
    store.disk_mut().flip_bit(FIRST, HEAD + 3 * FRAME + 99, 2);
    let read = store.disk_mut().reads();
    store.read(page(3)).unwrap();
    assert_eq!(store.disk_mut().reads(), read, "it was read ahead");
    assert_eq!(round(&mut store), (40, vec![(page(3), Version(1))]));
}
