//! The exchange: what has come goes into the memory, what is to go out comes from there, and
//! each side hears how far the other is. One transaction for many channels.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use kernel::channels::home::{self, Rings, State};
use kernel::channels::{Channel, Kind};
use kernel::{ChannelId, Pages, Station, Stop};
use platform::{Disk, SocketId};
use types::{Epoch, NodeId};

use super::connection::Connection;
use super::file::{self, Wanted};
use super::listener::Listening;
use super::outside::Outside;
use super::{Channels, Known, OurEnd};
use crate::worker::Ran;
use crate::{Node, Platform};

/// Channels of one transaction that have something to tell, at most.
const CHANNELS: usize = 64;
/// Connections of one listener that one transaction makes channels of, at most.
const CONNECTIONS: usize = 64;
/// Bytes of a channel that one transaction delivers, or collects, at most.
const BYTES: usize = 64 << 10;

/// What came of the exchange for a channel.
enum Exchanged {
    /// It is not, or no more, one of this node.
    Not(ChannelId),
    /// It was closed, and everything has been said: it is no more.
    Freed(ChannelId),
    /// It is there.
    Told(ChannelId, Told),
}

pub(super) struct Told {
    pub(super) channel: Channel,
    /// How far it was before this.
    pub(super) state: State,
    /// How much was delivered.
    delivered: u64,
    /// Whether its program has heard all that there is.
    is_all: bool,
    /// What was collected.
    collected: Vec<u8>,
    connected: Vec<(SocketId, ChannelId, Channel)>,
    /// What the program knows to have been sent.
    sent: u64,
    /// When it ticks next.
    next_tick: u64,
    /// What its file needs.
    pub(super) wanted: Option<Wanted>,
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// One transaction of it.
    pub(super) fn exchange(&mut self) -> Ran {
        let mut batch = BTreeSet::new();
        while batch.len() < CHANNELS
            && let Some(id) = self.channels.due.pop_first()
        {
            batch.insert(id);
        }
        let (me, station) = (self.core.dtm.me(), self.core.station());
        self.channels.wall_ns = self.core.platform.wall_ns();
        let channels = &self.channels;
        // In another view the memory may say something else than these buffers.
        let (view, _) = self.channels.looked.expect("all were looked at");
        let done = self.core.transact_in(view, |pages| {
            let mut ids = batch.clone();
            match home::take_rings(pages, me)? {
                Rings::Some(places) => {
                    for place in places {
                        ids.extend(home::at(pages, me, place)?.map(|(id, _)| id));
                    }
                }
                Rings::All => ids.extend(home::all(pages, me)?.into_iter().map(|(id, _)| id)),
            }
            let mut all = Vec::with_capacity(ids.len());
            for id in ids {
                all.push(channels.exchange_one(pages, station, me, id)?);
            }
            Ok(all)
        });
        let Ok((all, stamp)) = done else {
            // Somebody may have rung.
            self.core.is_rung = true;
            self.channels.due.append(&mut batch);
            return Ran::Nothing;
        };
        let is_nothing = all.is_empty();
        let note = self.core.config.note;
        let mut awaited = Epoch(0);
        for exchanged in all {
            let outside = &mut self.core.outside();
            let awaits = self.channels.apply(outside, exchanged, stamp.epoch(), note);
            awaited = awaited.max(awaits);
        }
        self.core.await_epoch(awaited);
        match is_nothing {
            true => Ran::Nothing,
            false => Ran::Something,
        }
    }
}

impl Channels {
    /// The part of the transaction that belongs to one channel. Changes nothing here.
    fn exchange_one(
        &self,
        pages: &mut impl Pages,
        station: Station,
        me: NodeId,
        id: ChannelId,
    ) -> Result<Exchanged, Stop> {
        let Some(channel) = home::find(pages, id)?.filter(|channel| channel.home.0 == me) else {
            return Ok(Exchanged::Not(id));
        };
        let state = home::state(pages, id)?;
        let mut told = Told {
            channel,
            state,
            delivered: 0,
            is_all: true,
            collected: Vec::new(),
            connected: Vec::new(),
            sent: state.sent,
            next_tick: u64::MAX,
            wanted: None,
        };
        let end = self.known.get(&id).map(|known| &known.end);
        let is_freed = match (channel.kind, end) {
            (_, Some(OurEnd::Listener(listening))) => {
                self.exchange_listener(pages, station, (id, &channel), listening, &mut told)?;
                state.is_closed
            }
            (_, Some(OurEnd::Connection(socket))) => {
                let connection = &self.connections[socket];
                exchange_connection(pages, station, (id, &channel), connection, &mut told)?;
                state.is_closed && (connection.is_done() || connection.is_gone)
            }
            (Kind::File, Some(OurEnd::Failed(why))) => {
                file::exchange_failed(pages, station, (id, &channel), why, &told)?
            }
            (Kind::File, end) => file::exchange_closed(pages, (id, &channel), end, &mut told)?,
            (Kind::Timer, _) => {
                told.next_tick = home::tick(pages, station, (id, &channel), self.wall_ns)?;
                state.is_closed
            }
            // A listener that is new here: it gets its socket when this has committed.
            (kind, None) if kind.is_listener() => state.is_closed,
            // They have nothing outside.
            (Kind::Service | Kind::Session, _) => state.is_closed,
            _ => {
                home::lose(pages, station, (id, &channel))?;
                state.is_closed
            }
        };
        if is_freed {
            home::free(pages, id)?;
            return Ok(Exchanged::Freed(id));
        }
        Ok(Exchanged::Told(id, told))
    }

    fn exchange_listener(
        &self,
        pages: &mut impl Pages,
        station: Station,
        (id, channel): (ChannelId, &Channel),
        listening: &Listening,
        told: &mut Told,
    ) -> Result<(), Stop> {
        if told.state.is_closed {
            return Ok(());
        }
        if let Some((_, address)) = listening.socket
            && channel.address() != address
        {
            home::set_address(pages, id, address)?;
        }
        let waiting = listening.waiting.next();
        for socket in waiting.iter().take(CONNECTIONS) {
            let peer = self.connections[socket].peer;
            let made = home::connect(pages, station, (id, channel), socket.0, peer)?;
            let Some(made) = made else { break };
            told.connected.push((*socket, made.0, made.1));
        }
        told.delivered = told.connected.len() as u64;
        told.is_all = told.delivered == 0 || told.connected.len() == waiting.len();
        Ok(())
    }

    /// The transaction has committed; gives the epoch that somebody outside waits for, 0 if
    /// nobody does.
    fn apply(
        &mut self,
        sockets: &mut impl Outside,
        exchanged: Exchanged,
        epoch: Epoch,
        note: fn(&str),
    ) -> Epoch {
        let mut awaited = Epoch(0);
        let (id, mut told) = match exchanged {
            Exchanged::Not(id) | Exchanged::Freed(id) => {
                self.forget(sockets, id);
                return awaited;
            }
            Exchanged::Told(id, told) => (id, told),
        };
        let known = self.known.entry(id).or_insert_with(|| Known {
            channel: told.channel,
            end: match told.channel.kind {
                Kind::Timer => OurEnd::Timer {
                    next: told.next_tick,
                },
                kind if kind.is_listener() => {
                    let accepted = told.state.delivered / ChannelId::BYTES;
                    OurEnd::Listener(Listening::starting_at(accepted))
                }
                _ => OurEnd::Nothing,
            },
        });
        known.channel = told.channel;
        match &mut known.end {
            OurEnd::Listener(listening) => {
                listening.waiting.deliver(told.delivered, epoch);
                for (socket, id, channel) in core::mem::take(&mut told.connected) {
                    self.connect(sockets, socket, (id, channel));
                }
                self.open_listener(sockets, id, note);
            }
            &mut OurEnd::Connection(socket) => {
                let connection = self.connections.get_mut(&socket);
                let connection = connection.expect("a known connection is there");
                match connection.apply(&told, epoch) {
                    Ok(()) => awaited = connection.awaits().unwrap_or_default(),
                    Err(devices::Contradiction) => self.break_off(sockets, socket),
                }
                self.held.insert(socket);
            }
            OurEnd::Timer { next } => {
                self.ticks.remove(&(*next, id));
                *next = told.next_tick;
                self.ticks.insert((*next, id));
            }
            OurEnd::Failed(_) | OurEnd::Waiting(_) | OurEnd::Nothing => {}
        }
        if told.channel.kind == Kind::File {
            self.serve_file(sockets, id, &told);
        }
        if !told.is_all {
            self.due.insert(id);
        }
        awaited
    }

    /// A connection has got its channel.
    fn connect(
        &mut self,
        sockets: &mut impl platform::Sockets,
        socket: SocketId,
        (id, channel): (ChannelId, Channel),
    ) {
        let connection = self.connections.get_mut(&socket);
        let connection = connection.expect("who waits to be accepted is there");
        connection.channel = Some(id);
        let end = OurEnd::Connection(socket);
        self.known.insert(id, Known { channel, end });
        // What happened before is told now.
        self.due.insert(id);
        self.want_more(sockets, socket);
    }
}

fn exchange_connection(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
    connection: &Connection,
    told: &mut Told,
) -> Result<(), Stop> {
    let state = told.state;
    if let Some(end) = &connection.file
        && !file::exchange_opened(pages, station, (id, channel), end, told)?
    {
        return Ok(());
    }
    let intake = &connection.intake;
    assert!(
        state.delivered == intake.delivered(),
        "both halves of a smart buffer are where they were left"
    );
    let next = intake.next();
    let next = &next[..next.len().min(BYTES)];
    let is_last = intake.delivered() + next.len() as u64 == intake.end();
    if !state.is_closed {
        let is_end = is_last && connection.is_ended;
        let given = home::deliver(pages, station, (id, channel), next, is_end)?;
        told.delivered = given as u64;
        // With no room left the program rings when there is some.
        told.is_all = given < next.len() || is_last;
        // Who waits for room to write may read nothing before there is some, and here will be
        // none: he is told now, and what has no room is lost with the connection.
        if connection.is_gone && (is_last || state.is_blocked) && told.is_all {
            home::lose(pages, station, (id, channel))?;
        }
    }
    let taken = connection.outlet.taken();
    if state.written > taken && !connection.is_gone {
        told.collected = home::collect(pages, id, taken, BYTES)?;
        told.is_all &= taken + told.collected.len() as u64 == state.written;
    }
    let sent = connection.settled();
    if sent > state.sent && (connection.has_news() || told.delivered > 0) {
        home::set_sent(pages, station, (id, channel), sent)?;
        told.sent = sent;
    }
    Ok(())
}

impl Connection {
    fn apply(&mut self, told: &Told, epoch: Epoch) -> Result<(), devices::Contradiction> {
        self.intake.deliver(told.delivered, epoch);
        self.sent = told.sent;
        self.is_blocked = told.state.is_blocked && told.sent == told.state.sent;
        if self.is_gone {
            return Ok(());
        }
        if !told.collected.is_empty() {
            self.outlet.take(&told.collected, epoch)?;
        }
        if told.state.is_closed && self.outlet.taken() == told.state.written {
            self.outlet.close(epoch)?;
        }
        Ok(())
    }
}
