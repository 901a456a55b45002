//! Connections of programs, and their ports for datagrams.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use links::{Machine, Received, Written};
use platform::{Event, ListenerId, Protocol, SocketEvent, SocketId};
use types::{Duration, Instant};

use crate::ports::Ports;
use crate::tcp::{Phase, SMALL_BUFFER_BYTES, Socket, Tcp};

/// Connections at the same time at most; more wait until there is room.
const SOCKETS_MAX: usize = 256;
/// Listeners and ports for datagrams: each has memory for those who may come.
const PLACES_MAX: usize = 16;
/// Callers that may come between two looks, at each listener.
const WAITING: usize = 16;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// Time that the other end has to end a connection that was finished here.
const ENDING_TIME: Duration = Duration::from_millis(5_000);
/// Where free ports are looked for.
const PORTS: core::ops::Range<u16> = 32_768..49_152;

/// All connections of programs, where they come in, and ports for datagrams.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Ports of the node itself.
    taken: Vec<u16>,
    listeners: BTreeMap<ListenerId, Listener>,
    connections: BTreeMap<SocketId, Connection>,
    ports: Ports,
    last_number: u64,
}

#[derive(Debug)]
struct Listener {
    port: u16,
    waiting: Vec<Socket>,
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    /// Bytes that may be read.
    wanted: usize,
    /// To be written.
    out: VecDeque<u8>,
    /// The other end writes no more, and that was told.
    has_ended: bool,
    /// Nothing more will be written here: until when the other end has to end, too.
    finished: Option<Instant>,
    is_finish_sent: bool,
}

impl Programs {
    pub(crate) fn new(taken: Vec<u16>) -> Self {
        Self {
            taken,
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            ports: Ports::new(),
            last_number: 0,
        }
    }

    pub(crate) fn listen(
        &mut self,
        tcp: &mut Tcp,
        protocol: Protocol,
        address: SocketAddr,
        events: &mut VecDeque<Event>,
    ) -> Result<(ListenerId, SocketAddr), String> {
        if self.listeners.len() + self.ports.numbers().count() >= PLACES_MAX {
            return Err(format!(
                "this machine has {PLACES_MAX} listeners and ports already"
            ));
        }
        let is_had = |port| match protocol {
            Protocol::Stream => self.listeners.values().any(|other| other.port == port),
            Protocol::Datagrams => {
                tcp.hears_at(port) || self.ports.numbers().any(|other| other == port)
            }
        };
        let is_free = |port: &u16| !self.taken.contains(port) && !is_had(*port);
        let port = match address.port() {
            0 => PORTS.clone().find(is_free),
            port => Some(port).filter(is_free),
        };
        let port = port.ok_or_else(|| String::from("the address is in use"))?;
        let address = SocketAddr::new(address.ip(), port);
        let id = ListenerId(self.number());
        match protocol {
            Protocol::Stream => {
                let waiting = (0..WAITING)
                    .map(|_| tcp.listen(port, SMALL_BUFFER_BYTES))
                    .collect();
                self.listeners.insert(id, Listener { port, waiting });
            }
            Protocol::Datagrams => {
                let line = SocketId(self.number());
                self.ports.open(tcp, id, address, line, events);
            }
        }
        Ok((id, address))
    }

    pub(crate) fn unlisten(&mut self, tcp: &mut Tcp, listener: ListenerId) {
        self.ports.close(listener);
        let waiting = self.listeners.remove(&listener);
        for socket in waiting.into_iter().flat_map(|listener| listener.waiting) {
            tcp.close(socket);
        }
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn want(&mut self, socket: SocketId, bytes: usize) {
        match self.connections.get_mut(&socket) {
            Some(connection) => connection.wanted += bytes,
            None => self.ports.want(socket, bytes),
        }
    }

    pub(crate) fn write(
        &mut self,
        tcp: &mut Tcp,
        socket: SocketId,
        bytes: &[u8],
        events: &mut VecDeque<Event>,
    ) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.out.extend(bytes);
        } else if self.ports.write(tcp, socket, bytes, events).is_err() {
            self.end_line(tcp, socket, events);
        }
    }

    pub(crate) fn finish(&mut self, tcp: &mut Tcp, socket: SocketId, events: &mut VecDeque<Event>) {
        match self.connections.get_mut(&socket) {
            Some(connection) => {
                connection.finished.get_or_insert(tcp.now() + ENDING_TIME);
            }
            None => self.end_line(tcp, socket, events),
        }
    }

    pub(crate) fn break_off(&mut self, tcp: &mut Tcp, id: SocketId, events: &mut VecDeque<Event>) {
        match self.connections.remove(&id) {
            Some(connection) => {
                tcp.break_off(connection.socket);
                events.push_back(Event::Socket(SocketEvent::Gone { socket: id }));
            }
            None => self.end_line(tcp, id, events),
        }
    }

    fn end_line(&mut self, tcp: &mut Tcp, line: SocketId, events: &mut VecDeque<Event>) {
        let next = SocketId(self.number());
        self.ports.end_line(tcp, line, next, events);
    }

    /// When to look again at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let connections = self.connections.values();
        connections
            .filter_map(|connection| connection.finished)
            .chain(self.ports.next_deadline())
            .min()
    }

    /// Lets callers in, reads, writes.
    pub(crate) fn turn(&mut self, tcp: &mut Tcp, now: Instant, events: &mut VecDeque<Event>) {
        self.let_in(tcp, events);
        self.ports.turn(tcp, events);
        let mut over = Vec::new();
        for (&id, connection) in &mut self.connections {
            connection.write_some(tcp, id, events);
            let is_gone = connection.read_some(tcp, id, events) == Phase::Gone;
            let is_late = connection.finished.is_some_and(|until| until <= now);
            let is_done = connection.is_finish_sent && connection.has_ended;
            if is_gone || is_late || is_done {
                over.push((id, is_late && !is_done));
            }
        }
        for (id, is_late) in over {
            let connection = self.connections.remove(&id).expect("just seen");
            match is_late {
                true => tcp.break_off(connection.socket),
                false => tcp.close(connection.socket),
            }
            events.push_back(Event::Socket(SocketEvent::Gone { socket: id }));
        }
    }

    fn let_in(&mut self, tcp: &mut Tcp, events: &mut VecDeque<Event>) {
        for (&listener, at) in &mut self.listeners {
            for waiting in &mut at.waiting {
                if self.connections.len() >= SOCKETS_MAX {
                    return;
                }
                let Some(peer) = tcp.caller(*waiting, at.port) else {
                    continue;
                };
                self.last_number += 1;
                let id = SocketId(self.last_number);
                let connection = Connection {
                    socket: core::mem::replace(waiting, tcp.listen(at.port, SMALL_BUFFER_BYTES)),
                    wanted: 0,
                    out: VecDeque::new(),
                    has_ended: false,
                    finished: None,
                    is_finish_sent: false,
                };
                self.connections.insert(id, connection);
                events.push_back(Event::Socket(SocketEvent::Accepted {
                    listener,
                    socket: id,
                    peer,
                }));
            }
        }
    }
}

impl Connection {
    fn write_some(&mut self, tcp: &mut Tcp, id: SocketId, events: &mut VecDeque<Event>) {
        let mut written = 0;
        while !self.out.is_empty() {
            let (front, _) = self.out.as_slices();
            let Written::Bytes(count) = tcp.write(&mut self.socket, front) else {
                break;
            };
            self.out.drain(..count);
            written += count;
        }
        if written > 0 {
            events.push_back(Event::Socket(SocketEvent::Written {
                socket: id,
                bytes: written,
            }));
        }
        if self.finished.is_some() && self.out.is_empty() && !self.is_finish_sent {
            self.is_finish_sent = true;
            tcp.finish(&mut self.socket);
        }
    }

    fn read_some(&mut self, tcp: &mut Tcp, id: SocketId, events: &mut VecDeque<Event>) -> Phase {
        while self.wanted > 0 {
            let mut bytes = vec![0; self.wanted.min(READ_BYTES)];
            let Received::Bytes(count) = tcp.read(&mut self.socket, &mut bytes) else {
                break;
            };
            bytes.truncate(count);
            self.wanted -= count;
            events.push_back(Event::Socket(SocketEvent::Received { socket: id, bytes }));
        }
        let phase = tcp.phase(self.socket);
        if phase == Phase::Ended && !self.has_ended {
            self.has_ended = true;
            events.push_back(Event::Socket(SocketEvent::Ended { socket: id }));
        }
        phase
    }
}
