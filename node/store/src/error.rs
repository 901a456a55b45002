//! What can be wrong with a store, and what its operator can do about it.
use core::fmt;
use platform::{ClusterId, DiskError, SegmentNumber};
use types::{Epoch, PageId, StoreId, Version};

use crate::record::{FORMAT_VERSION, HeadFault, Position};

/// Which part of a record is damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DamagedPart {
    /// No record begins where one must.
    Magic,
    /// The checksum of the record's head.
    Head,
    /// The kind of the record is unknown.
    Kind,
    /// The checksum of the record's payload.
    Payload,
    /// The bytes of the payload, which are no page although their checksum is right, or
    /// more than a page.
    Image,
    /// The segment ends before the record does.
    Length,
    /// Another record is there than the index says.
    Place,
    /// The version from which this one says what differs.
    Base,
    /// The device does not give the bytes.
    Unreadable,
}

/// Bytes on the disk that are not what was once written and synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The segment.
    pub segment: SegmentNumber,
    /// Where the record begins in it.
    pub offset: u32,
    /// What is wrong with it.
    pub part: DamagedPart,
    /// What was written.
    pub expected: u32,
    /// What is there now.
    pub found: u32,
    /// The version of a page that the record holds, if it is one and that is known.
    pub page: Option<(PageId, Version)>,
}

/// Why a store cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The disk failed.
    Disk(DiskError),
    /// Another version of the software wrote it.
    FormatVersion {
        /// The version in the segment.
        found: u32,
    },
    /// It belongs to another cluster.
    ForeignCluster {
        /// The cluster that we are in.
        expected: ClusterId,
        /// The cluster that wrote it.
        found: ClusterId,
    },
    /// Segments of two stores lie in one directory.
    ForeignSegment {
        /// The segment.
        segment: SegmentNumber,
        /// The store of the segments before it.
        expected: StoreId,
        /// The store that wrote this one.
        found: StoreId,
    },
    /// The segment is not the one its name says.
    Misnamed {
        /// Number in its name.
        segment: SegmentNumber,
        /// Number in its header.
        found: SegmentNumber,
    },
    /// The segment has a number that no store gets to.
    NumberTooHigh {
        /// Number in its name.
        segment: SegmentNumber,
    },
    /// A segment is missing that the store needs.
    Missing {
        /// The segment.
        segment: SegmentNumber,
    },
    /// The segment is longer than any that a store writes.
    TooLong {
        /// The segment.
        segment: SegmentNumber,
        /// How long it is.
        bytes: u64,
    },
    /// It is damaged so that it is not even known which pages are missing.
    Damaged(Damage),
}

/// Why a part does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartError {
    /// The disk failed.
    Disk(DiskError),
    /// Frames of it are missing, so it is never acknowledged.
    Incomplete {
        /// Frames that its producer has sent.
        expected: u32,
        /// Frames that came.
        found: u32,
    },
}

/// Why epochs are not retained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetainError {
    /// The disk failed.
    Disk(DiskError),
    /// More epochs than a store retains.
    TooMany {
        /// How many it retains.
        max: usize,
    },
}

/// Why a page cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadError {
    /// The disk failed.
    Disk(DiskError),
    /// The newest version is damaged; an older one is never given instead.
    Damaged(Damage),
    /// The epoch is neither retained nor the newest stable one.
    NotRetained {
        /// The epoch.
        epoch: Epoch,
    },
}

/// The epoch is neither retained nor the newest stable one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotRetained {
    /// The epoch.
    pub epoch: Epoch,
}

impl Damage {
    /// Where the record begins.
    pub(crate) fn position(&self) -> Position {
        let Self {
            segment, offset, ..
        } = *self;
        Position { segment, offset }
    }

    /// Of no page's version, as far as is known.
    pub(crate) fn new(
        Position { segment, offset }: Position,
        part: DamagedPart,
        (expected, found): (u32, u32),
    ) -> Self {
        Self {
            segment,
            offset,
            part,
            expected,
            found,
            page: None,
        }
    }

    /// Of this version of that page.
    pub(crate) fn of(self, page: PageId, version: Version) -> Self {
        let page = Some((page, version));
        Self { page, ..self }
    }

    pub(crate) fn from_head(at: Position, fault: HeadFault) -> Self {
        let (part, expected, found) = match fault {
            HeadFault::Magic { expected, found } => (DamagedPart::Magic, expected, found),
            HeadFault::Checksum { expected, found } => (DamagedPart::Head, expected, found),
            HeadFault::Kind { found } => (DamagedPart::Kind, 0, found),
            HeadFault::PayloadLength { expected, found } => (DamagedPart::Image, expected, found),
        };
        Self::new(at, part, (expected, found))
    }
}

impl fmt::Display for DamagedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "mark at the start of a record",
            Self::Head => "checksum of a record's head",
            Self::Kind => "kind of a record",
            Self::Payload => "checksum of a record's payload",
            Self::Image => "image of a page in a record",
            Self::Length => "length of the segment",
            Self::Place => "offset of the record",
            Self::Base => "base of a version",
            Self::Unreadable => "reading of a record",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segment,
            offset,
            part,
            expected,
            found,
            page,
        } = self;
        write!(f, "segment {segment} is damaged at offset {offset:#x}: ")?;
        write!(f, "{part}: expected {expected:#x}, found {found:#x}")?;
        match page {
            Some((page, version)) => write!(f, " (page {page}, version {})", version.0),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "{error}"),
            Self::FormatVersion { found } => write!(
                f,
                "the store has format version {found}, this program writes version \
                 {FORMAT_VERSION}; start the version of plurix that wrote it, or give an empty \
                 directory"
            ),
            Self::ForeignCluster { expected, found } => write!(
                f,
                "the store belongs to cluster {found}, not to {expected}; check the directory and \
                 the name of the cluster, or give an empty directory"
            ),
            Self::ForeignSegment {
                segment,
                expected,
                found,
            } => write!(
                f,
                "segment {segment} belongs to store {found}, the others to {expected}; two \
                 stores were copied into one directory: move one of them out"
            ),
            Self::Misnamed { segment, found } => write!(
                f,
                "segment {segment} was written as segment {found}; rename it back"
            ),
            Self::NumberTooHigh { segment } => write!(
                f,
                "no store has so many segments that one is number {segment}; rename it back, or \
                 move it out if it was never one"
            ),
            Self::Missing { segment } => write!(
                f,
                "segment {segment} is missing; what it held is unknown, so nothing is served from \
                 this store; put it back, or move the directory away and start with an empty \
                 one: the other stores have the data"
            ),
            Self::TooLong { segment, bytes } => write!(
                f,
                "segment {segment} has {bytes} bytes, more than any that a store writes; move it \
                 out if it was never one"
            ),
            Self::Damaged(damage) => write!(
                f,
                "{damage}; what it held is unknown, so nothing is served from this store; move \
                 the directory away and start with an empty one: the other stores have the data"
            ),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "{error}"),
            Self::Damaged(damage) => write!(f, "{damage}"),
            Self::NotRetained { epoch } => write!(f, "{}", NotRetained { epoch: *epoch }),
        }
    }
}

impl fmt::Display for NotRetained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {} is not retained", self.epoch)
    }
}

impl fmt::Display for RetainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "{error}"),
            Self::TooMany { max } => write!(f, "a store retains {max} epochs at most"),
        }
    }
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "{error}"),
            Self::Incomplete { expected, found } => {
                write!(f, "a part has {found} of {expected} frames")
            }
        }
    }
}

impl core::error::Error for PartError {}
impl core::error::Error for NotRetained {}
impl core::error::Error for RetainError {}
impl core::error::Error for OpenError {}
impl core::error::Error for ReadError {}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<DiskError> for RetainError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<NotRetained> for ReadError {
    fn from(NotRetained { epoch }: NotRetained) -> Self {
        Self::NotRetained { epoch }
    }
}

impl From<DiskError> for PartError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<DiskError> for ReadError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}
