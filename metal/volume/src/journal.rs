//! The two logs of a volume, of which one is in use: where the next record goes.
//!
//! A log begins with a checkpoint, a record that says all there is; each one after it says
//! what a sync has changed. When one is full the other begins anew with a checkpoint, which
//! is that sync's record.
use alloc::vec::Vec;

use crate::record::{self, Change, Order};
use crate::superblock::Superblock;

#[derive(Debug)]
pub(crate) struct Journal {
    superblock: Superblock,
    /// Which log is in use, 0 or 1.
    log: usize,
    /// The last record.
    last: Order,
    /// Sectors of the log that have records.
    used: u64,
}

/// A record, and where it goes.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) sector: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Journal {
    /// The next record is a checkpoint, and does not go into this log.
    pub(crate) fn after(superblock: Superblock, log: usize, last: Order) -> Self {
        Self {
            superblock,
            log,
            last,
            used: superblock.log_sectors,
        }
    }

    /// Places a record of what has changed, or one of `all` there is.
    pub(crate) fn place(
        &mut self,
        changes: Vec<Change>,
        all: impl FnOnce(Vec<Change>) -> Vec<Change>,
    ) -> Placed {
        let left = self.superblock.log_sectors - self.used;
        if record::sectors(&changes) <= left {
            self.last.sequence += 1;
            return self.put(&changes);
        }
        self.last = Order {
            generation: self.last.generation + 1,
            sequence: 0,
        };
        self.log = 1 - self.log;
        self.used = 0;
        let all = all(changes);
        assert!(
            record::sectors(&all) <= self.superblock.log_sectors,
            "a log has room for the fullest volume"
        );
        self.put(&all)
    }

    fn put(&mut self, changes: &[Change]) -> Placed {
        let sector = self.superblock.log_start(self.log) + self.used;
        self.used += record::sectors(changes);
        let bytes = record::encode(self.superblock.id, self.last, changes);
        Placed { sector, bytes }
    }
}
