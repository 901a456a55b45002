//! What a member tells the leader about itself, for people.
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use types::{Epoch, PageId, Version};

/// Figures of one node since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeReport {
    /// Transactions committed.
    pub transactions: u64,
    /// Transactions aborted, whatever the reason; each ran again.
    pub aborts: u64,
    /// Steps of workers committed.
    pub steps: u64,
    /// Pages fetched from other nodes.
    pub pages_fetched: u64,
    /// Bytes that the node's store has appended to its disk.
    pub bytes_stored: u64,
    /// Of these, by cleaning.
    pub bytes_cleaned: u64,
    /// Bytes that the segments of the node's store take.
    pub bytes_on_disk: u64,
    /// Of these, bytes that are there for versions that are kept.
    pub bytes_live: u64,
    /// Page frames that the node's store has appended, not counting those of cleaning.
    pub frames_stored: u64,
    /// Longest time that the node could not commit because it closed an epoch or
    /// captured frames.
    pub pause_us_max: u64,
    /// Connections that the node has turned away or cut off: another key, version or
    /// cluster, or bytes that no node sends.
    pub intruders: u64,
    /// Messages that meant nothing any more: of an earlier view, of nobody it knows.
    pub messages_ignored: u64,
    /// Versions of pages that were found to be damaged in its store.
    pub versions_damaged: u64,
    /// Of these, those that were mended.
    pub versions_mended: u64,
    /// Those that are kept and that nobody has any more.
    pub versions_lost: u64,
    /// Whether the node has committed anything in the view in which it says this.
    pub has_committed_in_view: bool,
}

/// How far a member is with reading everything in its store.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ScrubReport {
    /// Versions that it has read.
    pub versions: u64,
    /// Versions that are kept.
    pub total: u64,
    /// Versions that were found to be damaged since it started.
    pub damaged: u64,
    /// Of these, those that were mended.
    pub mended: u64,
    /// Those that are kept and that nobody has any more.
    pub lost: u64,
    /// The first of the lost. Only if it is done, like the next.
    pub named: Vec<LostVersion>,
    /// Epochs that the store keeps, ascending.
    pub epochs: Vec<Epoch>,
    /// It has read everything, and knows of each damaged version what becomes of it.
    pub is_done: bool,
}

/// A version that is damaged in every store that had it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LostVersion {
    /// The page.
    pub page: PageId,
    /// The version.
    pub version: Version,
    /// The epoch in which it was written.
    pub epoch: Epoch,
    /// Epochs that are kept and in which the page has this version, ascending.
    pub needed_by: Vec<Epoch>,
}
