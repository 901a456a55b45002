//! A cluster on this machine: its data directory, its nodes, the way to ask it.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use control::Ladder;
use linux::LinuxEntropy;
use linux::process::Signal;
use platform::{ClusterId, Entropy};

use crate::client::Client;
use crate::commands::DurabilityArg;
use crate::commands::node::NodeArgs;
use crate::data::{ClusterFile, DataDir, Lock, RunningFile, RunningNode, read_token};
use crate::error::Error;
use crate::interrupt;
use crate::metal::{Core, Forward, Image, LOST_PORT, MACHINE_MIB, Machine, Qemu, Screen, System};
use crate::metal::{concrete, has_disk, write_first_files};
use crate::supervisor::{Happening, Nodes, Ready};

/// Number of the node that founds a new cluster.
const FIRST: u32 = 1;
/// A control log of this length says nothing yet: it has its first record's head only.
const BLANK_LOG_BYTES: u64 = 64;
/// A node listens long before this.
const READY_TIME: Duration = Duration::from_secs(30);
/// A cluster has all its members long before this.
const MEMBERS_TIME: Duration = Duration::from_secs(60);
/// Nodes that were told to stop have stopped long before this.
const STOP_TIME: Duration = Duration::from_secs(10);
const POLL_TIME: Duration = Duration::from_millis(10);

/// A program may have so much of a machine's memory: the node keeps pages of others, too.
const PROGRAM_SHARE: u32 = 2;
/// The same where the disk is half of memory.
const DISKLESS_SHARE: u32 = 4;

/// How a cluster is to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The executable that becomes a node when told `node …`.
    pub program: PathBuf,
    /// How many nodes; `None` = as many as before, 3 for a new cluster.
    pub nodes: Option<u32>,
    /// Length of an epoch.
    pub epoch_ms: u32,
    /// After so long an epoch ends that somebody waits for.
    pub epoch_min_ms: u32,
    /// What makes work safe; `None` = what did before, disks for a new cluster.
    pub durability: Option<DurabilityArg>,
    /// How long snapshots without names are kept; `None` = as before.
    pub retain: Option<Ladder>,
    /// Where programs may append to files, if anywhere.
    pub files: Option<PathBuf>,
    /// Nodes per process, or per machine.
    pub cores: u32,
    /// By which addresses of this machine peers reach the nodes.
    pub hosts: Hosts,
    /// First of two ports per node; `None` = whatever is free.
    pub port: Option<u16>,
    /// Memory per node.
    pub memory_mib: u32,
    /// Longest time that a step of a program may run.
    pub step_limit_ms: u32,
    /// Busy polling for messages before a node sleeps.
    pub spin_us: u32,
    /// The last nodes of a new cluster are on bare metal, or the first if that matters.
    pub(crate) metal: Option<Metal>,
    /// The machines of the other nodes, if each has one of its own, in which it runs on Linux.
    pub(crate) guests: Option<Qemu>,
}

/// Nodes on bare metal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Metal {
    /// How many of a new cluster's.
    pub(crate) nodes: u32,
    /// How their machines are made.
    pub(crate) qemu: Qemu,
    /// Where others reach programs of them.
    pub(crate) programs: Vec<Forward>,
}

/// Addresses of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hosts {
    /// One for all nodes.
    Same(IpAddr),
    /// Each node has a loopback address of its own, so that they can be told apart.
    Apart,
}

impl Hosts {
    /// Where a node is.
    #[must_use]
    pub fn of(self, number: u32) -> IpAddr {
        match self {
            Self::Same(host) => host,
            Self::Apart => Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number).into(),
        }
    }
}

/// A running cluster. Its nodes are killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    // Dropped first: nobody else may run the cluster before its nodes are gone.
    nodes: Nodes,
    data: DataDir,
    plan: Plan,
    file: ClusterFile,
    running: RunningFile,
    /// Where nodes listened that have ended: others still look for them there, also when all are
    /// started again.
    left: BTreeMap<u32, Ready>,
    _lock: Lock,
}

impl Metal {
    /// Whether people or programs look for them at the first node.
    fn is_first(&self) -> bool {
        self.qemu.screen != Screen::None || self.qemu.has_line || !self.programs.is_empty()
    }

    /// Where others reach programs of a node.
    fn programs(&self, number: u32) -> impl Iterator<Item = &Forward> {
        self.programs
            .iter()
            .filter(move |one| one.machine == number)
    }

    /// So many machines without a screen, of the image beside the command.
    pub(crate) fn small(nodes: u32) -> Result<Self, Error> {
        let qemu = Qemu::new(System::Image(Image::find(None)?), MACHINE_MIB, Screen::None)?;
        Ok(Self {
            nodes,
            qemu,
            programs: Vec::new(),
        })
    }
}

impl Plan {
    /// A plan with this executable and the usual figures.
    ///
    /// # Errors
    /// If the executable cannot be found any more.
    pub fn new() -> Result<Self, Error> {
        let program = std::env::current_exe()
            .map_err(|error| Error::config(format!("find my own executable: {error}")))?;
        let (epoch_ms, epoch_min_ms) = (100, 1);
        let (cores, memory_mib, step_limit_ms) = (1, 1024, 10_000);
        Ok(Self {
            program,
            nodes: None,
            epoch_ms,
            epoch_min_ms,
            durability: None,
            retain: None,
            files: None,
            cores,
            hosts: Hosts::Same(Ipv4Addr::LOCALHOST.into()),
            port: None,
            memory_mib,
            step_limit_ms,
            spin_us: 0,
            metal: None,
            guests: None,
        })
    }
}

impl Cluster {
    /// Starts the cluster of a data directory, a new one if there is none; returns when
    /// all its nodes are members.
    ///
    /// # Errors
    /// If the directory cannot be used, a port is busy, or a node does not start.
    pub fn start(path: &Path, plan: Plan) -> Result<Self, Error> {
        let data = DataDir::make(path)?;
        let lock = data.lock()?;
        let file = cluster_file(&data, plan.nodes)?;
        check_ports(&plan, &file)?;
        data.make_token(file.id()?)?;
        let running = RunningFile {
            supervisor: std::process::id(),
            nodes: Vec::new(),
        };
        let mut cluster = Self {
            nodes: Nodes::new(),
            data,
            plan,
            file,
            running,
            left: BTreeMap::new(),
            _lock: lock,
        };
        cluster.start_nodes()?;
        Ok(cluster)
    }

    /// Starts all nodes again after [`Cluster::kill_all`].
    ///
    /// # Errors
    /// If a node does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        assert_eq!(self.nodes.numbers().count(), 0, "all nodes are down");
        self.start_nodes()
    }

    /// Where the nodes that are alive are reached.
    #[must_use]
    pub fn running(&self) -> &[RunningNode] {
        &self.running.nodes
    }

    /// A connection to any node of the cluster, and to another when that one ends.
    ///
    /// # Errors
    /// If none listens.
    pub fn client(&self) -> Result<Client, Error> {
        Client::find(&self.data)
    }

    /// The next thing that happens to a node, if anything does within `time`.
    pub fn next(&mut self, time: Duration) -> Option<Happening> {
        let happening = self.nodes.next(time)?;
        match happening {
            Happening::Ended { number, .. } | Happening::Left { number } => self.forget(number),
            Happening::Ready { number, ready } => self.remember(number, ready),
        }
        Some(happening)
    }

    /// A node has left for good: it is never started again.
    ///
    /// # Errors
    /// If the disk does not take that.
    pub fn note_left(&mut self, number: u32) -> Result<(), Error> {
        self.file.left.insert(number);
        self.data.set_cluster(&self.file)
    }

    /// Whether the node has left for good.
    #[must_use]
    pub fn has_left(&self, number: u32) -> bool {
        self.file.left.contains(&number)
    }

    /// Kills a node as a crash would.
    pub fn kill(&mut self, number: u32) {
        self.nodes.kill(number);
        self.forget(number);
    }

    /// Whether a node has a process, as far as is known.
    #[must_use]
    pub fn is_alive(&self, number: u32) -> bool {
        self.nodes.pid(number).is_some()
    }

    /// Has a node stand still, as if its machine did, until [`Cluster::resume`].
    pub fn pause(&mut self, number: u32) {
        self.nodes.tell(number, Signal::Stop);
    }

    /// Has a node go on after [`Cluster::pause`].
    pub fn resume(&mut self, number: u32) {
        self.nodes.tell(number, Signal::Continue);
    }

    /// Kills all nodes at once, as a power failure would.
    pub fn kill_all(&mut self) {
        self.nodes.kill_all();
        self.forget_all();
    }

    /// What the cluster can survive.
    #[must_use]
    pub fn promise(&self) -> String {
        promise(self.file.count())
    }

    /// Stops the cluster once everything committed so far is stable.
    pub fn stop(&mut self) {
        let order = || Client::leader(&self.data).ok()??.0.down().ok();
        // Without an answer the nodes are still asked one by one, then killed.
        let _ = order();
        self.nodes.stop(STOP_TIME);
        self.forget_all();
    }

    /// Starts a node again, with its disk, while the others run. [`Cluster::next`] says
    /// when it listens.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn replace(&mut self, number: u32) -> Result<(), Error> {
        let mut others = self.running.nodes.iter();
        let other = others.find(|node| node.number != number);
        let link = other.map(|node| node.link);
        self.spawn(number, link).map(drop)
    }

    fn remember(&mut self, number: u32, ready: Ready) {
        let pid = self.nodes.pid(number).unwrap_or_default();
        let Ready { link, tools } = ready;
        self.running.nodes.push(RunningNode {
            number,
            pid,
            link,
            tools,
        });
        self.running.nodes.sort_by_key(|node| node.number);
        // The next change writes it again; until then tools do not find the node.
        let _ = self.data.set_running(&self.running);
    }

    fn forget(&mut self, number: u32) {
        if let Some(node) = self.running.nodes.iter().find(|node| node.number == number) {
            let (link, tools) = (node.link, node.tools);
            self.left.insert(number, Ready { link, tools });
        }
        self.running.nodes.retain(|node| node.number != number);
        // The next change writes it again; until then tools meet a dead node.
        let _ = self.data.set_running(&self.running);
    }

    fn forget_all(&mut self) {
        for node in self.running.nodes.drain(..) {
            let (link, tools) = (node.link, node.tools);
            self.left.insert(node.number, Ready { link, tools });
        }
        self.data.clear_running();
    }

    fn start_nodes(&mut self) -> Result<(), Error> {
        let numbers: Vec<u32> = self.file.numbers().collect();
        let (&first_number, others) = numbers.split_first().expect("somebody always stays");
        let mut ready = Vec::new();
        let first = match self.spawn(first_number, None)? {
            // The others find it there as soon as it listens.
            Some(link) => link,
            None => {
                ready.push(self.nodes.wait_any_ready(READY_TIME)?);
                ready[0].1.link
            }
        };
        for &number in others {
            self.spawn(number, Some(first))?;
        }
        let mut again = BTreeSet::new();
        while ready.len() < numbers.len() {
            match self.nodes.wait_ready_or_end(READY_TIME)? {
                Ok(one) => ready.push(one),
                Err((number, _))
                    if number != first_number
                        && self.has_lost_port(number)
                        && again.insert(number) =>
                {
                    self.spawn(number, Some(first))?;
                }
                Err((number, status)) => return Err(self.nodes.ended(number, status)),
            }
        }
        ready.sort_by_key(|(number, _)| *number);
        self.running.nodes = ready
            .into_iter()
            .map(|(number, ready)| RunningNode {
                number,
                pid: self.nodes.pid(number).unwrap_or_default(),
                link: ready.link,
                tools: ready.tools,
            })
            .collect();
        self.data.set_running(&self.running)?;
        self.wait_members()
    }

    /// Whether a machine has ended because somebody has taken a port that was free a moment
    /// before.
    fn has_lost_port(&self, number: u32) -> bool {
        let log = fs::read_to_string(self.data.node(number).join("log")).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or_default();
        last.contains(LOST_PORT)
    }

    /// Starts a node. Returns where peers will reach it, if that is known already.
    fn spawn(
        &mut self,
        number: u32,
        other: Option<SocketAddr>,
    ) -> Result<Option<SocketAddr>, Error> {
        let directory = self.data.node(number);
        fs::create_dir_all(&directory).map_err(|error| {
            Error::config(format!(
                "make the directory {}: {error}",
                directory.display()
            ))
        })?;
        let log = directory.join("log");
        let (mut listen, mut tools) = addresses(&self.plan, number);
        // Somebody else may listen there by now.
        let is_free = |left: &Ready| {
            [left.link, left.tools]
                .into_iter()
                .all(|at| concrete(at).is_ok())
        };
        if let Some(left) = self.left.remove(&number).filter(is_free) {
            (listen, tools) = (left.link, left.tools);
        }
        if let Some(metal) = self.metal(number, &directory)? {
            let machine = Machine {
                directory: &directory,
                tools: concrete(tools)?,
                programs: metal.programs(number).copied().collect(),
                cores: self.cores(number, metal, listen, other)?,
            };
            let command = metal.qemu.command(&machine)?;
            self.nodes.start(number, command, &log)?;
            return Ok(machine.cores.first().map(|core| core.link));
        }
        let args = NodeArgs {
            data: directory,
            listen,
            tools,
            found: number == FIRST && other.is_none() && self.is_new(),
            join: other,
            token: Some(self.data.token_file()),
            cluster: None,
            members: self.file.count() * self.plan.cores,
            epoch: self.plan.epoch_ms,
            epoch_min: self.plan.epoch_min_ms,
            durability: self.plan.durability,
            retain: self.plan.retain.clone(),
            files: self.plan.files.clone(),
            cores: self.plan.cores,
            name: format!("node-{number}"),
            memory: self.plan.memory_mib,
            step_limit: self.plan.step_limit_ms,
            spin: self.plan.spin_us,
        };
        let command = match &self.plan.guests {
            Some(qemu) => guest(qemu, args)?,
            None => {
                let mut command = Command::new(&self.plan.program);
                command.args(args.to_command_line());
                command
            }
        };
        self.nodes.start(number, command, &log)?;
        Ok(None)
    }

    /// How the machine of a node is made, if it is on bare metal.
    fn metal(&self, number: u32, directory: &Path) -> Result<Option<&Metal>, Error> {
        let is_old = directory.join("store").exists() || has_disk(directory);
        let is_one = |metal: &Metal| match is_old {
            true => has_disk(directory),
            // The node that founds the cluster leads it: its screen is the cluster's display, and
            // its ports are passed on.
            false if metal.is_first() => number <= metal.nodes,
            false => number > self.file.nodes.saturating_sub(metal.nodes),
        };
        let is_wanted = |metal: &Metal| {
            number == FIRST && metal.is_first() || metal.programs(number).next().is_some()
        };
        match &self.plan.metal {
            Some(metal) if is_wanted(metal) && !is_one(metal) => {
                let message = format!("node {number} of this cluster is on Linux");
                let hint = "screens, serial ports and ports that are passed on are those of \
                            machines: begin a new cluster with --data DIR";
                Err(Error::user(message).hint(hint))
            }
            Some(metal) => Ok(Some(metal).filter(|metal| is_one(metal))),
            None if has_disk(directory) => {
                let message = format!("node {number} of this cluster is on bare metal");
                Err(Error::user(message).hint("start the cluster with `plurix boot`"))
            }
            None => Ok(None),
        }
    }

    /// The nodes of a machine: what each is told, the first as the only one would be.
    fn cores(
        &self,
        number: u32,
        metal: &Metal,
        listen: SocketAddr,
        other: Option<SocketAddr>,
    ) -> Result<Vec<Core>, Error> {
        let token = read_token(&self.data.token_file())?;
        let share = match metal.qemu.disk_mib {
            0 => DISKLESS_SHARE,
            _ => PROGRAM_SHARE,
        };
        let mut common = format!(
            "token={token} members={} epoch={} epoch-min={} memory={}",
            self.file.count() * self.plan.cores,
            self.plan.epoch_ms,
            self.plan.epoch_min_ms,
            metal.qemu.memory_mib / self.plan.cores / share,
        );
        if let Some(durability) = self.plan.durability {
            common.push_str(&format!(" durability={durability}"));
        }
        let first = concrete(listen)?;
        let begin = match other {
            Some(other) => format!(" join={other}"),
            None if number == FIRST && self.is_new() => " found".to_owned(),
            None => String::new(),
        };
        let mut cores = vec![Core {
            link: first,
            words: format!("name=node-{number} {common}{begin}"),
        }];
        for core in 2..=self.plan.cores {
            let join = other.unwrap_or(first);
            cores.push(Core {
                link: concrete((listen.ip(), 0).into())?,
                words: format!("name=node-{number}.{core} {common} join={join} vote=no"),
            });
        }
        Ok(cores)
    }

    /// Whether no node but the first has ever heard of a decision. The first knows itself
    /// whether it has; if only its log is lost, the others' are enough.
    fn is_new(&self) -> bool {
        let knows_some = |number: u32| {
            let entries = fs::read_dir(self.data.node(number).join("control"));
            let mut files = entries.into_iter().flatten().flatten();
            files.any(|file| file.metadata().is_ok_and(|m| m.len() > BLANK_LOG_BYTES))
                || has_disk(&self.data.node(number))
        };
        self.file.left.is_empty() && !(FIRST + 1..=self.file.nodes).any(knows_some)
    }

    /// Waits until all nodes are members.
    fn wait_members(&mut self) -> Result<(), Error> {
        let members = (self.file.count() * self.plan.cores) as usize;
        let until = Instant::now() + MEMBERS_TIME;
        while Instant::now() < until {
            interrupt::check()?;
            if let Some((_, status)) = Client::leader(&self.data)?
                && status.nodes.len() >= members
            {
                return Ok(());
            }
            if let Some(Happening::Ended { number, status }) = self.nodes.next(POLL_TIME) {
                return Err(self.nodes.ended(number, status));
            }
        }
        Err(Error::internal(format!(
            "the cluster did not have {members} members in time"
        ))
        .hint(format!(
            "the nodes' logs are in {}/node-N/log",
            self.data.path().display()
        )))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// The machine in which this node runs on Linux. It has as much of it as one on bare metal.
fn guest(qemu: &Qemu, args: NodeArgs) -> Result<Command, Error> {
    let System::Linux(linux) = &qemu.system else {
        unreachable!("machines with the image are `Plan::metal`");
    };
    let directory = args.data.clone();
    let args = NodeArgs {
        listen: concrete(args.listen)?,
        tools: concrete(args.tools)?,
        memory: qemu.memory_mib / PROGRAM_SHARE,
        ..args
    };
    write_first_files(&directory, &linux.node(&args)?)?;
    qemu.command(&Machine {
        directory: &directory,
        tools: args.tools,
        programs: Vec::new(),
        cores: vec![Core {
            link: args.listen,
            words: String::new(),
        }],
    })
}

/// What the cluster of the directory is; made and recorded if it is new or grows.
fn cluster_file(data: &DataDir, nodes: Option<u32>) -> Result<ClusterFile, Error> {
    let found = data.cluster()?;
    let file = match (&found, nodes) {
        (None, nodes) => ClusterFile {
            cluster: new_id().to_string(),
            nodes: nodes.unwrap_or(3),
            left: BTreeSet::new(),
        },
        (Some(found), None) => found.clone(),
        (Some(found), Some(nodes)) if nodes < found.count() => {
            let message = format!(
                "expected at least {} nodes, found --nodes {nodes}: every store is needed",
                found.count()
            );
            return Err(Error::user(message)
                .hint("leave --nodes out; `plurix drain` makes a running cluster smaller")
                .hint("or make a new cluster with another --data"));
        }
        (Some(found), Some(nodes)) => ClusterFile {
            nodes: found.nodes + (nodes - found.count()),
            ..found.clone()
        },
    };
    if found.as_ref() != Some(&file) {
        data.set_cluster(&file)?;
    }
    Ok(file)
}

/// What a cluster of so many processes survives while all are there.
fn promise(nodes: u32) -> String {
    let voters = nodes.min(u32::try_from(control::VOTERS_MAX).expect("few"));
    match voters.saturating_sub(1) / 2 {
        0 => format!(
            "{nodes} of {nodes} nodes are needed: while one is away the cluster stands still; \
             three nodes can lose one"
        ),
        spare => format!("{spare} of {voters} voters may be lost at a time"),
    }
}

fn new_id() -> ClusterId {
    let mut bytes = [0; 8];
    LinuxEntropy.fill(&mut bytes);
    ClusterId(u64::from_le_bytes(bytes))
}

/// Where a node listens for peers and for tools.
fn addresses(plan: &Plan, number: u32) -> (SocketAddr, SocketAddr) {
    let port = |offset: u32| {
        let first = plan.port.map(u32::from);
        let port = first.map_or(0, |first| first + (number - FIRST) * 2 + offset);
        u16::try_from(port).expect("checked before the first node starts")
    };
    let tools = (Ipv4Addr::LOCALHOST, port(1));
    ((plan.hosts.of(number), port(0)).into(), tools.into())
}

/// Finds out early, and says clearly, when a port is taken.
fn check_ports(plan: &Plan, file: &ClusterFile) -> Result<(), Error> {
    let nodes = file.nodes;
    let Some(port) = plan.port else {
        return Ok(());
    };
    if u32::from(port) + nodes * 2 > u32::from(u16::MAX) {
        let message = format!(
            "expected room for {} ports from --port {port} on",
            nodes * 2
        );
        return Err(Error::user(message).hint("choose a lower port"));
    }
    for number in file.numbers() {
        let (link, tools) = addresses(plan, number);
        for address in [link, tools] {
            TcpListener::bind(address).map_err(|error| {
                Error::config(format!("port {} is not free: {error}", address.port()))
                    .hint("choose another with --port, or leave it out to take what is free")
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster_of(nodes: u32) -> ClusterFile {
        ClusterFile {
            cluster: "00ab".into(),
            nodes,
            left: BTreeSet::new(),
        }
    }

    #[test]
    fn every_node_has_two_ports_of_its_own() {
        let mut plan = Plan {
            port: Some(7000),
            ..Plan::new().unwrap()
        };
        let (link, tools) = addresses(&plan, 3);
        assert_eq!((link.port(), tools.port()), (7004, 7005));
        plan.port = None;
        assert_eq!(addresses(&plan, 3).0.port(), 0);
    }

    #[test]
    fn a_busy_port_is_named() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port().min(65_000);
        if port == holder.local_addr().unwrap().port() {
            let plan = Plan {
                port: Some(port),
                ..Plan::new().unwrap()
            };
            let error = check_ports(&plan, &cluster_of(1)).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("port {port} is not free: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn ports_end_somewhere() {
        let plan = Plan {
            port: Some(65_530),
            ..Plan::new().unwrap()
        };
        assert!(check_ports(&plan, &cluster_of(3)).is_err());
    }
}
