//! `plurix node`: becomes one node, in the foreground.
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use control::Ladder;
use platform::ClusterId;

use super::DurabilityArg;
use crate::error::Error;
use crate::run_node;

/// Run one node of a cluster in the foreground; `plurix up` starts a whole cluster
///
/// Prints a line `plurix-node ready link=ADDRESS tools=ADDRESS` once it listens.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
#[command(group = ArgGroup::new("origin").args(["found", "join"]))]
#[command(group = ArgGroup::new("identity").args(["token", "cluster"]).required(true))]
pub struct NodeArgs {
    /// Directory of this node's store
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where peers reach this node; port 0 chooses a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where tools reach this node; port 0 chooses a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub tools: SocketAddr,
    /// Begin a new cluster, if this node's directory knows of none
    #[arg(long)]
    pub found: bool,
    /// Where any node of the cluster is reached; without it, nodes that know this one call
    #[arg(long, value_name = "ADDRESS")]
    pub join: Option<SocketAddr>,
    /// File with the cluster's token: the file `token` in the directory of `plurix up`
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// The id of a cluster without a key, on this machine only: 16 hexadecimal digits
    #[arg(long, value_name = "ID", value_parser = parse_cluster)]
    pub cluster: Option<ClusterId>,
    /// Nodes that a new cluster waits for before it begins
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub members: u32,
    /// Length of an epoch in milliseconds
    #[arg(
        long, value_name = "MS", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    pub epoch: u32,
    /// Shortest length of an epoch that somebody waits for, in milliseconds; as long as others,
    /// and nothing but time ends epochs
    #[arg(
        long, value_name = "MS", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    pub epoch_min: u32,
    /// When answers leave: when what they tell is on disks, or in memories; as before unless
    /// given. It counts where the cluster is started
    #[arg(long, value_name = "WHERE", value_enum)]
    pub durability: Option<DurabilityArg>,
    /// How often a snapshot without a name is kept, and for how long; as before unless given.
    /// It counts where the cluster is started
    #[arg(long, value_name = "LADDER")]
    pub retain: Option<Ladder>,
    /// Directory in which programs may append to files; without it they may not
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Nodes in this process, a thread each
    #[arg(
        long, value_name = "K", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=64)
    )]
    pub cores: u32,
    /// Name of the node, for people
    #[arg(long, value_name = "NAME", default_value = "node")]
    pub name: String,
    /// Memory that the node may use for pages, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: u32,
    /// Longest time that a step of a program may run, in milliseconds
    #[arg(
        long, value_name = "MS", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub step_limit: u32,
    /// Microseconds to poll busily for messages before sleeping; costs a core, saves some
    /// 20 us per message
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub spin: u32,
}

impl NodeArgs {
    /// The command line that gives these arguments, after the program's name.
    #[must_use]
    pub fn to_command_line(&self) -> Vec<OsString> {
        let mut line: Vec<OsString> = vec!["node".into()];
        let mut option = |name: &str, value: OsString| line.extend([name.into(), value]);
        option("--data", self.data.clone().into());
        option("--listen", self.listen.to_string().into());
        option("--tools", self.tools.to_string().into());
        option("--members", self.members.to_string().into());
        option("--epoch", self.epoch.to_string().into());
        option("--epoch-min", self.epoch_min.to_string().into());
        option("--cores", self.cores.to_string().into());
        option("--name", self.name.clone().into());
        option("--memory", self.memory.to_string().into());
        option("--step-limit", self.step_limit.to_string().into());
        option("--spin", self.spin.to_string().into());
        if let Some(durability) = self.durability {
            option("--durability", durability.to_string().into());
        }
        if let Some(ladder) = &self.retain {
            option("--retain", ladder.to_string().into());
        }
        if let Some(files) = &self.files {
            option("--files", files.clone().into());
        }
        if let Some(address) = self.join {
            option("--join", address.to_string().into());
        }
        if let Some(token) = &self.token {
            line.extend(["--token".into(), token.clone().into()]);
        }
        if let Some(cluster) = self.cluster {
            line.extend(["--cluster".into(), cluster.to_string().into()]);
        }
        if self.found {
            line.push("--found".into());
        }
        line
    }
}

fn parse_cluster(text: &str) -> Result<ClusterId, String> {
    let id = u64::from_str_radix(text, 16).map_err(|error| error.to_string())?;
    Ok(ClusterId(id))
}

pub(crate) fn run(args: NodeArgs) -> Result<ExitCode, Error> {
    run_node(args).map(|()| ExitCode::SUCCESS)
}
