//! What makes work safe: a choice for the whole cluster.
use core::fmt;
use serde::{Deserialize, Serialize};

/// When what was said because of some work may leave the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Durability {
    /// When the work is on the disks of R nodes. It survives whatever R - 1 disks survive.
    #[default]
    Disk,
    /// When R nodes have it in their memories. It survives the loss of R - 1 processes; if
    /// more are lost at a time, what is on disks.
    Memory,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        })
    }
}
