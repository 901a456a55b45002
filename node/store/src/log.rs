//! The end of the log: records go into a buffer, the buffer to the disk, and syncs
//! tell how far the log is durable.
use alloc::vec::Vec;
use core::iter;
use platform::{Disk, DiskError, SegmentNumber, SyncToken};

use crate::ahead::Ahead;
use crate::record::{FORMAT_VERSION, Meta, Position, put_record};
use crate::store::Identity;

/// Bytes collected before they are given to the disk.
const BUFFER_SIZE: usize = 256 << 10;

/// A log that is written at its end and read anywhere.
#[derive(Debug)]
pub(crate) struct Log<D> {
    pub(crate) disk: D,
    /// Where the next record goes.
    end: Position,
    /// Written, but not yet given to the disk: the last bytes before `end`.
    buffer: Vec<u8>,
    durable: Position,
    /// The sync on its way, and what will be durable when it completes.
    syncing: Option<(SyncToken, Position)>,
    /// A write or a sync has failed: nobody knows what the device holds, so nothing is
    /// tried any more, and nothing more becomes durable.
    is_poisoned: bool,
    syncs: u64,
    bytes_written: u64,
    ahead: Ahead,
}

impl<D: Disk> Log<D> {
    /// Goes on at `end`, of which everything before `durable` is known to be durable.
    pub(crate) fn resume(disk: D, end: Position, durable: Position) -> Self {
        assert!(durable <= end, "what is durable was written");
        let buffer = Vec::new();
        Self {
            disk,
            end,
            buffer,
            durable,
            syncing: None,
            is_poisoned: false,
            syncs: 0,
            bytes_written: 0,
            ahead: Ahead::default(),
        }
    }

    /// Begins a new segment.
    pub(crate) fn begin_segment(
        &mut self,
        segment: SegmentNumber,
        identity: Identity,
    ) -> Result<(), DiskError> {
        assert!(self.end.segment < segment, "segments are numbered upwards");
        self.flush()?;
        let created = self.disk.create(segment);
        self.written(created)?;
        self.end = Position { segment, offset: 0 };
        let Identity { cluster, store } = identity;
        self.append(
            Meta::Header {
                version: FORMAT_VERSION,
                segment,
                cluster,
                store,
            },
            &[],
        )?;
        Ok(())
    }

    /// Writes a record at the end of the log.
    pub(crate) fn append(&mut self, meta: Meta, payload: &[u8]) -> Result<Position, DiskError> {
        self.check()?;
        let position = self.end;
        let size = put_record(&mut self.buffer, meta, payload, self.durable, position);
        self.end.offset = position
            .offset
            .checked_add(size)
            .expect("segments are sealed early");
        self.bytes_written += u64::from(size);
        if self.buffer.len() >= BUFFER_SIZE {
            self.flush()?;
        }
        Ok(position)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        // The next stretch will be about as long.
        let next = Vec::with_capacity(self.buffer.len());
        let bytes = core::mem::replace(&mut self.buffer, next);
        let appended = self.disk.append(self.end.segment, bytes);
        self.written(appended)
    }

    /// Deletes a segment.
    pub(crate) fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.check()?;
        self.ahead.forget(segment);
        let deleted = self.disk.delete(segment);
        self.written(deleted)
    }

    /// Whether anything can still be written.
    pub(crate) fn check(&self) -> Result<(), DiskError> {
        if self.is_poisoned {
            return Err(DiskError::Poisoned);
        }
        Ok(())
    }

    /// What came of an operation that changes the disk. A failed one is the last.
    fn written<T>(&mut self, result: Result<T, DiskError>) -> Result<T, DiskError> {
        self.is_poisoned |= result.is_err();
        result
    }

    /// So many bytes at `position` as `room` has, there or elsewhere.
    pub(crate) fn read<'room>(
        &'room mut self,
        position: Position,
        room: &'room mut [u8],
    ) -> Result<&'room [u8], DiskError> {
        self.check()?;
        let read_end = u64::from(position.offset) + room.len() as u64;
        let flushed = u64::from(self.end.offset) - self.buffer.len() as u64;
        if position.segment == self.end.segment && read_end > flushed {
            self.flush()?;
        }
        self.ahead.read(&mut self.disk, position, room)
    }

    /// What is read next comes from the disk, and not from what was read ahead.
    pub(crate) fn forget_ahead(&mut self) {
        self.ahead = Ahead::default();
    }

    /// Starts to make everything written so far durable.
    pub(crate) fn start_sync(&mut self) -> Result<(), DiskError> {
        assert!(
            self.syncing.is_none(),
            "one sync at a time; what comes later shares the next"
        );
        self.check()?;
        self.flush()?;
        self.syncs += 1;
        let token = SyncToken(self.syncs);
        let started = self.disk.sync(token);
        self.written(started)?;
        self.syncing = Some((token, self.end));
        Ok(())
    }

    /// Why nothing more can be written, if the disk has not said so before.
    pub(crate) fn failure(&mut self) -> Option<DiskError> {
        if !self.is_poisoned {
            return None;
        }
        // Syncs that were done before come first.
        let mut polled = iter::repeat_with(|| self.disk.poll_completions());
        let failure = polled.find_map(|polled| match polled {
            Ok(Some(_)) => None,
            Ok(None) => Some(DiskError::Poisoned),
            Err(error) => Some(error),
        });
        failure.filter(|error| *error != DiskError::Poisoned)
    }

    /// Whether a sync has completed since the last call.
    pub(crate) fn poll_sync(&mut self) -> Result<bool, DiskError> {
        let polled = self.disk.poll_completions();
        if self.is_poisoned {
            // Nothing is left but to hear why.
            return Err(polled.err().unwrap_or(DiskError::Poisoned));
        }
        let Some(done) = self.written(polled)? else {
            return Ok(false);
        };
        let (token, end) = self
            .syncing
            .take()
            .expect("only what was started completes");
        assert!(
            token == done && self.durable <= end,
            "syncs complete in order"
        );
        self.durable = end;
        Ok(true)
    }

    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    pub(crate) fn end(&self) -> Position {
        self.end
    }

    pub(crate) fn durable(&self) -> Position {
        self.durable
    }

    pub(crate) fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.syncs
    }
}
