//! `plurix image build`: makes the image that machines boot.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Error;
use crate::metal;
use crate::ui;

/// Make the image that machines boot which become nodes
#[derive(Args, Debug)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Build the image from the sources that this command was built from
    Build {
        /// Where to put it; beside this command unless given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &ImageArgs) -> Result<ExitCode, Error> {
    let Command::Build { out } = &args.command;
    let image = metal::build(out.as_deref())?;
    ui::say(image.0.display().to_string());
    Ok(ExitCode::SUCCESS)
}
