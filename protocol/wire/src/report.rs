//! What a member tells the leader about itself, for people.
use serde::{Deserialize, Serialize};

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
    /// Page frames that the node's store has appended.
    pub frames_stored: u64,
    /// Longest time that the node could not commit because it closed an epoch or
    /// captured frames.
    pub pause_us_max: u64,
    /// Connections that the node has turned away or cut off: another key, version or
    /// cluster, or bytes that no node sends.
    pub intruders: u64,
    /// Messages that meant nothing any more: of an earlier view, of nobody it knows.
    pub messages_ignored: u64,
    /// Whether the node has committed anything in the view in which it says this.
    pub has_committed_in_view: bool,
}
