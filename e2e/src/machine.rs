//! A test's own place on this machine, and the cluster in it.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use admin::{ChannelKind, Status};
use cli::client::Client;
use cli::data::{DataDir, RunningFile};

use crate::{Outcome, Started, eventually, plurix};

static TURN: Mutex<()> = Mutex::new(());

/// A directory with one cluster's data. Both go when it is dropped.
#[derive(Debug)]
pub struct Machine {
    up: Option<Started>,
    path: PathBuf,
    commands: u32,
    environment: Vec<(&'static str, String)>,
    /// The program that is started, and its first arguments.
    program: Vec<PathBuf>,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// Waits for its turn, then makes the directory.
    ///
    /// # Panics
    /// If the directory cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        // A test that failed leaves nothing behind that disturbs the next.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let path = std::env::temp_dir().join(format!("plurix-e2e-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("there are temporary directories");
        Self {
            up: None,
            path,
            commands: 0,
            environment: Vec::new(),
            program: vec![plurix()],
            _turn: turn,
        }
    }

    /// The same with a cluster of three nodes, short epochs and short steps.
    #[must_use]
    pub fn with_cluster(name: &str) -> Self {
        let mut machine = Self::new(name);
        machine.up(&["--nodes", "3"]);
        machine
    }

    /// Starts the cluster; returns when it is ready.
    ///
    /// # Panics
    /// If it does not start.
    pub fn up(&mut self, options: &[&str]) {
        let started = self.start_up(options);
        self.wait_ready(started);
    }

    /// Starts a cluster with nodes on bare metal; returns when it is ready.
    ///
    /// # Panics
    /// If it does not start.
    pub fn boot(&mut self, options: &[&str]) {
        let started = self.start(&[&["boot", "--epoch", "50"][..], options].concat());
        self.wait_ready(started);
    }

    fn wait_ready(&mut self, mut started: Started) {
        let is_ready = eventually("the cluster is ready or has ended", || {
            let is_ready = started.out().contains("\nready; ");
            (is_ready || !started.is_running()).then_some(is_ready)
        });
        if !is_ready {
            panic!("the cluster has not started: {:#?}", started.wait());
        }
        self.up = Some(started);
    }

    /// Starts the cluster and does not wait.
    #[must_use]
    pub fn start_up(&mut self, options: &[&str]) -> Started {
        let line = [&["up", "--step-limit", "400", "--epoch", "50"][..], options];
        self.start(&line.concat())
    }

    /// The running `plurix up`, to be waited for.
    ///
    /// # Panics
    /// If there is none.
    pub fn take_up(&mut self) -> Started {
        self.up.take().expect("the test has started the cluster")
    }

    /// Stops the cluster in order.
    pub fn down(&mut self) {
        let _ = self.run(&["down"]).ok();
        let _ = self.take_up().wait().ok();
    }

    /// Waits until the cluster has ended by itself, as it should.
    pub fn wait_ended(&mut self) {
        let _ = self.take_up().wait().ok();
    }

    /// Kills the whole cluster at once; its nodes die with the process that started them.
    pub fn kill_all(&mut self) {
        let nodes = self.running().nodes;
        drop(self.take_up());
        let data = DataDir::open(&self.data()).expect("a cluster ran here");
        eventually("nobody runs the cluster", || data.lock().ok());
        // A machine's process may go on writing to its disk until it is gone.
        for node in nodes {
            eventually("all processes are gone", || is_gone(node.pid).then_some(()));
        }
    }

    /// Starts a command of the cluster.
    pub fn start(&mut self, arguments: &[&str]) -> Started {
        let data = self.data();
        self.start_at(data.to_str().expect("an ordinary path"), arguments)
    }

    /// Starts a command of the cluster that reads what the test writes to it.
    pub fn start_with_pipe(&mut self, arguments: &[&str]) -> Started {
        let data = self.data();
        let data = data.to_str().expect("an ordinary path");
        self.start_with(data, arguments, Stdio::piped())
    }

    /// Starts a command of the cluster that is in another directory.
    pub fn start_at(&mut self, data: &str, arguments: &[&str]) -> Started {
        self.start_with(data, arguments, Stdio::null())
    }

    fn start_with(&mut self, data: &str, arguments: &[&str], input: Stdio) -> Started {
        self.commands += 1;
        let stem = self.path.join(format!("command-{}", self.commands));
        let (verb, rest) = arguments.split_first().expect("a command has a verb");
        let place = ["--data", data];
        let line = [&[*verb][..], &place, rest].concat();
        let stem = stem.to_str().expect("an ordinary path");
        Started::new(self.program(), &line, &self.environment, input, stem)
    }

    /// Starts one node that nobody watches over.
    pub fn start_node(&mut self, number: u32, options: &[&str]) -> Started {
        self.commands += 1;
        let stem = self.file(&format!("command-{}", self.commands));
        let data = self.file(&format!("lone-{number}"));
        let line = [&["node", "--data", &data][..], options].concat();
        Started::new(
            self.program(),
            &line,
            &self.environment,
            Stdio::null(),
            &stem,
        )
    }

    fn program(&self) -> (&Path, &[PathBuf]) {
        let (program, first) = self.program.split_first().expect("there is one");
        (program, first)
    }

    /// From now on commands, and what they start, get an error from files that would become too
    /// long (see [`Machine::limit_files`]), instead of a signal.
    pub fn take_file_limits_for_errors(&mut self) {
        let env = ["env", "--ignore-signal=XFSZ"].map(PathBuf::from);
        self.program = env.into_iter().chain([plurix()]).collect();
    }

    /// From now on no file of a node's process can be written to behind so many bytes.
    pub fn limit_files(&self, number: u32, bytes: u64) {
        let nodes = self.running().nodes;
        let node = nodes.iter().find(|node| node.number == number);
        let pid = node.expect("it runs").pid;
        let limit = Command::new("prlimit")
            .arg(format!("--pid={pid}"))
            .arg(format!("--fsize={bytes}:{bytes}"))
            .status();
        assert!(limit.expect("util-linux is there").success());
    }

    /// From now on commands have these variables in their environment.
    pub fn set_environment(&mut self, variables: Vec<(&'static str, String)>) {
        self.environment = variables;
    }

    /// The data directory is lost, with everything in it.
    ///
    /// # Panics
    /// If the cluster runs.
    pub fn lose_data(&mut self) {
        assert!(self.up.is_none(), "it is stopped first");
        fs::remove_dir_all(self.data()).expect("there is one");
    }

    /// Everything that its commands have written, and all that is in its files.
    #[must_use]
    pub fn everything(&self) -> Vec<u8> {
        let mut all = Vec::new();
        collect(&self.path, &mut all);
        all
    }

    /// Runs a command of the cluster to its end.
    pub fn run(&mut self, arguments: &[&str]) -> Outcome {
        self.start(arguments).wait()
    }

    /// Writes a file into the test's directory; returns its path.
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path.join(name);
        fs::write(&path, bytes).expect("the test's directory can be written to");
        path.to_str().expect("an ordinary path").to_owned()
    }

    /// Path of a file in the test's directory.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        let path = self.path.join(name);
        path.to_str().expect("an ordinary path").to_owned()
    }

    /// The cluster's data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The data directory of a node.
    #[must_use]
    pub fn node(&self, number: u32) -> PathBuf {
        self.data().join(format!("node-{number}"))
    }

    /// What the running cluster says of itself.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn running(&self) -> RunningFile {
        let data = DataDir::open(&self.data()).expect("a cluster runs here");
        data.running().expect("the cluster runs")
    }

    /// A connection to a node that is alive, and to another when that one ends.
    ///
    /// # Panics
    /// If none is.
    #[must_use]
    pub fn client(&self) -> Client {
        let data = DataDir::open(&self.data()).expect("a cluster runs here");
        Client::find(&data).expect("a node listens")
    }

    /// Number of the node that leads, and what it says; waits until one does.
    ///
    /// # Panics
    /// If none does for too long.
    #[must_use]
    pub fn leader(&self) -> (u32, Status) {
        let data = DataDir::open(&self.data()).expect("a cluster runs here");
        eventually("a node leads", || {
            let (_, status) = Client::leader(&data).ok()??;
            let leader = status
                .nodes
                .iter()
                .find(|node| node.node == status.leader)?;
            let number = leader.name.strip_prefix("node-")?.parse().ok()?;
            Some((number, status))
        })
    }

    /// What the system says that each node has in memory, in bytes.
    ///
    /// # Panics
    /// If the cluster does not run.
    #[must_use]
    pub fn resident_bytes(&self) -> Vec<u64> {
        let nodes = self.running().nodes;
        let resident = nodes.iter().map(|node| {
            let status = fs::read_to_string(format!("/proc/{}/status", node.pid)).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kib << 10)
        });
        resident.map(|one| one.expect("it runs")).collect()
    }

    /// Waits until programs have so many ends of sessions: two for each session of two programs.
    pub fn wait_sessions(&self, count: usize) {
        eventually("the programs have found each other", || {
            let channels = self.client().channels().ok()?;
            let sessions = channels
                .iter()
                .filter(|one| one.kind == ChannelKind::Session);
            (sessions.count() == count).then_some(())
        });
    }

    /// Waits until so many nodes are members and vote.
    pub fn wait_members(&self, count: usize) {
        self.wait_cores(count, count);
    }

    /// Waits until so many nodes are members, and so many of them vote: a process, or a machine,
    /// has one vote however many its nodes.
    pub fn wait_cores(&self, members: usize, voters: usize) {
        eventually("all are members, and vote as they may", || {
            let (_, status) = self.leader();
            let there = status.voters.iter().filter(|voter| voter.is_there).count();
            (status.nodes.len() == members && there == voters).then_some(())
        });
    }

    /// Waits until everything stable has all its copies.
    pub fn wait_copies(&self) {
        eventually("everything stable has all its copies", || {
            let (_, status) = self.leader();
            status.is_replicated.then_some(())
        });
    }

    /// A cluster of its own is treated badly, and stays consistent.
    ///
    /// # Panics
    /// If it does not.
    pub fn check_chaos(&mut self, options: &[&str]) -> Outcome {
        let outcome = self.run(&[&["chaos"], options].concat()).ok();
        let verdict = "verdict: consistent\n";
        assert!(outcome.out.ends_with(verdict), "{outcome:#?}");
        // It was a run of a cluster, not of its clients against nobody.
        let calls = fs::read_to_string(self.data().join("calls")).expect("they are kept");
        assert!(calls.matches(" answered ").count() > 100, "{outcome:#?}");
        outcome
    }

    /// The cluster works: a bank of its own keeps its total.
    ///
    /// # Panics
    /// If it does not.
    pub fn check_bank(&mut self) {
        let line = ["run", "bank", "--", "64", "300", "3"];
        let outcome = self.run(&line).ok();
        assert!(outcome.out.contains("total 64000 of 64000"), "{outcome:#?}");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            explain(&self.data());
        }
        self.up = None;
        // What cannot be removed is the system's to clean.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Whether a process and all its threads have ended, even if nobody has asked how.
fn is_gone(pid: u32) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let threads = fs::read_dir(process.join("task")).map_or(0, Iterator::count);
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    threads == 0 || (threads == 1 && status.contains("State:\tZ"))
}

/// The contents of all files below a directory.
fn collect(directory: &Path, all: &mut Vec<u8>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => collect(&path, all),
            path => all.extend(fs::read(path).unwrap_or_default()),
        }
    }
}

/// How the cluster of a failed test was, and what its nodes had to say.
#[expect(clippy::print_stderr, reason = "a failed test explains itself")]
fn explain(data: &Path) {
    let running = DataDir::open(data).and_then(|data| data.running());
    let asked = running.ok().and_then(|running| {
        let mut client = Client::connect(running.nodes.first()?.tools).ok()?;
        Some((client.status(), client.processes()))
    });
    eprintln!("{asked:#?}");
    for number in 1..=3 {
        let log = data.join(format!("node-{number}/log"));
        let text = fs::read_to_string(&log).unwrap_or_default();
        eprintln!("{}:\n{text}", log.display());
    }
}
