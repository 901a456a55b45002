//! `plurix restore`: the whole memory goes back to a snapshot.
use std::process::ExitCode;

use clap::Args;

use super::DataArg;
use crate::client::Client;
use crate::error::Error;
use crate::ui;

/// Have the whole cluster go back to a snapshot, in place
///
/// Programs go on from where they were then. Whatever was committed later is undone, what
/// somebody was told of included, and later snapshots are gone: to look at a snapshot beside
/// the cluster as it is, fork it.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Its name, or the number of its epoch
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Even if later snapshots with names are gone then
    #[arg(long)]
    discard_later: bool,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &RestoreArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    Client::restore(&data, &args.snapshot, args.discard_later)?;
    ui::say(format!("the memory is as it was in {}", args.snapshot));
    Ok(ExitCode::SUCCESS)
}
