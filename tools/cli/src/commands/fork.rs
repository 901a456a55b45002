//! `plurix fork`: a second cluster that goes on from a snapshot.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::DataArg;
use crate::error::Error;
use crate::founding;
use crate::interrupt;
use crate::ui;

/// Make a second cluster that goes on from a snapshot of this one
///
/// The new cluster has a key, nodes and files of its own; files that nobody writes any more
/// are shared by links where the file system has them, so it takes little time and room at any
/// size. Neither cluster can harm the other. `plurix up --data DIR` starts the new one.
#[derive(Args, Debug)]
pub(crate) struct ForkArgs {
    /// Name or epoch of the snapshot, or `latest`: the memory as it is now
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Data directory of the new cluster; it must be new or empty
    #[arg(value_name = "DIR")]
    target: PathBuf,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &ForkArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    let fork = founding::fork(&args.data.open()?, &args.snapshot, &args.target)?;
    let (shared, copied) = (ui::size(fork.shared), ui::size(fork.copied));
    let target = args.target.display();
    ui::say(format!(
        "cluster {} goes on from epoch {}: {shared} are shared, {copied} were copied",
        fork.cluster, fork.epoch
    ));
    ui::say(format!("`plurix up --data {target}` starts it"));
    Ok(ExitCode::SUCCESS)
}
