//! A disk: sectors, read and written in the background.
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport as _};

use super::memory::OneToOne;
use super::{Line, Transport};

const QUEUE: u16 = 0;
const QUEUE_SIZE: usize = 64;
/// Parts of a request: what is wanted, the data, how it went.
const PARTS: usize = 3;
/// Requests under way at the same time, at most.
pub const DEPTH_MAX: usize = QUEUE_SIZE / PARTS;
const FEATURE_FLUSH: u64 = 1 << 9;
/// What it does with what is written can be chosen.
const FEATURE_CACHE: u64 = 1 << 11;
const FEATURE_VERSION_1: u64 = 1 << 32;
const CAPACITY_AT: usize = 0;
const CACHE_AT: usize = 32;

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const DONE: u8 = 0;
const NOT_ANSWERED: u8 = 0xff;

/// A disk.
pub struct Block {
    transport: Transport,
    queue: VirtQueue<OneToOne, QUEUE_SIZE>,
    line: Option<Line>,
    sectors: u64,
    features: u64,
    /// Requests under way at the same time, at most.
    depth: usize,
    under_way: BTreeMap<u16, Box<Request>>,
}

/// What a disk does with what is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteCache {
    /// It keeps it back until it is flushed.
    Back,
    /// It is durable when it is done.
    Through,
}

/// The device's own number for what went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockError(pub i32);

struct Request {
    /// The caller's name for it.
    token: u64,
    head: [u8; 16],
    data: Data,
    status: [u8; 1],
}

enum Data {
    None,
    Out(Arc<Vec<u8>>),
    In(Vec<u8>),
}

impl Block {
    pub(super) fn open(
        mut transport: Transport,
        line: Option<Line>,
    ) -> virtio_drivers::Result<Self> {
        transport.set_status(DeviceStatus::empty());
        let driver = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        transport.set_status(driver);
        let wanted = FEATURE_FLUSH | FEATURE_CACHE | FEATURE_VERSION_1;
        let features = transport.read_device_features() & wanted;
        transport.write_driver_features(features);
        transport.set_status(driver | DeviceStatus::FEATURES_OK);
        transport.set_guest_page_size(4096);
        let low = transport.read_config_space::<u32>(CAPACITY_AT)?;
        let high = transport.read_config_space::<u32>(CAPACITY_AT + 4)?;
        let sectors = u64::from(high) << 32 | u64::from(low);
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false)?;
        let ready = driver | DeviceStatus::FEATURES_OK | DeviceStatus::DRIVER_OK;
        transport.set_status(ready);
        Ok(Self {
            transport,
            queue,
            line,
            sectors,
            features,
            depth: DEPTH_MAX,
            under_way: BTreeMap::new(),
        })
    }

    /// How many sectors of 512 bytes it has.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Whether it takes another request.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.under_way.len() < self.depth && self.queue.available_desc() >= PARTS
    }

    /// Requests under way at the same time, at most.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Gives it so many requests at the same time, 1 to [`DEPTH_MAX`].
    pub fn set_depth(&mut self, depth: usize) {
        self.depth = depth.clamp(1, DEPTH_MAX);
    }

    /// What it does with what is written.
    #[must_use]
    pub fn cache(&self) -> WriteCache {
        let keeps_back = match self.has(FEATURE_CACHE) {
            true => self.transport.read_config_space::<u8>(CACHE_AT) != Ok(0),
            false => self.has(FEATURE_FLUSH),
        };
        match keeps_back {
            true => WriteCache::Back,
            false => WriteCache::Through,
        }
    }

    /// Has it do something else with what is written, if that can be chosen.
    pub fn set_cache(&mut self, cache: WriteCache) {
        if self.has(FEATURE_CACHE) {
            let value = u8::from(cache == WriteCache::Back);
            // Whether it has done so, it is asked.
            let _ = self.transport.write_config_space(CACHE_AT, value);
        }
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    /// Whether it wakes the processor: if not, it has to be looked at again and again.
    #[must_use]
    pub fn wakes(&self) -> bool {
        self.line.is_some()
    }

    /// Has it wake this processor from now on. Called once, before it is used.
    pub fn wake_here(&mut self) {
        if let Some(line) = self.line {
            line.listen();
        }
        // In this order: one that has asked already, by a change, asks again for what comes next.
        let _ = self.transport.ack_interrupt();
    }

    /// Lets it wake the processor again. Called before it is looked at.
    pub fn listen(&mut self) {
        // What it was for is found in the queues.
        let _ = self.transport.ack_interrupt();
        if let Some(line) = self.line {
            line.listen();
        }
    }

    /// Begins to write whole sectors.
    pub fn write(&mut self, token: u64, sector: u64, bytes: Arc<Vec<u8>>) {
        self.submit(token, WRITE, sector, Data::Out(bytes));
    }

    /// Begins to make everything durable that has been written.
    pub fn flush(&mut self, token: u64) {
        // Who has nothing to flush keeps nothing back; reading tells that it answers.
        match self.has(FEATURE_FLUSH) {
            true => self.submit(token, FLUSH, 0, Data::None),
            false => self.submit(token, READ, 0, Data::In(alloc::vec![0; 512])),
        }
    }

    /// Begins to read whole sectors.
    pub fn read(&mut self, token: u64, sector: u64, bytes: usize) {
        self.submit(token, READ, sector, Data::In(alloc::vec![0; bytes]));
    }

    /// The next request that is done: its name, and what was read or why it failed.
    pub fn poll(&mut self) -> Option<(u64, Result<Vec<u8>, BlockError>)> {
        let number = self.queue.peek_used()?;
        let mut request = self.under_way.remove(&number)?;
        let Request {
            head, data, status, ..
        } = &mut *request;
        // SAFETY: these are the buffers that `submit` has added under this number; they have not
        // moved since.
        let popped = unsafe {
            match data {
                Data::None => self.queue.pop_used(number, &[head], &mut [status]),
                Data::Out(bytes) => self.queue.pop_used(number, &[head, bytes], &mut [status]),
                Data::In(bytes) => self.queue.pop_used(number, &[head], &mut [bytes, status]),
            }
        };
        let result = match (popped, request.status[0]) {
            (Ok(_), DONE) => Ok(match request.data {
                Data::In(bytes) => bytes,
                Data::None | Data::Out(_) => Vec::new(),
            }),
            (_, status) => Err(BlockError(i32::from(status))),
        };
        Some((request.token, result))
    }

    fn submit(&mut self, token: u64, kind: u32, sector: u64, data: Data) {
        let mut head = [0; 16];
        head[..4].copy_from_slice(&kind.to_le_bytes());
        head[8..].copy_from_slice(&sector.to_le_bytes());
        let mut request = Box::new(Request {
            token,
            head,
            data,
            status: [NOT_ANSWERED],
        });
        let Request {
            head, data, status, ..
        } = &mut *request;
        // SAFETY: the request, with all that it owns, is kept where it is, and nobody looks at
        // it, until `poll` takes it back.
        let added = unsafe {
            match data {
                Data::None => self.queue.add(&[head], &mut [status]),
                Data::Out(bytes) => self.queue.add(&[head, bytes], &mut [status]),
                Data::In(bytes) => self.queue.add(&[head], &mut [bytes, status]),
            }
        };
        let number = added.expect("asked only when there is room");
        self.under_way.insert(number, request);
        if self.queue.should_notify() {
            self.transport.notify(QUEUE);
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Before the memory that the device knows of is given back.
        self.transport.queue_unset(QUEUE);
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("sectors", &self.sectors)
            .finish_non_exhaustive()
    }
}
