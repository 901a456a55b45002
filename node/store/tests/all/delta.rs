//! Pages that are full of data, of which little is new.
use std::collections::BTreeSet;

use crate::common::{FIRST, HEAD, US, content, page, part, view};
use store::{DamagedPart, MemoryDisk, Pace, ReadError, Replaced, Store, Tail};
use types::{Epoch, PAGE_SIZE, Version};
use wire::{Image, PageVersion};

const SEGMENT_SIZE: u32 = 100_000;
/// A delta of a word or two takes a head and a block.
const DELTA: u64 = 2 * HEAD as u64;

/// A version of a page that is full, of which only the first word says which one it is.
fn full(version: u64) -> PageVersion {
    let mut bytes = [0x5A; PAGE_SIZE];
    bytes[..8].copy_from_slice(&version.to_le_bytes());
    PageVersion {
        image: Image::of(&bytes),
        ..content(version, version, 0)
    }
}

fn open(disk: MemoryDisk) -> Store<MemoryDisk> {
    Store::open_with(disk, US, SEGMENT_SIZE).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes a version of each of 50 pages, and waits until it is stable; gives what a page took.
fn live(store: &mut Store<MemoryDisk>, version: u64) -> u64 {
    let before = store.stats().bytes_written;
    for index in 0..50 {
        store.put_frame(page(index), &full(version)).unwrap();
    }
    let bytes = (store.stats().bytes_written - before) / 50;
    store.end_part(part(1, version), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    store.set_stable(Epoch(version), 0).unwrap();
    bytes
}

fn restarted(store: Store<MemoryDisk>) -> Store<MemoryDisk> {
    open(store.into_disk().crash(Tail::Lost))
}

#[test]
fn a_full_page_of_which_little_is_new_is_written_as_a_delta() {
    let mut store = open(MemoryDisk::new());
    assert!(live(&mut store, 1) > PAGE_SIZE as u64);
    let bytes: u64 = (2..40).map(|version| live(&mut store, version)).sum();
    // Now and then a footer is among it.
    assert!(bytes / 38 < 2 * DELTA, "{} bytes per page", bytes / 38);
    let mut store = restarted(store);
    for index in 0..50 {
        assert_eq!(store.read(page(index)).unwrap(), Some(full(39)));
    }
    // Bases are in memory only: the next version is whole, those after it are not.
    assert!(live(&mut store, 40) > PAGE_SIZE as u64);
    assert!(live(&mut store, 41) < 2 * DELTA);
    let whole = 50 * (HEAD + PAGE_SIZE + 40) as u64;
    let deltas = 50 * (DELTA + 40);
    assert_eq!(store.stats().bytes_live, whole + deltas);
}

#[test]
fn a_page_that_is_all_new_is_written_whole_and_its_base_goes() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    live(&mut store, 2);
    let both = store.stats().bytes_live;
    let other = PageVersion {
        image: Image::of(&[0xC3; PAGE_SIZE]),
        ..content(3, 3, 0)
    };
    store.put_frame(page(7), &other).unwrap();
    store.set_stable(Epoch(3), 0).unwrap();
    assert_eq!(store.stats().bytes_live, both - DELTA - 40);
    assert_eq!(store.read(page(7)).unwrap(), Some(other));
}

#[test]
fn a_delta_that_is_undone_uncovers_its_base() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    store.put_frame(page(3), &full(2)).unwrap();
    assert_eq!(store.read(page(3)).unwrap(), Some(full(2)));
    let offered = store
        .read_version(page(3), Version(2), full(2).stamp)
        .unwrap();
    assert_eq!(offered, Some(full(2)));
    store.apply_view(&view(&[(1, 9)])).unwrap();
    assert_eq!(store.read(page(3)).unwrap(), Some(full(1)));
    // Version 2 once more, of another time.
    let again = PageVersion {
        version: Version(2),
        ..full(9)
    };
    store.put_frame(page(3), &again).unwrap();
    store.set_stable(Epoch(9), 0).unwrap();
    let mut store = restarted_after_sync(store, 10);
    assert_eq!(store.read(page(3)).unwrap(), Some(again));
}

fn restarted_after_sync(mut store: Store<MemoryDisk>, epoch: u64) -> Store<MemoryDisk> {
    store.end_part(part(1, epoch), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    restarted(store)
}

#[test]
fn cleaning_and_retained_epochs_respect_bases() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    live(&mut store, 2);
    store.retain(&BTreeSet::from([Epoch(2)])).unwrap();
    for version in 3..60 {
        live(&mut store, version);
        while store.clean(Pace::Idle).unwrap().is_more {
            store.poll().unwrap();
        }
    }
    assert!(store.stats().bytes_cleaned > 10 * PAGE_SIZE as u64);
    let mut store = restarted_after_sync(store, 60);
    for index in 0..50 {
        let old = store.read_as_of(page(index), Epoch(2)).unwrap();
        assert_eq!(old, Some(full(2)));
        assert_eq!(store.read(page(index)).unwrap(), Some(full(59)));
    }
    let stats = store.stats();
    assert!(stats.bytes_stored < 2 * stats.bytes_live, "{stats:?}");
}

#[test]
fn a_damaged_base_is_damage_of_the_delta_and_a_whole_version_mends_it() {
    let mut store = open(MemoryDisk::new());
    live(&mut store, 1);
    live(&mut store, 2);
    store.disk_mut().flip_bit(FIRST, 2 * HEAD + 100, 0);
    let Err(ReadError::Damaged(damage)) = store.read(page(0)) else {
        panic!("its base is damaged");
    };
    let found = (damage.part, damage.page);
    assert_eq!(found, (DamagedPart::Base, Some((page(0), Version(2)))));
    assert_eq!(store.read(page(1)).unwrap(), Some(full(2)));
    let scrubbed = store.scrub_step(1000).unwrap();
    let damaged: Vec<_> = scrubbed
        .damage
        .iter()
        .map(|one| one.page.unwrap())
        .collect();
    assert_eq!(damaged, [(page(0), Version(1)), (page(0), Version(2))]);
    assert_eq!(store.replace(page(0), &full(2)).unwrap(), Replaced::Written);
    assert_eq!(store.scrub_step(1000).unwrap().damage, []);
    assert_eq!(store.replace(page(0), &full(1)).unwrap(), Replaced::NotKept);
    let mut store = restarted_after_sync(store, 3);
    assert_eq!(store.read(page(0)).unwrap(), Some(full(2)));
}
