//! `plurix image build`: makes the image that machines boot.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use imager::IsoError;

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
        /// Make of it a file that firmware boots, too, by way of GRUB: for a USB stick, a DVD or
        /// a virtual machine
        #[arg(long, value_name = "ISO")]
        iso: Option<PathBuf>,
        /// What the node is told that boots it, like `token=TOKEN link=IP:PORT`
        #[arg(long, value_name = "WORDS", requires = "iso")]
        words: Option<String>,
    },
}

pub(crate) fn run(args: &ImageArgs) -> Result<ExitCode, Error> {
    let Command::Build { out, iso, words } = &args.command;
    let image = metal::build(out.as_deref())?;
    ui::say(image.0.display().to_string());
    if let Some(iso) = iso {
        let words = words.as_deref().unwrap_or_default();
        imager::iso(&image.0, words, iso).map_err(|error| match error {
            IsoError::Start(_) => {
                let packages = imager::PACKAGES;
                Error::user(error.to_string())
                    .hint(format!("on Debian: apt-get install {packages}"))
            }
            _ => Error::config(error.to_string()),
        })?;
        ui::say(iso.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}
