//! What is on its way to the device: writes, and syncs that wait for them.
//!
//! Bytes are given to the device in order, as many at a time as it takes. A sync waits for
//! those before it and for its record, which goes along with them, then for a flush; its
//! record is begun when the sync before it is done, so that all records but the last are
//! known to stand for what the device has. Bytes that come later need not wait for it.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use platform::{DiskError, DiskOperation, SyncToken};

use crate::blocks::Run;
use crate::device::{
    BlockDevice, Completion, DeviceError, REQUEST_BYTES_MAX, Request, RequestToken, SECTOR, index,
};
use crate::error::disk_error;
use crate::journal::Placed;

#[derive(Debug)]
pub(crate) struct Pipeline<B> {
    pub(crate) device: B,
    /// Of the last request.
    token: u64,
    /// Not yet given to the device.
    waiting: VecDeque<Write>,
    /// Given to it, and not completed.
    flying: BTreeMap<RequestToken, Write>,
    syncs: VecDeque<Sync>,
}

#[derive(Debug)]
struct Write {
    token: RequestToken,
    sector: u64,
    bytes: Arc<Vec<u8>>,
    operation: DiskOperation,
}

#[derive(Debug)]
struct Sync {
    /// `None`: the volume itself waits for it.
    token: Option<SyncToken>,
    /// All writes up to this one belong to it, or to one before.
    last: RequestToken,
    /// Its record, until the device has been given all of it.
    record: VecDeque<Write>,
    flush: Flush,
    /// Free when it is done.
    freed: Vec<Run>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flush {
    /// Nothing was written since the last one.
    Needless,
    Needed,
    Begun(RequestToken),
}

/// A sync that is done.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) token: Option<SyncToken>,
    pub(crate) freed: Vec<Run>,
}

impl Write {
    fn end(&self) -> u64 {
        self.sector + self.bytes.len() as u64 / SECTOR
    }

    fn touches(&self, other: &Self) -> bool {
        self.sector < other.end() && other.sector < self.end()
    }

    /// Copies what of its bytes belongs into a buffer of sectors.
    fn copy_to(&self, sector: u64, buffer: &mut [u8]) {
        let end = sector + buffer.len() as u64 / SECTOR;
        let (from, until) = (self.sector.max(sector), self.end().min(end));
        if from >= until {
            return;
        }
        let at = |position: u64, start: u64| index((position - start) * SECTOR);
        buffer[at(from, sector)..at(until, sector)]
            .copy_from_slice(&self.bytes[at(from, self.sector)..at(until, self.sector)]);
    }
}

impl<B: BlockDevice> Pipeline<B> {
    pub(crate) fn new(device: B) -> Self {
        Self {
            device,
            token: 0,
            waiting: VecDeque::new(),
            flying: BTreeMap::new(),
            syncs: VecDeque::new(),
        }
    }

    fn next_token(&mut self) -> RequestToken {
        self.token += 1;
        RequestToken(self.token)
    }

    /// Queues bytes of a file: whole sectors.
    pub(crate) fn write(&mut self, sector: u64, bytes: Vec<u8>) {
        if let Some(last) = self.waiting.back_mut()
            && last.end() == sector
            && last.bytes.len() + bytes.len() <= REQUEST_BYTES_MAX
            && let Some(together) = Arc::get_mut(&mut last.bytes)
        {
            together.extend(bytes);
            return;
        }
        let token = self.next_token();
        let bytes = Arc::new(bytes);
        self.waiting.push_back(Write {
            token,
            sector,
            bytes,
            operation: DiskOperation::Append,
        });
    }

    /// Queues a sync with its record.
    pub(crate) fn sync(
        &mut self,
        token: Option<SyncToken>,
        record: Option<Placed>,
        freed: Vec<Run>,
    ) {
        let flush = match &record {
            Some(_) => Flush::Needed,
            None => Flush::Needless,
        };
        let mut pieces = VecDeque::new();
        if let Some(Placed { mut sector, bytes }) = record {
            for piece in bytes.chunks(REQUEST_BYTES_MAX) {
                let token = self.next_token();
                pieces.push_back(Write {
                    token,
                    sector,
                    bytes: Arc::new(piece.to_vec()),
                    operation: DiskOperation::Sync,
                });
                sector += piece.len() as u64 / SECTOR;
            }
        }
        self.syncs.push_back(Sync {
            token,
            last: RequestToken(self.token),
            record: pieces,
            flush,
            freed,
        });
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty() && self.syncs.is_empty()
    }

    /// Whether a sync on its way will free something.
    pub(crate) fn is_freeing(&self) -> bool {
        self.syncs.iter().any(|sync| !sync.freed.is_empty())
    }

    /// Nothing is tried any more.
    pub(crate) fn stop(&mut self) {
        self.waiting.clear();
        self.syncs.clear();
    }

    /// Takes what the device has done, and gives it what it can do. Syncs that are done go
    /// into `done`, in order.
    pub(crate) fn pump(&mut self, done: &mut Vec<Done>) -> Result<(), DiskError> {
        while let Some(completion) = self.device.poll() {
            self.complete(completion)?;
        }
        // In this order: a sync that nobody waits for later bytes.
        loop {
            self.begin_sync();
            let Some(sync) = self
                .syncs
                .pop_front_if(|sync| sync.flush == Flush::Needless)
            else {
                break;
            };
            let Sync { token, freed, .. } = sync;
            done.push(Done { token, freed });
        }
        self.begin_writes();
        Ok(())
    }

    fn complete(&mut self, completion: Completion) -> Result<(), DiskError> {
        let Completion { token, result } = completion;
        if let Some(write) = self.flying.remove(&token) {
            return result.map_err(|error| disk_error(write.operation, error));
        }
        let front = self.syncs.front_mut();
        if let Some(sync) = front.filter(|sync| sync.flush == Flush::Begun(token)) {
            result.map_err(|error| disk_error(DiskOperation::Sync, error))?;
            sync.flush = Flush::Needless;
        }
        Ok(())
    }

    /// Begins the record of the first sync, and its flush when nothing before is missing.
    fn begin_sync(&mut self) {
        let Some(sync) = self.syncs.front_mut() else {
            return;
        };
        while self.device.has_room()
            && let Some(write) = sync.record.pop_front()
        {
            fly(&mut self.device, &mut self.flying, write);
        }
        let is_missing = |write: Option<&Write>| write.is_some_and(|one| one.token <= sync.last);
        if sync.flush != Flush::Needed
            || !sync.record.is_empty()
            || is_missing(self.waiting.front())
            || is_missing(self.flying.values().next())
            || !self.device.has_room()
        {
            return;
        }
        self.token += 1;
        let token = RequestToken(self.token);
        sync.flush = Flush::Begun(token);
        self.device.submit(token, Request::Flush);
    }

    fn begin_writes(&mut self) {
        while self.device.has_room()
            && let Some(first) = self.waiting.front()
            && !self.flying.values().any(|write| write.touches(first))
        {
            let first = self.waiting.pop_front().expect("it was looked at");
            fly(&mut self.device, &mut self.flying, first);
        }
    }

    /// Fills a buffer of sectors with what was written there, queued or not.
    pub(crate) fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let end = sector + buffer.len() as u64 / SECTOR;
        let is_all = |write: &Write| write.sector <= sector && end <= write.end();
        let mut queued = self.flying.values().chain(&self.waiting);
        if !queued.any(is_all) {
            self.device.read(sector, buffer)?;
        }
        // The device may have completed some meanwhile, but nobody has taken note yet.
        for write in self.flying.values().chain(&self.waiting) {
            write.copy_to(sector, buffer);
        }
        Ok(())
    }
}

fn fly<B: BlockDevice>(device: &mut B, flying: &mut BTreeMap<RequestToken, Write>, write: Write) {
    let (sector, bytes) = (write.sector, Arc::clone(&write.bytes));
    device.submit(write.token, Request::Write { sector, bytes });
    flying.insert(write.token, write);
}
