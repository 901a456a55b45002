//! The place where the command becomes a benchmark: measures, and says what was found.
mod machines;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use admin::{Request, Response};
use bench::{Better, EpochsEnd, Report, Waiting};
use control::Ladder;

use crate::client::Client;
use crate::cluster::{Cluster, Hosts, Plan};
use crate::data::DataDir;
use crate::error::Error;
use crate::network::{Break, Network};
use crate::peers::redis_benchmark;
use crate::{examples, peers, ui};

/// The benchmarks, in the order in which `all` runs them.
const NAMES: [&str; 12] = [
    "barrier",
    "tx",
    "remote",
    "snapshot",
    EPOCHS,
    "durability",
    "output",
    "input",
    "recovery",
    SILENCE,
    "reset",
    "restart",
];
/// This one needs a network of its own.
const SILENCE: &str = "silence";
/// Says that this process is in such a one.
pub(crate) const IN_NETWORK: &str = "--in-network";

/// This one draws a plot.
const EPOCHS: &str = "epochs";

/// Not among `all`: the first two need QEMU, the next two measure other systems, too, if they are
/// installed, the last takes a quarter of an hour.
const APART: [&str; 5] = [BOOT, METAL, PEERS_SNAPSHOT, RESP, SPACE];
const BOOT: &str = "boot";
const METAL: &str = "metal";
const RESP: &str = "resp";
const PEERS_SNAPSHOT: &str = "peers-snapshot";
const SPACE: &str = "space";

/// How a benchmark says what it measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// A table.
    Text,
    /// A line of JSON per benchmark.
    Json,
}

/// What some benchmarks are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    /// Sizes of memories; those that the benchmark chooses if there are none.
    pub(crate) sizes_mib: &'a [u32],
    /// Where a kernel of Linux is.
    pub(crate) linux: Option<&'a Path>,
}

/// Where this process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// On the machine as it is.
    Machine,
    /// In a network of its own.
    OwnNetwork,
}

/// Runs the benchmark of this name, or `all`. Goals that are missed are no failure.
pub(crate) fn run_bench(
    name: &str,
    told: Told<'_>,
    format: Format,
    place: Place,
) -> Result<(), Error> {
    let known = NAMES.into_iter().chain(APART);
    let is_meant = |known: &&str| name == *known || name == "all" && NAMES.contains(known);
    let names: Vec<&str> = known.filter(is_meant).collect();
    if names.is_empty() {
        return Err(
            Error::user(format!("there is no benchmark {name}")).hint(format!(
                "there are {}, all of these: all; and {}",
                NAMES.join(", "),
                APART.join(", ")
            )),
        );
    }
    for name in names {
        if name == SILENCE && place == Place::Machine {
            measure_inside(name, format)?;
            continue;
        }
        let report = measure(name, told)?;
        match format {
            Format::Text => ui::say(table(&report)),
            Format::Json => {
                let line = serde_json::to_string(&report)
                    .map_err(|error| Error::internal(error.to_string()))?;
                ui::say(line);
            }
        }
    }
    Ok(())
}

/// Has another process measure, which has a network of its own.
fn measure_inside(name: &str, format: Format) -> Result<(), Error> {
    let json = (format == Format::Json).then_some("--json");
    let status = Network::inside(["bench", name].into_iter().chain(json).chain([IN_NETWORK]))?
        .status()
        .map_err(|error| Error::config(format!("run unshare: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::internal(format!("the measurement failed: {status}")))
}

fn measure(name: &str, told: Told<'_>) -> Result<Report, Error> {
    let sizes_mib = told.sizes_mib;
    let example = |name| examples::find(name).expect("it comes with the command");
    let (bank, lists) = (example("bank").wasm, example("lists").wasm);
    match name {
        "barrier" => Ok(bench::barrier()),
        "tx" => Ok(bench::tx()),
        "remote" => bench::remote(&start_peer).map_err(Error::config),
        "snapshot" => bench::snapshot(&start, bank).map_err(Error::config),
        "durability" => bench::durability(&start, lists).map_err(Error::config),
        "output" => bench::output(&start, examples::TURNSTILE).map_err(Error::config),
        "input" => bench::input(&start, examples::TURNSTILE).map_err(Error::config),
        "reset" => bench::reset(&start).map_err(Error::config),
        PEERS_SNAPSHOT => {
            let sizes = or_default(sizes_mib, &[16, 128, 512]);
            with_plot(bench::peers_snapshot(&start, &peers::systems(), sizes))
        }
        BOOT => machines::boot(told),
        METAL => machines::metal(told.linux, bank),
        RESP => resp(example("resp").wasm).map_err(Error::config),
        EPOCHS => with_plot(bench::epochs(&start, bank)),
        SPACE => bench::space(&start_lean, bank, sizes_mib).map_err(Error::config),
        "restart" => {
            let sizes = or_default(sizes_mib, &[64, 1024, 8192]);
            bench::restart(&start, sizes).map_err(Error::config)
        }
        SILENCE => bench::silence(&start_apart, bank).map_err(Error::config),
        _ => bench::recovery(&start, bank).map_err(Error::config),
    }
}

fn resp(module: &[u8]) -> Result<Report, String> {
    redis_benchmark::find()?;
    let servers = redis_benchmark::servers();
    bench::resp(&start, module, servers, &redis_benchmark::ask)
}

/// Writes the plot, too, into the directory in which the command runs.
fn with_plot(measured: Result<(Report, String), String>) -> Result<Report, Error> {
    let (mut report, plot) = measured.map_err(Error::config)?;
    let path = format!("{}.svg", report.bench);
    std::fs::write(&path, plot)
        .map_err(|error| Error::config(format!("write the plot {path}: {error}")))?;
    report.notes.push(format!("plot: {path}"));
    Ok(report)
}

/// The sizes that were asked for, if any were.
fn or_default<'a>(asked: &'a [u32], default: &'a [u32]) -> &'a [u32] {
    match asked {
        [] => default,
        asked => asked,
    }
}

/// What the other process is to do, by the name with which it is started.
const PEERS: [(Waiting, &str); 2] = [
    (Waiting::Sleeping, "sleeping-peer"),
    (Waiting::Polling, "polling-peer"),
];

/// Is the other process of a measurement, until the first one ends.
pub(crate) fn be_peer(name: &str, address: &str) -> Result<(), Error> {
    if name == "native-peer" {
        return peers::be_native(address);
    }
    let found = PEERS.iter().find(|(_, known)| *known == name);
    let (waiting, _) = found.ok_or_else(|| Error::user(format!("there is no peer {name}")))?;
    bench::remote_peer(address, *waiting, |address| ui::say(address));
    Ok(())
}

/// Starts this executable once more.
fn start_peer(address: &str, waiting: Waiting) -> Result<Box<dyn bench::Peer>, String> {
    let failed = |error: std::io::Error| format!("start the other process: {error}");
    let (_, name) = PEERS
        .iter()
        .find(|(known, _)| *known == waiting)
        .expect("every way to wait is listed");
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(["bench", name, "--peer-of", address])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take().expect("it was asked for");
    let mut peer = PeerProcess {
        child,
        address: String::new(),
    };
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .map_err(failed)?;
    line.trim().clone_into(&mut peer.address);
    Ok(Box::new(peer))
}

/// The other process; it ends with this.
struct PeerProcess {
    child: Child,
    address: String,
}

impl bench::Peer for PeerProcess {
    fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A report for people.
fn table(report: &Report) -> String {
    let mut text = format!("{} ({})\n", report.bench, report.machine);
    let names = report.results.iter().map(|result| &result.name);
    let names = names.chain(report.goals.iter().map(|goal| &goal.name));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    for result in &report.results {
        let (name, value) = (&result.name, number(result.value));
        text += &format!("  {name:width$}  {value:>10} {}\n", result.unit);
    }
    if !report.goals.is_empty() {
        text += "goals\n";
    }
    for goal in &report.goals {
        let (name, value) = (&goal.name, number(goal.value));
        let side = match goal.better {
            Better::Lower => "at most",
            Better::Higher => "at least",
        };
        let met = if goal.met { "met" } else { "MISSED" };
        text += &format!(
            "  {name:width$}  {value:>10} ({side} {}): {met}\n",
            number(goal.goal)
        );
    }
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    text.truncate(text.trim_end().len());
    text
}

/// A value with three or four digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Starts a cluster of processes with new data, in a directory that goes away with it.
fn start(plan: bench::Plan) -> Result<Box<dyn bench::Cluster>, String> {
    start_as(plan, usual()?, None)
}

/// The same, of one that keeps no snapshots.
fn start_lean(plan: bench::Plan) -> Result<Box<dyn bench::Cluster>, String> {
    let retain = Some(Ladder::NONE);
    start_as(plan, Plan { retain, ..usual()? }, None)
}

/// The same in the network of its own that this process is in.
fn start_apart(plan: bench::Plan) -> Result<Box<dyn bench::Cluster>, String> {
    let network = Network::open(plan.nodes).map_err(|error| error.to_string())?;
    let hosts = Hosts::Apart;
    start_as(plan, Plan { hosts, ..usual()? }, Some(network))
}

fn usual() -> Result<Plan, String> {
    Plan::new().map_err(|error| error.to_string())
}

/// `usual`: what `plan` does not say.
fn start_as(
    plan: bench::Plan,
    usual: Plan,
    network: Option<Network>,
) -> Result<Box<dyn bench::Cluster>, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("plurix-bench-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let directory = Directory(path);
    let epoch_min_ms = match plan.epochs_end {
        EpochsEnd::ByTheClock => plan.epoch_ms,
        EpochsEnd::OnDemand => usual.epoch_min_ms,
    };
    let plan = Plan {
        nodes: Some(plan.nodes),
        epoch_ms: plan.epoch_ms,
        epoch_min_ms,
        memory_mib: plan.memory_mib,
        durability: Some(plan.durability.into()),
        ..usual
    };
    let cluster = Cluster::start(&directory.0, plan).map_err(|error| error.to_string())?;
    Ok(Box::new(Measured {
        cluster,
        network,
        data: DataDir::open(&directory.0).map_err(|error| error.to_string())?,
        client: None,
        directory,
    }))
}

/// A cluster that is being measured. Its nodes end before its directory goes away.
struct Measured {
    cluster: Cluster,
    network: Option<Network>,
    data: DataDir,
    client: Option<Client>,
    directory: Directory,
}

impl bench::Cluster for Measured {
    fn ask(&mut self, request: &Request) -> Result<Response, String> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => match Client::leader(&self.data).map_err(|error| error.to_string())? {
                Some((client, _)) => client,
                None => return Err("no node leads now".to_owned()),
            },
        };
        let answer = match request {
            // A machine without a compiler wants it compiled.
            Request::Deploy { name, wasm } => client
                .deploy(name, wasm.clone())
                .map(|module| Response::Deployed { module }),
            request => client.ask(request),
        };
        let answer = answer.map_err(|error| error.to_string())?;
        let leads = !matches!(&answer, Response::Status(status) if status.leader == 0);
        if !leads {
            return Err("the node leads no more".to_owned());
        }
        self.client = Some(client);
        Ok(answer)
    }

    fn kill(&mut self, number: u32) {
        self.cluster.kill(number);
    }

    fn cut_off(&mut self, number: u32) -> Result<(), String> {
        let network = self.network.as_mut();
        let network = network.ok_or("expected a network of its own, found none")?;
        let what = Break::Node(number);
        network.cut(what).map_err(|error| error.to_string())
    }

    fn directory(&self) -> PathBuf {
        self.directory.0.clone()
    }

    fn stop(&mut self) {
        self.client = None;
        self.cluster.stop();
    }

    fn restart(&mut self) -> Result<(), String> {
        self.cluster.restart().map_err(|error| error.to_string())
    }
}

/// A directory that is removed in the end.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        // What cannot be removed is the system's to clean.
        let _ = std::fs::remove_dir_all(path);
    }
}
