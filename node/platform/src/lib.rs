//! What a node asks of the world it runs in: traits, no code that runs.
//!
//! A world (Linux, bare metal) implements them; the node knows no
//! other way to the outside. Nothing here may name an operating system.
//!
//! Start with [`Events`], the one place where a node waits, and [`Links`], how it
//! talks to its peers.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod board;
mod clock;
mod compile;
mod disk;
mod event;
mod forward;
mod hardware;
mod links;
mod requests;
mod screen;
mod sockets;
mod view;

pub use board::{Board, Settable};
pub use clock::{Clock, Entropy};
pub use compile::{CompileJob, CompiledModule, Compiler, NotCompiled, SIGNED_MODULE};
pub use disk::{Disk, DiskError, DiskOperation, SegmentNumber, SyncToken};
pub use event::{Event, Events, Wait};
pub use hardware::{Hardware, NoHardware};
pub use links::{ClusterId, JoinerId, LinkCounters, Links, LostWhy, Refusal};
pub use requests::{RequestId, Requests};
pub use screen::{Screen, ScreenState, Terminal};
pub use sockets::{ListenerId, Protocol, SocketEvent, SocketId, Sockets};
pub use view::{
    GUARD_BYTES, GuestAnswer, GuestCode, GuestEvents, GuestSpace, VIEW_BYTES, ViewError,
    ViewMemory, Views,
};

/// What the macros that forward name, wherever they are used.
#[doc(hidden)]
pub mod forwarded {
    pub use alloc::string::String;
    pub use alloc::vec::Vec;
    pub use types::NodeId;
    pub use wire::Envelope;
}
