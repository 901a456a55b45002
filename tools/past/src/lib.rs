//! The memory as it was in an epoch that is kept, as tools read it: from the nodes of a
//! cluster that runs, or from the disks of one that is stopped.
//!
//! Start with [`Past`]. It is read by asking ([`AsOf`]) somebody who knows it: [`Stopped`], the
//! disks of a cluster that does not run, or nodes that run, to which the command has
//! connections. [`Tables`] shows what the kernel knew then, [`Overview`] says it all at once.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod as_of;
mod overview;
mod owners;
mod program;
mod stopped;
mod tables;

pub use as_of::{Answers, AsOf};
pub use overview::{BlobSeen, BlobUse, Overview, ProcessSeen};
pub use owners::{Owner, Owners};
pub use program::{Bytes, Named, Place, Program};
pub use stopped::{NodeDirectory, OpenError, Seen, Stopped, decisions};
pub use tables::Tables;

use types::{Epoch, Extent, PageId, Stamp, Version};
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

    /// The pages of an extent that had been written, ascending, with their versions and the
    /// stamps of these. A number alone does not say which version it is: after the memory has
    /// gone back numbers are given again.
    ///
    /// # Errors
    /// If the past cannot be read any more.
    fn pages(&mut self, extent: Extent) -> Result<Vec<(PageId, Version, Stamp)>, PastError>;

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
    /// The kernel's tables are not what they must be, in words.
    #[error("the kernel's tables: {0}")]
    Tables(String),
    /// What has it cannot be reached, in words.
    #[error("{0}")]
    Unavailable(String),
}
