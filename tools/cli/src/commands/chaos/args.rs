//! What a run is told.
use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Args;

use super::super::DurabilityArg;
use crate::cluster::{Hosts, Metal, Plan};
use crate::error::Error;

/// Epochs are short, so that there is much to lose track of.
const EPOCH_MS: u32 = 50;

/// Treat a cluster badly and judge what its clients were told
///
/// Starts a cluster of its own, calls and runs programs on it, and meanwhile kills and
/// stops nodes, one, two or all at a time, as drawn from the seed. Then looks for one order of
/// all calls that explains every answer, and at the programs' results. Fails unless all is
/// consistent; data, logs and the calls are kept then. Ctrl-C ends it early.
#[derive(Args, Debug)]
pub(crate) struct ChaosArgs {
    /// How long faults go on
    #[arg(
        long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=120)
    )]
    pub(super) minutes: u32,
    /// End after so many faults
    #[arg(long, value_name = "N")]
    pub(super) faults: Option<u64>,
    /// The same seed gives the same faults and calls; drawn unless given
    #[arg(long, value_name = "S")]
    pub(super) seed: Option<u64>,
    /// Nodes, a process each
    #[arg(
        long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(2..=7)
    )]
    pub(super) nodes: u32,
    /// When answers leave, as in `plurix up`. With `memory` nodes are lost one at a time: what
    /// is only in memories survives no more
    #[arg(long, value_name = "WHERE", value_enum, default_value_t = DurabilityArg::Disk)]
    pub(super) durability: DurabilityArg,
    /// Break the network between the nodes, too
    ///
    /// Links are cut in one direction or both, for moments or seconds, nodes are cut off, and
    /// packets get lost. The run has a network of its own for that.
    #[arg(long)]
    pub(super) network: bool,
    /// All nodes but the first are on bare metal: machines that boot the image
    #[arg(long, conflicts_with = "network")]
    pub(super) metal: bool,
    #[arg(long, hide = true, requires = "network")]
    pub(super) in_network: bool,
    /// New data directory, which is kept; a temporary one unless given
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Print one line of JSON instead of the story
    #[arg(long)]
    pub(super) json: bool,
}

impl ChaosArgs {
    /// The cluster that is treated badly.
    pub(super) fn plan(&self) -> Result<Plan, Error> {
        Ok(Plan {
            nodes: Some(self.nodes),
            epoch_ms: EPOCH_MS,
            durability: Some(self.durability),
            // Machines reach one address of this machine only.
            hosts: match self.metal {
                true => Hosts::Same(Ipv4Addr::LOCALHOST.into()),
                false => Hosts::Apart,
            },
            metal: self
                .metal
                .then(|| Metal::small(self.nodes - 1))
                .transpose()?,
            ..Plan::new()?
        })
    }
}
