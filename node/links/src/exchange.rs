//! All connections of a node but those of its programs: links and tools.
//!
//! The machine's loop tells what it sees (`on_...`), takes events, and asks until when
//! it may sleep.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;
use core::net::SocketAddr;

use platform::{ClusterId, Event};
use seal::Key;
use types::{Duration, Instant, NodeId};

use crate::link_table::LinkTable;
use crate::machine::{Machine, Token};
use crate::requests::RequestTable;
use crate::stream::{ReadSide, Source};

/// What a node's links are made from.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// The cluster; processes of another one are turned away.
    pub cluster: ClusterId,
    /// Its key. Links are sealed with it; without it there are none but on this machine.
    pub key: Option<Key>,
    /// Who we are, `NodeId(0)` if that is still to be learnt.
    pub me: NodeId,
    /// Where peers reach us.
    pub address: SocketAddr,
    /// How long the system of a peer's machine may leave unanswered what is sent to it.
    pub silence: Duration,
    /// What others may make this machine keep.
    pub limits: Limits,
}

/// How much others may make a machine keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// More than this waiting to be written: the other end is as good as dead.
    pub outbox_bytes: usize,
    /// Longest request that is accepted.
    pub request_bytes: usize,
    /// Tools connected at the same time; more wait.
    pub tools: usize,
}

impl Default for Limits {
    /// For a machine with memory by the gigabyte: room for a module and its input.
    fn default() -> Self {
        Self {
            outbox_bytes: 256 << 20,
            request_bytes: 256 << 20,
            tools: 256,
        }
    }
}

/// Events given out between two turns at most.
const EVENTS_PER_TURN: u32 = 256;

/// What all connections of a node share, those of programs included.
#[derive(Debug)]
pub struct Core<M> {
    /// Where they are.
    pub machine: M,
    /// What the node has not been told yet.
    pub events: VecDeque<Event>,
    /// Connections with possibly more to read than the machine will report.
    pub(crate) unread: Vec<(Token, ReadSide)>,
    last_token: usize,
}

/// Links and tools of one node.
#[derive(Debug)]
pub struct Exchange<M: Machine> {
    /// What they share with the connections of programs.
    pub core: Core<M>,
    pub(crate) links: LinkTable<M>,
    pub(crate) requests: RequestTable<M>,
    /// Events that the node was given since the last turn began.
    given: u32,
}

impl<M> Core<M> {
    /// A token that nobody has yet.
    pub fn next_token(&mut self) -> Token {
        self.last_token += 1;
        Token(self.last_token)
    }
}

impl<M: Machine> Core<M> {
    pub(crate) fn add(&mut self, socket: &mut M::Socket) -> Token {
        let token = self.next_token();
        self.machine.register(socket, token);
        token
    }
}

impl<M: Machine> Exchange<M> {
    /// Nobody is called yet. Tokens up to `last_token` are the machine's own.
    pub fn new(config: LinkConfig, machine: M, last_token: Token) -> Self {
        Self {
            core: Core {
                machine,
                events: VecDeque::new(),
                unread: Vec::new(),
                last_token: last_token.0,
            },
            requests: RequestTable::new(config.limits),
            links: LinkTable::new(config),
            given: 0,
        }
    }

    /// Where peers reach us.
    #[must_use]
    pub fn link_address(&self) -> SocketAddr {
        self.links.address
    }

    /// Tools cut off because of bytes that are no request.
    #[must_use]
    pub fn malformed_requests(&self) -> u64 {
        self.requests.malformed
    }

    /// Somebody has called where peers reach us.
    pub fn on_link(&mut self, socket: M::Socket) {
        self.links.on_accept(&mut self.core, socket);
    }

    /// Whether one more tool may come in.
    #[must_use]
    pub fn has_room_for_tool(&self) -> bool {
        self.requests.has_room()
    }

    /// A tool has called.
    pub fn on_tool(&mut self, socket: M::Socket) {
        self.requests.on_accept(&mut self.core, socket);
    }

    /// A connection takes bytes again, or a call has ended.
    pub fn on_writable(&mut self, token: Token) {
        if self.links.holds(token) {
            self.links.on_writable(&mut self.core, token);
        } else {
            self.requests.on_writable(&mut self.core, token);
        }
    }

    /// There is something to read, or its end.
    pub fn on_readable(&mut self, token: Token, side: ReadSide) {
        let source = if self.links.holds(token) {
            self.links.on_readable(&mut self.core, token, side)
        } else {
            self.requests.on_readable(&mut self.core, token, side)
        };
        if source == Source::Unread {
            self.core.unread.push((token, side));
        }
    }

    /// Whether there is something to read of which the machine will not report.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        !self.core.unread.is_empty()
    }

    /// Reads where there was more than a turn's worth: one bounded turn.
    pub fn read(&mut self) {
        for (token, side) in mem::take(&mut self.core.unread) {
            self.on_readable(token, side);
        }
    }

    /// Writes what waits. To be called before each sleep, when the node wants an event.
    pub fn begin_turn(&mut self) {
        self.given = 0;
        if self.core.events.is_empty() {
            self.links.part(&mut self.core);
        }
        self.links.flush(&mut self.core);
    }

    /// When [`Self::on_time`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.links.next_deadline()
    }

    /// Dials whoever is due, and looks whether the others are still there.
    pub fn on_time(&mut self, now: Instant) {
        self.links.on_time(&mut self.core, now);
    }

    /// Whether a turn is due before the node is given another event: there is none, or it was
    /// given so many that whoever waits for the machine would starve.
    #[must_use]
    pub fn needs_turn(&self) -> bool {
        self.core.events.is_empty() || self.given >= EVENTS_PER_TURN
    }

    /// The next event for the node.
    pub fn next_event(&mut self) -> Option<Event> {
        self.given += 1;
        let event = self.core.events.pop_front();
        if let Some(Event::LinkLost { node, .. }) = &event {
            self.links.on_told(*node);
        }
        event
    }
}
