//! Who wins a conflict, and which transition of a page a message belongs to.
use serde::{Deserialize, Serialize};

use crate::NodeId;

/// Priority of a transaction: Lamport time of its *first* attempt, ties by node.
/// Smaller is older, older wins; a retry keeps it. Unique in the cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TxnTimestamp {
    /// Lamport time of the first attempt.
    pub lamport: u64,
    /// The node that runs it.
    pub node: NodeId,
}

impl TxnTimestamp {
    /// Whether this transaction wins against `other`.
    #[must_use]
    pub fn is_older_than(self, other: Self) -> bool {
        self < other
    }
}

/// Number of a transition (read or exclusive) of one page at its home.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Seq(pub u64);
