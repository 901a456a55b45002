//! Links: reliable, ordered, one per pair of members, as long as they last.
//!
//! A link loses nothing and reorders nothing while it is up. When its connection
//! breaks, what was on the way in either direction may be lost; both ends are told
//! ([`crate::Event::LinkLost`]) before they see anything that came later. What a node has
//! sent before it was told is lost or has arrived, but never comes later: whoever is told
//! knows where the gap is. The end that breaks a link of its own accord is told first: the
//! other can notice only when that event has been handled. A link to a peer that is still
//! wanted is then set up again, with growing pauses.
use core::fmt;
use types::NodeId;
use wire::Envelope;

/// Names a cluster, so that nodes of two clusters never talk by mistake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// A connection whose other end is no member yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JoinerId(pub u64);

/// Why a process is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It does not speak our language at all.
    NoNode,
    /// It speaks another version of the protocol.
    Version {
        /// Ours.
        expected: u32,
        /// Theirs.
        found: u32,
    },
    /// It belongs to another cluster.
    Cluster {
        /// Ours.
        expected: ClusterId,
        /// Theirs.
        found: ClusterId,
    },
    /// The two ends do not have the same key.
    Key,
    /// It looks for a node that is not here (any more).
    Target {
        /// Who is here.
        expected: NodeId,
        /// Whom it looks for.
        found: NodeId,
    },
}

/// Why a connection is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LostWhy {
    /// The other end's process died, or closed it.
    Closed,
    /// Nobody listens at the address.
    Unreachable,
    /// The other end turned us away.
    Refused(Refusal),
    /// The other end sent bytes that are no message.
    Malformed(wire::DecodeError),
    /// The other end sent messages in another node's name.
    WrongSender(NodeId),
    /// Somebody has changed what the other end sent.
    Forged,
    /// The other end does not read what we send.
    Stuck,
    /// The other end's machine does not answer for its system: it is off, or the network
    /// between is broken.
    Silent,
    /// The other end came back over a new connection.
    Replaced,
}

impl LostWhy {
    /// Whether the process at the other end is known to be dead, rather than not to be
    /// reached: its system has closed the connection, or another process is there now.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Closed | Self::Refused(Refusal::Target { .. }))
    }
}

/// What the links have done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkCounters {
    /// Messages given to links.
    pub messages_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Bytes written to connections.
    pub bytes_sent: u64,
    /// Bytes read from connections.
    pub bytes_received: u64,
    /// Links and joiners' connections lost.
    pub lost: u64,
    /// Processes turned away at the door.
    pub refused: u64,
    /// Connections closed because of bytes that are no message.
    pub malformed: u64,
    /// Connections closed because of bytes that the other end has not sealed.
    pub forged: u64,
}

impl LinkCounters {
    /// Connections on which somebody was or said what does not belong here.
    #[must_use]
    pub fn intruders(&self) -> u64 {
        self.refused + self.malformed + self.forged
    }
}

/// A node's links.
pub trait Links {
    /// Says who we are from now on. Before, we are a joining process.
    fn become_node(&mut self, me: NodeId);

    /// Where peers reach this node, as `ip:port`.
    fn address(&self) -> alloc::string::String;

    /// Calls a process at `address` (`ip:port`) of which only that is known; what it
    /// says comes as [`crate::Event::Joiner`], its absence as
    /// [`crate::Event::JoinerLost`].
    fn call(&mut self, address: &str) -> JoinerId;

    /// Wants a link with the member `node` at `address`. The node with the higher id
    /// dials. If there is one already, nothing changes.
    fn connect(&mut self, node: NodeId, address: &str);

    /// Wants no link with `node` any more. What was sent before is still written if
    /// that is possible at once.
    fn disconnect(&mut self, node: NodeId);

    /// Makes the joiner's connection the link with the member `node`. What it has said
    /// in nobody's name and was not taken yet, or says while the news that it is a member
    /// are under way, is dropped: it asks again and again until it is let in.
    fn bind(&mut self, joiner: JoinerId, node: NodeId);

    /// Sends to a peer that is wanted. Never blocks; kept while the link is not up.
    /// Dropped if the peer is not wanted.
    fn send(&mut self, to: NodeId, envelope: &Envelope);

    /// Sends to a joiner; dropped if it is gone.
    fn send_joiner(&mut self, joiner: JoinerId, envelope: &Envelope);

    /// Bytes that were sent to the peer and could not be written yet: back-pressure.
    fn pending_bytes(&self, to: NodeId) -> usize;

    /// Writes what has been sent, as far as connections take it.
    fn flush(&mut self);

    /// What the links have done so far.
    fn counters(&self) -> LinkCounters;
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode => write!(f, "expected a node of a cluster, found something else"),
            Self::Version { expected, found } => {
                write!(f, "expected protocol version {expected}, found {found}")
            }
            Self::Cluster { expected, found } => {
                write!(
                    f,
                    "expected a node of cluster {expected}, found one of {found}"
                )
            }
            Self::Key => write!(
                f,
                "expected the key of the cluster at both ends, found different ones or none"
            ),
            Self::Target { expected, found } => {
                write!(
                    f,
                    "expected a call for node {expected}, found one for {found}"
                )
            }
        }
    }
}

impl fmt::Display for LostWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "connection closed by the other end"),
            Self::Unreachable => write!(f, "nobody listens at the address"),
            Self::Refused(refusal) => write!(f, "turned away: {refusal}"),
            Self::Malformed(error) => write!(f, "malformed message: {error}"),
            Self::WrongSender(node) => write!(f, "message in the name of node {node}"),
            Self::Forged => write!(f, "bytes that the other end has not sealed"),
            Self::Stuck => write!(f, "the other end does not read what is sent"),
            Self::Silent => write!(f, "the other end's machine does not answer"),
            Self::Replaced => write!(f, "the other end came back over a new connection"),
        }
    }
}
