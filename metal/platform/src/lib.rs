//! What a node asks of its world, on bare metal: links over TCP, disks, time, memory.
//!
//! All here is safe: what only the machine can do is `hal`'s. [`MetalWorld`] is what the node
//! runs in.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod clock;
mod compiler;
mod disk;
mod entropy;
mod filter;
mod hands;
mod lines;
mod network;
mod parts;
mod ports;
mod screen;
mod sockets;
mod tcp;
mod terminal;
mod wires;
mod world;

pub use clock::MetalClock;
pub use disk::{BootDisk, DiskLines, MetalDisk};
pub use entropy::MetalEntropy;
pub use network::{Network, NetworkConfig, OpenError};
pub use wires::Switch;
pub use world::{MetalWorld, Seat};
