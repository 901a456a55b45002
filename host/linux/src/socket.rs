//! A connection of a program, with what is known of its two directions.
//!
//! The poll tells of each change once, so a connection remembers what it was told: that
//! there is something to read though nothing is wanted, or that its system takes no more.
use std::io::{ErrorKind, Read, Result, Write};

use links::Outbox;
use mio::net::TcpStream;
use types::Instant;

/// Bytes that are read at once at most.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// Bytes that are written to a connection in a turn at most.
const WRITE_BYTES: usize = 256 << 10;

/// What is known of the bytes that come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadSide {
    Open,
    /// The other end writes no more; what it has written may be unread.
    Closing,
    /// All was read.
    Ended,
}

/// What becomes of the bytes that go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WriteSide {
    Open,
    /// Nothing is added.
    Finishing,
    /// The other end was told that this is all.
    Finished,
}

/// A connection of a program.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) outbox: Outbox,
    /// So many bytes may still be read.
    pub(crate) wanted: usize,
    pub(crate) read_side: ReadSide,
    pub(crate) write_side: WriteSide,
    /// There may be something to read; the poll will not say it again.
    pub(crate) is_readable: bool,
    /// The last write found the socket full; the poll will tell when it is not.
    pub(crate) is_blocked: bool,
    /// Stands among those to be read.
    pub(crate) is_to_read: bool,
    /// Stands among those to be written.
    pub(crate) is_to_flush: bool,
    /// When it is over in any case. Invariant: stands among the deadlines.
    pub(crate) deadline: Option<Instant>,
}

/// What there was to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    Nothing,
    Bytes(usize),
    /// Bytes, and nobody wants them yet.
    Unwanted,
    End,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            outbox: Outbox::default(),
            wanted: 0,
            read_side: ReadSide::Open,
            write_side: WriteSide::Open,
            is_readable: false,
            is_blocked: false,
            is_to_read: false,
            is_to_flush: false,
            deadline: None,
        }
    }

    pub(crate) fn is_finished_here(&self) -> bool {
        self.write_side != WriteSide::Open
    }

    /// Bytes that may be read now; after the end of what is written here they are for
    /// nobody.
    pub(crate) fn space(&self) -> usize {
        if self.is_finished_here() {
            READ_BYTES
        } else {
            self.wanted.min(READ_BYTES)
        }
    }

    /// Whether a read may do something: an end is told even if nothing is wanted.
    pub(crate) fn has_to_read(&self) -> bool {
        let is_useful = self.space() > 0 || self.read_side == ReadSide::Closing;
        self.is_readable && self.read_side != ReadSide::Ended && is_useful
    }

    /// Writes what the socket takes, at most a turn's worth; returns how many bytes.
    pub(crate) fn write_turn(&mut self) -> Result<usize> {
        let mut total = 0;
        while self.outbox.pending() > 0 && !self.is_blocked && total < WRITE_BYTES {
            let unsent = self.outbox.unsent();
            let count = unsent.len().min(WRITE_BYTES - total);
            match self.socket.write(&unsent[..count]) {
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
        if self.outbox.pending() == 0 {
            // An idle connection holds no memory.
            self.outbox = Outbox::default();
        }
        Ok(total)
    }

    /// Reads at most so much once; into nothing it only looks.
    pub(crate) fn read_into(&mut self, buffer: &mut [u8]) -> Result<Found> {
        loop {
            let found = if buffer.is_empty() {
                self.socket.peek(&mut [0]).map(|count| match count {
                    0 => Found::End,
                    _ => Found::Unwanted,
                })
            } else {
                self.socket.read(buffer).map(|count| match count {
                    0 => Found::End,
                    count => Found::Bytes(count),
                })
            };
            match found {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Found::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                found => return found,
            }
        }
    }
}
