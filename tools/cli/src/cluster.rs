//! A cluster on this machine: its data directory, its nodes, the way to ask it.
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use linux::LinuxEntropy;
use platform::{ClusterId, Entropy};

use crate::client::{Client, ClientError};
use crate::commands::node::NodeArgs;
use crate::data::{ClusterFile, DataDir, Lock, RunningFile, RunningNode};
use crate::error::Error;
use crate::interrupt;
use crate::supervisor::{Happening, Nodes, Ready};

/// Number of the node that leads.
pub const LEADER: u32 = 1;
/// A node listens long before this.
const READY_TIME: Duration = Duration::from_secs(30);
/// A cluster has all its members long before this.
const MEMBERS_TIME: Duration = Duration::from_secs(60);
/// Nodes that were told to stop have stopped long before this.
const STOP_TIME: Duration = Duration::from_secs(10);
/// Members end within less when their leader has.
const CAUSE_TIME: Duration = Duration::from_secs(1);
const POLL_TIME: Duration = Duration::from_millis(10);

/// How a cluster is to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The executable that becomes a node when told `node …`.
    pub program: PathBuf,
    /// How many nodes; `None` = as many as before, 3 for a new cluster.
    pub nodes: Option<u32>,
    /// Length of an epoch.
    pub epoch_ms: u32,
    /// Nodes per process.
    pub cores: u32,
    /// First of two ports per node; `None` = whatever is free.
    pub port: Option<u16>,
    /// Memory per node.
    pub memory_mib: u32,
    /// Longest time that a step of a program may run.
    pub step_limit_ms: u32,
    /// Busy polling for messages before a node sleeps.
    pub spin_us: u32,
}

/// A running cluster. Its nodes are killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    // Dropped first: nobody else may run the cluster before its nodes are gone.
    nodes: Nodes,
    data: DataDir,
    plan: Plan,
    count: u32,
    id: ClusterId,
    running: RunningFile,
    _lock: Lock,
}

impl Plan {
    /// A plan with this executable and the usual figures.
    ///
    /// # Errors
    /// If the executable cannot be found any more.
    pub fn new() -> Result<Self, Error> {
        let program = std::env::current_exe()
            .map_err(|error| Error::config(format!("find my own executable: {error}")))?;
        let (epoch_ms, cores, memory_mib, step_limit_ms) = (100, 1, 1024, 10_000);
        Ok(Self {
            program,
            nodes: None,
            epoch_ms,
            cores,
            port: None,
            memory_mib,
            step_limit_ms,
            spin_us: 0,
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
        check_ports(&plan, file.nodes)?;
        let id = u64::from_str_radix(&file.cluster, 16).map_err(|_| {
            Error::config(format!(
                "expected a cluster id in cluster.json, found {}",
                file.cluster
            ))
        })?;
        let running = RunningFile {
            supervisor: std::process::id(),
            nodes: Vec::new(),
        };
        let mut cluster = Self {
            nodes: Nodes::new(),
            data,
            plan,
            count: file.nodes,
            id: ClusterId(id),
            running,
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

    /// A connection to the node that leads.
    ///
    /// # Errors
    /// If it is not there.
    pub fn client(&self) -> Result<Client, Error> {
        let leader = self.running.nodes.iter().find(|node| node.number == LEADER);
        let leader = leader.ok_or_else(|| Error::config("the node that leads has ended"))?;
        Ok(Client::connect(leader.tools)?)
    }

    /// The next thing that happens to a node, if anything does within `time`.
    pub fn next(&mut self, time: Duration) -> Option<Happening> {
        let happening = self.nodes.next(time)?;
        match happening {
            Happening::Ended { number, .. } => self.forget(number),
            Happening::Ready { number, ready } => self.remember(number, ready),
        }
        Some(happening)
    }

    /// Kills a node as a crash would.
    pub fn kill(&mut self, number: u32) {
        self.nodes.kill(number);
        self.forget(number);
    }

    /// Kills all nodes at once, as a power failure would.
    pub fn kill_all(&mut self) {
        self.nodes.kill_all();
        self.running.nodes.clear();
        self.data.clear_running();
    }

    /// Stops the cluster once everything committed so far is stable.
    pub fn stop(&mut self) {
        let order = || {
            Client::connect(self.running.nodes.first()?.tools)
                .ok()?
                .down()
                .ok()
        };
        // Without an answer the nodes are still asked one by one, then killed.
        let _ = order();
        self.nodes.stop(STOP_TIME);
        self.running.nodes.clear();
        self.data.clear_running();
    }

    /// Starts a node again, with its disk, while the others run. [`Cluster::next`] says
    /// when it listens.
    ///
    /// # Errors
    /// If the node that leads has ended, or the process cannot be started.
    pub fn replace(&mut self, number: u32) -> Result<(), Error> {
        let leader = self.running.nodes.iter().find(|node| node.number == LEADER);
        let leader = leader.ok_or_else(|| Error::config("the node that leads has ended"))?;
        self.spawn(number, Some(leader.link))
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
        self.running.nodes.retain(|node| node.number != number);
        // The next change writes it again; until then tools meet a dead node.
        let _ = self.data.set_running(&self.running);
    }

    fn start_nodes(&mut self) -> Result<(), Error> {
        let leader = self.start_node(LEADER, None)?;
        for number in LEADER + 1..=self.count {
            self.spawn(number, Some(leader.link))?;
        }
        let mut ready = vec![(LEADER, leader)];
        while ready.len() < self.count as usize {
            let (number, address) = self.nodes.wait_any_ready(READY_TIME)?;
            ready.push((number, address));
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

    fn start_node(&mut self, number: u32, leader: Option<SocketAddr>) -> Result<Ready, Error> {
        self.spawn(number, leader)?;
        Ok(self.nodes.wait_any_ready(READY_TIME)?.1)
    }

    fn spawn(&mut self, number: u32, leader: Option<SocketAddr>) -> Result<(), Error> {
        let directory = self.data.node(number);
        fs::create_dir_all(&directory).map_err(|error| {
            Error::config(format!(
                "make the directory {}: {error}",
                directory.display()
            ))
        })?;
        let log = directory.join("log");
        let (listen, tools) = addresses(self.plan.port, number);
        let args = NodeArgs {
            data: directory,
            listen,
            tools,
            lead: leader.is_none(),
            leader,
            cluster: self.id,
            members: self.count * self.plan.cores,
            epoch: self.plan.epoch_ms,
            cores: self.plan.cores,
            name: format!("node-{number}"),
            memory: self.plan.memory_mib,
            step_limit: self.plan.step_limit_ms,
            spin: self.plan.spin_us,
        };
        let mut command = Command::new(&self.plan.program);
        command.args(args.to_command_line());
        self.nodes.start(number, command, &log)
    }

    /// Waits until all nodes are members.
    fn wait_members(&mut self) -> Result<(), Error> {
        let members = (self.count * self.plan.cores) as usize;
        let mut client = self.client()?;
        let until = Instant::now() + MEMBERS_TIME;
        while Instant::now() < until {
            interrupt::check()?;
            match client.status() {
                Ok(status) if status.nodes.len() >= members => return Ok(()),
                // It has not begun, or is about to end and will say why.
                Ok(_) | Err(ClientError::Failed(_) | ClientError::Lost(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(Happening::Ended { number, status }) = self.nodes.next(POLL_TIME) {
                return Err(self.cause(number, status));
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

    /// The error for the end of a node. Members end when their leader does, and may be
    /// heard of first: then the leader's end is what matters.
    fn cause(&mut self, number: u32, status: ExitStatus) -> Error {
        let until = Instant::now() + CAUSE_TIME;
        while number != LEADER && Instant::now() < until {
            let happening = self.nodes.next(POLL_TIME);
            if let Some(Happening::Ended { number, status }) = happening
                && number == LEADER
            {
                return self.nodes.ended(number, status);
            }
        }
        self.nodes.ended(number, status)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// What the cluster of the directory is; made and recorded if it is new or grows.
fn cluster_file(data: &DataDir, nodes: Option<u32>) -> Result<ClusterFile, Error> {
    let found = data.cluster()?;
    let file = match (&found, nodes) {
        (None, nodes) => ClusterFile {
            cluster: new_id().to_string(),
            nodes: nodes.unwrap_or(3),
        },
        (Some(found), None) => found.clone(),
        (Some(found), Some(nodes)) if nodes < found.nodes => {
            let message = format!(
                "expected at least {} nodes, found --nodes {nodes}: every store is needed",
                found.nodes
            );
            return Err(Error::user(message)
                .hint("leave --nodes out, or make a new cluster with another --data"));
        }
        (Some(found), Some(nodes)) => ClusterFile {
            nodes,
            ..found.clone()
        },
    };
    if found.as_ref() != Some(&file) {
        data.set_cluster(&file)?;
    }
    Ok(file)
}

fn new_id() -> ClusterId {
    let mut bytes = [0; 8];
    LinuxEntropy.fill(&mut bytes);
    ClusterId(u64::from_le_bytes(bytes))
}

/// Where a node listens for peers and for tools.
fn addresses(port: Option<u16>, number: u32) -> (SocketAddr, SocketAddr) {
    let at = |offset: u32| {
        let port = port.map_or(0, |port| u32::from(port) + (number - LEADER) * 2 + offset);
        let port = u16::try_from(port).expect("checked before the first node starts");
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    };
    (at(0), at(1))
}

/// Finds out early, and says clearly, when a port is taken.
fn check_ports(plan: &Plan, nodes: u32) -> Result<(), Error> {
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
    for number in LEADER..=nodes {
        let (link, tools) = addresses(plan.port, number);
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

    #[test]
    fn every_node_has_two_ports_of_its_own() {
        let (link, tools) = addresses(Some(7000), 3);
        assert_eq!((link.port(), tools.port()), (7004, 7005));
        assert_eq!(addresses(None, 3).0.port(), 0);
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
            let error = check_ports(&plan, 1).unwrap_err().to_string();
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
        assert!(check_ports(&plan, 3).is_err());
    }
}
