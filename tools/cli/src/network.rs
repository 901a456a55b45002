//! A network of its own for this process and its nodes, and how it is broken.
//!
//! It is a network namespace, in which only the loopback device is. Each node has an
//! address of its own there, and a filter in the kernel drops packets from one to another:
//! silently, as a cable does that is cut.
use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::cluster::Hosts;
use crate::error::Error;

/// Of so many packets one is lost while the network loses some.
const LOSS_ONE_IN: u32 = 10;

/// What is broken. Nodes are named by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Break {
    /// Nothing passes between two nodes.
    Link { one: u32, other: u32 },
    /// Nothing passes from one node to another; the other way everything does.
    OneWay { from: u32, to: u32 },
    /// A node is cut off from all others.
    Node(u32),
    /// Some packets are lost, wherever.
    Loss,
}

impl Break {
    /// From whom to whom nothing passes, in a cluster of so many nodes.
    pub(crate) fn pairs(self, nodes: u32) -> Vec<(u32, u32)> {
        match self {
            Self::Link { one, other } => vec![(one, other), (other, one)],
            Self::OneWay { from, to } => vec![(from, to)],
            Self::Node(node) => (1..=nodes)
                .filter(|&other| other != node)
                .flat_map(|other| [(node, other), (other, node)])
                .collect(),
            Self::Loss => Vec::new(),
        }
    }

    /// What faults are counted by.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Link { .. } => "broken link",
            Self::OneWay { .. } => "one-way link",
            Self::Node(_) => "isolated",
            Self::Loss => "lost packets",
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { one, other } => write!(f, "the link of nodes {one} and {other}"),
            Self::OneWay { from, to } => write!(f, "the way from node {from} to node {to}"),
            Self::Node(node) => write!(f, "everything around node {node}"),
            Self::Loss => write!(f, "one packet in {LOSS_ONE_IN}"),
        }
    }
}

/// The run's own network.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: u32,
    broken: Vec<Break>,
}

impl Network {
    /// Starts this program anew, with the same arguments and this flag, in a network of its
    /// own; returns only why that failed.
    pub(crate) fn enter(flag: &str) -> Error {
        let arguments = env::args_os().skip(1).chain([flag.into()]);
        match Self::inside(arguments) {
            Ok(mut command) => Error::config(format!("run unshare: {}", command.exec())),
            Err(error) => error,
        }
    }

    /// This program, to be started anew with these arguments in a network of its own.
    pub(crate) fn inside(
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Command, Error> {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--net", "--"]);
            command
        };
        finish(unshare().arg("true"), "").map_err(|error| {
            error.hint(
                "a network of its own needs `unshare` of util-linux, and a system that lets its \
                 user make namespaces",
            )
        })?;
        let me = env::current_exe()
            .map_err(|error| Error::config(format!("find my own executable: {error}")))?;
        let mut command = unshare();
        command.arg(me).args(arguments);
        Ok(command)
    }

    /// The network that this program has entered, for so many nodes; nothing is broken.
    pub(crate) fn open(nodes: u32) -> Result<Self, Error> {
        let up = ["link", "set", "lo", "up"];
        finish(Command::new("ip").args(up), "")
            .map_err(|error| error.hint("this needs the Debian package iproute2"))?;
        let table = format!(
            "table ip plurix {{
                set cut {{ type ipv4_addr . ipv4_addr; }}
                set lossy {{ type ipv4_addr . ipv4_addr; }}
                chain arrive {{
                    type filter hook input priority 0;
                    ip saddr . ip daddr @cut drop
                    ip saddr . ip daddr @lossy numgen random mod {LOSS_ONE_IN} 0 drop
                }}
            }}"
        );
        filter(&table).map_err(|error| error.hint("this needs the Debian package nftables"))?;
        let broken = Vec::new();
        let this = Self { nodes, broken };
        // Of an earlier cluster in the same network.
        this.apply()?;
        Ok(this)
    }

    /// Breaks something more.
    pub(crate) fn cut(&mut self, what: Break) -> Result<(), Error> {
        self.broken.push(what);
        self.apply()
    }

    /// Mends it; what is broken for another reason, too, stays so.
    pub(crate) fn mend(&mut self, what: Break) -> Result<(), Error> {
        let at = self.broken.iter().position(|broken| *broken == what);
        self.broken
            .remove(at.expect("only what is broken is mended"));
        self.apply()
    }

    /// Mends everything.
    pub(crate) fn mend_all(&mut self) -> Result<(), Error> {
        self.broken.clear();
        self.apply()
    }

    fn apply(&self) -> Result<(), Error> {
        let cut: BTreeSet<(u32, u32)> = (self.broken.iter())
            .flat_map(|broken| broken.pairs(self.nodes))
            .collect();
        let all = (1..=self.nodes).flat_map(|from| (1..=self.nodes).map(move |to| (from, to)));
        let lossy: BTreeSet<(u32, u32)> = if self.broken.contains(&Break::Loss) {
            all.filter(|(from, to)| from != to).collect()
        } else {
            BTreeSet::new()
        };
        filter(&format!("{}{}", fill("cut", &cut), fill("lossy", &lossy)))
    }
}

/// Orders to the filter: a set has these pairs and no others.
fn fill(set: &str, pairs: &BTreeSet<(u32, u32)>) -> String {
    let address = |node: u32| Hosts::Apart.of(node);
    let pairs = pairs.iter();
    let pairs: Vec<String> = pairs
        .map(|&(from, to)| format!("{} . {}", address(from), address(to)))
        .collect();
    let flush = format!("flush set ip plurix {set}\n");
    if pairs.is_empty() {
        return flush;
    }
    let pairs = pairs.join(", ");
    format!("{flush}add element ip plurix {set} {{ {pairs} }}\n")
}

/// Has the filter take all orders, or none.
fn filter(orders: &str) -> Result<(), Error> {
    finish(Command::new("nft").args(["-f", "-"]), orders)
}

/// Where the system's programs are, those included that only administrators use.
fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    env::join_paths(folders).expect("they were taken from a path")
}

/// Runs a program of the system to its end.
fn finish(command: &mut Command, input: &str) -> Result<(), Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let run = |command: &mut Command| -> io::Result<_> {
        let mut child = command
            .env("PATH", search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        child.wait_with_output()
    };
    let output =
        run(command).map_err(|error| Error::config(format!("run the program {name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let status = output.status;
    let said = said.trim();
    Err(Error::config(format!(
        "{name} has failed, {status}: {said}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_names_each_direction() {
        assert_eq!(Break::Link { one: 1, other: 3 }.pairs(3), [(1, 3), (3, 1)]);
        assert_eq!(Break::OneWay { from: 2, to: 1 }.pairs(3), [(2, 1)]);
        assert_eq!(Break::Node(2).pairs(3), [(2, 1), (1, 2), (2, 3), (3, 2)]);
    }

    #[test]
    fn a_set_is_emptied_before_it_is_filled() {
        assert_eq!(fill("cut", &BTreeSet::new()), "flush set ip plurix cut\n");
        let orders = fill("cut", &BTreeSet::from([(1, 2), (2, 1)]));
        assert_eq!(
            orders,
            "flush set ip plurix cut\n\
             add element ip plurix cut { 127.0.0.2 . 127.0.0.3, 127.0.0.3 . 127.0.0.2 }\n"
        );
    }
}
