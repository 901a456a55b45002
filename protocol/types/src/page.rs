//! Page geometry: 4096-byte pages in regions, 256 pages to an extent.
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::limits::{FIRST_APPLICATION_REGION, LINEAR_PAGES_MAX};

/// Bytes in a page, the unit of coherence.
pub const PAGE_SIZE: usize = 4096;
/// Pages in an extent, the unit of placement.
pub const PAGES_PER_EXTENT: u32 = 256;

/// The contents of a page.
pub type PageBytes = [u8; PAGE_SIZE];
/// Immutable contents of one version of a page, shared by whoever still needs it
/// (a before-image, a frame on its way to two stores, a cached copy).
pub type Frame = Arc<PageBytes>;

/// A frame of zeroes: the contents of every page that nobody has written.
#[must_use]
pub fn zero_frame() -> Frame {
    Arc::new([0; PAGE_SIZE])
}

/// An address range of pages: one per application memory, per kernel table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RegionId(pub u32);

/// Position of a page in its region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageIndex(pub u32);

/// A page of the distributed memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageId {
    /// The region that holds it.
    pub region: RegionId,
    /// Its position in the region.
    pub index: PageIndex,
}

/// 256 consecutive pages: the unit of placement of homes and stores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Extent {
    /// The region that holds it.
    pub region: RegionId,
    /// Position in units of [`PAGES_PER_EXTENT`].
    pub index: u32,
}

impl PageId {
    /// The page at `index` of `region`.
    #[must_use]
    pub const fn new(region: u32, index: u32) -> Self {
        Self {
            region: RegionId(region),
            index: PageIndex(index),
        }
    }

    /// The extent that holds this page.
    #[must_use]
    pub const fn extent(self) -> Extent {
        Extent {
            region: self.region,
            index: self.index.0 / PAGES_PER_EXTENT,
        }
    }

    /// Whether the page is linear memory of an application. Such pages stay mapped
    /// in its view from transaction to transaction and count as read while mapped;
    /// all others (kernel tables, an application's header pages) are touched exactly
    /// when an access to them is announced.
    #[must_use]
    pub const fn is_linear(self) -> bool {
        self.region.0 >= FIRST_APPLICATION_REGION && self.index.0 < LINEAR_PAGES_MAX
    }

    /// Region and index as one number, ordered like the page id.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        ((self.region.0 as u64) << 32) | self.index.0 as u64
    }
}

impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:#x}", self.region.0, self.index.0)
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Debug for PageIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
