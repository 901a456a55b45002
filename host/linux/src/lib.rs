//! The Linux world: what a node asks of its platform, on files, sockets and signals.
#![deny(missing_docs)]

mod clock;
mod compiler;
mod disk;
mod entropy;
mod fault;
mod files;
mod frozen;
mod guest;
mod interrupt;
mod mapping;
mod network;
mod ports;
pub mod process;
mod socket;
mod socket_table;
mod sockets;
mod tcp;
mod ticker;
mod userfault;
mod view;
mod world;

pub use clock::LinuxClock;
pub use compiler::{LinuxCompiler, compile};
pub use disk::{DiskWaker, LinuxDisk};
pub use entropy::LinuxEntropy;
pub use files::LinuxFiles;
pub use frozen::FrozenDisk;
pub use links::silence;
pub use links::{HELLO_SIZE, PROTOCOL_VERSION};
pub use network::{Network, NetworkConfig, OpenError, Waker};
pub use socket_table::{SOCKETS_MAX, SocketLimits};
pub use ticker::Ticker;
pub use view::{LinuxViews, Paging, View};
pub use world::LinuxWorld;
