//! A voter's durable memory: a small log of opaque records on a disk of its own.
//!
//! When it has grown, a checkpoint (a record that stands for all before it) begins a
//! new file; the old ones go when that has reached the device.
use alloc::vec::Vec;
use platform::{Disk, DiskError, SegmentNumber};
use types::StoreId;

use crate::error::OpenError;
use crate::log::Log;
use crate::record::{Meta, Position};
use crate::recover::recover;
use crate::scan::Loaded;
use crate::store::Identity;

/// A checkpoint is wanted when the file has grown to this.
const CHECKPOINT_SIZE: u32 = 1 << 20;

/// A voter's log. It has an id of its own, like a store.
#[derive(Debug)]
pub struct ControlLog<D> {
    log: Log<D>,
    identity: Identity,
    /// Records that no sync covers yet, and those that the sync on its way covers.
    waiting: usize,
    syncing: usize,
    /// Files that the checkpoint at the start of the newest one replaces.
    replaced: Vec<SegmentNumber>,
}

impl<D: Disk> ControlLog<D> {
    /// Opens the log, and gives the records in it, oldest first. Those that a crash
    /// kept from becoming durable are missing at the end.
    ///
    /// # Errors
    /// If the disk fails, or holds no whole log of this cluster.
    pub fn open(mut disk: D, identity: Identity) -> Result<(Self, Vec<Vec<u8>>), OpenError> {
        let mut found = recover(&mut disk, identity, &[])?;
        if let Some(&damage) = found.damage.first() {
            return Err(OpenError::Damaged(damage));
        }
        let identity = Identity {
            store: found.store.unwrap_or(identity.store),
            ..identity
        };
        let end = found
            .segments
            .last()
            .map_or(Position::START, |last| Position {
                segment: last.segment,
                offset: last.end,
            });
        let log = Log::resume(disk, end, found.durable);
        let mut this = Self {
            log,
            identity,
            waiting: 0,
            syncing: 0,
            replaced: Vec::new(),
        };
        if found.segments.last().is_none_or(|last| last.is_sealed) {
            this.log.begin_segment(found.next, identity)?;
        }
        this.replaced = replaced(&found.segments);
        let first = this.replaced.len();
        let records = found
            .segments
            .drain(first..)
            .flat_map(|loaded| loaded.control)
            .collect();
        Ok((this, records))
    }

    /// Appends a record; [`ControlLog::poll`] says when it is durable.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn append(&mut self, record: &[u8]) -> Result<(), DiskError> {
        self.log.append(Meta::Control, record)?;
        self.waiting += 1;
        Ok(())
    }

    /// Its id: that with which it was begun.
    pub fn id(&self) -> StoreId {
        self.identity.store
    }

    /// Whether the log has grown so much that a checkpoint is due.
    pub fn wants_checkpoint(&self) -> bool {
        self.log.end().offset >= CHECKPOINT_SIZE
    }

    /// Appends a record that stands for all before it.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn checkpoint(&mut self, record: &[u8]) -> Result<(), DiskError> {
        let segment = self.log.end().segment;
        self.replaced.push(segment);
        let footer = self.log.end().offset;
        self.log.append(Meta::Trailer { footer }, &[])?;
        self.log
            .begin_segment(SegmentNumber(segment.0 + 1), self.identity)?;
        self.log.append(Meta::Checkpoint, record)?;
        self.waiting += 1;
        Ok(())
    }

    /// How many records have become durable since the last call, in their order.
    /// Starts a sync for those that wait for one.
    ///
    /// # Errors
    /// If the disk failed. Nothing becomes durable any more then.
    pub fn poll(&mut self) -> Result<usize, DiskError> {
        let mut durable = 0;
        while self.log.poll_sync()? {
            durable += core::mem::take(&mut self.syncing);
        }
        if self.waiting > 0 && !self.log.is_syncing() {
            self.log.start_sync()?;
            self.syncing = core::mem::take(&mut self.waiting);
        }
        self.delete_replaced()?;
        Ok(durable)
    }

    /// Why the disk has failed: see [`Store::failure`](crate::Store::failure).
    pub fn failure(&mut self) -> Option<DiskError> {
        self.log.failure()
    }

    /// The disk, for the world that it lives in.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.log.disk
    }

    /// Closes the log; what was not synced may be lost.
    pub fn into_disk(self) -> D {
        self.log.disk
    }

    fn delete_replaced(&mut self) -> Result<(), DiskError> {
        let durable = self.log.durable().segment;
        while let Some(&segment) = self.replaced.first().filter(|&&segment| segment < durable) {
            self.log.delete(segment)?;
            self.replaced.remove(0);
        }
        Ok(())
    }
}

/// The files before the newest one that begins with a whole checkpoint.
fn replaced(segments: &[Loaded]) -> Vec<SegmentNumber> {
    let newest = segments
        .iter()
        .rposition(|loaded| loaded.has_checkpoint)
        .unwrap_or(0);
    segments[..newest]
        .iter()
        .map(|loaded| loaded.segment)
        .collect()
}
