//! A node's disk on a bare block device, where there is no file system.
//!
//! A [`Volume`] keeps numbered append-only files in extents of equal blocks; which blocks
//! are whose, and how long each file is, stands in a log of checksummed records. A sync is
//! one record, written along with the bytes it is about, and one flush. `docs/volume.md`
//! says what lies where, and what a crash may leave.
//!
//! Start with [`Volume`]; [`BlockDevice`] is what it needs.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod blocks;
mod device;
mod error;
mod file;
mod journal;
mod pipeline;
mod portion;
mod record;
mod recover;
mod superblock;
mod volume;

pub use device::{
    BlockDevice, Completion, DeviceError, REQUEST_BYTES_MAX, Request, RequestToken, SECTOR_SIZE,
};
pub use error::OpenError;
pub use portion::{Portion, divide};
pub use superblock::{VolumeId, erase};
pub use volume::{Found, Volume};
