//! The node's disks: volumes on the machine's block device, or memory where there is none.
//!
//! A node has two, for its store and for the log of what was decided. One block device serves
//! both: its beginning is the log's.
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use hal::virtio::{Block, BlockError};
use platform::{Disk, DiskError, SegmentNumber, SyncToken};
use store::MemoryDisk;
use volume::{
    BlockDevice, Completion, DeviceError, Found, OpenError, Portion, Request, RequestToken, Volume,
    VolumeId,
};

/// Sectors of the log of decisions: it is short, and begins anew now and then.
const LOG_SECTORS: u64 = (32 << 20) / 512;
/// The name of a read for which somebody waits; volumes give others.
const READ: u64 = u64::MAX;

/// A disk of this machine.
#[derive(Debug)]
pub enum MetalDisk {
    /// It forgets everything when the machine is reset.
    Memory(MemoryDisk),
    /// A part of the block device.
    Volume(Volume<Portion<Device>>),
}

/// The machine's block device.
#[derive(Clone)]
pub struct Device(Rc<RefCell<Shared>>);

#[derive(Debug)]
struct Shared {
    block: Block,
    /// Done while somebody waited for a read.
    done: VecDeque<Completion>,
    read: Option<Result<Vec<u8>, DeviceError>>,
}

/// Lets the block device wake the processor.
#[derive(Clone, Debug, Default)]
pub struct DiskLines(Option<Device>);

impl DiskLines {
    /// Whether the block device wakes the processor, if there is one.
    pub(crate) fn wake(&self) -> bool {
        let device = self.0.as_ref();
        device.is_none_or(|Device(shared)| shared.borrow().block.wakes())
    }

    /// Called when a device has woken the processor.
    pub(crate) fn listen(&self) {
        if let Some(Device(shared)) = &self.0 {
            shared.borrow_mut().block.listen();
        }
    }
}

/// The two disks of a machine.
#[derive(Debug)]
pub struct BootDisk {
    /// The log of what was decided.
    pub log: MetalDisk,
    /// The store.
    pub store: MetalDisk,
    /// For the network, which waits for both.
    pub lines: DiskLines,
}

impl BootDisk {
    /// Disks in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            log: MetalDisk::Memory(MemoryDisk::new()),
            store: MetalDisk::Memory(MemoryDisk::new()),
            lines: DiskLines::default(),
        }
    }

    /// Disks on a block device. A blank one is made ready, under the name that `id` gives.
    ///
    /// # Errors
    /// If there is something else on it, or it fails.
    pub fn on_device(block: Block, id: u64) -> Result<Self, OpenError> {
        let device = Device(Rc::new(RefCell::new(Shared {
            block,
            done: VecDeque::new(),
            read: None,
        })));
        let [log, store] = volume::divide(device.clone(), LOG_SECTORS);
        Ok(Self {
            log: MetalDisk::Volume(open(log, id)?),
            store: MetalDisk::Volume(open(store, id)?),
            lines: DiskLines(Some(device)),
        })
    }
}

fn open(mut portion: Portion<Device>, id: u64) -> Result<Volume<Portion<Device>>, OpenError> {
    if Volume::inspect(&mut portion)? == Found::Blank {
        Volume::format(&mut portion, VolumeId(id))?;
    }
    Volume::open(portion)
}

impl Shared {
    /// The next request that the device has done, but for reads.
    fn next_done(&mut self) -> Option<Completion> {
        while let Some((token, result)) = self.block.poll() {
            let result = result.map_err(|BlockError(code)| DeviceError { code });
            if token != READ {
                let result = result.map(drop);
                let token = RequestToken(token);
                return Some(Completion { token, result });
            }
            self.read = Some(result);
        }
        None
    }

    /// Waits until the device takes a request.
    fn make_room(&mut self) {
        while !self.block.has_room() {
            let done = self.next_done();
            self.done.extend(done);
        }
    }
}

impl BlockDevice for Device {
    fn sectors(&self) -> u64 {
        self.0.borrow().block.sectors()
    }

    fn has_room(&self) -> bool {
        self.0.borrow().block.has_room()
    }

    fn submit(&mut self, token: RequestToken, request: Request) {
        let mut shared = self.0.borrow_mut();
        match request {
            Request::Write { sector, bytes } => shared.block.write(token.0, sector, bytes),
            Request::Flush => shared.block.flush(token.0),
        }
    }

    fn poll(&mut self) -> Option<Completion> {
        let mut shared = self.0.borrow_mut();
        let done = shared.done.pop_front();
        done.or_else(|| shared.next_done())
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let mut shared = self.0.borrow_mut();
        shared.make_room();
        shared.block.read(READ, sector, buffer.len());
        let bytes = loop {
            let done = shared.next_done();
            shared.done.extend(done);
            if let Some(result) = shared.read.take() {
                break result?;
            }
            core::hint::spin_loop();
        };
        buffer.copy_from_slice(&bytes);
        Ok(())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device")
    }
}

impl MetalDisk {
    fn inner(&mut self) -> &mut dyn Disk {
        match self {
            Self::Memory(disk) => disk,
            Self::Volume(disk) => disk,
        }
    }
}

impl Disk for MetalDisk {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError> {
        self.inner().segments()
    }

    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError> {
        self.inner().length(segment)
    }

    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.inner().create(segment)
    }

    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.inner().append(segment, bytes)
    }

    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError> {
        self.inner().sync(token)
    }

    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError> {
        self.inner().poll_completions()
    }

    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        self.inner().read(segment, offset, buffer)
    }

    fn prefetch(&mut self, segment: SegmentNumber, offset: u64, length: usize) {
        self.inner().prefetch(segment, offset, length);
    }

    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError> {
        self.inner().truncate(segment, length)
    }

    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.inner().delete(segment)
    }
}
