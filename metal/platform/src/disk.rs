//! The node's disks: volumes on a block device of the machine, or in memory where there is none.
//!
//! A node has two, for its store and for the log of what was decided. One medium serves both: its
//! beginning is the log's. In memory they outlast a reset, unless it has damaged them: whatever is
//! on a volume has checksums.
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use hal::kept::Kept;
use hal::virtio::{Block, BlockError};
use volume::{
    BlockDevice, Completion, DeviceError, Found, OpenError, Portion, Request, RequestToken,
    SECTOR_SIZE, Volume, VolumeId,
};

/// Sectors of the log of decisions: it is short, and begins anew now and then.
const LOG_SECTORS: u64 = (32 << 20) / 512;
/// Its share of memory.
const MEMORY_LOG_SHARE: u64 = 8;
/// The name of a read for which somebody waits; volumes give others.
const READ: u64 = u64::MAX;

/// A disk of this machine: a part of its medium.
pub type MetalDisk = Volume<Portion<Medium>>;

/// Where the volumes of a node are.
#[derive(Debug)]
pub enum Medium {
    /// On a block device.
    Block(Device),
    /// In memory, which a reset leaves alone and power off does not.
    Memory(Sectors),
}

/// Memory as sectors.
#[derive(Debug)]
pub struct Sectors {
    kept: Kept,
    done: VecDeque<Completion>,
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

    /// The block device, if there is one.
    pub(crate) fn device(&mut self) -> Option<&mut Device> {
        self.0.as_mut()
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
    /// Disks in memory. If that holds anything but what was written to such disks before a reset,
    /// they are empty, under the name that `id` gives.
    ///
    /// # Errors
    /// If there is too little memory.
    pub fn in_memory(kept: Kept, id: u64) -> Result<Self, OpenError> {
        let sectors = (kept.bytes() / SECTOR_SIZE) as u64;
        let medium = Medium::Memory(Sectors {
            kept,
            done: VecDeque::new(),
        });
        let [log, mut store] = volume::divide(medium, sectors / MEMORY_LOG_SHARE);
        if let Ok(Found::Volume(_)) = Volume::inspect(&mut store) {
            hal::say!("memory is as it was");
        }
        Ok(Self {
            log: open_kept(log, id)?,
            store: open_kept(store, id)?,
            lines: DiskLines::default(),
        })
    }

    /// Disks on a block device. A blank one is made ready, under the name that `id` gives.
    ///
    /// # Errors
    /// If there is something else on it, or it fails.
    pub fn on_device(mut block: Block, id: u64) -> Result<Self, OpenError> {
        block.wake_here();
        let device = Device(Rc::new(RefCell::new(Shared {
            block,
            done: VecDeque::new(),
            read: None,
        })));
        let medium = Medium::Block(device.clone());
        let [log, store] = volume::divide(medium, LOG_SECTORS);
        Ok(Self {
            log: open(log, id)?,
            store: open(store, id)?,
            lines: DiskLines(Some(device)),
        })
    }
}

fn open(mut portion: Portion<Medium>, id: u64) -> Result<MetalDisk, OpenError> {
    if Volume::inspect(&mut portion)? == Found::Blank {
        Volume::format(&mut portion, VolumeId(id))?;
    }
    Volume::open(portion)
}

/// The same in memory, in which anything may have been.
fn open_kept(mut portion: Portion<Medium>, id: u64) -> Result<MetalDisk, OpenError> {
    if Volume::open(&mut portion).is_err() {
        volume::erase(&mut portion)?;
    }
    open(portion, id)
}

impl Device {
    pub(crate) fn with_block<R>(&mut self, use_it: impl FnOnce(&mut Block) -> R) -> R {
        use_it(&mut self.0.borrow_mut().block)
    }
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

impl BlockDevice for Sectors {
    fn sectors(&self) -> u64 {
        (self.kept.bytes() / SECTOR_SIZE) as u64
    }

    fn has_room(&self) -> bool {
        true
    }

    fn submit(&mut self, token: RequestToken, request: Request) {
        if let Request::Write { sector, bytes } = request {
            self.kept.write(place(sector), &bytes);
        }
        let result = Ok(());
        self.done.push_back(Completion { token, result });
    }

    fn poll(&mut self) -> Option<Completion> {
        self.done.pop_front()
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.kept.read(place(sector), buffer);
        Ok(())
    }
}

fn place(sector: u64) -> usize {
    usize::try_from(sector).expect("sectors of memory") * SECTOR_SIZE
}

impl Medium {
    fn inner(&self) -> &dyn BlockDevice {
        match self {
            Self::Block(device) => device,
            Self::Memory(sectors) => sectors,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn BlockDevice {
        match self {
            Self::Block(device) => device,
            Self::Memory(sectors) => sectors,
        }
    }
}

impl BlockDevice for Medium {
    fn sectors(&self) -> u64 {
        self.inner().sectors()
    }

    fn has_room(&self) -> bool {
        self.inner().has_room()
    }

    fn submit(&mut self, token: RequestToken, request: Request) {
        self.inner_mut().submit(token, request);
    }

    fn poll(&mut self) -> Option<Completion> {
        self.inner_mut().poll()
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.inner_mut().read(sector, buffer)
    }
}
