//! `plurix bench`: measures.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::error::Error;
use crate::run_bench::{Format, Place, Told, be_peer, run_bench};

/// Run a benchmark on this machine
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
    /// Sizes of memories in MiB, each a power of two up to 1024 or a multiple of that: for
    /// `restart`, `peers-snapshot` and `space`
    #[arg(long, value_name = "MIB", value_delimiter = ',', value_parser = size)]
    memory: Vec<u32>,
    /// Directory with a kernel of Debian's, for `metal` and `boot`
    #[arg(long, value_name = "DIR")]
    linux: Option<PathBuf>,
    /// Print a line of JSON per benchmark
    #[arg(long)]
    json: bool,
    /// Be the other process of a measurement, for the one that is reached there
    #[arg(long, hide = true, value_name = "ADDRESS")]
    peer_of: Option<String>,
    #[arg(long, hide = true)]
    in_network: bool,
}

/// A memory that a benchmark can fill.
fn size(text: &str) -> Result<u32, String> {
    let size: u32 = text.parse().map_err(|_| "expected a number of MiB")?;
    let is_possible =
        size.is_power_of_two() && size <= 1024 || size.is_multiple_of(1024) && size > 0;
    is_possible
        .then_some(size)
        .ok_or_else(|| String::from("expected a power of two up to 1024, or a multiple of 1024"))
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
    let told = Told {
        sizes_mib: &args.memory,
        linux: args.linux.as_deref(),
    };
    run_bench(&args.name, told, format, place).map(|()| ExitCode::SUCCESS)
}
