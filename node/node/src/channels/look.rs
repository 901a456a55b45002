//! Looking at everything anew: after a view has begun, or this node went back, the memory may
//! say something else than it did, and channels of others may be this node's.
use alloc::collections::BTreeSet;

use kernel::ChannelId;
use kernel::channels::home::{self, State};
use kernel::channels::{Channel, Kind};
use platform::{Disk, SocketId};
use types::{Epoch, NodeId, ViewNumber};

use super::connection::Connection;
use super::listener::Listening;
use super::{Channels, Known, OurEnd};
use crate::{Node, Platform};

impl<P: Platform, D: Disk> Node<P, D> {
    /// Follows what the memory says since a view has begun, if one has. Whether that is done:
    /// if not, nothing may be exchanged, and nothing leave.
    pub(super) fn look_at_channels(&mut self) -> bool {
        let course = (self.core.view_number(), self.core.resets);
        if self.channels.looked != Some(course) {
            let is_mine = !self.channels.known.is_empty() || !self.channels.connections.is_empty();
            if is_mine && !self.look_at_all(course.0) {
                return false;
            }
            self.channels.looked = Some(course);
            self.channels.adopting = self.core.leadership.is_some().then_some(0);
        }
        self.adopt_channels();
        true
    }

    fn look_at_all(&mut self, view: ViewNumber) -> bool {
        let me = self.core.dtm.me();
        let seen = self.core.transact_in(view, |pages| {
            let mut all = alloc::vec::Vec::new();
            for (id, channel) in home::all(pages, me)? {
                all.push((id, channel, home::state(pages, id)?));
            }
            Ok(all)
        });
        let Ok((all, stamp)) = seen else { return false };
        self.channels
            .follow(&mut self.core.outside(), &all, stamp.epoch());
        true
    }

    /// The leader's node takes over the channels of nodes that are there no more, or leave.
    fn adopt_channels(&mut self) {
        let Some(from) = self.channels.adopting else {
            return;
        };
        let (me, station) = (self.core.dtm.me(), self.core.station());
        let view = self.core.dtm.view().expect("it has a station").clone();
        let is_there = |node: NodeId| view.member(node).is_some() && !view.is_leaving(node);
        let adopted = self.core.transact_in(view.number, |pages| {
            Ok(home::adopt(pages, station, me, is_there, from)?)
        });
        let Ok((adopted, _)) = adopted else { return };
        self.channels.adopting = adopted.next;
        for id in adopted.channels {
            self.channels.due.insert(id);
        }
    }
}

impl Channels {
    /// Goes on from what the memory says, in a transaction of this epoch.
    fn follow(
        &mut self,
        sockets: &mut impl platform::Sockets,
        all: &[(ChannelId, Channel, State)],
        epoch: Epoch,
    ) {
        let mut before = core::mem::take(&mut self.known);
        // Numbers of channels that were undone may be those of others soon.
        self.due.clear();
        self.held.clear();
        self.ticks.clear();
        for connection in self.connections.values_mut() {
            connection.channel = None;
        }
        for &(id, channel, state) in all {
            let end = match channel.kind {
                kind if kind.is_listener() => {
                    let known = before.remove(&id).map(|known| known.end);
                    self.follow_listener(sockets, known, &state, epoch)
                }
                // It is looked at when it is due, and that is now.
                Kind::Timer => OurEnd::Timer { next: 0 },
                // A file is opened again, where the memory says.
                Kind::Service | Kind::Session | Kind::File => OurEnd::Nothing,
                _ => self.follow_connection(sockets, (id, &channel), &state, epoch),
            };
            self.known.insert(id, Known { channel, end });
            self.due.insert(id);
        }
        // Listeners that have never been, and what waited there.
        for (id, known) in before {
            if let OurEnd::Listener(_) = known.end {
                self.known.insert(id, known);
                self.forget(sockets, id);
            }
        }
        self.break_lost(sockets);
    }

    fn follow_listener(
        &mut self,
        sockets: &mut impl platform::Sockets,
        known: Option<OurEnd>,
        state: &State,
        epoch: Epoch,
    ) -> OurEnd {
        let accepted = state.delivered / ChannelId::BYTES;
        let Some(OurEnd::Listener(mut listening)) = known else {
            return OurEnd::Listener(Listening::starting_at(accepted));
        };
        if listening.waiting.rewind(accepted, epoch).is_err() {
            // Whoever waits there now is no one that the memory has heard of.
            if let Some((listener, _)) = listening.socket {
                sockets.unlisten(listener);
                self.listeners.remove(&listener);
            }
            return OurEnd::Listener(Listening::starting_at(accepted));
        }
        OurEnd::Listener(listening)
    }

    fn follow_connection(
        &mut self,
        sockets: &mut impl platform::Sockets,
        (id, channel): (ChannelId, &Channel),
        state: &State,
        epoch: Epoch,
    ) -> OurEnd {
        let socket = SocketId(channel.socket);
        let Some(connection) = self.connections.get_mut(&socket) else {
            return OurEnd::Nothing;
        };
        let followed = connection
            .intake
            .rewind(state.delivered, epoch)
            .and_then(|()| connection.outlet.rewind(state.written));
        if followed.is_err() {
            sockets.break_off(socket);
            self.connections.remove(&socket);
            return OurEnd::Nothing;
        }
        connection.channel = Some(id);
        connection.sent = state.sent;
        self.held.insert(socket);
        OurEnd::Connection(socket)
    }

    /// Breaks the connections that neither have a channel nor wait for one.
    fn break_lost(&mut self, sockets: &mut impl platform::Sockets) {
        let mut waiting = BTreeSet::new();
        for known in self.known.values_mut() {
            if let OurEnd::Listener(listening) = &mut known.end {
                // Who was accepted, broke off and was forgotten, and all of that undone, does
                // not wait again.
                let connections = &self.connections;
                let is_there = |socket: &SocketId| connections.contains_key(socket);
                listening.waiting.retain(is_there);
                waiting.extend(listening.waiting.undelivered().copied());
            }
        }
        for socket in &waiting {
            let connection = self.connections.get_mut(socket);
            let connection = connection.expect("who waits to be accepted is there");
            let from_start = connection
                .intake
                .rewind(0, Epoch(0))
                .and_then(|()| connection.outlet.rewind(0));
            if from_start.is_err() {
                // It was accepted for good, and yet the memory has not heard of it.
                connection.is_gone = true;
                sockets.break_off(*socket);
            }
        }
        let is_lost = |socket: &SocketId, connection: &mut Connection| {
            connection.channel.is_none() && !waiting.contains(socket)
        };
        for (socket, _) in self.connections.extract_if(.., is_lost) {
            sockets.break_off(socket);
        }
    }
}
