//! Ports of this machine that are passed on to programs of the machines.
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The machine that is meant unless one is named.
const FIRST: u32 = 1;

/// A port of the loopback, as `[MACHINE:][udp:]PORT[-[IP:]INSIDE]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Forward {
    /// Number of the machine.
    pub(crate) machine: u32,
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    /// Which port it is for programs.
    pub(crate) inside: u16,
    /// At which address, if not at the machine's own.
    pub(crate) ip: Option<Ipv4Addr>,
}

/// What is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected [MACHINE:][udp:]PORT[-[IP:]INSIDE], found `{text}`");
        let (outside, inside) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = outside.rsplit(':');
        let port = parts.next().unwrap_or_default();
        let (ip, inside) = match inside.split_once(':') {
            Some((ip, inside)) => (Some(ip.parse().map_err(|_| wrong())?), inside),
            None if outside == text => (None, port),
            None => (None, inside),
        };
        let number = |port: &str| port.parse().ok().filter(|&port: &u16| port != 0);
        let port = number(port).ok_or_else(wrong)?;
        let inside = number(inside).ok_or_else(wrong)?;
        let mut rest = parts.next();
        let protocol = match rest {
            Some("udp") => {
                rest = parts.next();
                Protocol::Udp
            }
            _ => Protocol::Tcp,
        };
        let machine = match rest {
            None => FIRST,
            Some(number) => number.parse().map_err(|_| wrong())?,
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self {
            machine,
            protocol,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            inside,
            ip,
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_have_a_machine_and_a_protocol_before_it() {
        let other = Some(Ipv4Addr::new(10, 0, 2, 77));
        for (text, machine, protocol, port, inside, ip) in [
            ("80", 1, Protocol::Tcp, 80, 80, None),
            ("udp:8125", 1, Protocol::Udp, 8125, 8125, None),
            ("3:7000-80", 3, Protocol::Tcp, 7000, 80, None),
            ("2:udp:65535-1", 2, Protocol::Udp, 65_535, 1, None),
            ("2:80-10.0.2.77:81", 2, Protocol::Tcp, 80, 81, other),
        ] {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let expected = Forward {
                machine,
                protocol,
                address,
                inside,
                ip,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "65536",
            "udp:",
            "udp",
            "tcp:80",
            "udp:2:80",
            "1:2:80",
            "x:80",
            "1-0",
            "-80",
            "1-",
            "1-:1",
            "1-10.0.2:1",
            "1-10.0.2.77",
        ] {
            let error = text.parse::<Forward>().unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
