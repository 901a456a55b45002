//! What happens to a node from outside, one event at a time.
use adapter::input::InputEvent;
use alloc::vec::Vec;
use types::{Instant, NodeId};
use wire::Envelope;

use crate::{JoinerId, LostWhy, Refusal, RequestId, SocketEvent};

/// How long to wait for an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not at all.
    No,
    /// Until something happens, at most until then.
    Until(Instant),
}

impl Wait {
    /// Whether nothing is waited for any more.
    #[must_use]
    pub fn is_over(self, now: Instant) -> bool {
        match self {
            Self::No => true,
            Self::Until(until) => until <= now,
        }
    }
}

/// Something that happened outside of the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A peer said something. The sender in the envelope is the link's peer.
    Message(Envelope),
    /// The link with this peer works now (again).
    LinkUp(NodeId),
    /// The link with this peer, which was up or was refused for good, is lost, and
    /// with it possibly messages in both directions.
    LinkLost {
        /// The peer.
        node: NodeId,
        /// Why.
        why: LostWhy,
    },
    /// A process that is no member yet (or, at a joining process, the one that it
    /// called) said something.
    Joiner {
        /// Whom to answer.
        joiner: JoinerId,
        /// What it said.
        envelope: Envelope,
    },
    /// The connection with a joiner is gone. Not reported for one that was bound.
    JoinerLost {
        /// Which.
        joiner: JoinerId,
        /// Why.
        why: LostWhy,
    },
    /// A process was turned away at the door. For the log.
    Refused(Refusal),
    /// A tool asks something; it is owed one reply.
    Request {
        /// Whom to answer.
        id: RequestId,
        /// The question.
        bytes: Vec<u8>,
    },
    /// A tool hung up before it had its reply; none is owed any more.
    RequestGone {
        /// Which.
        id: RequestId,
    },
    /// Something happened to a socket of a program.
    Socket(SocketEvent),
    /// Somebody has used the keyboard or the pointer of this machine.
    Felt(InputEvent),
    /// Somebody has typed at the terminal of this machine.
    Typed(Vec<u8>),
    /// The waker was called since the last such event.
    Woken,
}

/// Where a node's events come from.
pub trait Events {
    /// The next event, `None` if there was none in time. Flushes what was sent before
    /// it waits. Bounded work per call; never starves a source.
    fn next_event(&mut self, wait: Wait) -> Option<Event>;
}
