//! Decisions that go back behind what is stable, to an epoch that is retained.
use std::collections::BTreeSet;

use crate::common::{US, content, page, part, view};
use platform::ClusterId;
use store::{Identity, MemoryDisk, OpenError, Store, Tail};
use types::{Epoch, Prng, View};

/// Small, so that there are several segments.
const SEGMENT_SIZE: u32 = 20_000;

fn epochs(epochs: &[u64]) -> BTreeSet<Epoch> {
    epochs.iter().copied().map(Epoch).collect()
}

fn open(disk: MemoryDisk) -> Store<MemoryDisk> {
    Store::open_with(disk, US, SEGMENT_SIZE).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes these pages in this epoch, with bytes of their own, and waits until it is stable.
fn live(store: &mut Store<MemoryDisk>, epoch: u64, version: u64, pages: core::ops::Range<u32>) {
    for index in pages {
        let content = content(version, epoch, u8::try_from(epoch % 251).unwrap());
        store.put_frame(page(index), &content).unwrap();
    }
    store.end_part(part(1, epoch), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    store.set_stable(Epoch(epoch), 1000 * epoch).unwrap();
}

/// The epochs in which the pages were written as the store has them now.
fn written(store: &mut Store<MemoryDisk>, pages: core::ops::Range<u32>) -> Vec<Option<u64>> {
    let mut epoch = |index| {
        let found = store.read(page(index)).unwrap();
        found.map(|found| found.stamp.epoch().0)
    };
    pages.map(&mut epoch).collect()
}

/// Ten pages written in each epoch up to 20; 2 and 12 are retained. Page 9 is written in
/// the first only, page 10 in the last.
fn grown() -> Store<MemoryDisk> {
    let mut store = open(MemoryDisk::new());
    store.retain(&epochs(&[2, 12])).unwrap();
    live(&mut store, 1, 1, 0..10);
    for epoch in 2..=19 {
        live(&mut store, epoch, epoch, 0..9);
    }
    live(&mut store, 20, 20, 0..11);
    store
}

/// The view in which everybody goes back.
fn back_to(epoch: u64, first: u64) -> View {
    let stable = Epoch(20);
    View {
        stable,
        ..view(&[(epoch, first)])
    }
}

#[test]
fn pages_are_as_they_were_also_after_a_restart_and_cleaning() {
    let mut store = grown();
    store.apply_view(&back_to(12, 100)).unwrap();
    store.retain(&epochs(&[2, 12])).unwrap();
    let mut expected = vec![Some(12); 9];
    expected.extend([Some(1), None]);
    assert_eq!(written(&mut store, 0..11), expected);
    while store.poll().unwrap().is_empty() && !store.is_durable() {}
    let mut store = open(store.into_disk().crash(Tail::Lost));
    assert_eq!(written(&mut store, 0..11), expected);
    let early = store.read_as_of(page(3), Epoch(2)).unwrap().unwrap();
    assert_eq!(early.stamp.epoch(), Epoch(2));
    while store.clean(store::Pace::Idle).unwrap().is_more {
        store.poll().unwrap();
    }
    assert_eq!(written(&mut store, 0..11), expected);
    // And on from there, with versions of numbers that were used.
    live(&mut store, 100, 13, 0..11);
    assert_eq!(written(&mut store, 0..11), [Some(100); 11]);
    let kept = store.read_as_of(page(3), Epoch(12)).unwrap().unwrap();
    assert_eq!(kept.stamp.epoch(), Epoch(12));
    let mut store = open(store.into_disk().crash(Tail::Lost));
    assert_eq!(written(&mut store, 0..11), [Some(100); 11]);
}

/// Whoever was away hears of everything at once: the decision first, so that what it goes
/// back to is still there, although it need not be retained for anything else.
#[test]
fn a_store_that_was_away_goes_back_later() {
    let mut store = grown();
    store.apply_view(&back_to(12, 100)).unwrap();
    store.retain(&epochs(&[])).unwrap();
    store.set_stable(Epoch(150), 0).unwrap();
    for _ in 0..100 {
        store.poll().unwrap();
    }
    assert_eq!(written(&mut store, 0..9), [Some(12); 9]);
}

#[test]
fn one_may_go_back_twice() {
    let mut store = grown();
    store.apply_view(&back_to(12, 100)).unwrap();
    live(&mut store, 100, 13, 0..10);
    let decided = view(&[(12, 100), (2, 2000)]);
    let stable = Epoch(100);
    let decided = View { stable, ..decided };
    store.apply_view(&decided).unwrap();
    let mut expected = vec![Some(2); 9];
    expected.push(Some(1));
    assert_eq!(written(&mut store, 0..10), expected);
    let mut store = open(store.into_disk().crash(Tail::Kept));
    store.apply_view(&decided).unwrap();
    assert_eq!(written(&mut store, 0..10), expected);
}

/// Goes back, and writes on, until the disk fails at its write of this number; whether it did.
fn go_back_until(failing: u64) -> bool {
    let mut store = grown();
    store.disk_mut().fail_after(failing);
    let mut go_back = || -> Option<()> {
        store.apply_view(&back_to(12, 100)).ok()?;
        store.retain(&epochs(&[12])).ok()?;
        store.set_stable(Epoch(20), 0).ok()?;
        while !store.is_durable() {
            store.poll().ok()?;
        }
        while store.clean(store::Pace::Idle).ok()?.is_more {
            store.poll().ok()?;
        }
        Some(())
    };
    let has_failed = go_back().is_none();
    let disk = store.into_disk();
    let mut prng = Prng::new(failing);
    for tail in 0..6 {
        let left = match tail {
            0 => disk.crash(Tail::Lost),
            1 => disk.crash(Tail::Kept),
            _ => disk.crash(Tail::Torn(&mut prng)),
        };
        let mut store = open(left);
        store.apply_view(&back_to(12, 100)).unwrap();
        store.retain(&epochs(&[12])).unwrap();
        store.set_stable(Epoch(20), 0).unwrap();
        let found = written(&mut store, 0..9);
        assert_eq!(found, [Some(12); 9], "write {failing}, tail {tail}");
    }
    has_failed
}

/// Wherever it crashes, the next view says the same again.
#[test]
fn a_crash_at_every_write_of_it_loses_nothing() {
    let mut failing = 0;
    while go_back_until(failing) {
        failing += 1;
    }
    assert!(failing > 5, "it wrote only {failing} times");
}

/// A cluster that was made from another one's files keeps on writing under its own name.
#[test]
fn what_ancestors_have_written_is_read_on() {
    let disk = grown().into_disk().crash(Tail::Kept);
    let child = Identity {
        cluster: ClusterId(77),
        ..US
    };
    let refused = Store::open(disk.clone(), child).unwrap_err();
    assert!(matches!(refused, OpenError::ForeignCluster { .. }));
    let open = |disk| Store::open_descendant(disk, child, &[US.cluster]).unwrap();
    let mut store = open(disk);
    assert_eq!(written(&mut store, 0..9), [Some(20); 9]);
    live(&mut store, 30, 30, 0..9);
    let disk = store.into_disk().crash(Tail::Kept);
    assert_eq!(written(&mut open(disk.clone()), 0..9), [Some(30); 9]);
}
