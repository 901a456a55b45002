//! All connections of programs: whose turn it is to be read and written, how they end.
//!
//! Whoever has something to do stands in a queue, once, and a turn serves so many of them
//! as it has time for.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Result;
use std::net::{Shutdown, SocketAddr};

use links::{Machine as _, Token};
use mio::net::TcpListener;
use platform::{Clock, Event, ListenerId, SocketEvent, SocketId};
use rustix::net::sockopt::set_socket_linger;
use types::{Duration, Instant};

use crate::LinuxClock;
use crate::network::Core;
use crate::process::open_files_max;
use crate::socket::{Connection, Found, READ_BYTES, ReadSide, WriteSide};

/// Connections at the same time at most.
pub const SOCKETS_MAX: usize = 16_384;
/// Bytes that a turn reads, or writes, at most.
const TURN_BYTES: usize = 4 << 20;
/// A system call takes as long as so many bytes.
const CALL_BYTES: usize = 16 << 10;

/// How many connections there may be, and how long they take to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketLimits {
    /// Connections at the same time at most; more wait in the system's queue.
    pub sockets_max: usize,
    /// Time that the other end has to end a connection that was finished here.
    pub ending_time: Duration,
    /// Longest time in which the other end reads nothing of a connection that was finished
    /// here.
    pub stuck_time: Duration,
}

impl Default for SocketLimits {
    /// Links and disks have at least as many of the process's descriptors as sockets.
    fn default() -> Self {
        Self {
            sockets_max: SOCKETS_MAX.min(open_files_max() / 2),
            ending_time: Duration::from_millis(5_000),
            stuck_time: Duration::from_millis(30_000),
        }
    }
}

/// All connections of programs, and where they come in.
#[derive(Debug)]
pub(crate) struct SocketTable {
    pub(crate) listeners: BTreeMap<Token, TcpListener>,
    pub(crate) limits: SocketLimits,
    connections: BTreeMap<Token, Connection>,
    to_read: VecDeque<Token>,
    to_flush: VecDeque<Token>,
    deadlines: BTreeSet<(Instant, Token)>,
    /// Where all connections are read into: most are idle.
    buffer: Box<[u8]>,
}

impl SocketTable {
    pub(crate) fn new() -> Self {
        Self {
            listeners: BTreeMap::new(),
            limits: SocketLimits::default(),
            connections: BTreeMap::new(),
            to_read: VecDeque::new(),
            to_flush: VecDeque::new(),
            deadlines: BTreeSet::new(),
            buffer: vec![0; READ_BYTES].into(),
        }
    }

    pub(crate) fn holds(&self, token: Token) -> bool {
        self.connections.contains_key(&token)
    }

    /// Whether somebody may come in by that door.
    pub(crate) fn has_room(&self, door: Token) -> bool {
        self.listeners.contains_key(&door) && self.connections.len() < self.limits.sockets_max
    }

    /// Whether there is something to do without waiting for the poll.
    pub(crate) fn has_more(&self) -> bool {
        !self.to_read.is_empty() || !self.to_flush.is_empty()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Gives up whoever has not ended in time.
    pub(crate) fn on_time(&mut self, core: &mut Core, now: Instant) {
        while let Some(&(at, token)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            let connection = self.connection(token);
            assert_eq!(
                connection.deadline,
                Some(at),
                "a deadline is a connection's"
            );
            if connection.write_side == WriteSide::Finished {
                self.lose(core, token);
            } else {
                self.break_off(core, token);
            }
        }
    }

    /// Lets a connection in.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn accept(&mut self, core: &mut Core, door: Token) -> Result<()> {
        let listener = self.listeners.get(&door).expect("it has room");
        let (mut socket, peer) = listener.accept()?;
        let token = core.next_token();
        core.machine.register(&mut socket, token);
        self.connections.insert(token, Connection::new(socket));
        tell(core, accepted(door, token, peer));
        Ok(())
    }

    /// The poll says what has changed.
    pub(crate) fn on_report(&mut self, core: &mut Core, report: &mio::event::Event) {
        let token = Token(report.token().0);
        let connection = self.connection(token);
        if report.is_writable() {
            connection.is_blocked = false;
            self.flush_later(token);
        }
        let connection = self.connection(token);
        connection.is_readable |= report.is_readable() || report.is_read_closed();
        if report.is_read_closed() && connection.read_side == ReadSide::Open {
            connection.read_side = ReadSide::Closing;
        }
        if report.is_error() {
            self.on_broken(core, token);
        } else {
            self.read_later(token);
        }
    }

    pub(crate) fn want(&mut self, token: Token, bytes: usize) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.wanted = connection.wanted.saturating_add(bytes);
            self.read_later(token);
        }
    }

    pub(crate) fn write(&mut self, token: Token, bytes: &[u8]) {
        if let Some(connection) = self.connections.get_mut(&token)
            && connection.write_side == WriteSide::Open
        {
            connection.outbox.tail().extend_from_slice(bytes);
            self.flush_later(token);
        }
    }

    pub(crate) fn finish(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(&token)
            && connection.write_side == WriteSide::Open
        {
            connection.write_side = WriteSide::Finishing;
            let deadline = LinuxClock.now() + self.limits.stuck_time;
            self.set_deadline(token, deadline);
            self.read_later(token);
            // With nothing to write as well: the other end is to be told.
            self.enqueue_flush(token);
        }
    }

    pub(crate) fn break_off(&mut self, core: &mut Core, token: Token) {
        if let Some(connection) = self.connections.get(&token) {
            // A socket that is gone already has nothing to break.
            let _ = set_socket_linger(&connection.socket, Some(std::time::Duration::ZERO));
            self.lose(core, token);
        }
    }

    /// Writes what the sockets take: one bounded turn, first come first served.
    pub(crate) fn flush(&mut self, core: &mut Core) {
        let mut budget = TURN_BYTES;
        for _ in 0..self.to_flush.len() {
            if budget == 0 {
                return;
            }
            let token = self.to_flush.pop_front().expect("so many stand there");
            budget = budget.saturating_sub(self.flush_one(core, token).max(CALL_BYTES));
        }
    }

    /// Reads what is there and wanted: one bounded turn, first come first served.
    pub(crate) fn read(&mut self, core: &mut Core) {
        let mut budget = TURN_BYTES;
        for _ in 0..self.to_read.len() {
            if budget == 0 {
                return;
            }
            let token = self.to_read.pop_front().expect("so many stand there");
            if let Some(connection) = self.connections.get_mut(&token) {
                connection.is_to_read = false;
                budget = budget.saturating_sub(self.read_one(core, token).max(CALL_BYTES));
            }
        }
    }

    fn flush_one(&mut self, core: &mut Core, token: Token) -> usize {
        let Some(connection) = self.connections.get_mut(&token) else {
            return 0;
        };
        connection.is_to_flush = false;
        let Ok(bytes) = connection.write_turn() else {
            self.on_broken(core, token);
            return 0;
        };
        let is_empty = connection.outbox.pending() == 0;
        let side = connection.write_side;
        if bytes > 0 {
            let socket = socket_id(token);
            tell(core, SocketEvent::Written { socket, bytes });
        }
        if !is_empty {
            if bytes > 0 && side == WriteSide::Finishing {
                let deadline = LinuxClock.now() + self.limits.stuck_time;
                self.set_deadline(token, deadline);
            }
            self.flush_later(token);
        } else if side == WriteSide::Finishing {
            self.on_all_written(core, token);
        }
        bytes
    }

    fn on_all_written(&mut self, core: &mut Core, token: Token) {
        let deadline = LinuxClock.now() + self.limits.ending_time;
        let connection = self.connection(token);
        connection.write_side = WriteSide::Finished;
        // A socket that is gone already has nothing to finish.
        let _ = connection.socket.shutdown(Shutdown::Write);
        if connection.read_side == ReadSide::Ended {
            self.lose(core, token);
        } else {
            self.set_deadline(token, deadline);
        }
    }

    /// Reads once; returns the bytes read.
    fn read_one(&mut self, core: &mut Core, token: Token) -> usize {
        let connection = self
            .connections
            .get_mut(&token)
            .expect("its caller has found it");
        if !connection.has_to_read() {
            return 0;
        }
        let space = connection.space();
        let Ok(found) = connection.read_into(&mut self.buffer[..space]) else {
            self.lose(core, token);
            return 0;
        };
        match found {
            Found::Bytes(count) => {
                if !connection.is_finished_here() {
                    connection.wanted -= count;
                    let (socket, bytes) = (socket_id(token), self.buffer[..count].to_vec());
                    tell(core, SocketEvent::Received { socket, bytes });
                }
                // A short read has emptied the socket, unless its end follows.
                connection.is_readable = count == space || connection.read_side != ReadSide::Open;
                self.read_later(token);
                count
            }
            Found::End => {
                self.on_end(core, token);
                0
            }
            // They are looked for again when they are wanted, or when the poll tells.
            Found::Unwanted => 0,
            Found::Nothing => {
                connection.is_readable = false;
                0
            }
        }
    }

    fn on_end(&mut self, core: &mut Core, token: Token) {
        let connection = self.connection(token);
        connection.read_side = ReadSide::Ended;
        match connection.write_side {
            WriteSide::Open => {
                let socket = socket_id(token);
                tell(core, SocketEvent::Ended { socket });
            }
            WriteSide::Finishing => {}
            WriteSide::Finished => self.lose(core, token),
        }
    }

    /// The connection is broken; what is wanted of what came before is read still.
    fn on_broken(&mut self, core: &mut Core, token: Token) {
        let connection = self.connection(token);
        connection.is_readable = true;
        if connection.space() > 0 {
            self.read_one(core, token);
        }
        if self.holds(token) {
            self.lose(core, token);
        }
    }

    fn lose(&mut self, core: &mut Core, token: Token) {
        let mut connection = self
            .connections
            .remove(&token)
            .expect("its caller has found it");
        core.machine.remove(&mut connection.socket);
        if let Some(deadline) = connection.deadline {
            self.deadlines.remove(&(deadline, token));
        }
        let socket = socket_id(token);
        tell(core, SocketEvent::Gone { socket });
    }

    fn connection(&mut self, token: Token) -> &mut Connection {
        self.connections
            .get_mut(&token)
            .expect("its caller has found it")
    }

    fn set_deadline(&mut self, token: Token, deadline: Instant) {
        let before = self.connection(token).deadline.replace(deadline);
        if let Some(before) = before {
            self.deadlines.remove(&(before, token));
        }
        self.deadlines.insert((deadline, token));
    }

    fn read_later(&mut self, token: Token) {
        let connection = self.connection(token);
        if connection.has_to_read() && !connection.is_to_read {
            connection.is_to_read = true;
            self.to_read.push_back(token);
        }
    }

    fn flush_later(&mut self, token: Token) {
        let connection = self.connection(token);
        if connection.outbox.pending() > 0 && !connection.is_blocked {
            self.enqueue_flush(token);
        }
    }

    fn enqueue_flush(&mut self, token: Token) {
        let connection = self.connection(token);
        if !connection.is_to_flush {
            connection.is_to_flush = true;
            self.to_flush.push_back(token);
        }
    }
}

pub(crate) fn socket_id(token: Token) -> SocketId {
    SocketId(token.0 as u64)
}

pub(crate) fn listener_id(token: Token) -> ListenerId {
    ListenerId(token.0 as u64)
}

fn accepted(door: Token, token: Token, peer: SocketAddr) -> SocketEvent {
    SocketEvent::Accepted {
        listener: listener_id(door),
        socket: socket_id(token),
        peer,
    }
}

fn tell(core: &mut Core, event: SocketEvent) {
    core.events.push_back(Event::Socket(event));
}
