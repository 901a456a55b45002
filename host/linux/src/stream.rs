//! A connection's bytes: a non-blocking socket between two buffers.
use std::io::{ErrorKind, Read, Result, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

/// Bytes that one turn reads from a connection at most, so that none starves.
const TURN_BYTES: usize = 256 << 10;
/// Free space with which a read is worth its system call.
const READ_SPACE: usize = 64 << 10;
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

    fn written(&mut self, count: usize) {
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
    /// The last write found the socket full; the poll will tell when it is not.
    is_blocked: bool,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream, outbox: Outbox) -> Self {
        Self {
            socket,
            inbox: Inbox::default(),
            outbox,
            is_blocked: false,
        }
    }

    /// Reads what is there, at most a turn's worth. Returns the bytes read as well.
    pub(crate) fn read_turn(&mut self, side: ReadSide) -> (usize, Source) {
        let mut total = 0;
        while total < TURN_BYTES {
            let space = self.inbox.space();
            let capacity = space.len();
            match self.socket.read(space) {
                Ok(0) => return (total, Source::Closed),
                Ok(count) => {
                    self.inbox.end += count;
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
                Err(_) => return (total, Source::Closed),
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
        let mut total = 0;
        while self.outbox.pending() > 0 && !self.is_blocked {
            match self.socket.write(&self.outbox.bytes[self.outbox.start..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.outbox.written(count);
                    total += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Says that nothing more will come. Bytes already written still arrive.
    pub(crate) fn finish(&mut self) {
        // A socket that is gone already has nothing to finish.
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}
