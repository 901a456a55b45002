//! Links of a node, whatever they go through: the network, or the machine's own memory.
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use links::silence::Flight;
use links::{Machine, Received, Token, Written};
use platform::Entropy;
use types::Instant;

use crate::tcp::{Report, Socket, Tcp};
use crate::wires::{WireId, Wires};

/// Both kinds of links.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) tcp: Tcp,
    pub(crate) wires: Wires,
}

/// A connection, or a call that may become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LineSocket {
    Tcp(Socket),
    Wire(WireId),
}

impl Lines {
    /// What has changed since it was last asked.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        let mut reports = self.tcp.reports();
        reports.extend(self.wires.reports());
        reports
    }
}

impl Machine for Lines {
    type Socket = LineSocket;

    fn now(&self) -> Instant {
        self.tcp.now()
    }

    fn is_here(&self, address: IpAddr) -> bool {
        self.tcp.is_here(address)
    }

    fn dial(&mut self, from: IpAddr, to: SocketAddr) -> Option<LineSocket> {
        match self.wires.neighbour(to) {
            Some(neighbour) => self.wires.dial(neighbour).map(LineSocket::Wire),
            None => self.tcp.dial(from, to).map(LineSocket::Tcp),
        }
    }

    fn has_reached(&mut self, socket: &mut LineSocket) -> bool {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.has_reached(socket),
            LineSocket::Wire(wire) => self.wires.has_reached(*wire),
        }
    }

    fn register(&mut self, socket: &mut LineSocket, token: Token) {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.register(socket, token),
            LineSocket::Wire(wire) => self.wires.register(*wire, token),
        }
    }

    fn forget(&mut self, socket: &mut LineSocket) {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.forget(socket),
            LineSocket::Wire(wire) => self.wires.forget(*wire),
        }
    }

    fn read(&mut self, socket: &mut LineSocket, space: &mut [u8]) -> Received {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.read(socket, space),
            LineSocket::Wire(wire) => self.wires.read(*wire, space),
        }
    }

    fn write(&mut self, socket: &mut LineSocket, bytes: &[u8]) -> Written {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.write(socket, bytes),
            LineSocket::Wire(wire) => self.wires.write(*wire, bytes),
        }
    }

    fn finish(&mut self, socket: &mut LineSocket) {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.finish(socket),
            LineSocket::Wire(wire) => self.wires.finish(*wire),
        }
    }

    fn close(&mut self, socket: LineSocket) {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.close(socket),
            LineSocket::Wire(wire) => self.wires.close(wire),
        }
    }

    fn flight(&mut self, socket: &LineSocket) -> Option<Flight> {
        match socket {
            LineSocket::Tcp(socket) => self.tcp.flight(socket),
            LineSocket::Wire(_) => None,
        }
    }
}

impl Entropy for Lines {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.tcp.fill(bytes);
    }
}
