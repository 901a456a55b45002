//! A disk in memory that crashes on command, for tests and the simulator.
//!
//! It keeps apart what was written and what was synced, so that a crash can lose,
//! tear or keep whatever no completed sync covers.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use platform::{Disk, DiskError, DiskOperation, SegmentNumber, SyncToken};
use types::Prng;

use crate::record::{HEAD_SIZE, Head, Meta, Position};

/// Bytes that a device writes all or not at all.
const SECTOR_SIZE: usize = 512;

/// When syncs complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncMode {
    /// At once.
    #[default]
    Immediate,
    /// When [`MemoryDisk::complete_sync`] is called.
    Held,
}

/// What a crash does to what was not synced.
#[derive(Debug)]
pub enum Tail<'a> {
    /// All of it is lost.
    Lost,
    /// All of it is there.
    Kept,
    /// Each file ends anywhere, with sectors missing; files come and go.
    Torn(&'a mut Prng),
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// How many of them are durable; `None`: not even the file is.
    synced: Option<usize>,
}

/// A sync on its way: how long each file was when it began, and which were deleted.
#[derive(Clone, Debug)]
struct Sync {
    token: SyncToken,
    lengths: Vec<(SegmentNumber, usize)>,
    deleted: Vec<SegmentNumber>,
}

/// A disk in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    files: BTreeMap<SegmentNumber, File>,
    /// Deleted since the last completed sync.
    deleted: BTreeMap<SegmentNumber, File>,
    mode: SyncMode,
    syncing: VecDeque<Sync>,
    completed: VecDeque<SyncToken>,
    /// Writes that still succeed; `None`: all.
    writes_left: Option<u64>,
    /// Bytes that there is room for; `None`: any.
    bytes_left: Option<u64>,
    /// Places that cannot be read any more.
    unreadable: Vec<(SegmentNumber, usize)>,
    failure: Option<DiskError>,
    is_poisoned: bool,
    reads: u64,
    bytes_read: u64,
    writes: u64,
}

impl MemoryDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says when syncs complete from now on.
    pub fn set_sync_mode(&mut self, mode: SyncMode) {
        self.mode = mode;
        while mode == SyncMode::Immediate && self.complete_sync() {}
    }

    /// Completes the oldest sync on its way, if there is one.
    pub fn complete_sync(&mut self) -> bool {
        let Some(Sync {
            token,
            lengths,
            deleted,
        }) = self.syncing.pop_front()
        else {
            return false;
        };
        for (segment, length) in lengths {
            if let Some(file) = self.files.get_mut(&segment) {
                file.synced = file.synced.max(Some(length));
            }
        }
        deleted
            .iter()
            .for_each(|segment| drop(self.deleted.remove(segment)));
        self.completed.push_back(token);
        true
    }

    /// Lets `count` more writes (of any kind) succeed; the one after them fails with
    /// half of its bytes written, and the disk is poisoned.
    pub fn fail_after(&mut self, count: u64) {
        self.writes_left = Some(count);
    }

    /// Has the disk full when so many more bytes were written.
    pub fn fill_after(&mut self, bytes: u64) {
        self.bytes_left = Some(bytes);
    }

    /// Counts bytes that are written, and says how many there is room for.
    fn room(&mut self, bytes: usize) -> usize {
        let Some(left) = &mut self.bytes_left else {
            return bytes;
        };
        let written = bytes.min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= written as u64;
        if written < bytes {
            self.is_poisoned = true;
            self.failure.get_or_insert(DiskError::NoSpace);
        }
        written
    }

    /// Flips a bit of what is stored.
    ///
    /// # Panics
    /// If there is no such bit.
    pub fn flip_bit(&mut self, segment: SegmentNumber, offset: usize, bit: u8) {
        let file = self
            .files
            .get_mut(&segment)
            .expect("the segment is on the disk");
        file.bytes[offset] ^= 1 << bit;
    }

    /// Has every read of this byte fail.
    pub fn make_unreadable(&mut self, segment: SegmentNumber, offset: usize) {
        self.unreadable.push((segment, offset));
    }

    /// Flips a bit in the bytes of one of so many stored frames of pages; returns in how many.
    pub fn rot(&mut self, one_in: u64, prng: &mut Prng) -> usize {
        let mut count = 0;
        for (&segment, file) in &mut self.files {
            let mut at = 0;
            while let Some(bytes) = file.bytes[at..].first_chunk::<HEAD_SIZE>() {
                let offset = u32::try_from(at).expect("segments are sealed early");
                let Ok(head) = Head::decode(bytes, Position { segment, offset }) else {
                    break;
                };
                let payload = at + HEAD_SIZE;
                let length = (head.payload_length as usize).min(file.bytes.len() - payload);
                let is_frame = matches!(head.meta, Meta::Frame { .. });
                if is_frame && length > 0 && prng.chance(1, one_in) {
                    let byte = usize::try_from(prng.below(length as u64)).expect("a length");
                    file.bytes[payload + byte] ^= 1 << prng.below(8);
                    count += 1;
                }
                at = (at + head.record_size()).min(file.bytes.len());
            }
        }
        count
    }

    /// Loses the newest file, if it is not the only one; whether it is not.
    pub fn lose_newest(&mut self) -> bool {
        self.files.len() > 1 && self.files.pop_last().is_some()
    }

    /// Puts bytes where others were: a write that went elsewhere, or was lost.
    ///
    /// # Panics
    /// If nothing was there.
    pub fn overwrite(&mut self, segment: SegmentNumber, offset: usize, bytes: &[u8]) {
        let file = self.files.get_mut(&segment);
        let file = file.expect("the segment is on the disk");
        file.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// The disk as it is found after a crash.
    #[must_use]
    pub fn crash(&self, mut tail: Tail<'_>) -> Self {
        let mut files = self.files.clone();
        match &mut tail {
            Tail::Kept => (),
            Tail::Lost => {
                files.extend(self.deleted.clone());
                files.retain(|_, file| file.lose_tail());
            }
            Tail::Torn(prng) => {
                let back = self.deleted.iter().filter(|_| prng.chance(1, 2));
                files.extend(back.map(|(segment, file)| (*segment, file.clone())));
                files.retain(|_, file| file.tear_tail(prng));
            }
        }
        for file in files.values_mut() {
            file.synced = Some(file.bytes.len());
        }
        Self {
            files,
            ..Self::default()
        }
    }

    /// Reads so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Writes of any kind so far: what [`MemoryDisk::fail_after`] counts.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Counts a write, and says whether it fails.
    fn write(&mut self, operation: DiskOperation) -> Result<(), DiskError> {
        self.check()?;
        self.writes += 1;
        match &mut self.writes_left {
            Some(0) => {
                self.is_poisoned = true;
                self.failure = Some(DiskError::Io { operation, code: 0 });
                Err(DiskError::Poisoned)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<(), DiskError> {
        if self.is_poisoned {
            Err(DiskError::Poisoned)
        } else {
            Ok(())
        }
    }

    fn file(&mut self, segment: SegmentNumber) -> Result<&mut File, DiskError> {
        self.files
            .get_mut(&segment)
            .ok_or(DiskError::NotFound(segment))
    }
}

impl File {
    /// Loses what was not synced; whether the file is still there.
    fn lose_tail(&mut self) -> bool {
        self.bytes.truncate(self.synced.unwrap_or(0));
        self.synced.is_some()
    }

    fn tear_tail(&mut self, prng: &mut Prng) -> bool {
        let synced = self.synced.unwrap_or(0);
        let unsynced = self.bytes.len() - synced;
        let kept = usize::try_from(prng.below(unsynced as u64 + 1)).expect("a length");
        self.bytes.truncate(synced + kept);
        let mut sector = synced.next_multiple_of(SECTOR_SIZE);
        while sector < self.bytes.len() {
            let end = self.bytes.len().min(sector + SECTOR_SIZE);
            if prng.chance(1, 8) {
                self.bytes[sector..end].fill(0);
            }
            sector += SECTOR_SIZE;
        }
        self.synced.is_some() || prng.chance(1, 2)
    }
}

impl Disk for MemoryDisk {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError> {
        self.check()?;
        Ok(self.files.keys().copied().collect())
    }

    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError> {
        self.check()?;
        Ok(self.file(segment)?.bytes.len() as u64)
    }

    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.write(DiskOperation::Create)?;
        let old = self.files.insert(segment, File::default());
        assert!(old.is_none(), "segment {segment} exists");
        Ok(())
    }

    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError> {
        let result = self.write(DiskOperation::Append);
        let half = bytes.len() / 2;
        let written = match result {
            Ok(()) => &bytes[..self.room(bytes.len())],
            Err(_) if self.failure.is_some() => &bytes[..half],
            Err(_) => &[],
        };
        self.file(segment)?.bytes.extend_from_slice(written);
        result
    }

    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError> {
        self.write(DiskOperation::Sync)?;
        let lengths = self
            .files
            .iter()
            .map(|(&segment, file)| (segment, file.bytes.len()));
        let lengths = lengths.collect();
        let deleted = self.deleted.keys().copied().collect();
        self.syncing.push_back(Sync {
            token,
            lengths,
            deleted,
        });
        if self.mode == SyncMode::Immediate {
            self.complete_sync();
        }
        Ok(())
    }

    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.check()?;
        Ok(self.completed.pop_front())
    }

    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        self.check()?;
        self.reads += 1;
        self.bytes_read += buffer.len() as u64;
        let start = usize::try_from(offset).map_err(|_| DiskError::PastEnd(segment))?;
        let bytes = &self.files.get(&segment);
        let bytes = &bytes.ok_or(DiskError::NotFound(segment))?.bytes;
        let range = start..start.saturating_add(buffer.len());
        let mut unreadable = self.unreadable.iter();
        if unreadable.any(|(bad, at)| *bad == segment && range.contains(at)) {
            let operation = DiskOperation::Read;
            return Err(DiskError::Io { operation, code: 0 });
        }
        buffer.copy_from_slice(bytes.get(range).ok_or(DiskError::PastEnd(segment))?);
        Ok(())
    }

    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError> {
        self.write(DiskOperation::Truncate)?;
        let file = self.file(segment)?;
        file.bytes
            .truncate(usize::try_from(length).unwrap_or(usize::MAX));
        file.synced = Some(file.bytes.len());
        Ok(())
    }

    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.write(DiskOperation::Delete)?;
        let file = self
            .files
            .remove(&segment)
            .ok_or(DiskError::NotFound(segment))?;
        if file.synced.is_some() {
            self.deleted.insert(segment, file);
        }
        Ok(())
    }
}
