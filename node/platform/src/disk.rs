//! A disk: numbered append-only files, written and synced in order in the background.
//!
//! Nothing here waits for the device except opening, [`Disk::truncate`] and
//! [`Disk::read`]: appends and syncs are queued, and a sync that is done is collected
//! with [`Disk::poll_completions`]; the world wakes the node when there is one.
//!
//! A failed write or sync leaves it unknown what the device holds (the kernel may
//! have dropped the dirty pages), so it is never tried again: the disk is poisoned
//! for ever, the failure is reported once, and every later call returns
//! [`DiskError::Poisoned`].
use alloc::vec::Vec;
use core::fmt;

/// Number of a file on a disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNumber(pub u32);

/// Names a sync in its completion; chosen by the caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SyncToken(pub u64);

/// What the disk was doing when it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskOperation {
    /// Opening the directory, or reading what is in it.
    Open,
    /// Creating a file.
    Create,
    /// Writing at the end of a file.
    Append,
    /// Bringing what was written to the device.
    Sync,
    /// Reading.
    Read,
    /// Cutting a file.
    Truncate,
    /// Deleting a file.
    Delete,
}

/// Why the disk did not do it. The environment is to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskError {
    /// There is no such file.
    NotFound(SegmentNumber),
    /// The file ends before the bytes asked for.
    PastEnd(SegmentNumber),
    /// Another process uses the disk.
    InUse,
    /// The device is full.
    NoSpace,
    /// The device failed.
    Io {
        /// What it was doing.
        operation: DiskOperation,
        /// The operating system's error number, 0 if it gave none.
        code: i32,
    },
    /// A write or sync failed earlier; nothing is tried any more.
    Poisoned,
}

/// A disk.
pub trait Disk {
    /// The files there are, ascending.
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError>;

    /// Bytes in the file, queued ones included.
    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError>;

    /// Makes an empty file. It must not exist.
    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError>;

    /// Queues bytes for the end of the file.
    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError>;

    /// Queues a sync: it completes when everything before it, files created and
    /// deleted included, has reached the device.
    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError>;

    /// The next completed sync, in the order they were queued.
    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError>;

    /// Fills `buffer` with the bytes at `offset`. Sees everything appended before,
    /// also what is still queued. A failed read does not poison.
    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError>;

    /// These bytes will probably be read soon. Only a hint.
    fn prefetch(&mut self, _segment: SegmentNumber, _offset: u64, _length: usize) {}

    /// Cuts the file to `length` bytes. When it returns, that has reached the device.
    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError>;

    /// Queues the deletion of the file; it is gone for every later call. Until the
    /// next sync completes, a crash may bring it back.
    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError>;
}

impl fmt::Display for SegmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for SegmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{:x}", self.0)
    }
}

impl fmt::Display for DiskOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::Append => "append",
            Self::Sync => "sync",
            Self::Read => "read",
            Self::Truncate => "truncate",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(segment) => write!(f, "no segment {segment} on the disk"),
            Self::PastEnd(segment) => write!(f, "segment {segment} is shorter than expected"),
            Self::InUse => write!(f, "the disk is in use by another process"),
            Self::NoSpace => write!(f, "the disk is full"),
            Self::Io { operation, code } => {
                write!(f, "the disk failed to {operation} (error {code})")
            }
            Self::Poisoned => write!(f, "the disk failed earlier and is not used any more"),
        }
    }
}

impl core::error::Error for DiskError {}
