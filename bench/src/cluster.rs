//! A cluster of real processes, as benchmarks see it. Whoever can start one provides
//! it: this crate starts no process.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use admin::{Request, Response, Status};
use types::{Durability, Prng};

/// How a cluster is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Processes, of one node each.
    pub nodes: u32,
    /// Length of an epoch.
    pub epoch_ms: u32,
    /// What ends one.
    pub epochs_end: EpochsEnd,
    /// Memory per node.
    pub memory_mib: u32,
    /// What makes work safe.
    pub durability: Durability,
}

/// What ends an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EpochsEnd {
    /// Time alone.
    ByTheClock,
    /// Time, or who waits for it, as is usual.
    OnDemand,
}

/// A running cluster with a data directory of its own on a disk; both are gone when it
/// is dropped.
pub trait Cluster {
    /// Asks the leader; a refusal is an error.
    ///
    /// # Errors
    /// Why there is no answer.
    fn ask(&mut self, request: &Request) -> Result<Response, String>;

    /// Kills a node's process: 1 is the leader's.
    fn kill(&mut self, number: u32);

    /// Has a node's machine fall silent, as if its cable was cut: 1 is the leader's.
    ///
    /// # Errors
    /// If the cluster has no network of its own.
    fn cut_off(&mut self, number: u32) -> Result<(), String>;

    /// Where its data are.
    fn directory(&self) -> PathBuf;

    /// Stops the cluster in order.
    fn stop(&mut self);

    /// Starts it again after a stop; returns when all nodes are members.
    ///
    /// # Errors
    /// Why it does not start.
    fn restart(&mut self) -> Result<(), String>;
}

/// Starts clusters, with new data each time.
pub type Start<'a> = &'a dyn Fn(Plan) -> Result<Box<dyn Cluster>, String>;

/// How often something is looked at.
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait until a memory is full: machines without a processor's help are slow.
const FILL_PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn status(cluster: &mut dyn Cluster) -> Result<Status, String> {
    match cluster.ask(&Request::Status)? {
        Response::Status(status) => Ok(status),
        other => Err(format!("expected a status, found {other:?}")),
    }
}

/// Looks at the status until `is_enough`; what it was then.
pub(crate) fn until(
    cluster: &mut dyn Cluster,
    is_enough: impl Fn(&Status) -> bool,
) -> Result<Status, String> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        // While views change there may be no answer.
        if let Ok(status) = status(cluster)
            && is_enough(&status)
        {
            return Ok(status);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err("the cluster did not get as far as expected in time".to_owned())
}

/// Deploys a program and starts it; its process.
pub(crate) fn run(
    cluster: &mut dyn Cluster,
    name: &str,
    wasm: &[u8],
    arguments: &[&str],
) -> Result<u32, String> {
    let request = Request::Deploy {
        name: name.to_owned(),
        wasm: wasm.to_vec(),
    };
    cluster.ask(&request)?;
    let request = Request::Run {
        module: name.to_owned(),
        program: name.to_owned(),
        workers: 1,
        arguments: arguments.iter().map(ToString::to_string).collect(),
        inputs: Vec::new(),
    };
    match cluster.ask(&request)? {
        Response::Started { process } => Ok(process),
        other => Err(format!("expected a process, found {other:?}")),
    }
}

/// Waits until a process says that it has done all it counts.
pub(crate) fn until_full(cluster: &mut dyn Cluster, process: u32) -> Result<(), String> {
    let begin = Instant::now();
    while begin.elapsed() < FILL_PATIENCE {
        let Response::Processes(all) = cluster.ask(&Request::Processes)? else {
            return Err("expected the processes".to_owned());
        };
        let one = all.iter().find(|one| one.process == process);
        if let Some(one) = one {
            if one.state.is_final() {
                return Err(format!("the program has ended: {}", one.state));
            }
            if one.total > 0 && one.done == one.total {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("the program did not fill its memory in time".to_owned())
}

/// Milliseconds until the answer to a call, which leaves when what it tells is safe.
pub(crate) fn timed_call(
    cluster: &mut dyn Cluster,
    program: &str,
    function: &str,
    arguments: &[u64],
) -> Result<f64, String> {
    let request = Request::Call {
        program: program.to_owned(),
        function: function.to_owned(),
        arguments: arguments.iter().map(u64::to_string).collect(),
        inputs: Vec::new(),
        is_query: false,
    };
    let begin = Instant::now();
    match cluster.ask(&request)? {
        Response::Returned { .. } => Ok(begin.elapsed().as_secs_f64() * 1000.0),
        other => Err(format!("expected an answer to a call, found {other:?}")),
    }
}

/// Lets some time of an epoch go by: who calls again at once waits for a whole one, so calls
/// are to come at any moment of one.
pub(crate) fn rest_within_epoch(prng: &mut Prng, epoch_ms: u32) {
    let micros = prng.below(u64::from(epoch_ms) * 1000);
    std::thread::sleep(Duration::from_micros(micros));
}

/// Transactions per second over about this time, between two reports of the nodes.
pub(crate) fn rate(cluster: &mut dyn Cluster, time: Duration) -> Result<f64, String> {
    rate_of(cluster, time, |status| status.transactions)
}

/// The same of anything that the nodes count.
pub(crate) fn rate_of(
    cluster: &mut dyn Cluster,
    time: Duration,
    count: fn(&Status) -> u64,
) -> Result<f64, String> {
    let (first, begin) = next_report(cluster, count)?;
    std::thread::sleep(time);
    let (last, end) = next_report(cluster, count)?;
    let count = u32::try_from(last - first).map_err(|error| error.to_string())?;
    Ok(f64::from(count) / (end - begin).as_secs_f64())
}

/// The count when it next changes, and when that was.
fn next_report(
    cluster: &mut dyn Cluster,
    count: fn(&Status) -> u64,
) -> Result<(u64, Instant), String> {
    let before = count(&status(cluster)?);
    let after = until(cluster, |status| count(status) != before)?;
    Ok((count(&after), Instant::now()))
}
