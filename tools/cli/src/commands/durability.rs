//! What makes work safe, as it is said on the command line.
use std::fmt;

use clap::{Args, ValueEnum};
use types::Durability;

/// Where something must be before what it has led to may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DurabilityArg {
    /// On disks.
    Disk,
    /// In memories.
    Memory,
}

/// When what a cluster does is safe.
#[derive(Args, Debug)]
pub(crate) struct SafetyArgs {
    /// Length of an epoch in milliseconds: how often a snapshot is taken
    #[arg(
        long, value_name = "MS", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    pub(crate) epoch: u32,
    /// An epoch that somebody waits for ends sooner, but not before so many milliseconds; if
    /// that is not less than its length, nothing but time ends epochs
    #[arg(
        long, value_name = "MS", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    pub(crate) epoch_min: u32,
    /// When answers leave: when two nodes have what they tell on disk (which survives
    /// whatever one disk survives), or when they have it in memory (which is sooner, and
    /// survives the loss of one node at a time). As before unless given; `disk` at first
    #[arg(long, value_name = "WHERE", value_enum)]
    pub(crate) durability: Option<DurabilityArg>,
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
