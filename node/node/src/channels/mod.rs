//! The channels that this node is home of: their sockets, and the halves of their smart buffers
//! that lie outside of the memory.
//!
//! What has happened outside is gathered ([`Node::take_socket_events`]); then, in one
//! transaction for many channels, it is delivered, and what programs have written is collected
//! (`exchange.rs`). What was collected leaves when its channel's rule allows it
//! ([`Channels::let_leave`]). After each view, and when this node went back, everything is
//! looked at anew (`look.rs`).
mod calls;
mod exchange;
mod look;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use devices::{Intake, Outlet, Rule};
use kernel::ChannelId;
use kernel::channels::home;
use kernel::channels::{Address, Channel, RING_BYTES, Release};
use platform::{Disk, ListenerId, SocketEvent, SocketId, Sockets};
use types::{Duration, Epoch, Instant, ViewNumber};

use crate::worker::Ran;
use crate::{Node, Platform};

/// Bytes of input that a node keeps of all its connections together, about.
const INPUT_BYTES: usize = 256 << 20;
/// Bytes of it for each connection, at least and at most.
const WINDOW_MIN: usize = 16 << 10;
const WINDOW_MAX: usize = 1 << 20;
/// Bytes that the system has not taken yet, for each connection.
const UNWRITTEN_MAX: usize = 256 << 10;
/// The memory hears what has been sent when it is so much.
const SENT_STEP: u64 = RING_BYTES / 4;
/// Between two tries to listen where somebody else does, and two looks for programs that have
/// ended.
const TIDY_EVERY: Duration = Duration::from_millis(250);

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
    /// Nothing: its socket is gone, or was another node's.
    Nothing,
}

#[derive(Debug, Default)]
struct Listening {
    /// Once it does.
    socket: Option<(ListenerId, Address)>,
    /// Somebody was told why it does not.
    is_noted: bool,
    waiting: Intake<SocketId>,
}

impl Listening {
    /// So many have been accepted already.
    fn starting_at(accepted: u64) -> Self {
        Self {
            waiting: Intake::starting_at(accepted),
            ..Self::default()
        }
    }
}

/// A connection with its smart buffers.
#[derive(Debug)]
struct Connection {
    /// Its channel, unless it waits to be accepted.
    channel: Option<ChannelId>,
    peer: Address,
    intake: Intake<u8>,
    /// How many bytes were wanted so far.
    wanted: u64,
    outlet: Outlet,
    /// What the system was given and has not taken.
    unwritten: usize,
    /// How much the memory knows to have been sent.
    sent: u64,
    /// The program waits for room to write.
    is_blocked: bool,
    /// The other end writes no more.
    is_ended: bool,
    /// The system was told that nothing more will be written.
    is_finished: bool,
    /// There is no connection any more.
    is_gone: bool,
}

impl Connection {
    fn new(peer: Address, release: Release) -> Self {
        Self {
            channel: None,
            peer,
            intake: Intake::default(),
            wanted: 0,
            outlet: Outlet::new(match release {
                Release::AtCommit => Rule::AtCommit,
                Release::AtStable => Rule::AtStable,
            }),
            unwritten: 0,
            sent: 0,
            is_blocked: false,
            is_ended: false,
            is_finished: false,
            is_gone: false,
        }
    }

    /// Whether the memory should hear how much was sent, or that all was.
    fn has_news(&self) -> bool {
        let sent = self.outlet.forgotten() - self.sent;
        sent >= SENT_STEP || (self.is_blocked && sent > 0) || self.outlet.is_done()
    }
}

impl Channels {
    /// Breaks a connection of which nothing can be made any more.
    fn break_off(&mut self, sockets: &mut impl Sockets, socket: SocketId) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        sockets.break_off(socket);
        connection.is_gone = true;
        self.due.extend(connection.channel);
    }

    /// Has the system read as much as there is room for.
    fn want_more(&mut self, sockets: &mut impl Sockets, socket: SocketId) {
        let share = INPUT_BYTES / self.connections.len().max(1);
        let window = share.clamp(WINDOW_MIN, WINDOW_MAX) as u64;
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        let outstanding = connection.wanted - connection.intake.forgotten();
        if !connection.is_gone && outstanding <= window / 2 {
            let more = window - outstanding;
            connection.wanted += more;
            let more = usize::try_from(more).expect("at most a window");
            sockets.want(socket, more);
        }
    }

    /// Lets what may leave do so, and forgets what cannot be undone.
    fn let_leave(&mut self, sockets: &mut impl Sockets, safe: Epoch) {
        self.safe = safe;
        let held = core::mem::take(&mut self.held);
        for socket in held {
            self.let_leave_of(sockets, socket);
        }
        for id in self.listeners.values() {
            let known = self.known.get_mut(id);
            if let Some(OurEnd::Listener(listening)) = known.map(|known| &mut known.end) {
                let _ = listening.waiting.safe(safe);
            }
        }
    }

    fn let_leave_of(&mut self, sockets: &mut impl Sockets, socket: SocketId) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        let Connection { intake, outlet, .. } = connection;
        let _ = intake.safe(self.safe);
        outlet.safe(self.safe);
        if !connection.is_gone {
            let bytes = outlet.leave(UNWRITTEN_MAX - connection.unwritten);
            if !bytes.is_empty() {
                connection.unwritten += bytes.len();
                sockets.write(socket, &bytes);
            }
            if outlet.ends() && !connection.is_finished {
                connection.is_finished = true;
                sockets.finish(socket);
            }
        }
        let is_held = outlet.forgotten() < outlet.taken()
            || intake.forgotten() < intake.delivered()
            || (connection.is_finished && !outlet.is_done());
        if is_held && !connection.is_gone {
            self.held.insert(socket);
        }
        if connection.has_news() {
            self.due.extend(connection.channel);
        }
        self.want_more(sockets, socket);
    }

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

    /// Listens where a channel says, if it does not yet.
    fn open_listener(
        &mut self,
        sockets: &mut impl Sockets,
        id: ChannelId,
        note: impl FnOnce(&str),
    ) {
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        let OurEnd::Listener(listening) = &mut known.end else {
            return;
        };
        if listening.socket.is_some() {
            return;
        }
        let address = known.channel.address.get();
        match sockets.listen(address) {
            Ok((listener, bound)) => {
                listening.socket = Some((listener, Address::new(bound)));
                self.listeners.insert(listener, id);
                if bound != address {
                    self.due.insert(id);
                }
            }
            Err(why) if !listening.is_noted => {
                listening.is_noted = true;
                let process = known.channel.process;
                note(&format!(
                    "process {process} wants to listen at {address}: {why}"
                ));
            }
            Err(_) => {}
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
            OurEnd::Nothing => {}
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
        let core = &mut self.core;
        let doorbell = home::doorbell(core.dtm.me());
        let is_rung = core::mem::take(&mut core.is_rung)
            || (!self.channels.known.is_empty() && !core.dtm.holds(doorbell));
        let ran = match is_rung || !self.channels.due.is_empty() {
            true => self.exchange(),
            false => Ran::Nothing,
        };
        let safe = self.core.dtm.safe();
        if ran == Ran::Something || safe != self.channels.safe {
            self.channels.let_leave(&mut self.core.platform, safe);
        }
        ran
    }

    fn take_socket_events(&mut self) {
        while let Some(event) = self.core.socket_events.pop_front() {
            self.channels.on_event(&mut self.core.platform, event);
        }
    }

    /// Lets go of all: this node leaves.
    pub(crate) fn drop_channels(&mut self) {
        self.take_socket_events();
        let platform = &mut self.core.platform;
        let known: alloc::vec::Vec<ChannelId> = self.channels.known.keys().copied().collect();
        for id in known {
            self.channels.forget(platform, id);
        }
    }

    /// Tries again to listen where that has failed, and closes the channels of programs that
    /// have ended.
    fn tidy_channels(&mut self) {
        let now = self.core.now;
        if self.channels.known.is_empty()
            || self.channels.next_tidying.is_some_and(|next| now < next)
        {
            return;
        }
        self.channels.next_tidying = Some(now + TIDY_EVERY);
        let known: alloc::vec::Vec<(ChannelId, Channel)> = self
            .channels
            .known
            .iter()
            .map(|(id, known)| (*id, known.channel))
            .collect();
        let note = self.core.config.note;
        for (id, _) in &known {
            self.channels
                .open_listener(&mut self.core.platform, *id, note);
        }
        let processes: BTreeSet<_> = known.iter().map(|(_, channel)| channel.process).collect();
        // If this fails, it is tried again.
        let closed = self.core.transact(|pages| {
            let mut ended = BTreeSet::new();
            for &process in &processes {
                if !home::is_running(pages, process)? {
                    ended.insert(process);
                }
            }
            for (id, channel) in &known {
                if ended.contains(&channel.process) && home::find(pages, *id)?.is_some() {
                    home::close(pages, (*id, channel))?;
                }
            }
            Ok(!ended.is_empty())
        });
        self.core.is_rung |= matches!(closed, Ok((true, _)));
    }
}
