//! `plurix restore`: the whole memory, or one program, goes back to a snapshot.
use std::process::ExitCode;

use clap::Args;

use super::DataArg;
use crate::client::Client;
use crate::error::Error;
use crate::{revive, ui};

/// Have the whole cluster go back to a snapshot, in place, or one program of it
///
/// Programs go on from where they were then. Whatever was committed later is undone, what
/// somebody was told of included, and later snapshots are gone: to look at a snapshot beside
/// the cluster as it is, fork it.
///
/// With --app one program goes back, in one transaction, as a new process in the place of the
/// present one of its name; all others go on, and all snapshots stay. The present process is
/// cancelled, which is what whoever waits for it is told; its output stays with it. If
/// anything fails before, nothing has changed.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Its name, or the number of its epoch
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Only this program, also if it has ended since
    #[arg(long, value_name = "NAME", conflicts_with = "discard_later")]
    app: Option<String>,
    /// Even if later snapshots with names are gone then
    #[arg(long)]
    discard_later: bool,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &RestoreArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    let snapshot = &args.snapshot;
    let Some(name) = &args.app else {
        Client::restore(&data, snapshot, args.discard_later)?;
        ui::say(format!("the memory is as it was in {snapshot}"));
        return Ok(ExitCode::SUCCESS);
    };
    let revived = revive::revive(&data, snapshot, name)?;
    ui::say(format!(
        "{name} is as it was in {snapshot}: process {}, {} of memory",
        revived.process,
        ui::size(revived.memory_bytes)
    ));
    Ok(ExitCode::SUCCESS)
}
