//! A connection with its smart buffers, and what may leave through it.
use devices::{Intake, Outlet, Rule};
use kernel::ChannelId;
use kernel::channels::{Address, RING_BYTES, Release};
use platform::{SocketId, Sockets};
use types::Epoch;

use super::file::FileEnd;
use super::{Channels, OurEnd};

/// Bytes of input that a node keeps of all its connections together, about.
const INPUT_BYTES: usize = 256 << 20;
/// Bytes of it for each connection, at least and at most.
const WINDOW_MIN: usize = 16 << 10;
const WINDOW_MAX: usize = 1 << 20;
/// Bytes that the system has not taken yet, for each connection.
const UNWRITTEN_MAX: usize = 256 << 10;
/// The memory hears what has been sent when it is so much.
const SENT_STEP: u64 = RING_BYTES / 4;

/// A connection with its smart buffers.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its channel, unless it waits to be accepted.
    pub(super) channel: Option<ChannelId>,
    pub(super) peer: Address,
    pub(super) intake: Intake<u8>,
    /// How many bytes were wanted so far.
    pub(super) wanted: u64,
    pub(super) outlet: Outlet,
    /// What the system was given and has not taken.
    pub(super) unwritten: usize,
    /// How much the memory knows to have been sent.
    pub(super) sent: u64,
    /// The program waits for room to write.
    pub(super) is_blocked: bool,
    /// The other end writes no more.
    pub(super) is_ended: bool,
    /// The system was told that nothing more will be written.
    pub(super) is_finished: bool,
    /// There is no connection any more.
    pub(super) is_gone: bool,
    /// It is a file.
    pub(super) file: Option<FileEnd>,
}

impl Connection {
    pub(super) fn new(peer: Address, release: Release) -> Self {
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
            file: None,
        }
    }

    /// The epoch that must be safe before somebody outside gets what waits for him. Nobody waits
    /// for what goes to a file: that may take as long as the clock gives it.
    pub(super) fn awaits(&self) -> Option<Epoch> {
        match self.file {
            Some(_) => None,
            None => self.outlet.awaits(),
        }
    }

    /// Whether the memory should hear how much was sent, or that all was.
    pub(super) fn has_news(&self) -> bool {
        let sent = self.settled() - self.sent;
        sent >= SENT_STEP || (self.is_blocked && sent > 0) || self.is_done()
    }
}

impl Channels {
    /// Breaks a connection of which nothing can be made any more.
    pub(super) fn break_off(&mut self, sockets: &mut impl Sockets, socket: SocketId) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        sockets.break_off(socket);
        connection.is_gone = true;
        self.due.extend(connection.channel);
    }

    /// Has the system read as much as there is room for.
    pub(super) fn want_more(&mut self, sockets: &mut impl Sockets, socket: SocketId) {
        let share = INPUT_BYTES / self.connections.len().max(1);
        let window = share.clamp(WINDOW_MIN, WINDOW_MAX) as u64;
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        let outstanding = connection.wanted - connection.intake.forgotten();
        let is_read = !connection.is_gone && connection.file.is_none();
        if is_read && outstanding <= window / 2 {
            let more = window - outstanding;
            connection.wanted += more;
            let more = usize::try_from(more).expect("at most a window");
            sockets.want(socket, more);
        }
    }

    /// Lets what may leave do so, and forgets what cannot be undone.
    pub(super) fn let_leave(&mut self, sockets: &mut impl Sockets, safe: Epoch) {
        self.safe = safe;
        let held = core::mem::take(&mut self.held);
        for socket in held {
            self.let_leave_of(sockets, socket);
        }
        for id in self.listeners.values() {
            let known = self.known.get_mut(id);
            if let Some(OurEnd::Listener(listening)) = known.map(|known| &mut known.end) {
                listening.waiting.safe(safe);
            }
        }
    }

    pub(super) fn let_leave_of(&mut self, sockets: &mut impl Sockets, socket: SocketId) {
        let Some(connection) = self.connections.get_mut(&socket) else {
            return;
        };
        let Connection { intake, outlet, .. } = connection;
        intake.safe(self.safe);
        outlet.safe(self.safe);
        if !connection.is_gone {
            let left = outlet.left();
            let bytes = outlet.leave(UNWRITTEN_MAX - connection.unwritten);
            if !bytes.is_empty() {
                connection.unwritten += bytes.len();
                match &connection.file {
                    Some(file) => sockets.write_at(socket, file.place_of(left), &bytes),
                    None => sockets.write(socket, &bytes),
                }
            }
            if outlet.ends() && connection.file.is_none() && !connection.is_finished {
                connection.is_finished = true;
                sockets.finish(socket);
            }
        }
        let is_held = outlet.is_waiting() || intake.forgotten() < intake.delivered();
        if is_held && !connection.is_gone {
            self.held.insert(socket);
        }
        if connection.has_news() {
            self.due.extend(connection.channel);
        }
        self.want_more(sockets, socket);
    }
}
