//! Channels: what joins a program with the world outside of the cluster.
//!
//! A channel is part of the program's memory: what a step reads from it is read, and what it
//! writes is written, if and when the step commits. Nothing that comes in is lost or comes
//! twice, whatever is undone. A channel says that something happened to it by an event.
//!
//! Every `unsafe` block here passes the address and length of memory that the callee may
//! read or write for the duration of the call, or no memory at all.

use crate::raw;
use crate::step::Event;

/// When what is written leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Release {
    /// When it is committed. If a failure undoes that after all, the connection breaks,
    /// unless the very same is written again.
    AtCommit,
    /// When nothing can undo it any more.
    AtStable,
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
        let release = match release {
            Release::AtCommit => abi::release::AT_COMMIT,
            Release::AtStable => abi::release::AT_STABLE,
        };
        // SAFETY: see the file's header.
        Self(unsafe { raw::listen(address.as_ptr(), address.len(), release, event.0) })
    }

    /// The next connection, if there is one. The step that takes it says what its event is.
    pub fn accept(self, event: impl FnOnce(Connection) -> Event) -> Option<Connection> {
        let mut number = [0; 8];
        match read(self.0, &mut number) {
            Received::Bytes(8) => {}
            _ => return None,
        }
        let connection = Connection(i64::from_le_bytes(number));
        connection.set_event(event(connection));
        Some(connection)
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

fn read(channel: i64, buffer: &mut [u8]) -> Received {
    // SAFETY: see the file's header.
    match unsafe { raw::channel_read(channel, buffer.as_mut_ptr(), buffer.len()) } {
        abi::channel::END => Received::End,
        abi::channel::LOST => Received::Lost,
        0 => Received::Nothing,
        count => Received::Bytes(usize::try_from(count).expect("a number of bytes")),
    }
}
