//! The memory as it was in an epoch that is kept, as tools read it: from the nodes of a
//! cluster that runs, from the disks of one that is stopped, or from a far copy.
//!
//! Start with [`Past`].
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use types::{Epoch, Extent, PageId, Version};
use wire::PageVersion;

/// The memory as it was in one epoch. It does not change any more.
pub trait Past {
    /// The epoch.
    fn epoch(&self) -> Epoch;

    /// Extents with any page, ascending.
    ///
    /// # Errors
    /// If the past cannot be read any more.
    fn extents(&mut self) -> Result<Vec<Extent>, PastError>;

    /// The pages of an extent that had been written, with their versions, ascending.
    ///
    /// # Errors
    /// If the past cannot be read any more.
    fn pages(&mut self, extent: Extent) -> Result<Vec<(PageId, Version)>, PastError>;

    /// The contents of pages, in the order asked for; `None` for one that had not been
    /// written.
    ///
    /// # Errors
    /// If the past cannot be read any more, or a page is damaged wherever it is kept.
    fn read(&mut self, pages: &[PageId]) -> Result<Vec<Option<PageVersion>>, PastError>;
}

/// Why the past cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PastError {
    /// Nobody keeps that epoch any more.
    #[error("expected epoch {0} to be kept, found that it is not any more")]
    NotKept(Epoch),
    /// The version of the page that counts is damaged in every store that has it.
    #[error("page {page:?}: version {} is damaged in every store that has it", version.0)]
    Damaged {
        /// The page.
        page: PageId,
        /// Its version.
        version: Version,
    },
    /// What has it cannot be reached, in words.
    #[error("{0}")]
    Unavailable(String),
}
