//! The channels that this node is home of: their sockets, and the halves of their smart buffers
//! that lie outside of the memory.
//!
//! What has happened outside is gathered ([`Node::take_socket_events`]); then, in one
//! transaction for many channels, it is delivered, and what programs have written is collected
//! (`exchange.rs`). What was collected leaves when its channel's rule allows it
//! ([`Channels::let_leave`]). After each view, and when this node went back, everything is
//! looked at anew (`look.rs`).
mod calls;
mod connection;
mod drivers;
mod exchange;
mod file;
mod listener;
mod look;
mod outside;
mod tidy;
mod timer;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use kernel::ChannelId;
use kernel::channels::{Address, Channel, home};
use platform::{Disk, ListenerId, SocketEvent, SocketId, Sockets};
use types::{Epoch, Instant, ViewNumber};

use self::connection::Connection;
use self::listener::Listening;
use crate::worker::Ran;
use crate::{Node, Platform};

/// All channels of this node.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    known: BTreeMap<ChannelId, Known>,
    connections: BTreeMap<SocketId, Connection>,
    listeners: BTreeMap<ListenerId, ChannelId>,
    /// Something of theirs is to be told to the memory.
    due: BTreeSet<ChannelId>,
    /// Something of theirs waits to leave, or to be forgotten.
    held: BTreeSet<SocketId>,
    /// What was safe when that was looked at.
    safe: Epoch,
    /// In which view, and course of events, all were looked at.
    looked: Option<(ViewNumber, u64)>,
    /// Where the leader's node looks next for channels of nodes that are there no more.
    adopting: Option<u32>,
    next_tidying: Option<Instant>,
    /// When timers tick, by the wall clock.
    ticks: BTreeSet<(u64, ChannelId)>,
    /// The wall clock at the last exchange.
    wall_ns: u64,
}

/// A channel.
#[derive(Debug)]
struct Known {
    channel: Channel,
    end: OurEnd,
}

/// What this node has of it.
#[derive(Debug)]
enum OurEnd {
    Listener(Listening),
    Connection(SocketId),
    Timer {
        next: u64,
    },
    /// A file that cannot be written, and why.
    Failed(String),
    /// A file that another channel has.
    Waiting(ChannelId),
    /// Nothing: its socket is gone, or was another node's.
    Nothing,
}

impl Channels {
    /// Something happened outside.
    fn on_event(&mut self, sockets: &mut impl Sockets, event: SocketEvent) {
        match event {
            SocketEvent::Accepted {
                listener,
                socket,
                peer,
            } => {
                let id = self.listeners.get(&listener).copied();
                let known = id.and_then(|id| Some((id, self.known.get_mut(&id)?)));
                let Some((id, known)) = known else {
                    return sockets.break_off(socket);
                };
                let OurEnd::Listener(listening) = &mut known.end else {
                    unreachable!("a listener's channel is one");
                };
                listening.waiting.push([socket]);
                let connection = Connection::new(Address::new(peer), known.channel.release);
                self.connections.insert(socket, connection);
                self.due.insert(id);
            }
            SocketEvent::Received { socket, bytes } => {
                self.news(socket, |connection| connection.intake.push(bytes));
            }
            SocketEvent::Ended { socket } => {
                self.news(socket, |connection| connection.is_ended = true);
            }
            SocketEvent::Opened { socket, length } => {
                self.news(socket, |connection| connection.open_with(length));
            }
            SocketEvent::Failed { socket, why } => {
                self.news(socket, |connection| connection.fail(why));
            }
            SocketEvent::Gone { socket } => {
                self.news(socket, |connection| connection.is_gone = true);
            }
            SocketEvent::Written { socket, bytes } => {
                if let Some(connection) = self.connections.get_mut(&socket) {
                    connection.unwritten -= bytes;
                    self.let_leave_of(sockets, socket);
                }
            }
        }
    }

    /// Notes something that the memory should hear.
    fn news(&mut self, socket: SocketId, note: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(&socket) {
            note(connection);
            self.due.extend(connection.channel);
        }
    }

    /// Forgets a channel; its listener listens no more.
    fn forget(&mut self, sockets: &mut impl Sockets, id: ChannelId) {
        self.due.remove(&id);
        let Some(known) = self.known.remove(&id) else {
            return;
        };
        match known.end {
            OurEnd::Listener(listening) => {
                if let Some((listener, _)) = listening.socket {
                    sockets.unlisten(listener);
                    self.listeners.remove(&listener);
                }
                let mut waiting = listening.waiting;
                while let Some(&socket) = waiting.next().first() {
                    waiting.deliver(1, Epoch(0));
                    sockets.break_off(socket);
                    self.connections.remove(&socket);
                }
            }
            OurEnd::Connection(socket) => {
                self.held.remove(&socket);
                if let Some(connection) = self.connections.remove(&socket)
                    && !connection.is_finished
                {
                    sockets.break_off(socket);
                }
            }
            OurEnd::Timer { next } => drop(self.ticks.remove(&(next, id))),
            OurEnd::Failed(_) | OurEnd::Waiting(_) | OurEnd::Nothing => {}
        }
    }
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// Exchanges what has come and what is to go with the memory. To be called between
    /// transactions.
    pub(crate) fn serve_channels(&mut self) -> Ran {
        self.take_socket_events();
        if !self.look_at_channels() {
            return Ran::Nothing;
        }
        self.tidy_channels();
        self.look_at_timers();
        let core = &mut self.core;
        let doorbell = home::doorbell(core.dtm.me());
        // Also who knows of no channel may get one from others: devices are the leader's node's.
        let is_rung = core::mem::take(&mut core.is_rung) || !core.dtm.holds(doorbell);
        let ran = match is_rung || !self.channels.due.is_empty() {
            true => self.exchange(),
            false => Ran::Nothing,
        };
        let safe = self.core.dtm.safe();
        if ran == Ran::Something || safe != self.channels.safe {
            self.channels.let_leave(&mut self.core.outside(), safe);
        }
        ran
    }

    fn take_socket_events(&mut self) {
        loop {
            let core = &mut self.core;
            let happened = core.socket_events.pop_front();
            let Some(event) = happened.or_else(|| core.machine.poll_event()) else {
                return;
            };
            self.channels.on_event(&mut core.outside(), event);
        }
    }

    /// Lets go of all: this node leaves.
    pub(crate) fn drop_channels(&mut self) {
        self.take_socket_events();
        let outside = &mut self.core.outside();
        let known: Vec<ChannelId> = self.channels.known.keys().copied().collect();
        for id in known {
            self.channels.forget(outside, id);
        }
    }
}
