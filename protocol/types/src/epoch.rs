//! Epochs cut the commit order; a stamp says which interval produced a version.
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::NodeId;

/// Cluster-wide counter that cuts the commit order into snapshots. Takes part in
/// Lamport advance: every message carries its sender's epoch and its receiver
/// first advances to it. Epoch 0 is "before anything"; work starts in epoch 1.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// A stretch of one node's commits: an epoch, or a part of one when the node cut it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Interval {
    /// The epoch in which the interval lies.
    pub epoch: Epoch,
    /// Position within the epoch; local to the node, no part of Lamport advance.
    pub sub: u32,
}

/// Number of committed writes of a page. 0 = never written (zeroes).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Version(pub u64);

/// Who produced a version of a page, and when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The producer.
    pub node: NodeId,
    /// The producer's interval.
    pub interval: Interval,
}

impl Interval {
    /// Not before any interval of the epoch.
    #[must_use]
    pub const fn last_of(epoch: Epoch) -> Self {
        Self {
            epoch,
            sub: u32::MAX,
        }
    }
}

impl Epoch {
    /// The following epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Version {
    /// The following version.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Stamp {
    /// The stamp of a page that nobody has written.
    pub const ZERO: Self = Self {
        node: NodeId(0),
        interval: Interval {
            epoch: Epoch(0),
            sub: 0,
        },
    };

    /// The epoch of the interval.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        self.interval.epoch
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{}.{}",
            self.node, self.interval.epoch.0, self.interval.sub
        )
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
