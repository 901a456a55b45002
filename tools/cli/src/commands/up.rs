//! `plurix up`: starts a cluster and watches over it.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use control::Ladder;

use super::{DataArg, SafetyArgs};
use crate::cluster::{Cluster, Hosts, Plan};
use crate::error::Error;
use crate::interrupt;
use crate::metal::is_switched_off;
use crate::program::Program;
use crate::supervisor::Happening;
use crate::ui;

const PATIENCE: Duration = Duration::from_millis(100);

/// Start a cluster on this machine; Ctrl-C stops it
///
/// All state is kept in the data directory: the next `up` goes on from there.
#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    data: DataArg,
    /// Nodes, a process each; as many as before unless given, 3 for a new cluster
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    nodes: Option<u32>,
    #[command(flatten)]
    safety: SafetyArgs,
    /// How often a snapshot without a name is kept, and for how long: rungs EVERY:FOR such as
    /// 1s:1m,1m:1h, or `none`. As before unless given; 10s:1m,1m:10m at first
    #[arg(long, value_name = "LADDER")]
    retain: Option<Ladder>,
    /// Directory in which programs may append to files; without it they may not
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Cores per process, a node each
    #[arg(
        long, value_name = "K", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=64)
    )]
    cores: u32,
    /// Address of this machine by which nodes of other machines reach these
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// First of two ports per node; whatever is free unless given
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Memory that a node may use for pages, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u32,
    /// Longest time that a step of a program may run, in milliseconds
    #[arg(
        long, value_name = "MS", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    step_limit: u32,
    /// Microseconds to poll busily for messages before sleeping; costs a core, saves some
    /// 20 us per message
    #[arg(long, value_name = "US", default_value_t = 0)]
    spin: u32,
}

/// Ends of a node after each of which it is started again.
const REPLACEMENTS_MAX: u32 = 8;

pub(crate) fn run(args: UpArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    let plan = Plan {
        nodes: args.nodes,
        epoch_ms: args.safety.epoch,
        epoch_min_ms: args.safety.epoch_min,
        durability: args.safety.durability,
        retain: args.retain,
        files: args.files,
        cores: args.cores,
        hosts: Hosts::Same(args.listen),
        port: args.port,
        memory_mib: args.memory,
        step_limit_ms: args.step_limit,
        spin_us: args.spin,
        ..Plan::new()?
    };
    keep_running(&args.data.data, plan, &[])
}

/// Runs a cluster until somebody stops it, and programs that come with the command on it.
pub(super) fn keep_running(data: &Path, plan: Plan, programs: &[&str]) -> Result<ExitCode, Error> {
    let mut cluster = Cluster::start(data, plan)?;
    run_missing(&cluster, programs)?;
    greet(&cluster, data);
    let mut ends = BTreeMap::new();
    while interrupt::count() == 0 {
        let (number, status) = match cluster.next(PATIENCE) {
            Some(Happening::Left { number }) => {
                cluster.note_left(number)?;
                ui::note(format!(
                    "node {number} has left the cluster: {}",
                    cluster.promise()
                ));
                continue;
            }
            Some(Happening::Ended { number, .. }) if cluster.has_left(number) => continue,
            Some(Happening::Ended { number, status }) => (number, status),
            Some(Happening::Ready { .. }) | None => continue,
        };
        if is_switched_off(status) {
            ui::note(format!("node {number} has switched its machine off"));
            if cluster.running().is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            continue;
        }
        ui::note(format!("node {number} has ended: {status}"));
        let count = ends.entry(number).or_insert(0);
        *count += 1;
        if *count <= REPLACEMENTS_MAX {
            cluster.replace(number)?;
            ui::note(format!("node {number} is started again with its disk"));
        } else {
            ui::note(format!(
                "node {number} has ended {count} times: it stays away"
            ));
            if cluster.running().is_empty() {
                return Err(Error::config("all nodes have ended")
                    .hint("`plurix up` starts the cluster again from the newest stable snapshot"));
            }
        }
    }
    ui::note("stopping");
    cluster.stop();
    Ok(ExitCode::SUCCESS)
}

/// Starts those programs that do not run.
fn run_missing(cluster: &Cluster, programs: &[&str]) -> Result<(), Error> {
    if programs.is_empty() {
        return Ok(());
    }
    let mut client = cluster.client()?;
    let processes = client.processes()?;
    let running = processes.iter().filter(|one| !one.state.is_final());
    let running: Vec<&str> = running.map(|one| one.program.as_str()).collect();
    for name in programs.iter().filter(|name| !running.contains(name)) {
        let program = Program::find(name)?;
        client.deploy(&program.name, program.wasm)?;
        client.start(&program.name, 0, Vec::new(), Vec::new())?;
    }
    Ok(())
}

fn greet(cluster: &Cluster, data: &Path) {
    let rows: Vec<Vec<String>> = cluster
        .running()
        .iter()
        .map(|node| {
            let name = format!("node-{}", node.number);
            vec![
                name,
                node.pid.to_string(),
                node.link.to_string(),
                node.tools.to_string(),
            ]
        })
        .collect();
    ui::write_out(ui::table(&["node", "pid", "peers", "tools"], &rows).as_bytes());
    ui::say(cluster.promise());
    if let Some(node) = cluster.running().first() {
        let listen = match node.link.ip().is_loopback() {
            true => "",
            false => " --listen IP:0",
        };
        ui::say(format!(
            "others join with: plurix node --data DIR{listen} --token {} --join {}",
            data.join("token").display(),
            node.link
        ));
    }
    ui::say(format!("ready; data in {}; Ctrl-C stops", data.display()));
}
