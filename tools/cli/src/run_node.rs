//! The place where the command becomes a node: the Linux world is put together and
//! the node's loop runs in it.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use engine::{Engine, Limits};
use linux::{
    DiskWaker, LinuxClock, LinuxCompiler, LinuxDisk, LinuxEntropy, LinuxFiles, LinuxViews,
    LinuxWorld, Network, NetworkConfig, Ticker, Waker,
};
use node::{
    Config, FAILURE_TIMEOUT, FatalReason, JOIN_GRACE, LEASE, Node, Origin, Suffrage, Voter,
};
use platform::{Clock, ClusterId, DiskError, Entropy};
use seal::{Key, Token};
use store::{ControlLog, Identity, OpenError, Store};
use types::{Duration, NodeId, StoreId};

use crate::commands::node::NodeArgs;
use crate::data::{ancestors, read_token};
use crate::error::Error;
use crate::supervisor::{Ready, announce, announce_left};

/// Pace at which a node looks up from a guest's long step.
const TICK: Duration = Duration::from_millis(1);
/// Silence of another machine's system, after which its nodes are given up. With the pause
/// between two heartbeats it is noticed before the lease is over.
const SILENCE: Duration = Duration::from_millis(100);
/// A killed process holds its disk until its last write has returned.
const PREDECESSOR_TIME: std::time::Duration = std::time::Duration::from_secs(10);
const RETRY_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
/// A tool that has just read where nodes are reached asks one of them sooner.
const REFERRAL_TIME: Duration = Duration::from_millis(500);

/// Runs a node until it is told to stop. Once it listens it calls
/// [`crate::supervisor::announce`], so that whoever started it knows its addresses.
///
/// # Errors
/// If the node cannot start or has to stop.
pub fn run_node(args: NodeArgs) -> Result<(), Error> {
    linux::process::keep_freed_memory();
    linux::process::raise_open_files();
    let engine = Engine::new().map_err(|error| Error::config(error.to_string()))?;
    let _ticker =
        Ticker::start(TICK).map_err(|error| Error::config(format!("start the ticker: {error}")))?;
    let home = home(&args)?;
    check_reachable(&args)?;
    let network = open_network(&args, &home, Some(args.tools))?;
    let link = network.link_address();
    let tools = network
        .tool_address()
        .expect("the first node of a process serves tools");
    let mut node = make_node(&args, &home, Suffrage::Full, network, engine.clone())?;
    for core in 2..=args.cores {
        start_core(&args, &home, core, link, engine.clone());
    }
    announce(Ready { link, tools });
    let reason = node.run();
    if reason == FatalReason::Left {
        crate::ui::note(reason.to_string());
        announce_left();
        node.refer_callers(REFERRAL_TIME);
    }
    ended(reason)
}

/// Starts one more node of this process, in a thread of its own.
fn start_core(args: &NodeArgs, home: &Home, core: u32, link: SocketAddr, engine: Engine) {
    let home = home.clone();
    let args = NodeArgs {
        name: format!("{}.{core}", args.name),
        data: args.data.join(format!("core-{core}")),
        found: false,
        join: Some(args.join.unwrap_or(link)),
        listen: (args.listen.ip(), 0).into(),
        ..args.clone()
    };
    thread::spawn(move || {
        let run = || {
            let network = open_network(&args, &home, None)?;
            ended(make_node(&args, &home, Suffrage::None, network, engine)?.run())
        };
        if let Err(error) = run() {
            crate::ui::note(format!("{}: {error}", args.name));
            // The nodes of a process fail together, as those of a machine do.
            std::process::abort();
        }
    });
}

/// The cluster that the node belongs to.
#[derive(Clone, Debug)]
struct Home {
    cluster: ClusterId,
    key: Option<Key>,
}

fn home(args: &NodeArgs) -> Result<Home, Error> {
    if let Some(path) = &args.token {
        let Token { cluster, key } = read_token(path)?;
        let key = Some(key);
        return Ok(Home { cluster, key });
    }
    let cluster = args.cluster.expect("clap asks for one of them");
    Ok(Home { cluster, key: None })
}

/// Whom it joins, and all others, have to call it, too.
fn check_reachable(args: &NodeArgs) -> Result<(), Error> {
    let (Some(join), listen) = (args.join, args.listen) else {
        return Ok(());
    };
    if join.ip().is_loopback() || !listen.ip().is_loopback() {
        return Ok(());
    }
    let message = format!("expected an address by which {join} reaches this node, found {listen}");
    Err(Error::user(message).hint("give one of this machine's: --listen IP:0"))
}

/// The files that programs append to.
fn open_files(args: &NodeArgs, waker: Waker) -> Result<LinuxFiles, Error> {
    if let Some(path) = args.files.as_ref().filter(|path| !path.is_dir()) {
        let message = format!("expected a directory for files, found {}", path.display());
        return Err(Error::user(message).hint("make it, or give another one with --files"));
    }
    LinuxFiles::start(args.files.clone(), waker)
        .map_err(|error| Error::config(format!("start the thread of files: {error}")))
}

fn open_network(args: &NodeArgs, home: &Home, tools: Option<SocketAddr>) -> Result<Network, Error> {
    let config = NetworkConfig {
        cluster: home.cluster,
        key: home.key.clone(),
        me: NodeId(0),
        listen: args.listen,
        tools,
        silence: SILENCE,
        spin: Duration::from_micros(u64::from(args.spin)),
    };
    Network::open(config).map_err(|error| {
        let hint = match error {
            linux::OpenError::NoKey(_) => "give the cluster's token with --token",
            linux::OpenError::ToolsNotLocal(_) => "tools run on the node's machine",
            linux::OpenError::Unspecified(_) => "give one of this machine's addresses",
            _ => "another process may use the port: choose others",
        };
        Error::config(error.to_string()).hint(hint)
    })
}

fn make_node(
    args: &NodeArgs,
    home: &Home,
    suffrage: Suffrage,
    network: Network,
    engine: Engine,
) -> Result<Node<LinuxWorld, LinuxDisk>, Error> {
    let waker = network.waker();
    let wake: DiskWaker = {
        let waker = waker.clone();
        Arc::new(move || waker.wake())
    };
    let files = open_files(args, waker.clone())?;
    let compiler = LinuxCompiler::start(engine.clone(), waker)
        .map_err(|error| Error::config(format!("start the compiler: {error}")))?;
    let identity = Identity {
        cluster: home.cluster,
        store: new_store_id(),
    };
    let disk = open_disk(&args.data.join("store"), &wake)?;
    let ancestors = ancestors(&args.data)?;
    let store = Store::open_descendant(disk, identity, &ancestors);
    let store = store.map_err(|error| unusable(&args.data, &error))?;
    for damage in store.damage() {
        crate::ui::note(format!("the store: {damage}"));
    }
    let voter = open_voter(args, home, suffrage, &store, &wake)?;
    let config = Config {
        name: args.name.clone(),
        limits: limits(args),
        note: |line| crate::ui::note(line),
        ..Config::default()
    };
    let world = LinuxWorld::new(network, LinuxViews::new(), compiler, files);
    let seed = args.join.map(|address| address.to_string());
    Ok(Node::new(config, world, store, engine, voter, seed))
}

/// Opens the node's log of what was decided. It has an id of its own: a log that begins
/// anew is another voter's, for it has forgotten what the old one has promised.
fn open_voter(
    args: &NodeArgs,
    home: &Home,
    suffrage: Suffrage,
    store: &Store<LinuxDisk>,
    wake: &DiskWaker,
) -> Result<Voter<LinuxDisk>, Error> {
    let directory = args.data.join("control");
    let identity = Identity {
        cluster: home.cluster,
        store: new_store_id(),
    };
    let disk = open_disk(&directory, wake)?;
    let (log, records) = ControlLog::open(disk, identity).map_err(|error| match error {
        OpenError::Damaged(damage) => lost_decisions(&directory, &damage.to_string()),
        error => unusable(&args.data, &error),
    })?;
    let epoch = store.stable().0;
    if args.found && records.is_empty() && epoch > 0 {
        // To begin anew would put old pages into a young cluster.
        let found = format!("it is empty, but the store beside it knows epoch {epoch}");
        return Err(lost_decisions(&directory, &found));
    }
    let config = control::Config {
        store: store.id(),
        expected: args.members as usize,
        epoch_length: Duration::from_millis(u64::from(args.epoch)),
        epoch_min: Duration::from_millis(u64::from(args.epoch_min)),
        failure_timeout: FAILURE_TIMEOUT,
        lease: LEASE,
        join_grace: JOIN_GRACE,
        durability: args.durability.map(Into::into),
        ladder: args.retain.clone(),
        // Said when it leads.
        wall_ms: 0,
    };
    let origin = if args.found {
        Origin::Founds
    } else {
        Origin::Joins
    };
    let log = (log, records);
    let voter = Voter::new(config, suffrage, origin, log, random(), LinuxClock.now());
    voter.map_err(|error| lost_decisions(&directory, &error))
}

/// A program may use as much memory as the node has for pages; a tick is a millisecond.
fn limits(args: &NodeArgs) -> Limits {
    let memory_64k_max = args.memory.saturating_mul(16).min(1 << 16);
    Limits {
        ticks_max: args.step_limit,
        memory_64k_max,
    }
}

fn new_store_id() -> StoreId {
    StoreId(random())
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    LinuxEntropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn open_disk(directory: &Path, wake: &DiskWaker) -> Result<LinuxDisk, Error> {
    let until = Instant::now() + PREDECESSOR_TIME;
    loop {
        match LinuxDisk::open(directory, wake.clone()) {
            Err(DiskError::InUse) if Instant::now() < until => thread::sleep(RETRY_PAUSE),
            opened => {
                return opened.map_err(|error| {
                    Error::config(format!("open the disk {}: {error}", directory.display()))
                });
            }
        }
    }
}

fn unusable(data: &Path, error: &OpenError) -> Error {
    Error::config(format!("open the data in {}: {error}", data.display()))
        .hint("nothing was changed; restore the directory from a copy, or start with another one")
}

fn lost_decisions(directory: &Path, found: &str) -> Error {
    let message = format!(
        "open the cluster's decisions in {}: {found}; without them the stores make no sense",
        directory.display()
    );
    Error::config(message)
        .hint("nothing was changed; restore the directory from a copy")
        .hint("if most of the other nodes have theirs, this one starts without: move it away")
}

fn ended(reason: FatalReason) -> Result<(), Error> {
    match reason {
        FatalReason::Down | FatalReason::Left => Ok(()),
        reason => Err(Error::config(reason.to_string())),
    }
}
