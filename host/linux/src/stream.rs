//! A connection's bytes: a non-blocking socket between two buffers.
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use seal::{Forged, RECORD_PLAIN_MAX, Session};

/// Bytes that one turn reads from a connection at most, so that none starves.
const TURN_BYTES: usize = 256 << 10;
/// Free space with which a read is worth its system call.
const READ_SPACE: usize = 64 << 10;
/// Bytes put under seal for one write, at least, if there are so many.
const SEALED_BYTES: usize = 256 << 10;
/// A buffer that grew beyond this is given back once it is empty.
const KEPT_BYTES: usize = 4 << 20;

/// What a turn of reading left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Nothing more for now; the poll will tell.
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
pub(crate) enum ReadSide {
    Open,
    Closing,
}

/// Bytes received and not yet used. The buffer is written to once and then reused.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

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

/// Bytes to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    pub(crate) fn pending(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Where to append.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        // Written bytes go once they outweigh the rest: each is moved at most once.
        if self.start > self.bytes.len() / 2 {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(self.bytes.len() - self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn written(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
            self.start = 0;
        }
    }
}

/// A socket with its buffers.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    seal: Option<Seal>,
    /// The last write found the socket full; the poll will tell when it is not.
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

impl Stream {
    pub(crate) fn new(socket: TcpStream, outbox: Outbox) -> Self {
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
            inbox: std::mem::take(&mut self.inbox),
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
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let _ = match &mut self.seal {
            None => self.socket.write(bytes),
            Some(seal) => {
                seal.session.seal(bytes, seal.outbox.tail());
                write(&mut self.socket, &mut seal.outbox, &mut self.is_blocked)
            }
        };
    }

    /// Reads what is there, at most a turn's worth. Returns the bytes read as well.
    pub(crate) fn read_turn(&mut self, side: ReadSide) -> (usize, Source) {
        let (count, source) = self.read_socket(side);
        match self.open() {
            Ok(()) => (count, source),
            Err(Forged) => (count, Source::Forged),
        }
    }

    fn open(&mut self) -> std::result::Result<(), Forged> {
        let Some(seal) = &mut self.seal else {
            return Ok(());
        };
        while let Some(opened) = seal.session.open(seal.inbox.unread(), self.inbox.space())? {
            seal.inbox.consume(opened.record_bytes);
            self.inbox.end += opened.plain_bytes;
        }
        Ok(())
    }

    fn read_socket(&mut self, side: ReadSide) -> (usize, Source) {
        let inbox = match &mut self.seal {
            Some(seal) => &mut seal.inbox,
            None => &mut self.inbox,
        };
        let mut total = 0;
        while total < TURN_BYTES {
            let space = inbox.space();
            let capacity = space.len();
            match self.socket.read(space) {
                Ok(0) => return (total, Source::Closed),
                Ok(count) => {
                    inbox.end += count;
                    total += count;
                    // A short read has emptied the socket, unless its end follows.
                    if count < capacity && side == ReadSide::Open {
                        return (total, Source::Drained);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return (total, Source::Drained);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (total, end_of(&error)),
            }
        }
        (total, Source::Unread)
    }

    /// The poll says that the socket takes bytes again.
    pub(crate) fn on_writable(&mut self) {
        self.is_blocked = false;
    }

    /// Writes what the socket takes; returns how many bytes.
    pub(crate) fn flush(&mut self) -> Result<usize> {
        let Some(seal) = &mut self.seal else {
            return write(&mut self.socket, &mut self.outbox, &mut self.is_blocked);
        };
        let mut total = 0;
        while self.outbox.pending() + seal.outbox.pending() > 0 && !self.is_blocked {
            seal.fill(&mut self.outbox);
            total += write(&mut self.socket, &mut seal.outbox, &mut self.is_blocked)?;
        }
        Ok(total)
    }

    /// Says that nothing more will come. Bytes already written still arrive.
    pub(crate) fn finish(&mut self) {
        // A socket that is gone already has nothing to finish.
        let _ = self.socket.shutdown(Shutdown::Write);
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

/// Who has ended the connection: the other end, or this one, which does not reach it.
fn end_of(error: &Error) -> Source {
    match error.kind() {
        ErrorKind::TimedOut
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => Source::Silent,
        _ => Source::Closed,
    }
}

fn write(socket: &mut TcpStream, outbox: &mut Outbox, is_blocked: &mut bool) -> Result<usize> {
    let mut total = 0;
    while outbox.pending() > 0 && !*is_blocked {
        match socket.write(outbox.unsent()) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                outbox.written(count);
                total += count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => *is_blocked = true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
