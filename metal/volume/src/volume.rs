//! The volume: files on a device, as a node's disk.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::{fmt, mem};

use platform::{Disk, DiskError, DiskOperation, SegmentNumber, SyncToken};

use crate::blocks::{FreeBlocks, Run};
use crate::device::{
    BlockDevice, REQUEST_BYTES_MAX, Request, SECTOR, SECTOR_SIZE, index, perform, write,
};
use crate::error::{OpenError, disk_error};
use crate::file::{File, Tail};
use crate::journal::Journal;
use crate::pipeline::Pipeline;
use crate::record::{Change, Kind, Order};
use crate::recover::{READ_BYTES, Recovered, read_stretch, recover};
use crate::superblock::{self, COPIES, Superblock, VolumeId};

/// What is on a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing: it can be formatted.
    Blank,
    /// A volume: it can be opened.
    Volume(VolumeId),
}

/// A node's disk on a block device.
///
/// The device's completions are taken, and what waits for them is begun, by any call of
/// [`Disk::append`], [`Disk::sync`] and [`Disk::poll_completions`]. A sync takes several
/// turns of the device, so whoever owns it calls the last one after each completion, not
/// only when a sync is done. To drop a volume is like a crash: what is queued is not written.
pub struct Volume<B> {
    superblock: Superblock,
    pipeline: Pipeline<B>,
    journal: Journal,
    files: BTreeMap<SegmentNumber, File>,
    free: FreeBlocks,
    /// What the next record has to say.
    changed: BTreeMap<SegmentNumber, Kind>,
    /// Not needed any more when the next record is durable.
    freed: Vec<Run>,
    completed: VecDeque<SyncToken>,
    /// Not yet reported.
    failure: Option<DiskError>,
    is_poisoned: bool,
}

impl<B: BlockDevice> Volume<B> {
    /// Looks what is on a device, and changes nothing.
    ///
    /// # Errors
    /// If the device fails, or holds what is neither nothing nor a volume that can be read.
    pub fn inspect(device: &mut B) -> Result<Found, OpenError> {
        match superblock::read(device) {
            Ok(superblock) => Ok(Found::Volume(superblock.id)),
            Err(OpenError::Blank) => Ok(Found::Blank),
            Err(error) => Err(error),
        }
    }

    /// Makes an empty volume on a blank device. No other has the same `id`.
    ///
    /// # Errors
    /// If the device is not blank, too small, or fails.
    pub fn format(device: &mut B, id: VolumeId) -> Result<(), OpenError> {
        let block_bytes = superblock::fitting_block_bytes(device.sectors());
        Self::format_with(device, id, block_bytes)
    }

    /// Like [`Volume::format`], with blocks of this size: a power of two, from 4 KiB to 64 MiB.
    ///
    /// # Errors
    /// As there.
    pub fn format_with(device: &mut B, id: VolumeId, block_bytes: u32) -> Result<(), OpenError> {
        if let Found::Volume(_) = Self::inspect(device)? {
            return Err(OpenError::Formatted);
        }
        let superblock = Superblock::new(id, device.sectors(), block_bytes)?;
        let zeroes = vec![0; REQUEST_BYTES_MAX];
        let (mut sector, end) = (superblock.log_start(0), superblock.log_start(2));
        while sector < end {
            let count = (end - sector).min(REQUEST_BYTES_MAX as u64 / SECTOR);
            let zeroes = &zeroes[..index(count * SECTOR)];
            write(device, sector, zeroes).map_err(OpenError::written)?;
            sector += count;
        }
        let before = Order {
            generation: 0,
            sequence: 0,
        };
        let mut journal = Journal::after(superblock, 1, before);
        let first = journal.place(Vec::new(), |all| all);
        write(device, first.sector, &first.bytes).map_err(OpenError::written)?;
        // Whoever finds a superblock finds all that it tells of.
        for copy in COPIES {
            perform(device, Request::Flush).map_err(OpenError::written)?;
            write(device, copy, &superblock.encode()).map_err(OpenError::written)?;
        }
        perform(device, Request::Flush).map_err(OpenError::written)
    }

    /// Opens the volume on a device. What it has then is durable.
    ///
    /// # Errors
    /// If the device fails, or holds no volume, or a damaged one.
    pub fn open(mut device: B) -> Result<Self, OpenError> {
        let superblock = superblock::read(&mut device)?;
        let Recovered {
            files,
            free,
            mut journal,
        } = recover(&mut device, superblock)?;
        // So that nobody ever has doubts about the last record again.
        let all = |changes| all_changes(&files, changes);
        let checkpoint = journal.place(Vec::new(), all);
        write(&mut device, checkpoint.sector, &checkpoint.bytes).map_err(OpenError::written)?;
        perform(&mut device, Request::Flush).map_err(OpenError::written)?;
        Ok(Self {
            superblock,
            pipeline: Pipeline::new(device),
            journal,
            files,
            free,
            changed: BTreeMap::new(),
            freed: Vec::new(),
            completed: VecDeque::new(),
            failure: None,
            is_poisoned: false,
        })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> VolumeId {
        self.superblock.id
    }

    /// Bytes that files can have together, if each filled its blocks.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        u64::from(self.superblock.blocks) * u64::from(self.superblock.block_bytes)
    }

    /// The device, with whatever has reached it.
    #[must_use]
    pub fn into_device(self) -> B {
        self.pipeline.device
    }

    /// The device below.
    pub fn device_mut(&mut self) -> &mut B {
        &mut self.pipeline.device
    }

    fn check(&self) -> Result<(), DiskError> {
        if self.is_poisoned {
            return Err(DiskError::Poisoned);
        }
        Ok(())
    }

    fn fail(&mut self, failure: DiskError) -> DiskError {
        self.failure.get_or_insert(failure);
        self.is_poisoned = true;
        self.pipeline.stop();
        DiskError::Poisoned
    }

    fn file(&mut self, segment: SegmentNumber) -> Result<&mut File, DiskError> {
        self.check()?;
        let file = self.files.get_mut(&segment);
        file.ok_or(DiskError::NotFound(segment))
    }

    fn block_bytes(&self) -> u64 {
        self.superblock.block_bytes.into()
    }

    fn pump(&mut self) -> Result<(), DiskError> {
        let mut done = Vec::new();
        let pumped = self.pipeline.pump(&mut done);
        for sync in done {
            sync.freed
                .into_iter()
                .for_each(|run| self.free.release(run));
            self.completed.extend(sync.token);
        }
        pumped.map_err(|failure| self.fail(failure))
    }

    /// Syncs, and waits until nothing is on its way any more.
    fn settle(&mut self) -> Result<(), DiskError> {
        self.begin_sync(None);
        loop {
            self.pump()?;
            if self.pipeline.is_idle() {
                return Ok(());
            }
            self.pipeline.device.wait();
        }
    }

    /// Queues what the next record is about, and the record.
    fn begin_sync(&mut self, token: Option<SyncToken>) {
        if self.changed.is_empty() && self.freed.is_empty() {
            return self.pipeline.sync(token, None, Vec::new());
        }
        let mut changes = Vec::new();
        for (segment, kind) in mem::take(&mut self.changed) {
            self.write_tail(segment);
            changes.push(match self.files.get_mut(&segment) {
                Some(file) => change(segment, kind, file),
                None => deleted(segment),
            });
        }
        let files = &self.files;
        let all = |changes| all_changes(files, changes);
        let record = self.journal.place(changes, all);
        let freed = mem::take(&mut self.freed);
        self.pipeline.sync(token, Some(record), freed);
    }

    /// Queues the last bytes of a file, which fill no sector.
    fn write_tail(&mut self, segment: SegmentNumber) {
        let Some(file) = self.files.get(&segment) else {
            return;
        };
        let Tail::Known(tail) = &file.tail else {
            return;
        };
        if tail.is_empty() {
            return;
        }
        let mut bytes = tail.clone();
        let start = file.length - bytes.len() as u64;
        bytes.resize(SECTOR_SIZE, 0);
        self.write_at(segment, start, bytes);
    }

    /// Queues whole sectors of a file.
    fn write_at(&mut self, segment: SegmentNumber, mut offset: u64, mut bytes: Vec<u8>) {
        let file = self.files.get(&segment).expect("it is written to");
        while !bytes.is_empty() {
            let length = bytes.len().min(REQUEST_BYTES_MAX) as u64;
            let stretch = file.locate(offset, length, self.superblock.block_bytes.into());
            let sector = self.superblock.block_start(stretch.block) + stretch.offset / SECTOR;
            let rest = bytes.split_off(index(stretch.length));
            self.pipeline.write(sector, bytes);
            offset += stretch.length;
            bytes = rest;
        }
    }

    /// The bytes behind the last whole sector of a file that was found are read when it is
    /// appended to for the first time.
    fn load_tail(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        let file = self.file(segment)?;
        if let Tail::Known(_) = file.tail {
            return Ok(());
        }
        let start = file.length / SECTOR * SECTOR;
        let mut tail = vec![0; index(file.length - start)];
        match self.read_written(segment, start, &mut tail) {
            Ok(()) => {
                self.file(segment)?.tail = Tail::Known(tail);
                Ok(())
            }
            Err(DiskError::Io { code, .. }) => {
                let operation = DiskOperation::Append;
                Err(self.fail(DiskError::Io { operation, code }))
            }
            Err(error) => Err(error),
        }
    }

    /// Sees to it that a file has blocks for so many bytes.
    fn reserve(&mut self, segment: SegmentNumber, bytes: u64) -> Result<(), DiskError> {
        let needed = bytes.div_ceil(self.block_bytes());
        loop {
            let file = self.file(segment)?;
            let missing = needed.saturating_sub(file.blocks());
            if missing == 0 {
                return Ok(());
            }
            let last = file.runs.last().copied();
            let count = u32::try_from(missing).unwrap_or(u32::MAX);
            if let Some(run) = self.free.allocate(last, count) {
                self.file(segment)?.add_run(run);
                self.changed.entry(segment).or_insert(Kind::Grown);
            } else if self.freed.is_empty() && !self.pipeline.is_freeing() {
                return Err(self.fail(DiskError::NoSpace));
            } else {
                self.settle()?;
            }
        }
    }

    /// Reads what is on the device or on its way there.
    fn read_written(
        &mut self,
        segment: SegmentNumber,
        mut offset: u64,
        mut buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        let file = self.files.get(&segment);
        let file = file.ok_or(DiskError::NotFound(segment))?;
        while !buffer.is_empty() {
            let length = READ_BYTES.min(buffer.len() as u64);
            let read = |sector, bytes: &mut [u8]| self.pipeline.read(sector, bytes);
            let bytes = read_stretch(&self.superblock, file, offset, length, read)
                .map_err(|error| disk_error(DiskOperation::Read, error))?;
            let (part, rest) = buffer.split_at_mut(bytes.len());
            part.copy_from_slice(&bytes);
            offset += bytes.len() as u64;
            buffer = rest;
        }
        Ok(())
    }
}

impl<B: BlockDevice> Disk for Volume<B> {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError> {
        self.check()?;
        Ok(self.files.keys().copied().collect())
    }

    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError> {
        self.file(segment).map(|file| file.length)
    }

    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.check()?;
        assert!(
            !self.files.contains_key(&segment),
            "segment {segment} exists"
        );
        // A checkpoint has room for one file per block.
        if self.files.len() >= self.superblock.blocks as usize {
            return Err(self.fail(DiskError::NoSpace));
        }
        self.files.insert(segment, File::new());
        self.changed.insert(segment, Kind::Whole);
        Ok(())
    }

    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError> {
        let length = self.file(segment)?.length;
        if bytes.is_empty() {
            return Ok(());
        }
        self.load_tail(segment)?;
        self.reserve(segment, length + bytes.len() as u64)?;
        self.changed.entry(segment).or_insert(Kind::Grown);
        let file = self.file(segment)?;
        file.checksum.update(&bytes);
        file.length += bytes.len() as u64;
        let Tail::Known(tail) = &mut file.tail else {
            panic!("the tail of {segment} was loaded");
        };
        let start = length - tail.len() as u64;
        let mut sectors = mem::take(tail);
        if sectors.is_empty() {
            sectors = bytes;
        } else {
            sectors.extend_from_slice(&bytes);
        }
        *tail = sectors.split_off(sectors.len() / SECTOR_SIZE * SECTOR_SIZE);
        self.write_at(segment, start, sectors);
        self.pump()
    }

    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError> {
        self.check()?;
        self.begin_sync(Some(token));
        self.pump()
    }

    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError> {
        if !self.is_poisoned {
            // What came of it is told below.
            let _ = self.pump();
        }
        if let Some(token) = self.completed.pop_front() {
            return Ok(Some(token));
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None if self.is_poisoned => Err(DiskError::Poisoned),
            None => Ok(None),
        }
    }

    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        let length = self.file(segment)?.length;
        let end = offset.checked_add(buffer.len() as u64);
        let end = end.filter(|&end| end <= length);
        let end = end.ok_or(DiskError::PastEnd(segment))?;
        let Tail::Known(tail) = &self.file(segment)?.tail else {
            return self.read_written(segment, offset, buffer);
        };
        let start = length - tail.len() as u64;
        let from = start.clamp(offset, end);
        let (written, last) = buffer.split_at_mut(index(from - offset));
        if !last.is_empty() {
            last.copy_from_slice(&tail[index(from - start)..index(end - start)]);
        }
        self.read_written(segment, offset, written)
    }

    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError> {
        self.file(segment)?;
        // All that was appended is on the device then, the last sector as well.
        self.settle()?;
        let block_bytes = self.block_bytes();
        let file = self.file(segment)?;
        if length < file.length {
            let freed = file.cut(length, block_bytes);
            self.freed.extend(freed);
            self.changed.insert(segment, Kind::Whole);
        }
        self.settle()
    }

    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.check()?;
        let file = self.files.remove(&segment);
        let file = file.ok_or(DiskError::NotFound(segment))?;
        self.freed.extend(file.runs);
        self.changed.insert(segment, Kind::Deleted);
        Ok(())
    }
}

/// What a record has to say of a file; it has then said all.
fn change(segment: SegmentNumber, kind: Kind, file: &mut File) -> Change {
    let runs = match kind {
        Kind::Grown => file.added.clone(),
        Kind::Whole | Kind::Deleted => file.runs.clone(),
    };
    Change {
        segment,
        kind,
        length: file.length,
        checked_from: file.recorded,
        runs,
        checksum: file.record(),
    }
}

fn deleted(segment: SegmentNumber) -> Change {
    Change {
        segment,
        kind: Kind::Deleted,
        length: 0,
        checked_from: 0,
        checksum: 0,
        runs: Vec::new(),
    }
}

/// What a checkpoint has to say: all there is, and how to check what has changed.
fn all_changes(files: &BTreeMap<SegmentNumber, File>, changes: Vec<Change>) -> Vec<Change> {
    let changes: BTreeMap<_, _> = changes
        .into_iter()
        .map(|change| (change.segment, change))
        .collect();
    let whole = |(&segment, file): (&SegmentNumber, &File)| {
        let unchanged = (file.length, 0);
        let (checked_from, checksum) = changes
            .get(&segment)
            .map_or(unchanged, |change| (change.checked_from, change.checksum));
        Change {
            segment,
            kind: Kind::Whole,
            length: file.length,
            checked_from,
            checksum,
            runs: file.runs.clone(),
        }
    };
    files.iter().map(whole).collect()
}

impl<B> fmt::Debug for Volume<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("superblock", &self.superblock)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}
