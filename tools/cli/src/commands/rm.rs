//! `plurix rm`: gives up a snapshot.
use std::process::ExitCode;

use clap::Args;

use super::DataArg;
use crate::client::Client;
use crate::error::Error;
use crate::ui;

/// Give up a snapshot; its space comes back in the background
///
/// An epoch that loses its last name is kept for as long as those without names are.
#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// Its name, or the number of its epoch, which gives up all names of that
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &RmArgs) -> Result<ExitCode, Error> {
    Client::forget(&args.data.open()?, &args.snapshot)?;
    ui::say(format!("{} is given up", args.snapshot));
    Ok(ExitCode::SUCCESS)
}
