//! What makes work safe, as it is said on the command line.
use std::fmt;

use clap::ValueEnum;
use types::Durability;

/// Where something must be before what it has led to may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DurabilityArg {
    /// On disks.
    Disk,
    /// In memories.
    Memory,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Self {
        match arg {
            DurabilityArg::Disk => Self::Disk,
            DurabilityArg::Memory => Self::Memory,
        }
    }
}

impl From<Durability> for DurabilityArg {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Disk => Self::Disk,
            Durability::Memory => Self::Memory,
        }
    }
}

impl fmt::Display for DurabilityArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Durability::from(*self).fmt(f)
    }
}
