//! The store of a node, on a disk that has suffered: it opens with what is left, or says why
//! not; and what has been opened can be used and opened again.
use std::collections::BTreeSet;

use platform::{ClusterId, DiskError};
use store::{Identity, MemoryDisk, OpenError, Pace, Part, RetainError, Store, Tail};
use types::{
    Durability, Epoch, Fallback, Interval, NodeId, PAGE_SIZE, PageId, Prng, Stamp, StoreId,
    Version, View, ViewNumber,
};
use wire::{Image, PageVersion};

use crate::{Target, image};

pub(crate) const TARGET: Target = Target {
    name: "store",
    seeds: disks,
    check,
};

const US: Identity = Identity {
    cluster: ClusterId(7),
    store: StoreId(0xD15C),
};
/// Small, so that inputs have several segments.
const SEGMENT_SIZE: u32 = 1 << 10;
/// The page that is written to see whether the store is of use. No seed has it.
const OWN_PAGE: PageId = PageId::new(1, 1);

fn check(bytes: &[u8]) {
    let mut image = image::parse(bytes);
    use_store(image::disk(&image));
    image::mend(&mut image);
    use_store(image::disk(&image));
}

fn use_store(disk: MemoryDisk) {
    let mut store = match open(disk) {
        Ok(store) => store,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    read_all(&mut store);
    work(&mut store);
    let epoch = Epoch(store.stable().0.saturating_add(1));
    let written = store.receive_frame(NodeId(1), OWN_PAGE, &content(u64::MAX, epoch, 7));
    written.expect("the disk is well");
    write_part(&mut store, epoch).expect("the disk is well");
    let mut again = match open(store.into_disk()) {
        Ok(again) => again,
        // It was the last number that is left.
        Err(OpenError::NumberTooHigh { .. }) => return,
        Err(error) => panic!("it was open before: {error}"),
    };
    read_all(&mut again);
}

fn open(disk: MemoryDisk) -> Result<Store<MemoryDisk>, OpenError> {
    Store::open_with(disk, US, SEGMENT_SIZE)
}

/// Damaged or not, whatever the store says that it has can be asked for.
fn read_all(store: &mut Store<MemoryDisk>) {
    for extent in store.inventory() {
        for (page, version, stamp) in store.kept_versions(extent) {
            if let Ok(found) = store.read_version(page, version, stamp) {
                assert_eq!(found.map(|found| found.version), Some(version));
            }
            if let Ok(found) = store.read_stable(page) {
                assert!(found.is_some_and(|found| found.version >= version));
            }
            if let Ok(found) = store.read(page) {
                assert!(found.is_some_and(|found| found.version >= version));
            }
        }
    }
    assert!(store.stats().segments > 0);
    assert!(
        store
            .snapshots()
            .is_sorted_by_key(|snapshot| snapshot.epoch)
    );
    store
        .damage()
        .for_each(|damage| assert!(!damage.to_string().is_empty()));
}

/// Whatever is damaged: scrubbing and cleaning come to an end, and epochs are retained.
fn work(store: &mut Store<MemoryDisk>) {
    let mut epochs: BTreeSet<Epoch> = store.retained().collect();
    epochs.pop_first();
    epochs.insert(store.stable());
    match store.retain(&epochs) {
        Ok(()) | Err(RetainError::TooMany { .. }) => {}
        Err(error) => panic!("none of them is gone: {error}"),
    }
    let mut steps = 0;
    while !store.scrub_step(5).expect("the disk is well").is_round {
        steps += 1;
    }
    assert!(steps < 1 << 20, "scrubbing has no end");
    for _ in 0..64 {
        let cleaned = store.clean(Pace::Idle).expect("the disk is well");
        store.poll().expect("the disk is well");
        if !cleaned.is_more {
            break;
        }
    }
    read_all(store);
}

fn write_part(store: &mut Store<MemoryDisk>, epoch: Epoch) -> Result<(), DiskError> {
    let node = NodeId(1);
    let ended = store.end_part(Part { node, epoch }, 1);
    ended.expect("its frame is there, and the disk is well");
    while store.poll()?.is_empty() {}
    Ok(())
}

fn content(version: u64, epoch: Epoch, fill: u8) -> PageVersion {
    let interval = Interval { epoch, sub: 0 };
    let mut page = [0; PAGE_SIZE];
    page[..usize::from(fill)].fill(fill);
    PageVersion {
        version: Version(version),
        stamp: Stamp {
            node: NodeId(1),
            interval,
        },
        image: Image::of(&page),
    }
}

/// Disks of a store that has lived a little: after a clean end, and after crashes.
fn disks() -> Vec<Vec<u8>> {
    let mut store = open(MemoryDisk::new()).expect("the disk is empty");
    let mut disks = Vec::new();
    for epoch in 1..=6 {
        live(&mut store, epoch).expect("the disk does not fail");
        let disk = store.disk_mut();
        let torn = disk.crash(Tail::Torn(&mut Prng::new(epoch)));
        disks.extend([disk.crash(Tail::Lost), torn]);
    }
    disks.push(store.into_disk());
    disks.into_iter().map(image::describe).collect()
}

/// An epoch: some pages, a fallback now and then, and most are stable in the end.
fn live(store: &mut Store<MemoryDisk>, number: u64) -> Result<(), DiskError> {
    let epoch = Epoch(number);
    for index in 0..4 {
        let fill = [0, 8, 60, 250][usize::try_from(index).expect("small")];
        let page = PageId::new(300, index * 200);
        store.receive_frame(NodeId(1), page, &content(number, epoch, fill))?;
    }
    write_part(store, epoch)?;
    store.put_frame(PageId::new(5, 0), &content(number, epoch.next(), 20))?;
    match number % 3 {
        0 => store.apply_view(&fallen_back(epoch)),
        _ => store.set_stable(epoch, 1_000 * number),
    }?;
    if number == 2 {
        let retained = store.retain(&BTreeSet::from([epoch]));
        retained.expect("it is stable");
    }
    store.clean(Pace::Idle)?;
    Ok(())
}

fn fallen_back(epoch: Epoch) -> View {
    let stable = Epoch(epoch.0 - 1);
    let fallback = Fallback::to_stable(stable, epoch.next(), [NodeId(1), NodeId(2)]);
    View {
        number: ViewNumber(2),
        leader: NodeId(1),
        members: vec![],
        leaving: vec![],
        stable,
        first_epoch: epoch.next(),
        durability: Durability::Disk,
        fallbacks: vec![fallback],
    }
}
