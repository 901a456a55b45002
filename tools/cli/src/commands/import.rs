//! `plurix import`: a new cluster from a far copy.
use std::path::PathBuf;
use std::process::ExitCode;

use archive::Access;
use clap::Args;

use crate::error::Error;
use crate::far;
use crate::founding::{Founding, legacy};
use crate::{interrupt, ui};

/// Nodes of a cluster unless said otherwise.
const NODES: u32 = 3;

/// Make a new cluster from a snapshot in a far copy
///
/// The data directory is complete when the command ends well; until then there is none.
/// `plurix up --data DIR` starts the cluster with the memory as it was in the snapshot. It is
/// a cluster of its own, with a key of its own, and may have another number of nodes.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Where the far copy is: a directory, file:///DIR or s3://BUCKET/PATH
    #[arg(value_name = "URL")]
    url: String,
    /// Data directory that is made; it must be new or empty
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Nodes of the new cluster
    #[arg(
        long, value_name = "N", default_value_t = NODES,
        value_parser = clap::value_parser!(u32).range(1..=64)
    )]
    nodes: u32,
    /// Name or epoch of the snapshot; the newest unless given
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,
}

pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    let copy = far::open(&args.url, Access::Read)?;
    let wanted = args.snapshot.as_deref();
    let wanted = wanted.filter(|wanted| *wanted != control::LATEST);
    let manifest = copy.find(wanted).map_err(far::explain)?;
    let pages = manifest.pages();
    let source = manifest.cluster();
    let names = manifest.names.clone();
    let legacy = legacy(manifest.epoch, manifest.wall_ms, names);
    let (epoch, nodes) = (manifest.epoch, args.nodes);
    let mut founding = Founding::begin(&args.data, nodes, legacy)?;
    let bar = ui::progress_bar();
    bar.set_length(pages as u64);
    let mut import = copy.import(manifest);
    while let Some(frames) = import.next_frames().map_err(far::explain)? {
        for (page, content) in &frames {
            founding.put(*page, content)?;
        }
        bar.inc(frames.len() as u64);
        interrupt::check()?;
    }
    let cluster = founding.finish()?;
    bar.finish_and_clear();
    let data = args.data.display();
    ui::say(format!(
        "{pages} pages of cluster {source} as of epoch {epoch} are in {data}"
    ));
    ui::say(format!(
        "cluster {cluster} has {nodes} nodes; `plurix up --data {data}` starts it"
    ));
    Ok(ExitCode::SUCCESS)
}
