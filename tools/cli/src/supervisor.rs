//! Nodes as child processes: started, watched, killed, never left behind.
//!
//! A child dies with the thread that started it, whatever happens to that thread: the
//! kernel sees to it. So keep a [`Nodes`] on the thread that made it. A child says on
//! its standard output where it is reached ([`announce`]); the end of that output is
//! the end of the child. Its standard error goes to its log.
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use linux::process::{Signal, signal, tie_to_parent};

use crate::error::Error;
use crate::interrupt;
use crate::ui;

/// Signal of whoever kills.
const SIGKILL: i32 = 9;
/// What a node says to whoever has started it begins with this.
const SAID: &str = "plurix-node ";
/// What a node says when it has left the cluster.
const LEFT: &str = "plurix-node left";
/// How often a wait looks whether it was interrupted.
const PATIENCE: Duration = Duration::from_millis(50);
/// Lines of a log that an error shows.
const LOG_LINES: usize = 5;

/// Where a node is reached, as it says itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// By peers.
    pub link: SocketAddr,
    /// By tools.
    pub tools: SocketAddr,
}

/// The node that says first where it is reached, or has ended before it could.
pub type ReadyOrEnd = Result<(u32, Ready), (u32, ExitStatus)>;

/// Something that happened to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happening {
    /// It listens.
    Ready {
        /// Which.
        number: u32,
        /// Where.
        ready: Ready,
    },
    /// It has left the cluster for good; its process is about to end.
    Left {
        /// Which.
        number: u32,
    },
    /// Its process has ended.
    Ended {
        /// Which.
        number: u32,
        /// How.
        status: ExitStatus,
    },
}

/// What a child's reader sees.
enum Said {
    Line(u32, String),
    /// The end of this process. By its id: its number may have a new process by now.
    End(u32),
}

struct Node {
    number: u32,
    child: Child,
    log: PathBuf,
}

/// The nodes that this process has started and that have not ended. Kills them all
/// when dropped.
pub struct Nodes {
    alive: Vec<Node>,
    sender: Sender<Said>,
    receiver: Receiver<Said>,
}

impl Default for Nodes {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self {
            alive: Vec::new(),
            sender,
            receiver,
        }
    }
}

impl Nodes {
    /// No nodes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the process of a node. Its standard error is appended to `log`.
    ///
    /// # Errors
    /// If the log cannot be written or the process not be started.
    pub fn start(&mut self, number: u32, mut command: Command, log: &Path) -> Result<(), Error> {
        assert!(
            self.pid(number).is_none(),
            "a node is started once at a time"
        );
        let file = File::options().create(true).append(true).open(log);
        let file = file
            .map_err(|error| Error::config(format!("open the log {}: {error}", log.display())))?;
        let mut rest = file
            .try_clone()
            .map_err(|error| Error::config(format!("write the log {}: {error}", log.display())))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file);
        let mut child = tie_to_parent(&mut command).spawn().map_err(|error| {
            Error::config(format!("start the process of node {number}: {error}"))
        })?;
        let output = child.stdout.take().expect("it was asked to be piped");
        self.alive.push(Node {
            number,
            child,
            log: log.to_owned(),
        });
        let (sender, pid) = (self.sender.clone(), self.pid(number).expect("just started"));
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more: the child is about to be killed. Whatever else it
                // says, as machines do, is for its log, which may be full.
                let _ = match line.starts_with(SAID) {
                    true => sender.send(Said::Line(number, line)).is_ok(),
                    false => writeln!(rest, "{line}").is_ok(),
                };
            }
            let _ = sender.send(Said::End(pid));
        });
        Ok(())
    }

    /// Numbers of the nodes that are alive as far as is known.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.alive.iter().map(|node| node.number)
    }

    /// The process of a node that is alive.
    #[must_use]
    pub fn pid(&self, number: u32) -> Option<u32> {
        self.alive
            .iter()
            .find(|node| node.number == number)
            .map(|node| node.child.id())
    }

    /// The next thing that happens to a node, `None` if nothing does within `time`.
    pub fn next(&mut self, time: Duration) -> Option<Happening> {
        let until = Instant::now() + time;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(rest) {
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender"),
                Ok(Said::Line(number, line)) if line == LEFT => {
                    return Some(Happening::Left { number });
                }
                Ok(Said::Line(number, line)) => match line.parse() {
                    Ok(ready) => return Some(Happening::Ready { number, ready }),
                    Err(NotReady) => ui::note(format!("node {number}: {line}")),
                },
                Ok(Said::End(pid)) => {
                    if let Some((number, status)) = self.reap(pid) {
                        return Some(Happening::Ended { number, status });
                    }
                }
            }
        }
    }

    /// Waits until a node says where it is reached.
    ///
    /// # Errors
    /// If any node ends instead, if it takes longer than `time`, or if the user
    /// interrupts.
    pub fn wait_any_ready(&mut self, time: Duration) -> Result<(u32, Ready), Error> {
        self.wait_ready_or_end(time)?
            .map_err(|(number, status)| self.ended(number, status))
    }

    /// Waits until a node says where it is reached, or ends.
    ///
    /// # Errors
    /// If it takes longer than `time`, or if the user interrupts.
    pub fn wait_ready_or_end(&mut self, time: Duration) -> Result<ReadyOrEnd, Error> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            interrupt::check()?;
            match self.next(PATIENCE) {
                Some(Happening::Ready { number, ready }) => return Ok(Ok((number, ready))),
                Some(Happening::Ended { number, status }) => return Ok(Err((number, status))),
                Some(Happening::Left { .. }) | None => {}
            }
        }
        Err(Error::internal(format!(
            "no node has said where it listens within {time:?}"
        )))
    }

    /// The error that tells of a node's unexpected end.
    #[must_use]
    pub fn ended(&self, number: u32, status: ExitStatus) -> Error {
        Error::config(format!("node {number} has ended: {status}"))
    }

    /// Sends a signal to a node that is alive.
    pub fn tell(&self, number: u32, what: Signal) {
        if let Some(pid) = self.pid(number) {
            // One that has ended already cannot be told anything.
            let _ = signal(pid, what);
        }
    }

    /// Kills a node as a crash would (SIGKILL); returns once its process is gone.
    pub fn kill(&mut self, number: u32) {
        if let Some(at) = self.alive.iter().position(|node| node.number == number) {
            let mut node = self.alive.remove(at);
            kill(&mut node);
        }
    }

    /// Kills all nodes at once, as a power failure would.
    pub fn kill_all(&mut self) {
        for node in &mut self.alive {
            // One that has ended already need not be killed.
            let _ = node.child.kill();
        }
        for mut node in self.alive.drain(..) {
            kill(&mut node);
        }
    }

    /// Asks all nodes to end (SIGTERM) and kills those that have not after `grace`.
    pub fn stop(&mut self, grace: Duration) {
        for node in &self.alive {
            // One that has ended already need not be asked.
            let _ = signal(node.child.id(), Signal::Terminate);
        }
        let until = Instant::now() + grace;
        while !self.alive.is_empty() && Instant::now() < until {
            // Further news are of no interest.
            let _ = self.next(PATIENCE);
        }
        self.kill_all();
    }

    fn reap(&mut self, pid: u32) -> Option<(u32, ExitStatus)> {
        let at = self.alive.iter().position(|node| node.child.id() == pid)?;
        let mut node = self.alive.remove(at);
        let number = node.number;
        let status = node
            .child
            .wait()
            .expect("a child that was not waited for can be");
        // Who was killed has nothing to say about it.
        if !status.success() && status.signal() != Some(SIGKILL) {
            for line in last_lines(&node.log) {
                ui::note(format!("node {number}: {line}"));
            }
        }
        Some((number, status))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.numbers()).finish()
    }
}

fn kill(node: &mut Node) {
    // Both fail only if it has ended and been waited for already.
    let _ = node.child.kill();
    let _ = node.child.wait();
}

fn last_lines(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..]
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Says to whoever started this node where it is reached.
pub fn announce(ready: Ready) {
    ui::say(ready.to_string());
}

/// Says to whoever started this node that it has left the cluster for good.
pub fn announce_left() {
    ui::say(LEFT);
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "plurix-node ready link={} tools={}",
            self.link, self.tools
        )
    }
}

/// A line that does not say where a node is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotReady;

impl FromStr for Ready {
    type Err = NotReady;

    fn from_str(line: &str) -> Result<Self, NotReady> {
        let rest = line
            .strip_prefix("plurix-node ready link=")
            .ok_or(NotReady)?;
        let (link, tools) = rest.split_once(" tools=").ok_or(NotReady)?;
        let address = |text: &str| text.parse().map_err(|_| NotReady);
        Ok(Self {
            link: address(link)?,
            tools: address(tools)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);
    const READY: &str = "plurix-node ready link=127.0.0.1:1 tools=127.0.0.1:2";

    /// A process that does what the shell script says, in the place of a node.
    fn start(nodes: &mut Nodes, number: u32, script: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        nodes
            .start(number, command, Path::new("/dev/null"))
            .unwrap();
    }

    #[test]
    fn a_ready_line_is_understood() {
        let ready: Ready = READY.parse().unwrap();
        assert_eq!(ready.to_string(), READY);
        assert_eq!("hello".parse::<Ready>(), Err(NotReady));
    }

    #[test]
    fn nodes_are_waited_for_and_killed() {
        let mut nodes = Nodes::new();
        for number in 1..=3 {
            start(
                &mut nodes,
                number,
                &format!("echo chatter; echo {READY}; exec sleep 1000"),
            );
            assert_eq!(
                nodes.wait_any_ready(LONG),
                Ok((number, READY.parse().unwrap()))
            );
        }
        nodes.kill(2);
        assert_eq!(nodes.numbers().collect::<Vec<_>>(), [1, 3]);
        let pid = nodes.pid(3).unwrap();
        signal(pid, Signal::Kill).unwrap();
        let Some(Happening::Ended { number: 3, status }) = nodes.next(LONG) else {
            panic!("expected the end of node 3");
        };
        assert_eq!(status.signal(), Some(9));
        nodes.stop(LONG);
        assert_eq!(nodes.numbers().count(), 0);
    }

    #[test]
    fn a_node_that_leaves_says_so_before_it_ends() {
        let mut nodes = Nodes::new();
        start(&mut nodes, 2, &format!("echo {READY}; echo {LEFT}"));
        nodes.wait_any_ready(LONG).unwrap();
        assert_eq!(nodes.next(LONG), Some(Happening::Left { number: 2 }));
        let Some(Happening::Ended { number: 2, status }) = nodes.next(LONG) else {
            panic!("expected the end of node 2");
        };
        assert!(status.success());
    }

    #[test]
    fn a_node_that_ends_early_is_reported() {
        let mut nodes = Nodes::new();
        start(&mut nodes, 1, "exit 7");
        let error = nodes.wait_any_ready(LONG).unwrap_err();
        assert_eq!(error.to_string(), "node 1 has ended: exit status: 7");
    }

    #[test]
    fn nothing_survives_a_panic() {
        let pid = thread::spawn(|| {
            let mut nodes = Nodes::new();
            start(&mut nodes, 1, "exec sleep 1000");
            std::panic::panic_any(nodes.pid(1).unwrap());
        })
        .join()
        .unwrap_err();
        let pid: &u32 = pid.downcast_ref().unwrap();
        assert!(
            signal(*pid, Signal::Terminate).is_err(),
            "process {pid} is gone"
        );
    }
}
