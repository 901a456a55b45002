//! A connection's bytes: a non-blocking socket between two buffers.
use alloc::vec::Vec;
use core::mem;

use seal::{Forged, RECORD_PLAIN_MAX, Session};

use crate::machine::{Machine, Received, Written};
use crate::outbox::{KEPT_BYTES, Outbox};

/// Bytes that one turn reads from a connection at most, so that none starves.
const TURN_BYTES: usize = 256 << 10;
/// Free space with which a read is worth its system call.
const READ_SPACE: usize = 64 << 10;
/// Bytes put under seal for one write, at least, if there are so many.
const SEALED_BYTES: usize = 256 << 10;

/// What a turn of reading left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Nothing more for now; the machine will report.
    Drained,
    /// Possibly more: read again in the next turn.
    Unread,
    /// The other end has closed; what was read so far is all.
    Closed,
    /// This system has waited for the other end's for too long.
    Silent,
    /// There was something that the other end has not sealed.
    Forged,
}

/// Whether the socket knows of its end before its bytes are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadSide {
    /// More may come.
    Open,
    /// The other end has closed or broken off; bytes that came before may be unread.
    Closing,
}

/// The connection takes no bytes any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gone;

/// Bytes received and not yet used. The buffer is written to once and then reused.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(
            count <= self.end - self.start,
            "only what is there can be used"
        );
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
        }
    }

    #[inline]
    fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.end < READ_SPACE {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() - self.end < READ_SPACE {
            let length = (self.bytes.len() * 2).max(2 * READ_SPACE);
            self.bytes.resize(length, 0);
        }
        &mut self.bytes[self.end..]
    }
}

/// A socket with its buffers.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    pub(crate) socket: S,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    seal: Option<Seal>,
    /// The last write found the socket full; the machine will report when it is not.
    is_blocked: bool,
}

/// What is between the buffers and the line.
#[derive(Debug)]
struct Seal {
    session: Session,
    /// Received and not opened yet: less than a record.
    inbox: Inbox,
    /// Sealed and not written yet.
    outbox: Outbox,
}

const _: () = assert!(READ_SPACE >= RECORD_PLAIN_MAX, "a record is opened into it");

impl<S> Stream<S> {
    pub(crate) fn new(socket: S, outbox: Outbox) -> Self {
        Self {
            socket,
            inbox: Inbox::default(),
            outbox,
            seal: None,
            is_blocked: false,
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// From here on everything is under seal, what was read and not used included: the
    /// caller reads on.
    pub(crate) fn begin_seal(&mut self, session: Session) {
        assert!(!self.is_sealed(), "a connection is sealed once");
        self.seal = Some(Seal {
            session,
            inbox: mem::take(&mut self.inbox),
            outbox: Outbox::default(),
        });
    }

    /// Bytes that are still to be written.
    pub(crate) fn pending(&self) -> usize {
        let sealed = self.seal.as_ref().map_or(0, |seal| seal.outbox.pending());
        self.outbox.pending() + sealed
    }

    /// Says something before anything that waits in the outbox. A fresh socket takes it
    /// whole; if not, the other end will miss it and close.
    pub(crate) fn say(&mut self, machine: &mut impl Machine<Socket = S>, bytes: &[u8]) {
        match &mut self.seal {
            None => {
                let _ = machine.write(&mut self.socket, bytes);
            }
            Some(seal) => {
                seal.session.seal(bytes, seal.outbox.tail());
                let (socket, outbox) = (&mut self.socket, &mut seal.outbox);
                let _ = write(machine, socket, outbox, &mut self.is_blocked);
            }
        }
    }

    /// Reads what is there, at most a turn's worth. Returns the bytes read as well.
    pub(crate) fn read_turn(
        &mut self,
        machine: &mut impl Machine<Socket = S>,
        side: ReadSide,
    ) -> (usize, Source) {
        let (count, source) = self.read_socket(machine, side);
        match self.open() {
            Ok(()) => (count, source),
            Err(Forged) => (count, Source::Forged),
        }
    }

    fn open(&mut self) -> Result<(), Forged> {
        let Some(seal) = &mut self.seal else {
            return Ok(());
        };
        while let Some(opened) = seal.session.open(seal.inbox.unread(), self.inbox.space())? {
            seal.inbox.consume(opened.record_bytes);
            self.inbox.end += opened.plain_bytes;
        }
        Ok(())
    }

    fn read_socket(
        &mut self,
        machine: &mut impl Machine<Socket = S>,
        side: ReadSide,
    ) -> (usize, Source) {
        let inbox = match &mut self.seal {
            Some(seal) => &mut seal.inbox,
            None => &mut self.inbox,
        };
        let mut total = 0;
        while total < TURN_BYTES {
            let space = inbox.space();
            let capacity = space.len();
            match machine.read(&mut self.socket, space) {
                Received::Bytes(count) => {
                    inbox.end += count;
                    total += count;
                    // A short read has emptied the socket, unless its end follows.
                    if count < capacity && side == ReadSide::Open {
                        return (total, Source::Drained);
                    }
                }
                Received::Nothing => return (total, Source::Drained),
                Received::Closed => return (total, Source::Closed),
                Received::Silent => return (total, Source::Silent),
            }
        }
        (total, Source::Unread)
    }

    /// The machine reports that the socket takes bytes again.
    pub(crate) fn on_writable(&mut self) {
        self.is_blocked = false;
    }

    /// Writes what the socket takes; returns how many bytes.
    pub(crate) fn flush(&mut self, machine: &mut impl Machine<Socket = S>) -> Result<usize, Gone> {
        let socket = &mut self.socket;
        let Some(seal) = &mut self.seal else {
            return write(machine, socket, &mut self.outbox, &mut self.is_blocked);
        };
        let mut total = 0;
        while self.outbox.pending() + seal.outbox.pending() > 0 && !self.is_blocked {
            seal.fill(&mut self.outbox);
            total += write(machine, socket, &mut seal.outbox, &mut self.is_blocked)?;
        }
        Ok(total)
    }
}

impl Seal {
    /// Puts what is to be sent under seal, enough for a write.
    fn fill(&mut self, plain: &mut Outbox) {
        while plain.pending() > 0 && self.outbox.pending() < SEALED_BYTES {
            let unsent = plain.unsent();
            let count = unsent.len().min(RECORD_PLAIN_MAX);
            self.session.seal(&unsent[..count], self.outbox.tail());
            plain.written(count);
        }
    }
}

fn write<M: Machine>(
    machine: &mut M,
    socket: &mut M::Socket,
    outbox: &mut Outbox,
    is_blocked: &mut bool,
) -> Result<usize, Gone> {
    let mut total = 0;
    while outbox.pending() > 0 && !*is_blocked {
        match machine.write(socket, outbox.unsent()) {
            Written::Bytes(count) => {
                outbox.written(count);
                total += count;
            }
            Written::Full => *is_blocked = true,
            Written::Gone => return Err(Gone),
        }
    }
    Ok(total)
}
