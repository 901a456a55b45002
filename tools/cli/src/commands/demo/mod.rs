//! `plurix demo`: a cluster loses a node, then everything, and the picture stays right.
mod figures;
pub(super) mod picture;
mod render;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use admin::{Blob, Status};
use clap::Args;

use super::scratch::Scratch;
use crate::client::Client;
use crate::cluster::{Cluster, Metal, Plan};
use crate::error::Error;
use crate::examples::DEMO_SCENE;
use crate::interrupt;
use crate::program::Program;
use crate::ui::{self, Teller};
use figures::Figures;
use picture::Picture;
use render::Rendered;

/// Watch a cluster survive: render, kill a node, finish, kill all, restart, compare
///
/// Starts a cluster with a fresh data directory, renders a picture with workers on all of
/// its nodes, kills one node with SIGKILL on the way, compares the picture byte for byte
/// with one rendered without any cluster, kills all nodes, restarts them from their disks
/// and reads the picture out of the restarted memory. Fails unless both are right.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Scene to render instead of the built-in one
    #[arg(long, value_name = "FILE")]
    scene: Option<PathBuf>,
    /// Nodes, a process each
    #[arg(
        long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(2..=16)
    )]
    nodes: u32,
    /// Progress at which a node is killed
    #[arg(
        long, value_name = "PERCENT", default_value_t = 40,
        value_parser = clap::value_parser!(u8).range(0..100)
    )]
    kill_at: u8,
    /// All nodes but the first are on bare metal: machines that boot the image; one of them is
    /// killed
    #[arg(long)]
    metal: bool,
    /// Keep the data directory
    #[arg(long)]
    keep: bool,
    /// Where to write the picture
    #[arg(long, value_name = "FILE", default_value = "demo.png")]
    out: PathBuf,
    /// Print one line of JSON instead of the story
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: DemoArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    let teller = if args.json {
        Teller::BesideJson
    } else {
        Teller::Out
    };
    let text = match &args.scene {
        None => DEMO_SCENE.to_owned(),
        Some(path) => fs::read_to_string(path)
            .map_err(|error| Error::user(format!("read the scene {}: {error}", path.display())))?,
    };
    let picture = Picture::of(&text)?;
    let mut scratch = Scratch::new("demo")?;
    let shown = show(&args, teller, &picture, &text, &scratch);
    if args.keep || (shown.is_err() && interrupt::count() == 0) {
        scratch.keep();
        teller.tell(format!(
            "data and logs are kept in {}",
            scratch.path().display()
        ));
    }
    let figures = shown?;
    if args.json {
        ui::say(figures.to_json());
    } else {
        ui::write_out(figures.to_table().as_bytes());
    }
    Ok(if figures.is_right() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The whole story; what was measured on the way.
fn show(
    args: &DemoArgs,
    teller: Teller,
    picture: &Picture,
    scene: &str,
    scratch: &Scratch,
) -> Result<Figures, Error> {
    let plan = Plan {
        nodes: Some(args.nodes),
        metal: args
            .metal
            .then(|| Metal::small(args.nodes - 1))
            .transpose()?,
        ..Plan::new()?
    };
    let begin = Instant::now();
    let mut cluster = Cluster::start(scratch.path(), plan)?;
    let start_ms = figures::ms(begin.elapsed());
    teller.tell(format!("{} nodes are up after {start_ms} ms", args.nodes));

    let mut client = cluster.client()?;
    let process = start_program(&mut client, scene)?;
    let rendered = render::render(&mut cluster, &mut client, process, args, teller)?;
    let blob = client.result(process)?;
    let status = client.status()?;
    drop(client);

    teller.tell("rendering the same picture without any cluster");
    let begin = Instant::now();
    let expected = picture.render()?;
    let native_ms = figures::ms(begin.elapsed());
    let image_ok = blob == expected;
    teller.tell(compared("the cluster's picture", image_ok));
    picture::write_png(&args.out, &blob)?;
    teller.tell(format!("wrote {}", args.out.display()));

    teller.tell(format!(
        "killing all {} nodes with SIGKILL",
        cluster.running().len()
    ));
    cluster.kill_all();
    let begin = Instant::now();
    cluster.restart()?;
    let restarted = cluster.client()?.result(process)?;
    let restart_ms = figures::ms(begin.elapsed());
    teller.tell(format!("restarted and picture read after {restart_ms} ms"));
    let restart_ok = restarted == expected;
    teller.tell(compared("the picture in the restarted memory", restart_ok));
    cluster.stop();

    let measured = Measured {
        start_ms,
        native_ms,
        restart_ms,
        image_ok,
        restart_ok,
    };
    Ok(measured.with(args.nodes, &rendered, &status))
}

fn start_program(client: &mut Client, scene: &str) -> Result<u32, Error> {
    let program = Program::find("raytracer")?;
    client.deploy(&program.name, program.wasm)?;
    let scene = Blob {
        name: "demo.scene".into(),
        bytes: scene.as_bytes().to_vec(),
    };
    Ok(client.start(&program.name, 0, Vec::new(), vec![scene])?)
}

fn compared(what: &str, is_equal: bool) -> String {
    let verdict = if is_equal {
        "is equal byte for byte"
    } else {
        "DIFFERS"
    };
    format!("{what} {verdict}")
}

/// What the story itself measures.
#[derive(Clone, Copy, Debug)]
struct Measured {
    start_ms: u64,
    native_ms: u64,
    restart_ms: u64,
    image_ok: bool,
    restart_ok: bool,
}

impl Measured {
    fn with(self, nodes: u32, rendered: &Rendered, status: &Status) -> Figures {
        let fallen = &rendered.fallen;
        Figures {
            image_ok: self.image_ok,
            restart_ok: self.restart_ok,
            nodes,
            transactions: status.transactions,
            aborts: status.aborts,
            snapshots: status.snapshots,
            snapshot_bytes: status.bytes_stored,
            pause_us_max: status.pause_us_max,
            fallback_ms: fallen.recovered_us.map(figures::us_to_ms),
            fallback_to: fallen.fallback_to,
            nodes_reset: fallen.nodes_reset,
            noticed_by: fallen.noticed_by.clone(),
            noticed_ms: figures::ms(rendered.noticed_after),
            start_ms: self.start_ms,
            render_ms: figures::ms(rendered.took),
            native_ms: self.native_ms,
            restart_ms: self.restart_ms,
        }
    }
}
