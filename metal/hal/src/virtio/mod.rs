//! Devices made for guests of other systems: networks, disks, randomness.
//!
//! On machines with a PCI bus they are found there; on those without, the loader names them on
//! the command line, as `virtio_mmio.device=SIZE@ADDRESS:LINE`.
mod block;
mod find;
mod memory;
mod network;

use virtio_drivers::transport::SomeTransport;

pub use block::{Block, BlockError, DEPTH_MAX, WriteCache};
pub(crate) use find::setting;
pub use find::{Devices, MissingDevices, find};
pub use network::Network;

use crate::apic::{self, Trigger};
use crate::interrupt;

/// How a device says that it wants attention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    number: u8,
    trigger: Trigger,
}

impl Line {
    /// Lets the device wake the processor. Called again before it is looked after.
    pub fn listen(self) {
        apic::listen(self.number, self.trigger);
    }
}

/// Lines whose devices have asked for attention since the last call, as bits.
#[must_use]
pub fn take_lines() -> u32 {
    interrupt::take_lines()
}

type Transport = SomeTransport<'static>;
