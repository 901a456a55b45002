//! `plurix bench`: measures.
use std::process::ExitCode;

use clap::Args;

use crate::error::Error;
use crate::run_bench::{Format, run_bench};

/// Run a benchmark on this machine
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
    /// Print a line of JSON per measurement
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &BenchArgs) -> Result<ExitCode, Error> {
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    run_bench(&args.name, format).map(|()| ExitCode::SUCCESS)
}
