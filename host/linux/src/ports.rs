//! Ports for datagrams. Each has one line to its program, on which every datagram is a frame.
//!
//! Nobody can be told to send fewer datagrams. So all that come are taken from the system; what
//! the program has no room for is dropped, and counted on the line.
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;

use adapter::datagram::{DATAGRAM_BYTES_MAX, Frame, HEAD_BYTES};
use links::Token;
use mio::Interest;
use mio::net::UdpSocket;
use platform::{Event, SocketEvent, SocketId};

use crate::network::Core;
use crate::socket_table::listener_id;

/// Numbers of lines are above those of connections.
const FIRST_LINE: u64 = 1 << 62;
/// Datagrams of a port that are taken in a turn, at most.
const TURN_DATAGRAMS: usize = 256;
/// Bytes of the frame that counts what was dropped.
const DROPPED_BYTES: usize = 1 + size_of::<u32>();

#[derive(Debug)]
struct Port {
    socket: UdpSocket,
    address: SocketAddr,
    /// The program wants another line when this one is over.
    is_open: bool,
    line: SocketId,
    /// Bytes that may still go over it.
    credit: usize,
    /// Not counted there yet.
    dropped: u32,
    /// There may be more to take; the poll will not say it again.
    is_readable: bool,
    /// The beginning of a frame.
    part: Vec<u8>,
    /// What the system has not taken.
    unsent: VecDeque<(SocketAddr, Vec<u8>)>,
}

/// All ports.
#[derive(Debug)]
pub(crate) struct Ports {
    ports: BTreeMap<Token, Port>,
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
        self.ports.values().any(|port| port.is_readable)
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
        let port = Port {
            socket,
            address,
            is_open: true,
            line,
            credit: 0,
            dropped: 0,
            is_readable: false,
            part: Vec::new(),
            unsent: VecDeque::new(),
        };
        self.ports.insert(token, port);
        tell_line(core, token, line, address);
        Ok((token, address))
    }

    /// The program wants no other line; it keeps the one that it has.
    pub(crate) fn close(&mut self, token: Token) {
        if let Some(port) = self.ports.get_mut(&token) {
            port.is_open = false;
        }
    }

    pub(crate) fn want(&mut self, line: SocketId, bytes: usize) {
        if let Some((_, port)) = self.of_line(line) {
            port.credit += bytes;
        }
    }

    pub(crate) fn write(&mut self, core: &mut Core, line: SocketId, bytes: &[u8]) {
        let Some((_, port)) = self.of_line(line) else {
            return;
        };
        port.part.extend(bytes);
        let part = std::mem::take(&mut port.part);
        let mut rest = part.as_slice();
        loop {
            match Frame::decode(rest) {
                Ok(Some((Frame::Datagram { peer, bytes }, length))) => {
                    port.unsent.push_back((peer, bytes.to_vec()));
                    rest = &rest[length..];
                }
                Ok(None) => break,
                // No program has anything else to say.
                Ok(Some((Frame::Dropped(_), _))) | Err(_) => {
                    return self.end_line(core, line);
                }
            }
        }
        port.part = rest.to_vec();
        port.send(core);
    }

    /// The line is over; there is another one, if the program still wants one.
    pub(crate) fn end_line(&mut self, core: &mut Core, line: SocketId) {
        let next = self.number();
        let Some((token, port)) = self.of_line(line) else {
            return;
        };
        tell(core, SocketEvent::Gone { socket: line });
        if port.is_open {
            (port.line, port.credit) = (next, 0);
            port.part.clear();
            port.unsent.clear();
            tell_line(core, token, next, port.address);
        } else {
            let mut port = self.ports.remove(&token).expect("just found");
            core.machine.remove(&mut port.socket);
        }
    }

    pub(crate) fn on_report(&mut self, core: &mut Core, report: &mio::event::Event) {
        let port = self
            .ports
            .get_mut(&Token(report.token().0))
            .expect("it is held");
        port.is_readable |= report.is_readable();
        if report.is_writable() {
            port.send(core);
        }
    }

    /// Takes what has come: one bounded turn.
    pub(crate) fn read(&mut self, core: &mut Core) {
        for port in self.ports.values_mut() {
            for _ in 0..TURN_DATAGRAMS {
                if !port.is_readable {
                    break;
                }
                port.read_one(core, &mut self.buffer);
            }
        }
    }

    fn number(&mut self) -> SocketId {
        self.next_line += 1;
        SocketId(self.next_line)
    }

    fn of_line(&mut self, line: SocketId) -> Option<(Token, &mut Port)> {
        let mut ports = self.ports.iter_mut();
        let found = ports.find(|(_, port)| port.line == line);
        found.map(|(token, port)| (*token, port))
    }
}

impl Port {
    fn read_one(&mut self, core: &mut Core, buffer: &mut [u8]) {
        let (count, peer) = match self.socket.recv_from(buffer) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            // Others tell that somebody was not there for what was sent to him.
            Err(error) => {
                self.is_readable = error.kind() != ErrorKind::WouldBlock;
                return;
            }
        };
        let needed = HEAD_BYTES + count + DROPPED_BYTES;
        if self.credit < needed {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let mut bytes = Vec::with_capacity(needed);
        if self.dropped > 0 {
            Frame::Dropped(std::mem::take(&mut self.dropped)).encode(&mut bytes);
        }
        let bytes_of = Frame::Datagram {
            peer,
            bytes: &buffer[..count],
        };
        bytes_of.encode(&mut bytes);
        self.credit -= bytes.len();
        let socket = self.line;
        tell(core, SocketEvent::Received { socket, bytes });
    }

    /// Sends what the system takes.
    fn send(&mut self, core: &mut Core) {
        while let Some((peer, bytes)) = self.unsent.front() {
            match self.socket.send_to(bytes, *peer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Datagrams may get lost anywhere: here, too.
                Ok(_) | Err(_) => {
                    let (socket, bytes) = (self.line, HEAD_BYTES + bytes.len());
                    self.unsent.pop_front();
                    tell(core, SocketEvent::Written { socket, bytes });
                }
            }
        }
    }
}

fn tell_line(core: &mut Core, token: Token, line: SocketId, address: SocketAddr) {
    let event = SocketEvent::Accepted {
        listener: listener_id(token),
        socket: line,
        peer: address,
    };
    tell(core, event);
}

fn tell(core: &mut Core, event: SocketEvent) {
    core.events.push_back(Event::Socket(event));
}
