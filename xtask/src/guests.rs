//! Builds the guest modules.
use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compare with the committed modules instead of replacing them.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    anyhow::bail!("no guests yet (check: {})", args.check)
}
