//! What tools say to a node, and what it answers.
//!
//! A request and its response are one frame each: a `u32` with the length of the body,
//! little-endian, then the body: the version byte of this language, then the value
//! in postcard's format. An answer leaves its node when nothing that it tells can be
//! undone any more.
//!
//! It knows neither the kernel's tables nor the protocol; ids are plain numbers here. Only
//! questions about the past are put as nodes put them to each other: tools ask for pages.
//!
//! Start with [`Request`] and [`Response`].
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod codec;
mod request;
mod response;
mod revive;

pub use codec::{BODY_SIZE_MAX, DecodeError, PULSE, VERSION, decode, encode};
pub use request::{Blob, Cursor, Request};
pub use response::{
    CHANNELS_MAX, ChannelInfo, ChannelKind, ChannelState, DeviceInfo, DeviceState, Failure,
    FailureKind, Fallen, LostInfo, NodeInfo, NodeScrub, OutputPiece, Picture, ProcessInfo,
    ProcessState, Response, SnapshotInfo, Status, VoterInfo, Watched,
};
pub use revive::{Life, LivingWorker, Piece, Revive, Reviving};
