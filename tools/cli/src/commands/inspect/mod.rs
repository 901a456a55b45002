//! `plurix inspect`: what a snapshot has in it.
mod dump;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use past::{Overview, Past, Tables};
use types::{Epoch, PageId, RegionId};

use super::DataArg;
use crate::error::Error;
use crate::interrupt;
use crate::past::Source;
use crate::ui;
pub(crate) use show::{object_of, state};

/// Show what a snapshot has in it: of a cluster that runs or of one that is stopped
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    data: DataArg,
    /// Name or epoch of the snapshot, or `latest`
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Dump a page; the index may be hexadecimal, as in 258:0x1f
    #[arg(long, value_name = "REGION:INDEX", value_parser = parse_page, group = "part")]
    page: Option<PageId>,
    /// List the pages of a region
    #[arg(long, value_name = "REGION", group = "part")]
    region: Option<u32>,
    /// Write the memory of the region to a file instead; never written parts become holes
    #[arg(long, value_name = "FILE", requires = "region")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &InspectArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    let source = Source::open(&args.data.open()?)?;
    let snapshot = source.resolve(&args.snapshot)?;
    let mut past = source.as_of(Epoch(snapshot.epoch));
    let text = match (args.page, args.region, &args.out) {
        (Some(page), ..) => dump::page(past.as_mut(), page)?,
        (None, Some(region), None) => dump::region(past.as_mut(), RegionId(region))?,
        (None, Some(region), Some(file)) => {
            dump::region_to_file(past.as_mut(), RegionId(region), file)?
        }
        (None, None, _) => overview(past.as_mut(), snapshot.wall_ms)?,
    };
    ui::write_out(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn overview(past: &mut dyn Past, wall_ms: u64) -> Result<String, Error> {
    let epoch = past.epoch();
    let overview = Overview::of(&mut Tables::of(past))?;
    let space = show::Space::of(past, &overview)?;
    let taken = show::Taken { epoch, wall_ms };
    Ok(show::snapshot(taken, &overview, &space))
}

fn parse_page(text: &str) -> Result<PageId, String> {
    let (region, index) = text
        .split_once(':')
        .ok_or("expected REGION:INDEX, as in 258:31 or 258:0x1f")?;
    let region = region
        .parse()
        .map_err(|_| format!("expected the number of a region, found `{region}`"))?;
    let parsed = match index.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => index.parse(),
    };
    let index = parsed.map_err(|_| format!("expected the index of a page, found `{index}`"))?;
    Ok(PageId::new(region, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_named_by_two_numbers() {
        assert_eq!(parse_page("258:31"), Ok(PageId::new(258, 31)));
        assert_eq!(parse_page("258:0x1f"), Ok(PageId::new(258, 31)));
        for bad in ["258", "x:1", "1:", "1:0x", "1:-1"] {
            assert!(
                parse_page(bad).unwrap_err().starts_with("expected "),
                "{bad}"
            );
        }
    }
}
