//! The network of a machine: addresses beside its own, and who may reach the programs there.
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use core::ops::RangeInclusive;
use core::str::FromStr;

use super::{Settings, Unclear};

/// Addresses beside the machine's own, at most.
pub const ADDRESSES_MAX: usize = 4;
/// Rules at most.
pub const RULES_MAX: usize = 64;

const WORDS: &str = "`none` or some of: address=IP/BITS permit=WHAT deny=WHAT, with WHAT one of \
     any, tcp[:PORT[-PORT]], udp[:PORT[-PORT]], each with @IP/BITS if it is from there only";

/// What a network is like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Network {
    /// Addresses at which the machine is reached beside its own, and which go where the leader
    /// goes.
    pub addresses: Vec<Prefix>,
    /// The first that fits decides; what none fits is permitted. They concern programs only:
    /// the node's own doors are always open.
    pub rules: Vec<Rule>,
}

/// An address, and how many of its bits it shares with its neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// The address.
    pub ip: Ipv4Addr,
    /// The bits, 0 to 32.
    pub bits: u8,
}

/// Who may, or may not, reach what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Whether he may.
    pub verdict: Verdict,
    /// By what; `None`: by anything.
    pub protocol: Option<Protocol>,
    /// Where.
    pub ports: RangeInclusive<u16>,
    /// Who.
    pub from: Prefix,
}

/// What becomes of who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// He is heard.
    Permit,
    /// He is not answered.
    Deny,
}

/// How somebody asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// By a connection.
    Tcp,
    /// By datagrams.
    Udp,
}

impl Network {
    /// Whether somebody may reach a port.
    #[must_use]
    pub fn permits(&self, protocol: Protocol, port: u16, from: Ipv4Addr) -> bool {
        let fitting = self.rules.iter().find(|rule| {
            rule.protocol.is_none_or(|one| one == protocol)
                && rule.ports.contains(&port)
                && rule.from.contains(from)
        });
        fitting.is_none_or(|rule| rule.verdict == Verdict::Permit)
    }
}

impl Prefix {
    const ANYWHERE: Self = Self {
        ip: Ipv4Addr::UNSPECIFIED,
        bits: 0,
    };

    /// Whether an address is a neighbour.
    #[must_use]
    pub fn contains(self, ip: Ipv4Addr) -> bool {
        let differing = (self.ip.to_bits() ^ ip.to_bits()).leading_zeros();
        differing >= u32::from(self.bits)
    }
}

impl Settings for Network {
    const DEVICE: &'static str = crate::NETWORK;
}

impl FromStr for Network {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let mut this = Self::default();
        if text == "none" {
            return Ok(this);
        }
        for word in text.split_whitespace() {
            let unclear = || Unclear::new(WORDS, word);
            let (name, value) = word.split_once('=').ok_or_else(unclear)?;
            match name {
                "address" => {
                    let address: Prefix = value.parse()?;
                    let is_host = !(address.ip.is_multicast()
                        || address.ip.is_broadcast()
                        || address.ip.is_unspecified()
                        || address.ip.is_loopback());
                    let is_known = this.addresses.iter().any(|one| one.ip == address.ip);
                    if !is_host || is_known {
                        return Err(Unclear::new("an address of one machine, once", word));
                    }
                    this.addresses.push(address);
                }
                "permit" => this.rules.push(rule(Verdict::Permit, value)?),
                "deny" => this.rules.push(rule(Verdict::Deny, value)?),
                _ => return Err(unclear()),
            }
        }
        if this == Self::default() {
            return Err(Unclear::new(WORDS, text));
        }
        if this.addresses.len() > ADDRESSES_MAX {
            return Err(Unclear::new("at most 4 addresses", text));
        }
        if this.rules.len() > RULES_MAX {
            return Err(Unclear::new("at most 64 rules", text));
        }
        Ok(this)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter();
        let addresses = addresses.map(|address| alloc::format!("address={address}"));
        let rules = self.rules.iter().map(Rule::to_string);
        let words: Vec<_> = addresses.chain(rules).collect();
        f.write_str(match words.is_empty() {
            true => "none",
            false => return f.write_str(&words.join(" ")),
        })
    }
}

impl FromStr for Prefix {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let unclear = |_| Unclear::new("IP/BITS", text);
        let (ip, bits) = text.split_once('/').unwrap_or((text, "32"));
        let ip = ip.parse().map_err(|_| Unclear::new("IP/BITS", text))?;
        match bits.parse().map_err(unclear)? {
            bits @ 0..=32 => Ok(Self { ip, bits }),
            _ => Err(Unclear::new("at most 32 bits", text)),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

fn rule(verdict: Verdict, text: &str) -> Result<Rule, Unclear> {
    let unclear = || Unclear::new(WORDS, text);
    let (what, from) = match text.split_once('@') {
        Some((what, from)) => (what, from.parse()?),
        None => (text, Prefix::ANYWHERE),
    };
    let (protocol, ports) = match what.split_once(':') {
        Some((protocol, ports)) => (protocol, Some(ports)),
        None => (what, None),
    };
    let protocol = match protocol {
        "any" if ports.is_none() => None,
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => return Err(unclear()),
    };
    let port = |text: &str| text.parse::<u16>().map_err(|_| unclear());
    let ports = match ports.map(|ports| ports.split_once('-').unwrap_or((ports, ports))) {
        Some((first, last)) => port(first)?..=port(last)?,
        None => 0..=u16::MAX,
    };
    if ports.is_empty() {
        return Err(unclear());
    }
    Ok(Rule {
        verdict,
        protocol,
        ports,
        from,
    })
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.verdict {
            Verdict::Permit => "permit=",
            Verdict::Deny => "deny=",
        })?;
        f.write_str(match self.protocol {
            Some(Protocol::Tcp) => "tcp",
            Some(Protocol::Udp) => "udp",
            None => "any",
        })?;
        match (*self.ports.start(), *self.ports.end()) {
            (0, u16::MAX) => {}
            (first, last) if first == last => write!(f, ":{first}")?,
            (first, last) => write!(f, ":{first}-{last}")?,
        }
        match self.from {
            Prefix::ANYWHERE => Ok(()),
            from => write!(f, "@{from}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_shown_again() {
        for text in [
            "none",
            "address=10.0.2.77/24",
            "address=10.0.2.77/24 address=192.168.7.1/32 deny=any",
            "permit=tcp:80@10.0.0.0/8 deny=tcp:80 deny=udp:1000-2000",
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "address=10.0.2.77/33",
            "address=255.255.255.255/8",
            "address=10.0.2.77/24 address=10.0.2.77/16",
            "deny=icmp",
            "deny=any:5",
            "deny=tcp:9-8",
            "permit=tcp:70000",
            "permit=tcp@home",
            "colour=red",
            "none none",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let text = "permit=tcp:80@10.0.0.0/8 deny=tcp:80-90 deny=any@10.1.0.0/16";
        let network: Network = text.parse().unwrap();
        for (protocol, port, from, is_permitted) in [
            (Protocol::Tcp, 80, [10, 9, 9, 9], true),
            (Protocol::Tcp, 80, [11, 9, 9, 9], false),
            (Protocol::Tcp, 90, [10, 9, 9, 9], false),
            (Protocol::Tcp, 91, [10, 9, 9, 9], true),
            (Protocol::Udp, 80, [11, 9, 9, 9], true),
            (Protocol::Udp, 80, [10, 1, 9, 9], false),
        ] {
            let found = network.permits(protocol, port, from.into());
            assert_eq!(found, is_permitted, "{protocol:?} {port} {from:?}");
        }
    }
}
