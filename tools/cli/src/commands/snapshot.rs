//! `plurix snapshot`: keeps the memory as it is now.
use std::process::ExitCode;

use clap::Args;

use super::DataArg;
use crate::client::Client;
use crate::error::Error;
use crate::past::PIN;
use crate::ui;

/// Keep the memory of the cluster as it is now under a name
///
/// Everything that anybody has been told before is in it. It stays until `plurix rm` gives it
/// up, and costs the space of the pages that change afterwards.
#[derive(Args, Debug)]
pub(crate) struct SnapshotArgs {
    /// Its name: letters, digits, dots, underscores and hyphens; no number
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &SnapshotArgs) -> Result<ExitCode, Error> {
    if args.name.starts_with(PIN) {
        let found = &args.name;
        let message = format!("expected a name that does not begin with `{PIN}`, found {found}");
        return Err(Error::user(message).hint("tools keep under such names what they read"));
    }
    let epoch = Client::snapshot(&args.data.open()?, &args.name)?;
    ui::say(format!("{} is epoch {epoch}", args.name));
    Ok(ExitCode::SUCCESS)
}
