//! Ports of this machine that are passed on to programs of the machines.
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The machine that is meant unless one is named.
const FIRST: u32 = 1;

/// A port of the loopback, as `[MACHINE:][udp:]PORT[-INSIDE]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Forward {
    /// Number of the machine.
    pub(crate) machine: u32,
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    /// Which port it is for programs.
    pub(crate) inside: u16,
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
        let wrong = || format!("expected [MACHINE:][udp:]PORT[-INSIDE], found `{text}`");
        let mut parts = text.rsplit(':');
        let ports = parts.next().unwrap_or_default();
        let (port, inside) = ports.split_once('-').unwrap_or((ports, ports));
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
        for (text, machine, protocol, port, inside) in [
            ("80", 1, Protocol::Tcp, 80, 80),
            ("udp:8125", 1, Protocol::Udp, 8125, 8125),
            ("3:7000-80", 3, Protocol::Tcp, 7000, 80),
            ("2:udp:65535-1", 2, Protocol::Udp, 65_535, 1),
        ] {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let expected = Forward {
                machine,
                protocol,
                address,
                inside,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "", "0", "65536", "udp:", "udp", "tcp:80", "udp:2:80", "1:2:80", "x:80", "1-0", "-80",
        ] {
            let error = text.parse::<Forward>().unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
