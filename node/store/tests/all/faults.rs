//! Disks that fail, lie and forget, and pages that look like records.
use crate::common::{FIRST, FRAME, HEAD, US, content, filled, page, part, view};
use platform::{Disk, DiskError, DiskOperation, SegmentNumber, SyncToken};
use std::collections::BTreeSet;
use store::{MemoryDisk, OpenError, Pace, PartError, RetainError, Store};
use types::{Epoch, NodeId, PAGE_SIZE};
use wire::{Image, PageVersion};

/// A disk that fails once and then goes on as if nothing had happened.
#[derive(Debug)]
struct Forgetful {
    disk: MemoryDisk,
    failing: Option<DiskOperation>,
    /// Said of every segment, if there is one.
    length: Option<u64>,
}

impl Forgetful {
    fn fail(&mut self, operation: DiskOperation) -> Result<(), DiskError> {
        if self.failing == Some(operation) {
            self.failing = None;
            return Err(DiskError::Io { operation, code: 5 });
        }
        Ok(())
    }
}

impl Disk for Forgetful {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError> {
        self.disk.segments()
    }

    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError> {
        let length = self.disk.length(segment)?;
        Ok(self.length.unwrap_or(length))
    }

    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.fail(DiskOperation::Create)?;
        self.disk.create(segment)
    }

    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.fail(DiskOperation::Append)?;
        self.disk.append(segment, bytes)
    }

    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError> {
        self.disk.sync(token)
    }

    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError> {
        self.fail(DiskOperation::Sync)?;
        self.disk.poll_completions()
    }

    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        self.fail(DiskOperation::Read)?;
        self.disk.read(segment, offset, buffer)
    }

    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError> {
        self.disk.truncate(segment, length)
    }

    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.fail(DiskOperation::Delete)?;
        self.disk.delete(segment)
    }
}

fn forgetful(failing: Option<DiskOperation>) -> Forgetful {
    let (disk, length) = (MemoryDisk::new(), None);
    Forgetful {
        disk,
        failing,
        length,
    }
}

#[test]
fn after_a_failure_that_the_disk_forgets_nothing_is_tried_again() {
    for failing in [DiskOperation::Append, DiskOperation::Sync] {
        let mut store = Store::open(forgetful(None), US).unwrap();
        store
            .receive_frame(NodeId(1), page(1), &content(1, 1, 1))
            .unwrap();
        store.end_part(part(1, 1), 1).unwrap();
        store.disk_mut().failing = Some(failing);
        let failed = store.poll().unwrap_err();
        assert_eq!(
            failed,
            DiskError::Io {
                operation: failing,
                code: 5
            }
        );
        let poisoned = DiskError::Poisoned;
        for _ in 0..3 {
            assert_eq!(store.poll(), Err(poisoned));
        }
        assert_eq!(store.put_frame(page(2), &content(1, 1, 1)), Err(poisoned));
        assert_eq!(
            store.end_part(part(2, 1), 0),
            Err(PartError::Disk(poisoned))
        );
        assert_eq!(store.set_stable(Epoch(1), 0), Err(poisoned));
        assert_eq!(store.apply_view(&view(&[(2, 10)])), Err(poisoned));
        assert!(store.read(page(1)).is_err());
        assert_eq!(store.clean(Pace::Earned), Err(poisoned));
        assert_eq!(store.scrub_step(1), Err(poisoned));
        assert_eq!(store.replace(page(9), &content(1, 1, 1)), Err(poisoned));
        let retained = store.retain(&BTreeSet::from([Epoch(1)]));
        assert_eq!(retained, Err(RetainError::Disk(poisoned)));
    }
}

#[test]
fn a_part_that_lacks_a_frame_is_never_acknowledged() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    store
        .receive_frame(NodeId(1), page(1), &content(1, 1, 1))
        .unwrap();
    let error = store.end_part(part(1, 1), 2).unwrap_err();
    let (expected, found) = (2, 1);
    assert_eq!(error, PartError::Incomplete { expected, found });
    store.end_part(part(2, 1), 0).unwrap();
    store.poll().unwrap();
    assert_eq!(store.poll().unwrap(), [part(2, 1)]);
    // In the next view all of it is sent again.
    store.apply_view(&view(&[(0, 1)])).unwrap();
    for index in 1..3 {
        store
            .receive_frame(NodeId(1), page(index), &content(1, 1, 1))
            .unwrap();
    }
    store.end_part(part(1, 1), 2).unwrap();
    store.poll().unwrap();
    assert_eq!(store.poll().unwrap(), [part(1, 1)]);
}

#[test]
fn a_segment_of_4_gib_is_refused() {
    let disk = Forgetful {
        disk: filled(1, 1 << 20),
        failing: None,
        length: Some(1 << 32),
    };
    let error = Store::open(disk, US).unwrap_err();
    let (segment, bytes) = (FIRST, 1 << 32);
    assert_eq!(error, OpenError::TooLong { segment, bytes });
}

/// A page that is full of records, each saying that the log was durable far beyond its end.
fn forged() -> PageVersion {
    let mut record = [0; HEAD];
    record[24..].fill(9);
    record[..3].copy_from_slice(b"PX\x03");
    record[8..16].copy_from_slice(&[0, 0, 0, 1, 1, 0, 0, 0]);
    let mut bytes = [0; PAGE_SIZE];
    for (at, block) in bytes.chunks_mut(HEAD).enumerate() {
        // It may know where it will lie.
        let offset = 3 * HEAD + 3 * FRAME + at * HEAD;
        let place = 1 << 32 | offset as u64;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&record[..20]);
        hasher.update(&record[24..]);
        hasher.update(&place.to_le_bytes());
        record[20..24].copy_from_slice(&hasher.finalize().to_le_bytes());
        block.copy_from_slice(&record);
    }
    PageVersion {
        image: Image::of(&bytes),
        ..content(2, 2, 0)
    }
}

#[test]
fn a_page_full_of_forged_records_is_a_page() {
    let mut store = Store::open(filled(3, 1 << 20), US).unwrap();
    let whole = store.disk_mut().length(FIRST).unwrap();
    store.put_frame(page(1), &forged()).unwrap();
    store.put_frame(page(2), &forged()).unwrap();
    assert_eq!(store.read(page(1)).unwrap(), Some(forged()));
    let disk = store.into_disk();
    // The head of the page is torn: what follows cannot be read in order.
    for bit in 0..8 {
        let mut torn = disk.clone();
        torn.flip_bit(FIRST, usize::try_from(whole).unwrap() + 2, bit);
        let mut store = Store::open(torn, US).unwrap();
        assert_eq!(store.read(page(1)).unwrap(), Some(content(1, 1, 2)));
    }
    let mut store = Store::open(disk, US).unwrap();
    assert_eq!(store.read(page(2)).unwrap(), Some(forged()));
}
