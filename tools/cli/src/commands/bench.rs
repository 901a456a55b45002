//! `plurix bench`: measures.
use std::process::ExitCode;

use clap::Args;

use crate::error::Error;
use crate::run_bench::{Format, Place, be_peer, run_bench};

/// Run a benchmark on this machine
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
    /// Print a line of JSON per benchmark
    #[arg(long)]
    json: bool,
    /// Be the other process of a measurement, for the one that is reached there
    #[arg(long, hide = true, value_name = "ADDRESS")]
    peer_of: Option<String>,
    #[arg(long, hide = true)]
    in_network: bool,
}

pub(crate) fn run(args: &BenchArgs) -> Result<ExitCode, Error> {
    if let Some(address) = &args.peer_of {
        return be_peer(&args.name, address).map(|()| ExitCode::SUCCESS);
    }
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    let place = if args.in_network {
        Place::OwnNetwork
    } else {
        Place::Machine
    };
    run_bench(&args.name, format, place).map(|()| ExitCode::SUCCESS)
}
