//! What lies below a volume: sectors, written in the background.
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes in a sector, the unit of everything that a device does.
pub const SECTOR_SIZE: usize = 512;
/// The same, as offsets on a device are counted.
pub(crate) const SECTOR: u64 = SECTOR_SIZE as u64;
/// No write and no read is longer.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Names a request in its completion; chosen by the caller, never twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestToken(pub u64);

/// What a device is asked to do in the background.
#[derive(Clone, Debug)]
pub enum Request {
    /// Writes whole sectors, at most [`REQUEST_BYTES_MAX`] bytes.
    Write {
        /// The first sector.
        sector: u64,
        /// What to write. The caller does not change them before the completion.
        bytes: Arc<Vec<u8>>,
    },
    /// Makes durable whatever had completed when this was submitted. Of a device that keeps
    /// nothing in a cache it is done at once.
    Flush,
}

/// A request is done, or has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Which.
    pub token: RequestToken,
    /// What came of it.
    pub result: Result<(), DeviceError>,
}

/// The device failed. What a write that failed has left is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceError {
    /// The device's own status, 0 if it gave none.
    pub code: i32,
}

/// A block device.
///
/// Requests complete in any order. No two writes on their way ever touch the same sector.
pub trait BlockDevice {
    /// How many sectors it has.
    fn sectors(&self) -> u64;

    /// Whether it takes another request now. When nothing is on its way it does.
    fn has_room(&self) -> bool;

    /// Begins a request. Only called when there is room.
    fn submit(&mut self, token: RequestToken, request: Request);

    /// The next request that is done.
    fn poll(&mut self) -> Option<Completion>;

    /// Waits until [`BlockDevice::poll`] may have something; it may return early. Only called
    /// when a request is on its way.
    fn wait(&mut self) {
        core::hint::spin_loop();
    }

    /// Fills `buffer`, which is whole sectors and at most [`REQUEST_BYTES_MAX`] bytes, and waits
    /// for it. Sees all writes that have
    /// completed; of a sector with a write on its way it gives what was before or comes after.
    ///
    /// # Errors
    /// If the device fails.
    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError>;
}

impl<B: BlockDevice> BlockDevice for &mut B {
    fn sectors(&self) -> u64 {
        B::sectors(self)
    }

    fn has_room(&self) -> bool {
        B::has_room(self)
    }

    fn submit(&mut self, token: RequestToken, request: Request) {
        B::submit(self, token, request);
    }

    fn poll(&mut self) -> Option<Completion> {
        B::poll(self)
    }

    fn wait(&mut self) {
        B::wait(self);
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        B::read(self, sector, buffer)
    }
}

/// Does one request and waits for it, when nothing else of the caller is on its way.
pub(crate) fn perform<B: BlockDevice>(device: &mut B, request: Request) -> Result<(), DeviceError> {
    let token = RequestToken(0);
    // A device may be shared, and busy with what others have asked for.
    while !device.has_room() {
        if device.poll().is_none() {
            device.wait();
        }
    }
    device.submit(token, request);
    loop {
        match device.poll() {
            Some(completion) if completion.token == token => return completion.result,
            // Of a volume that was on the device before.
            Some(_) => (),
            None => device.wait(),
        }
    }
}

/// Writes whole sectors and waits for it, when nothing else is on its way.
pub(crate) fn write<B: BlockDevice>(
    device: &mut B,
    mut sector: u64,
    bytes: &[u8],
) -> Result<(), DeviceError> {
    for piece in bytes.chunks(REQUEST_BYTES_MAX) {
        let bytes = Arc::new(piece.to_vec());
        perform(device, Request::Write { sector, bytes })?;
        sector += piece.len() as u64 / SECTOR;
    }
    Ok(())
}

/// Reads whole sectors, as many as there are.
pub(crate) fn read<B: BlockDevice>(
    device: &mut B,
    mut sector: u64,
    bytes: &mut [u8],
) -> Result<(), DeviceError> {
    for piece in bytes.chunks_mut(REQUEST_BYTES_MAX) {
        device.read(sector, piece)?;
        sector += piece.len() as u64 / SECTOR;
    }
    Ok(())
}

/// A position inside of bytes in memory.
pub(crate) fn index(position: u64) -> usize {
    usize::try_from(position).expect("bytes in memory are counted by usize")
}
