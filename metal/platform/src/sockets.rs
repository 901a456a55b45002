//! Connections of programs.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use links::{Machine, Received, Written};
use platform::{Event, ListenerId, Protocol, SocketEvent, SocketId};
use types::{Duration, Instant};

use crate::tcp::{Phase, SMALL_BUFFER_BYTES, Socket, Tcp};

/// Connections at the same time at most; more wait until there is room.
const SOCKETS_MAX: usize = 256;
/// Callers that may come between two looks, at each listener.
const WAITING: usize = 4;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// Time that the other end has to end a connection that was finished here.
const ENDING_TIME: Duration = Duration::from_millis(5_000);
/// Where free ports are looked for.
const PORTS: core::ops::Range<u16> = 32_768..49_152;

/// All connections of programs, and where they come in.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Ports of the node itself.
    taken: Vec<u16>,
    listeners: BTreeMap<ListenerId, Listener>,
    connections: BTreeMap<SocketId, Connection>,
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
            last_number: 0,
        }
    }

    pub(crate) fn listen(
        &mut self,
        tcp: &mut Tcp,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), String> {
        if protocol == Protocol::Datagrams {
            return Err("datagrams are not spoken on this machine".into());
        }
        let is_free = |port: &u16| {
            let others = self.listeners.values().map(|other| other.port);
            !self.taken.contains(port) && others.into_iter().all(|other| other != *port)
        };
        let port = match address.port() {
            0 => PORTS.clone().find(is_free),
            port => Some(port).filter(is_free),
        };
        let port = port.ok_or_else(|| String::from("the address is in use"))?;
        self.last_number += 1;
        let id = ListenerId(self.last_number);
        let waiting = (0..WAITING)
            .map(|_| tcp.listen(port, SMALL_BUFFER_BYTES))
            .collect();
        self.listeners.insert(id, Listener { port, waiting });
        Ok((id, SocketAddr::new(address.ip(), port)))
    }

    pub(crate) fn unlisten(&mut self, tcp: &mut Tcp, listener: ListenerId) {
        let waiting = self.listeners.remove(&listener);
        for socket in waiting.into_iter().flat_map(|listener| listener.waiting) {
            tcp.close(socket);
        }
    }

    pub(crate) fn want(&mut self, socket: SocketId, bytes: usize) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.wanted += bytes;
        }
    }

    pub(crate) fn write(&mut self, socket: SocketId, bytes: &[u8]) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.out.extend(bytes);
        }
    }

    pub(crate) fn finish(&mut self, socket: SocketId, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.finished.get_or_insert(now + ENDING_TIME);
        }
    }

    pub(crate) fn break_off(&mut self, tcp: &mut Tcp, id: SocketId, events: &mut VecDeque<Event>) {
        if let Some(connection) = self.connections.remove(&id) {
            tcp.break_off(connection.socket);
            events.push_back(Event::Socket(SocketEvent::Gone { socket: id }));
        }
    }

    /// When to look again at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let connections = self.connections.values();
        connections
            .filter_map(|connection| connection.finished)
            .min()
    }

    /// Lets callers in, reads, writes.
    pub(crate) fn turn(&mut self, tcp: &mut Tcp, now: Instant, events: &mut VecDeque<Event>) {
        self.let_in(tcp, events);
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
