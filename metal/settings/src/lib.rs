//! What whoever boots the machine decides: words of the command line, and of the first file that
//! the loader puts into memory (which others cannot read: the token belongs there). Each line of
//! the file is a node, which has a processor of the machine for itself; the command line is about
//! all of them.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddr};

use platform::ClusterId;
use seal::{Key, Token};
use types::limits::MEMBERS_MAX;
use types::{Durability, Duration};

/// Every word that is understood.
const WORDS: &str = "name=NAME token=TOKEN cluster=ID found join=IP:PORT link=IP:PORT \
     tools=PORT own=IP/BITS gateway=IP members=N vote=yes|no epoch=MS epoch-min=MS \
     durability=disk|memory memory=MIB disk=device|memory end=reset|off";

/// What a node of the machine is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the node, for people.
    pub name: String,
    /// The cluster.
    pub cluster: ClusterId,
    /// Its key; without it there are links to the machine that runs this one only.
    pub key: Option<Key>,
    /// Whether it begins a new cluster.
    pub found: bool,
    /// Any node of the cluster.
    pub join: Option<SocketAddr>,
    /// Where peers reach this node.
    pub link: SocketAddr,
    /// The port at which tools reach this node.
    pub tools: Option<u16>,
    /// The machine's address and the bits of its network; without it, it asks for one (DHCP).
    pub own: Option<(Ipv4Addr, u8)>,
    /// Who passes on what is for others.
    pub gateway: Option<Ipv4Addr>,
    /// Nodes that a new cluster waits for.
    pub members: usize,
    /// Whether it has a vote; those that fail together, as those of a machine, have one.
    pub votes: bool,
    /// Length of an epoch.
    pub epoch: Duration,
    /// Shortest length of an epoch for whose end somebody waits.
    pub epoch_min: Duration,
    /// What makes work safe, where the cluster is started.
    pub durability: Option<Durability>,
    /// Memory that a program may use, in MiB.
    pub memory_mib: u32,
    /// Where the node's disks are.
    pub disk: DiskPlace,
    /// What the machine does that has found a defect.
    pub end: EndWord,
}

/// Where a node's disks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskPlace {
    /// On a block device of its own; in memory if there is none.
    Device,
    /// In memory: they outlast a reset, not power off.
    Memory,
}

/// What a machine does that cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndWord {
    /// It starts again.
    Reset,
    /// It switches itself off.
    Off,
}

/// A word that is not understood: says what was expected and what was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingsError(String);

impl Settings {
    /// Reads the words of both: one node at least, or as many as the file has lines. Words with a
    /// dot before the value are the loader's own.
    ///
    /// # Errors
    /// If a word is not understood or one is missing, or two nodes would be reached at the same
    /// address.
    pub fn read(command_line: &str, file: &str) -> Result<Vec<Self>, SettingsError> {
        let lines = file.lines().filter(|line| !line.trim().is_empty());
        let mut nodes = lines
            .map(|line| Self::read_one(command_line, line))
            .collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            nodes.push(Self::read_one(command_line, "")?);
        }
        for (index, node) in nodes.iter().enumerate() {
            let mut others = nodes[..index].iter();
            if others.any(|other| other.link == node.link || other.name == node.name) {
                let expected = "another name and address for each node";
                let found = format!("{} at {}, twice", node.name, node.link);
                return Err(wrong("name, link", expected, &found));
            }
        }
        Ok(nodes)
    }

    fn read_one(command_line: &str, line: &str) -> Result<Self, SettingsError> {
        let mut this = Self {
            name: String::from("metal"),
            cluster: ClusterId(0),
            key: None,
            found: false,
            join: None,
            link: SocketAddr::from(([0, 0, 0, 0], 0)),
            tools: None,
            own: None,
            gateway: None,
            members: 1,
            votes: true,
            epoch: Duration::from_millis(100),
            epoch_min: Duration::from_millis(1),
            durability: None,
            memory_mib: 64,
            disk: DiskPlace::Device,
            end: EndWord::Reset,
        };
        let words = command_line.split_ascii_whitespace();
        for word in words.chain(line.split_ascii_whitespace()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if !name.contains('.') {
                this.set(name, value)?;
            }
        }
        if this.cluster == ClusterId(0) {
            return Err(SettingsError(
                "expected `token=` or `cluster=`, found neither".into(),
            ));
        }
        if this.link.port() == 0 {
            return Err(SettingsError("expected `link=IP:PORT`, found none".into()));
        }
        this.check()?;
        Ok(this)
    }

    /// What words say one by one may not go together.
    fn check(&self) -> Result<(), SettingsError> {
        if self.tools == Some(self.link.port()) || self.tools == Some(0) {
            let found = format!("{:?}", self.tools);
            return Err(wrong("tools", "a port that is not that of `link`", &found));
        }
        if self.tools.is_some() && !self.link.ip().is_loopback() {
            let expected = "none, as tools have no key: a link on the loopback, or other nodes";
            return Err(wrong("tools", expected, &self.link.to_string()));
        }
        if !(1..=MEMBERS_MAX).contains(&self.members) {
            let expected = format!("1 to {MEMBERS_MAX}");
            return Err(wrong("members", &expected, &self.members.to_string()));
        }
        let is_host =
            |ip: Ipv4Addr| !(ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified());
        match self.own {
            Some((own, _)) if !is_host(own) => {
                Err(wrong("own", "an address of one machine", &own.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SettingsError> {
        let is_on = |yes: &str, no: &str| match value {
            _ if value == yes => Ok(true),
            _ if value == no => Ok(false),
            _ => Err(wrong(name, &format!("{yes} or {no}"), value)),
        };
        match name {
            "name" => self.name = value.to_string(),
            "token" => {
                // The text is not shown: it may be a secret with a letter too many.
                let token = value.parse::<Token>();
                let token = token.map_err(|_| wrong(name, "a cluster's token", "another text"))?;
                (self.cluster, self.key) = (token.cluster, Some(token.key));
            }
            "cluster" => {
                let id = u64::from_str_radix(value, 16);
                let id = id.map_err(|_| wrong(name, "16 hexadecimal digits", value))?;
                self.cluster = ClusterId(id);
            }
            "found" => self.found = true,
            "join" => self.join = Some(parsed(name, "IP:PORT", value)?),
            "link" => self.link = parsed(name, "IP:PORT", value)?,
            "tools" => self.tools = Some(parsed(name, "a port", value)?),
            "own" => {
                let (ip, bits) = value.split_once('/').unwrap_or((value, "24"));
                let bits = parsed(name, "IP/BITS", bits)?;
                if bits > 32 {
                    return Err(wrong(name, "at most 32 bits", value));
                }
                self.own = Some((parsed(name, "IP/BITS", ip)?, bits));
            }
            "gateway" => self.gateway = Some(parsed(name, "IP", value)?),
            "members" => self.members = parsed(name, "a number", value)?,
            "vote" => self.votes = is_on("yes", "no")?,
            "epoch" => {
                let ms: u64 = parsed(name, "milliseconds", value)?;
                self.epoch = Duration::from_millis(ms.clamp(1, 60_000));
            }
            "epoch-min" => {
                let ms: u64 = parsed(name, "milliseconds", value)?;
                self.epoch_min = Duration::from_millis(ms.clamp(1, 60_000));
            }
            "memory" => self.memory_mib = parsed(name, "MiB", value)?,
            "durability" => {
                self.durability = Some(match is_on("disk", "memory")? {
                    true => Durability::Disk,
                    false => Durability::Memory,
                });
            }
            "disk" => {
                self.disk = match is_on("device", "memory")? {
                    true => DiskPlace::Device,
                    false => DiskPlace::Memory,
                };
            }
            "end" => {
                self.end = match is_on("reset", "off")? {
                    true => EndWord::Reset,
                    false => EndWord::Off,
                };
            }
            _ => {
                return Err(SettingsError(format!(
                    "expected some of {WORDS}, found `{name}`"
                )));
            }
        }
        Ok(())
    }
}

fn parsed<T: core::str::FromStr>(
    name: &str,
    expected: &str,
    value: &str,
) -> Result<T, SettingsError> {
    value.parse().map_err(|_| wrong(name, expected, value))
}

fn wrong(name: &str, expected: &str, found: &str) -> SettingsError {
    SettingsError(format!("`{name}`: expected {expected}, found `{found}`"))
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: &str = "cluster=7 link=127.0.0.1:7000";

    fn refused(command_line: &str, file: &str) -> String {
        let read = Settings::read(command_line, file);
        read.expect_err("it is not understood").to_string()
    }

    #[test]
    fn each_line_of_the_file_is_a_node_and_the_command_line_is_about_all() {
        let file = "name=one link=127.0.0.1:7000 tools=7001\n\n name=two link=127.0.0.1:7002\n";
        let line = "cluster=ff epoch=50 virtio_mmio.device=512@0xfeb00e00:12 end=off";
        let nodes = Settings::read(line, file).unwrap();
        let names = nodes.iter().map(|node| &node.name[..]);
        assert_eq!(names.collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(nodes[0].tools, Some(7001));
        assert_eq!(nodes[1].tools, None);
        for node in nodes {
            assert_eq!(node.cluster, ClusterId(0xff));
            assert_eq!(node.epoch, Duration::from_millis(50));
            assert_eq!(node.end, EndWord::Off);
        }
    }

    #[test]
    fn what_a_word_says_in_the_file_goes_before_the_command_line() {
        let nodes = Settings::read("memory=32 cluster=7", "memory=48 link=10.0.0.1:7").unwrap();
        assert_eq!((nodes.len(), nodes[0].memory_mib), (1, 48));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_expected() {
        for (words, said) in [
            ("link=127.0.0.1:7000", "expected `token=` or `cluster=`"),
            ("cluster=7", "expected `link=IP:PORT`"),
            ("cluster=7 link=127.0.0.1:0", "expected `link=IP:PORT`"),
            ("cluster=7 link=here", "found `here`"),
            ("cluster=7 lnik=1", "found `lnik`"),
            ("cluster=7 link=127.0.0.1:1 tools=1", "not that of `link`"),
            ("cluster=7 link=127.0.0.1:1 tools=0", "not that of `link`"),
            ("cluster=7 link=10.0.0.1:1 tools=2", "tools have no key"),
            ("cluster=7 link=127.0.0.1:1 members=0", "expected 1 to"),
            (
                "cluster=7 link=127.0.0.1:1 own=10.0.0.1/33",
                "at most 32 bits",
            ),
            (
                "cluster=7 link=127.0.0.1:1 own=224.0.0.1/24",
                "an address of one machine",
            ),
            ("cluster=7 link=127.0.0.1:1 vote=perhaps", "yes or no"),
        ] {
            let found = refused(words, "");
            assert!(found.contains(said), "{words}: {found}");
        }
    }

    #[test]
    fn a_token_that_is_none_is_not_shown() {
        let found = refused("token=plurix-secret link=127.0.0.1:1", "");
        assert!(!found.contains("secret"), "{found}");
    }

    #[test]
    fn two_nodes_of_a_machine_have_names_and_addresses_of_their_own() {
        for file in [
            "name=a\nname=b",
            "name=a link=127.0.0.1:1\nname=a link=127.0.0.1:2",
        ] {
            let found = refused(ALONE, file);
            assert!(found.contains("another name and address"), "{found}");
        }
    }
}
