//! Channels: what joins a program with the world outside of the cluster.
//!
//! A channel is part of the program's memory: what a step reads from it is read, and what it
//! writes is written, if and when the step commits. Nothing that comes in is lost or comes
//! twice, whatever is undone. A channel says that something happened to it by an event.
//!
//! Every `unsafe` block here passes the address and length of memory that the callee may
//! read or write for the duration of the call, or no memory at all.

use alloc::vec::Vec;

use crate::host;
use crate::raw;
use crate::step::Event;

/// What is read over the stack at a time.
const PIECE_BYTES: usize = 4096;

/// When what is written leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Release {
    /// When it is committed. If a failure undoes that after all, the connection breaks,
    /// unless the very same is written again.
    AtCommit,
    /// When nothing can undo it any more.
    AtStable,
}

impl Release {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::AtCommit => abi::release::AT_COMMIT,
            Self::AtStable => abi::release::AT_STABLE,
        }
    }
}

/// A place where a program listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener(i64);

/// A connection. A copy is the same connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection(i64);

/// The channel is gone: it was broken from outside, or its node has failed. It has still to
/// be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost;

/// What came of reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing yet: wait for the channel's event.
    Nothing,
    /// Nothing more will come: the other end has ended.
    End,
    /// The channel is gone.
    Lost,
}

impl Listener {
    /// Listens at an address, `ip:port`, at one node of the cluster; if that fails, at
    /// another one. `event` is signalled when somebody connects. Whatever uses the address
    /// now is waited for.
    pub fn bind(address: &str, release: Release, event: Event) -> Self {
        let (text, length) = (address.as_ptr(), address.len());
        // SAFETY: see the file's header.
        Self(unsafe { raw::listen(text, length, release.number(), event.0) })
    }

    /// The channel as one that is written to itself.
    pub(crate) fn into_connection(self) -> Connection {
        Connection(self.0)
    }

    /// The next connection, if there is one. The step that takes it says what its event is.
    pub fn accept(self, event: impl FnOnce(Connection) -> Event) -> Option<Connection> {
        accept(self.0, event)
    }

    /// Whether it is gone: the program had ended, and was brought back from a snapshot. It has
    /// to listen anew.
    pub fn is_lost(self) -> bool {
        read(self.0, &mut []) == Received::Lost
    }

    /// Listens no more. Connections stay.
    pub fn close(self) {
        // SAFETY: no memory is passed.
        unsafe { raw::channel_close(self.0) }
    }
}

impl Connection {
    /// Its number: for the argument of a worker, say.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The connection of this number.
    pub fn of_number(number: i64) -> Self {
        Self(number)
    }

    /// What is signalled when bytes come, when there is room again to write after there was
    /// not, and when it ends or is lost.
    pub fn set_event(self, event: Event) {
        // SAFETY: no memory is passed.
        unsafe { raw::channel_event(self.0, event.0) }
    }

    /// Reads what has come, as much as there is room for.
    pub fn read(self, buffer: &mut [u8]) -> Received {
        read(self.0, buffer)
    }

    /// Reads what has come, behind what is there already: about so many bytes at most. It comes
    /// over the stack, which costs no page of the memory.
    pub fn receive(self, to: &mut Vec<u8>, bytes_max: usize) -> Received {
        let mut buffer = [0; PIECE_BYTES];
        let mut total = 0;
        while total < bytes_max {
            match self.read(&mut buffer) {
                Received::Bytes(count) => {
                    to.extend_from_slice(&buffer[..count]);
                    total += count;
                    if count < buffer.len() {
                        break;
                    }
                }
                other if total == 0 => return other,
                _ => break,
            }
        }
        Received::Bytes(total)
    }

    /// Writes as much as there is room for: the other end may be slow. Says how much.
    pub fn write(self, bytes: &[u8]) -> Result<usize, Lost> {
        // SAFETY: see the file's header.
        let taken = unsafe { raw::channel_write(self.0, bytes.as_ptr(), bytes.len()) };
        usize::try_from(taken).map_err(|_| Lost)
    }

    /// Writes no more, and reads no more. What was written still goes out.
    pub fn close(self) {
        // SAFETY: no memory is passed.
        unsafe { raw::channel_close(self.0) }
    }
}

/// A connection, or something like it: programs can be tested without a cluster.
pub trait Stream {
    /// Reads what has come, as much as there is room for.
    fn read(&mut self, buffer: &mut [u8]) -> Received;

    /// Writes as much as there is room for; returns how much.
    ///
    /// # Errors
    /// If the connection is gone.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost>;
}

impl Stream for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> Received {
        Self::read(*self, buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        Self::write(*self, bytes)
    }
}

/// Ticks at given times of the wall clock, also if everything stops in between: then there is
/// one tick, the last of those that were missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer(i64);

impl Timer {
    /// Ticks once, so many nanoseconds from now on.
    pub fn after(nanoseconds: u64, event: Event) -> Self {
        Self::set(nanoseconds, 0, event)
    }

    /// Ticks every so many nanoseconds.
    pub fn every(nanoseconds: u64, event: Event) -> Self {
        assert!(nanoseconds > 0, "a period takes time");
        Self::set(nanoseconds, nanoseconds, event)
    }

    fn set(after: u64, period: u64, event: Event) -> Self {
        let first = host::clock_ns().saturating_add(after);
        let [first, period] = [first, period].map(|ns| i64::try_from(ns).unwrap_or(i64::MAX));
        // SAFETY: no memory is passed.
        Self(unsafe { raw::timer(first, period, event.0) })
    }

    /// The time at which it was to tick, in nanoseconds since 1970, of the next tick that was
    /// not taken yet; if there is none, wait for its event.
    pub fn take(self) -> Option<u64> {
        let mut time = [0; 8];
        match read(self.0, &mut time) {
            Received::Bytes(8) => Some(u64::from_le_bytes(time)),
            _ => None,
        }
    }

    /// Ticks no more. A timer that ticks once has to be cancelled, too.
    pub fn cancel(self) {
        // SAFETY: no memory is passed.
        unsafe { raw::channel_close(self.0) }
    }
}

/// The next channel whose number a channel gives.
pub(crate) fn accept(channel: i64, event: impl FnOnce(Connection) -> Event) -> Option<Connection> {
    let mut number = [0; 8];
    match read(channel, &mut number) {
        Received::Bytes(8) => {}
        _ => return None,
    }
    let connection = Connection(i64::from_le_bytes(number));
    connection.set_event(event(connection));
    Some(connection)
}

pub(crate) fn read(channel: i64, buffer: &mut [u8]) -> Received {
    // SAFETY: see the file's header.
    match unsafe { raw::channel_read(channel, buffer.as_mut_ptr(), buffer.len()) } {
        abi::channel::END => Received::End,
        abi::channel::LOST => Received::Lost,
        0 => Received::Nothing,
        count => Received::Bytes(usize::try_from(count).expect("a number of bytes")),
    }
}
