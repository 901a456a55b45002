//! Ports of programs for datagrams, over those of the system.
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;

use adapter::datagram::DATAGRAM_BYTES_MAX;
use links::{AfterLine, Port, Token};
use mio::Interest;
use mio::net::UdpSocket;
use platform::SocketId;

use crate::network::Core;
use crate::socket_table::listener_id;

/// Numbers of lines are above those of connections.
const FIRST_LINE: u64 = 1 << 62;
/// Datagrams of a port that are taken in a turn, at most.
const TURN_DATAGRAMS: usize = 256;

#[derive(Debug)]
struct Bound {
    port: Port,
    socket: UdpSocket,
    /// There may be more to take; the poll will not say it again.
    is_readable: bool,
}

/// All ports.
#[derive(Debug)]
pub(crate) struct Ports {
    ports: BTreeMap<Token, Bound>,
    next_line: u64,
    buffer: Box<[u8]>,
}

impl Ports {
    pub(crate) fn new() -> Self {
        Self {
            ports: BTreeMap::new(),
            next_line: FIRST_LINE,
            buffer: vec![0; DATAGRAM_BYTES_MAX].into(),
        }
    }

    pub(crate) fn holds(&self, token: Token) -> bool {
        self.ports.contains_key(&token)
    }

    /// Whether the number is that of a line.
    pub(crate) const fn is_line(socket: SocketId) -> bool {
        socket.0 >= FIRST_LINE
    }

    /// Whether there is something to do without waiting for the poll.
    pub(crate) fn has_more(&self) -> bool {
        self.ports.values().any(|bound| bound.is_readable)
    }

    pub(crate) fn open(
        &mut self,
        core: &mut Core,
        address: SocketAddr,
    ) -> std::io::Result<(Token, SocketAddr)> {
        let mut socket = UdpSocket::bind(address)?;
        let address = socket.local_addr()?;
        let token = core.next_token();
        let interest = Interest::READABLE | Interest::WRITABLE;
        core.machine.add(&mut socket, token, interest)?;
        let line = self.number();
        let bound = Bound {
            port: Port::new(listener_id(token), address, line, &mut core.events),
            socket,
            is_readable: false,
        };
        self.ports.insert(token, bound);
        Ok((token, address))
    }

    /// The program wants no other line; it keeps the one that it has.
    pub(crate) fn close(&mut self, token: Token) {
        if let Some(bound) = self.ports.get_mut(&token) {
            bound.port.close();
        }
    }

    pub(crate) fn want(&mut self, line: SocketId, bytes: usize) {
        if let Some((_, bound)) = self.of_line(line) {
            bound.port.want(bytes);
        }
    }

    pub(crate) fn write(&mut self, core: &mut Core, line: SocketId, bytes: &[u8]) {
        let Some((_, bound)) = self.of_line(line) else {
            return;
        };
        match bound.port.write(bytes) {
            Ok(()) => bound.send(core),
            Err(_) => self.end_line(core, line),
        }
    }

    /// The line is over; there is another one, if the program still wants one.
    pub(crate) fn end_line(&mut self, core: &mut Core, line: SocketId) {
        let next = self.number();
        let Some((token, bound)) = self.of_line(line) else {
            return;
        };
        if bound.port.end_line(next, &mut core.events) == AfterLine::Nothing {
            let mut bound = self.ports.remove(&token).expect("just found");
            core.machine.remove(&mut bound.socket);
        }
    }

    pub(crate) fn on_report(&mut self, core: &mut Core, report: &mio::event::Event) {
        let bound = self
            .ports
            .get_mut(&Token(report.token().0))
            .expect("it is held");
        bound.is_readable |= report.is_readable();
        if report.is_writable() {
            bound.send(core);
        }
    }

    /// Takes what has come: one bounded turn.
    pub(crate) fn read(&mut self, core: &mut Core) {
        for bound in self.ports.values_mut() {
            for _ in 0..TURN_DATAGRAMS {
                if !bound.is_readable {
                    break;
                }
                bound.read_one(core, &mut self.buffer);
            }
        }
    }

    fn number(&mut self) -> SocketId {
        self.next_line += 1;
        SocketId(self.next_line)
    }

    fn of_line(&mut self, line: SocketId) -> Option<(Token, &mut Bound)> {
        let mut ports = self.ports.iter_mut();
        let found = ports.find(|(_, bound)| bound.port.line() == line);
        found.map(|(token, bound)| (*token, bound))
    }
}

impl Bound {
    fn read_one(&mut self, core: &mut Core, buffer: &mut [u8]) {
        match self.socket.recv_from(buffer) {
            Ok((count, peer)) => self.port.hear(peer, &buffer[..count], &mut core.events),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Others tell that somebody was not there for what was sent to him.
            Err(error) => self.is_readable = error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Sends what the system takes.
    fn send(&mut self, core: &mut Core) {
        while let Some((peer, bytes)) = self.port.unsent() {
            match self.socket.send_to(bytes, peer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Datagrams may get lost anywhere: here, too.
                Ok(_) | Err(_) => self.port.has_left(&mut core.events),
            }
        }
    }
}
