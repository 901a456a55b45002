//! Sockets: byte streams between programs and the world outside of the cluster. Files that are
//! appended to are such, too.
//!
//! Everything goes by credit. A world reads from a connection no more than it was asked to,
//! so a peer that writes faster than programs read is stopped by its own system; it says how
//! much of what it was given has gone to the system, so a peer that does not read is seen.
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A place where a node listens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u64);

/// What is spoken at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Streams of bytes, each from one caller: TCP.
    Stream,
    /// Datagrams, from anybody: UDP. Nobody calls: there is one connection, the port's *line*, at
    /// once, and another one when that is over. On it each datagram is a frame
    /// (`adapter::datagram`). What comes and is not wanted is dropped, and counted there.
    Datagrams,
}

/// A connection. Numbers are never used again in a node's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub u64);

/// Something that happened to a socket. For each connection: `Accepted`; then `Received`,
/// `Written`, and at most one `Ended`; then `Gone`, and nothing more. For each file: `Opened`,
/// then `Written`; in the place of either `Failed`, and nothing more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SocketEvent {
    /// Somebody connected. Nothing is read before [`Sockets::want`].
    Accepted {
        /// Where.
        listener: ListenerId,
        /// The new connection.
        socket: SocketId,
        /// The other end.
        peer: SocketAddr,
    },
    /// Bytes came, no more than were wanted and at least one.
    Received {
        /// On this connection.
        socket: SocketId,
        /// What came.
        bytes: Vec<u8>,
    },
    /// The other end writes no more. It may still read.
    Ended {
        /// On this connection.
        socket: SocketId,
    },
    /// The system has taken so many more bytes of what was to be written.
    Written {
        /// On this connection.
        socket: SocketId,
        /// How many, at least one.
        bytes: usize,
    },
    /// A file is open, and has so many bytes.
    Opened {
        /// This file.
        socket: SocketId,
        /// Its length.
        length: u64,
    },
    /// A file cannot be opened, or not be written any more. Its number is forgotten.
    Failed {
        /// This file.
        socket: SocketId,
        /// Why, for people.
        why: String,
    },
    /// The connection is over: the other end broke it, or both ends have ended, or it was
    /// broken here. Its number is forgotten.
    Gone {
        /// This connection.
        socket: SocketId,
    },
}

/// Connections of programs, and files. Calls with a number that is not known any more do nothing:
/// the event that says so is on its way.
pub trait Sockets {
    /// Listens at an address; port 0 is any free port. Gives where it listens.
    ///
    /// # Errors
    /// Why it cannot, in the system's words.
    fn listen(
        &mut self,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), String>;

    /// Listens there no more. Connections stay.
    fn unlisten(&mut self, listener: ListenerId);

    /// So many more bytes may be read from the connection.
    fn want(&mut self, socket: SocketId, bytes: usize);

    /// Writes behind what was written before, as the other end reads.
    fn write(&mut self, socket: SocketId, bytes: &[u8]);

    /// Nothing more will be written: when all has gone, the other end is told. When that
    /// has ended, too, or does not within a few seconds, the connection is gone.
    fn finish(&mut self, socket: SocketId);

    /// Opens a file of the directory that the operator has named, makes it if there is none, and
    /// says `Opened` when that is done. It has a number as connections have. A world need have no
    /// files.
    ///
    /// # Errors
    /// Why it cannot, for people.
    fn open_file(&mut self, name: &str) -> Result<SocketId, String> {
        Err(format!(
            "append to the file {name}: this machine has no directory for files"
        ))
    }

    /// Writes at this place of an open file, behind all that was to be written before; says
    /// `Written` when that is on the disk. What is there already must be the same, which is
    /// written again after whatever has happened, and the file must be that long.
    fn write_at(&mut self, file: SocketId, place: u64, bytes: &[u8]) {
        let _ = (file, place, bytes);
    }

    /// Breaks the connection: what was not sent is lost, and the other end sees that it was
    /// broken. Of a file, nothing more is written than what was to be.
    fn break_off(&mut self, socket: SocketId);
}
