//! One file: where its bytes are, and what of them no record stands for yet.
use alloc::vec::Vec;
use core::mem;

use crc32fast::Hasher;

use crate::blocks::{Run, push_run};
use crate::device::SECTOR;

/// What the bytes behind the last whole sector are.
#[derive(Clone, Debug)]
pub(crate) enum Tail {
    /// In memory; the device has them after a sync only.
    Known(Vec<u8>),
    /// On the device, nobody has asked for them yet.
    OnDevice,
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) length: u64,
    pub(crate) runs: Vec<Run>,
    pub(crate) tail: Tail,
    /// Blocks that no record has named yet.
    pub(crate) added: Vec<Run>,
    /// How long it is by the last record.
    pub(crate) recorded: u64,
    /// Of the bytes after that.
    pub(crate) checksum: Hasher,
}

/// Bytes of a file that lie together on the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// In blocks from the start of the volume's.
    pub(crate) block: u32,
    /// Behind the beginning of that block.
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl File {
    pub(crate) fn new() -> Self {
        Self {
            length: 0,
            runs: Vec::new(),
            tail: Tail::Known(Vec::new()),
            added: Vec::new(),
            recorded: 0,
            checksum: Hasher::new(),
        }
    }

    pub(crate) fn blocks(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.count)).sum()
    }

    pub(crate) fn add_run(&mut self, run: Run) {
        push_run(&mut self.runs, run);
        push_run(&mut self.added, run);
    }

    /// Where the first of `length` bytes at `offset` are, and how many lie together there.
    pub(crate) fn locate(&self, offset: u64, length: u64, block_bytes: u64) -> Stretch {
        let mut before = 0;
        for run in &self.runs {
            let bytes = u64::from(run.count) * block_bytes;
            if offset < before + bytes {
                let inside = offset - before;
                let blocks = u32::try_from(inside / block_bytes).expect("inside of the run");
                return Stretch {
                    block: run.first + blocks,
                    offset: inside % block_bytes,
                    length: length.min(bytes - inside),
                };
            }
            before += bytes;
        }
        panic!("offset {offset} is in no block of the file");
    }

    /// Cuts it, and gives the blocks that it needs no more.
    pub(crate) fn cut(&mut self, length: u64, block_bytes: u64) -> Vec<Run> {
        let mut keep = length.div_ceil(block_bytes);
        let mut freed = Vec::new();
        for run in mem::take(&mut self.runs) {
            let kept = u64::from(run.count).min(keep);
            keep -= kept;
            let kept = u32::try_from(kept).expect("no more than the run has");
            if kept > 0 {
                let first = run.first;
                self.runs.push(Run { first, count: kept });
            }
            if kept < run.count {
                freed.push(Run {
                    first: run.first + kept,
                    count: run.count - kept,
                });
            }
        }
        self.length = length;
        self.recorded = length;
        self.checksum = Hasher::new();
        self.forget_tail();
        freed
    }

    /// Only what is on the device is known of the bytes at the end.
    pub(crate) fn forget_tail(&mut self) {
        self.tail = if self.length.is_multiple_of(SECTOR) {
            Tail::Known(Vec::new())
        } else {
            Tail::OnDevice
        };
    }

    /// A record stands for all that there is; gives the checksum of what is new.
    pub(crate) fn record(&mut self) -> u32 {
        self.recorded = self.length;
        self.added.clear();
        mem::replace(&mut self.checksum, Hasher::new()).finalize()
    }
}
