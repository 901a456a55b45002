//! What a crash left, read from the logs.
//!
//! All records but the last are known to stand for what the device has: each was begun when
//! the one before was durable with its bytes. The last is believed if the bytes that were
//! written along with it are there; else the sync that it is of has not completed. Records
//! beyond the first bytes that are none were written by nobody, or the device has lost some.
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crc32fast::Hasher;
use platform::SegmentNumber;

use crate::blocks::FreeBlocks;
use crate::device::{self, BlockDevice, SECTOR, SECTOR_SIZE, index};
use crate::error::OpenError;
use crate::file::File;
use crate::journal::Journal;
use crate::record::{Change, Head, Kind, Order};
use crate::superblock::Superblock;

/// No volume has so many checkpoints; the numbers of all that follow fit, too.
const GENERATION_MAX: u64 = 1 << 62;

/// Bytes that are read at a time.
pub(crate) const READ_BYTES: u64 = 256 << 10;

#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) files: BTreeMap<SegmentNumber, File>,
    pub(crate) free: FreeBlocks,
    pub(crate) journal: Journal,
}

/// A record as it was found.
struct Found {
    order: Order,
    sector: u64,
    changes: Vec<Change>,
}

/// One log as it was found.
struct Log {
    number: usize,
    /// From its checkpoint on; none if it has no checkpoint.
    records: Vec<Found>,
    /// Where they end.
    end: u64,
    /// The latest of records that lie behind them.
    behind: Option<Order>,
}

/// Reads the logs.
pub(crate) fn recover<B: BlockDevice>(
    device: &mut B,
    superblock: Superblock,
) -> Result<Recovered, OpenError> {
    let mut logs = [
        read_log(device, &superblock, 0)?,
        read_log(device, &superblock, 1)?,
    ];
    logs.sort_by_key(|log| log.records.last().map(|record| record.order));
    let [other, mut log] = logs;
    let expected = "a checkpoint in one of the logs";
    let nothing = OpenError::Damaged {
        expected,
        sector: superblock.log_start(0),
    };
    let last = log.records.last().ok_or(nothing)?.order;
    for one in [&log, &other] {
        if one.behind > Some(last) {
            let (expected, sector) = ("a record of the log", one.end);
            return Err(OpenError::Damaged { expected, sector });
        }
    }
    let mut state = replay(&superblock, &log.records)?;
    if !is_written(device, &superblock, &state, &log)? {
        log.records.pop();
        if log.records.is_empty() {
            log = other;
        }
        if log.records.is_empty() {
            return Err(nothing);
        }
        state = replay(&superblock, &log.records)?;
    }
    let State { files, free } = state;
    Ok(Recovered {
        files,
        free,
        journal: Journal::after(superblock, log.number, last),
    })
}

fn read_log<B: BlockDevice>(
    device: &mut B,
    superblock: &Superblock,
    number: usize,
) -> Result<Log, OpenError> {
    let start = superblock.log_start(number);
    let mut reader = Reader {
        device,
        superblock,
        end: start + superblock.log_sectors,
        from: start,
        bytes: Vec::new(),
    };
    let mut records: Vec<Found> = Vec::new();
    let mut at = start;
    while let Some((head, bytes)) = reader.record(at)? {
        let expected = records.last().map_or(0, |last| last.order.sequence + 1);
        let generation = records
            .first()
            .map_or(head.order.generation, |first| first.order.generation);
        let order = Order {
            generation,
            sequence: expected,
        };
        if head.order != order {
            break;
        }
        if generation > GENERATION_MAX {
            return Err(OpenError::Damaged {
                expected: "a checkpoint's generation",
                sector: at,
            });
        }
        let senseless = OpenError::Damaged {
            expected: "a record that makes sense",
            sector: at,
        };
        let changes = head.changes(&bytes).ok_or(senseless)?;
        records.push(Found {
            order,
            sector: at,
            changes,
        });
        at += head.sectors();
    }
    let end = at;
    let mut behind = None;
    while at < reader.end {
        let found = reader.record(at)?;
        behind = behind.max(found.map(|(head, _)| head.order));
        at += 1;
    }
    Ok(Log {
        number,
        records,
        end,
        behind,
    })
}

/// Reads a log from its beginning to its end.
struct Reader<'a, B> {
    device: &'a mut B,
    superblock: &'a Superblock,
    /// Of the log.
    end: u64,
    /// What was read last, and from which sector on.
    from: u64,
    bytes: Vec<u8>,
}

impl<B: BlockDevice> Reader<'_, B> {
    /// The record at a sector; `None` if there is none.
    fn record(&mut self, at: u64) -> Result<Option<(Head, Vec<u8>)>, OpenError> {
        if at >= self.end {
            return Ok(None);
        }
        let id = self.superblock.id;
        let Some(head) = Head::decode(self.sectors(at, 1)?, id) else {
            return Ok(None);
        };
        if head.sectors() > self.end - at {
            return Ok(None);
        }
        let bytes = self.sectors(at, head.sectors())?;
        Ok(head.is_whole(bytes).then(|| (head, bytes.to_vec())))
    }

    fn sectors(&mut self, at: u64, count: u64) -> Result<&[u8], OpenError> {
        let read = self.from + self.bytes.len() as u64 / SECTOR;
        if at < self.from || at + count > read {
            let count = count.max(READ_BYTES / SECTOR).min(self.end - at);
            self.bytes.resize(index(count * SECTOR), 0);
            self.from = at;
            let read = device::read(self.device, at, &mut self.bytes);
            read.map_err(OpenError::read)?;
        }
        let start = index((at - self.from) * SECTOR);
        Ok(&self.bytes[start..start + index(count * SECTOR)])
    }
}

/// What records say there is.
struct State {
    files: BTreeMap<SegmentNumber, File>,
    free: FreeBlocks,
}

fn replay(superblock: &Superblock, records: &[Found]) -> Result<State, OpenError> {
    let mut state = State {
        files: BTreeMap::new(),
        free: FreeBlocks::new(superblock.blocks),
    };
    for record in records {
        let mut changes = record.changes.iter();
        let fits = changes.all(|change| state.apply(superblock, change).is_some());
        // As many as a checkpoint has room for.
        if !fits || state.files.len() > superblock.blocks as usize {
            return Err(OpenError::Damaged {
                expected: "a record that fits those before it",
                sector: record.sector,
            });
        }
    }
    Ok(state)
}

impl State {
    /// `None` if that cannot be.
    fn apply(&mut self, superblock: &Superblock, change: &Change) -> Option<()> {
        let old = self.files.remove(&change.segment);
        let mut file = match change.kind {
            Kind::Whole | Kind::Deleted => {
                let runs = old.into_iter().flat_map(|file| file.runs);
                runs.for_each(|run| self.free.release(run));
                if change.kind == Kind::Deleted {
                    return Some(());
                }
                File::new()
            }
            Kind::Grown => old?,
        };
        for &run in &change.runs {
            if run.count == 0 || !self.free.take(run) {
                return None;
            }
            file.add_run(run);
        }
        let room = file.blocks() * u64::from(superblock.block_bytes);
        let lengths = file.length..=room;
        if !lengths.contains(&change.length) || change.checked_from > change.length {
            return None;
        }
        file.length = change.length;
        file.forget_tail();
        file.record();
        self.files.insert(change.segment, file);
        Some(())
    }
}

/// Whether the bytes are there that were written along with the last record.
fn is_written<B: BlockDevice>(
    device: &mut B,
    superblock: &Superblock,
    state: &State,
    log: &Log,
) -> Result<bool, OpenError> {
    let last = log.records.last().into_iter();
    for change in last.flat_map(|record| &record.changes) {
        let Some(file) = state.files.get(&change.segment) else {
            continue;
        };
        let mut checksum = Hasher::new();
        let mut at = change.checked_from;
        while at < file.length {
            let length = (file.length - at).min(READ_BYTES);
            let bytes = read_stretch(superblock, file, at, length, |sector, buffer| {
                device.read(sector, buffer)
            });
            let bytes = bytes.map_err(OpenError::read)?;
            checksum.update(&bytes);
            at += bytes.len() as u64;
        }
        if checksum.finalize() != change.checksum {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Some bytes of a file, as many as lie together of these.
pub(crate) fn read_stretch<E>(
    superblock: &Superblock,
    file: &File,
    offset: u64,
    length: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let stretch = file.locate(offset, length, superblock.block_bytes.into());
    let sector = superblock.block_start(stretch.block) + stretch.offset / SECTOR;
    let before = index(stretch.offset % SECTOR);
    let end = before + index(stretch.length);
    let mut bytes = vec![0; end.next_multiple_of(SECTOR_SIZE)];
    read(sector, &mut bytes)?;
    bytes.truncate(end);
    bytes.drain(..before);
    Ok(bytes)
}
