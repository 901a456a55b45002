//! A network: frames of Ethernet in and out.
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use core::fmt;

use virtio_drivers::device::net::VirtIONetRaw;

use super::memory::OneToOne;
use super::{Line, Transport};

/// Frames on their way, in each direction.
const QUEUE_SIZE: usize = 256;
/// Frames that may come in before they are looked at.
const BUFFERS: usize = 128;
/// Bytes of a frame at most, with what the device puts before it.
const BUFFER_BYTES: usize = 2048;
/// What the device wants before a frame is never longer.
const HEAD_BYTES_MAX: usize = 16;

/// A network.
pub struct Network {
    device: VirtIONetRaw<OneToOne, Transport, QUEUE_SIZE>,
    line: Option<Line>,
    /// Buffers that the device has, by its numbers for them.
    incoming: BTreeMap<u16, Box<[u8]>>,
    outgoing: BTreeMap<u16, Box<[u8]>>,
}

impl Network {
    pub(super) fn open(transport: Transport, line: Option<Line>) -> virtio_drivers::Result<Self> {
        let mut device = VirtIONetRaw::new(transport)?;
        device.enable_interrupts();
        let mut this = Self {
            device,
            line,
            incoming: BTreeMap::new(),
            outgoing: BTreeMap::new(),
        };
        for _ in 0..BUFFERS {
            this.lend(vec![0; BUFFER_BYTES].into());
        }
        Ok(this)
    }

    /// The device's own address.
    #[must_use]
    pub fn address(&self) -> [u8; 6] {
        self.device.mac_address()
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
        let _ = self.device.ack_interrupt();
    }

    /// Lets it wake the processor again. Called before it is looked at.
    pub fn listen(&mut self) {
        // What it was for is found in the queues.
        let _ = self.device.ack_interrupt();
        if let Some(line) = self.line {
            line.listen();
        }
    }

    /// Gives the next frame that has come in to `read`.
    pub fn receive<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let number = self.device.poll_receive()?;
        let mut buffer = self.incoming.remove(&number)?;
        // SAFETY: the device has had this buffer under this number.
        let found = unsafe { self.device.receive_complete(number, &mut buffer) };
        // What is no frame is an empty one, which nobody takes for anything.
        let (start, bytes) = found.unwrap_or((0, 0));
        let result = read(buffer.get(start..start + bytes).unwrap_or_default());
        self.lend(buffer);
        Some(result)
    }

    /// Whether a frame has come in.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        self.device.poll_receive().is_some()
    }

    /// Whether it takes a frame.
    #[must_use]
    pub fn has_room(&mut self) -> bool {
        self.take_back();
        self.device.can_send()
    }

    /// Sends a frame of so many bytes, which `write` fills.
    pub fn send<R>(&mut self, bytes: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        self.take_back();
        let mut head = [0; HEAD_BYTES_MAX];
        let head_bytes = self.device.fill_buffer_header(&mut head);
        let head_bytes = head_bytes.expect("there is room for the device's part");
        let mut frame = vec![0; head_bytes + bytes].into_boxed_slice();
        frame[..head_bytes].copy_from_slice(&head[..head_bytes]);
        let result = write(&mut frame[head_bytes..]);
        // SAFETY: the buffer is kept until the device has given it back, and nobody looks at it.
        // What does not fit is lost, as frames may be.
        if let Ok(number) = unsafe { self.device.transmit_begin(&frame) } {
            self.outgoing.insert(number, frame);
        }
        result
    }

    /// Takes buffers back whose frames have gone.
    fn take_back(&mut self) {
        while let Some(number) = self.device.poll_transmit() {
            let Some(frame) = self.outgoing.remove(&number) else {
                return;
            };
            // SAFETY: the device has had this buffer under this number.
            let _ = unsafe { self.device.transmit_complete(number, &frame) };
        }
    }

    /// Gives the device a buffer for a frame.
    fn lend(&mut self, mut buffer: Box<[u8]>) {
        // SAFETY: the buffer is kept until the device has given it back, and nobody looks at it.
        // A device that takes none has failed: nothing comes from it any more.
        if let Ok(number) = unsafe { self.device.receive_begin(&mut buffer) } {
            self.incoming.insert(number, buffer);
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
