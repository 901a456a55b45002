//! What the tests of the store have in common.
use platform::{ClusterId, SegmentNumber};
use store::{Identity, MemoryDisk, Part, Store, Tail};
use types::{
    Durability, Epoch, Fallback, Interval, NodeId, PAGE_SIZE, PageId, Stamp, StoreId, Version,
    View, ViewNumber,
};
use wire::{Image, PageVersion};

pub(crate) const US: Identity = Identity {
    cluster: ClusterId(7),
    store: StoreId(0xD15C),
};
pub(crate) const FIRST: SegmentNumber = SegmentNumber(1);
/// Head of a segment's header, and of any record.
pub(crate) const HEAD: usize = 64;
pub(crate) const FRAME: usize = HEAD + PAGE_SIZE;

pub(crate) fn page(index: u32) -> PageId {
    PageId::new(300, index)
}

pub(crate) fn content(version: u64, epoch: u64, fill: u8) -> PageVersion {
    let stamp = Stamp {
        node: NodeId(1),
        interval: Interval {
            epoch: Epoch(epoch),
            sub: 0,
        },
    };
    PageVersion {
        version: Version(version),
        stamp,
        image: Image::of(&[fill; PAGE_SIZE]),
    }
}

pub(crate) fn view(fallbacks: &[(u64, u64)]) -> View {
    let fallback = |&(stable, first): &(u64, u64)| {
        Fallback::to_stable(Epoch(stable), Epoch(first), (0..10).map(NodeId))
    };
    View {
        number: ViewNumber(2),
        leader: NodeId(1),
        members: vec![],
        leaving: vec![],
        stable: Epoch(fallbacks.last().unwrap().0),
        first_epoch: Epoch(fallbacks.last().unwrap().1),
        durability: Durability::Disk,
        fallbacks: fallbacks.iter().map(fallback).collect(),
    }
}

pub(crate) fn part(node: u32, epoch: u64) -> Part {
    Part {
        node: NodeId(node),
        epoch: Epoch(epoch),
    }
}

/// A store with `pages` pages of epoch 1, synced, and its disk as a crash leaves it.
pub(crate) fn filled(pages: u32, segment_size: u32) -> MemoryDisk {
    let mut store = Store::open_with(MemoryDisk::new(), US, segment_size).unwrap();
    for index in 0..pages {
        store
            .receive_frame(
                NodeId(1),
                page(index),
                &content(1, 1, u8::try_from(index % 250).unwrap() + 1),
            )
            .unwrap();
    }
    store.end_part(part(1, 1), pages).unwrap();
    while store.poll().unwrap().is_empty() {}
    store.into_disk().crash(Tail::Lost)
}

/// The disk with a part more, so that everything before is known to be durable.
pub(crate) fn known_durable(disk: MemoryDisk, segment_size: u32) -> MemoryDisk {
    let mut store = Store::open_with(disk, US, segment_size).unwrap();
    while !store.is_durable() {
        store.poll().unwrap();
    }
    store.end_part(part(1, 2), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    store.into_disk().crash(Tail::Lost)
}
