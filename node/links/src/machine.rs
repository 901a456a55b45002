//! What links and tools' connections need of the machine on which they are: its TCP, a
//! clock and randomness.
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use platform::Entropy;
use types::Instant;

use crate::silence::Flight;

/// Names a connection, a door or whatever else the machine reports about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub usize);

/// What a read has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// So many bytes, at least one. Fewer than there was space for: these were all.
    Bytes(usize),
    /// Nothing for now; the machine reports when there is more.
    Nothing,
    /// The other end has closed, or broken off; what was read so far is all.
    Closed,
    /// This machine has waited for the other end's for too long, or has no way to it.
    Silent,
}

/// What has become of bytes that were to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// So many were taken, at least one.
    Bytes(usize),
    /// There is no room for now; the machine reports when there is.
    Full,
    /// The connection takes no bytes any more.
    Gone,
}

/// A machine's TCP. No call waits.
///
/// A socket that is registered is reported about whenever something changes: that there
/// is something to read, or its end ([`crate::Exchange::on_readable`]), that there is
/// room to write again, or that a call has ended
/// ([`crate::Exchange::on_writable`]). A report without a reason is harmless, with one
/// exception: that of the end of a call.
pub trait Machine: Entropy {
    /// A connection, or a call that may become one.
    type Socket: fmt::Debug;

    /// Now, on the node's own monotonic clock.
    fn now(&self) -> Instant;

    /// Whether who has that address is reached without a network on which others are:
    /// without a key nobody else is called or let in.
    fn is_here(&self, address: IpAddr) -> bool;

    /// Begins to call `to`, from the address `from` if that is possible. `None`: it
    /// cannot be called now.
    fn dial(&mut self, from: IpAddr, to: SocketAddr) -> Option<Self::Socket>;

    /// Whether a call, which has ended, has reached somebody, and not itself.
    fn has_reached(&mut self, socket: &mut Self::Socket) -> bool;

    /// Reports about the socket under this token from now on. What is written to it goes
    /// at once: small messages do not wait for one another.
    fn register(&mut self, socket: &mut Self::Socket, token: Token);

    /// Reports about it no more. It stays open.
    fn forget(&mut self, socket: &mut Self::Socket);

    /// Reads what is there, if it is a call that has reached somebody or was accepted.
    fn read(&mut self, socket: &mut Self::Socket, space: &mut [u8]) -> Received;

    /// Writes as much as there is room for.
    fn write(&mut self, socket: &mut Self::Socket, bytes: &[u8]) -> Written;

    /// Tells the other end that nothing more will come. Bytes already written still arrive.
    fn finish(&mut self, socket: &mut Self::Socket);

    /// Ends the connection, which is registered no more. Bytes already written still
    /// arrive; the other end learns that it is over, also if it says nothing.
    fn close(&mut self, socket: Self::Socket);

    /// What is on its way over it; `None` if the machine cannot say. Then its reads have
    /// to tell of silence.
    fn flight(&mut self, socket: &Self::Socket) -> Option<Flight>;
}
