//! The first bytes on a connection between nodes: who calls whom, in which language.
//!
//! The dialer says hello and then nothing until it is answered, so that a refusal
//! reaches it. Offsets in bytes, numbers little-endian:
//!
//! ```text
//! 0   8  "plurix\r\n": no text protocol and no cut-off transfer looks like it
//! 8   4  protocol version
//! 12  4  0 a dialer's hello, 1 welcome, 2 turned away, 3 turned away for its key
//! 16  8  cluster id
//! 24  4  the sender's node id, 0 = no member yet
//! 28  4  whom it calls, 0 = whoever is there
//! ```
//!
//! In a cluster with a key a handshake comes before, and everything after it, the hellos
//! too, is under seal (the crate `seal` says how). Only who turns a caller away before
//! that does so in the open.
//!
//! ```text
//! 0   8  as above
//! 8   4  protocol version
//! 12  4  4 the dialer's part, 5 the answer
//! 16 48  the message
//! ```
use alloc::vec::Vec;
use platform::{ClusterId, Refusal};
use seal::HANDSHAKE_SIZE;
use types::NodeId;

/// Version of what nodes say to each other; nodes of different versions do not talk.
pub const PROTOCOL_VERSION: u32 = 8;
/// Bytes of a hello.
pub const HELLO_SIZE: usize = 32;
/// What a handshake binds the session to, of what was said before it in the open.
pub(crate) const CONTEXT: &[u8] = b"plurix links, version 4";

const HEAD_SIZE: usize = 16;
const MAGIC: [u8; 8] = *b"plurix\r\n";

/// A process that is no member yet.
pub(crate) const NOBODY: NodeId = NodeId(0);

/// What a hello wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Call,
    Welcome,
    TurnAway,
    WrongKey,
}

/// What a connection's first bytes are, or the first under its seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opening {
    /// Nothing that a node says.
    Nonsense,
    /// What a node of another version says.
    OtherVersion(u32),
    Hello(Hello),
    Handshake(Part, [u8; HANDSHAKE_SIZE]),
}

/// Parts of a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Call,
    Answer,
}

impl Opening {
    /// What the bytes begin with, and how many they are; `None` if there are too few.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_SIZE>()?;
        let word = |at: usize| u32_at(head, at);
        if !head.starts_with(&MAGIC) {
            return Some((Self::Nonsense, HEAD_SIZE));
        }
        if word(8) != PROTOCOL_VERSION {
            return Some((Self::OtherVersion(word(8)), HEAD_SIZE));
        }
        let handshake = |part| {
            let message = rest.first_chunk()?;
            Some((Self::Handshake(part, *message), HEAD_SIZE + HANDSHAKE_SIZE))
        };
        let hello = |purpose| {
            let body = rest.first_chunk()?;
            Some((Self::Hello(Hello::decode(purpose, body)), HELLO_SIZE))
        };
        match word(12) {
            0 => hello(Purpose::Call),
            1 => hello(Purpose::Welcome),
            2 => hello(Purpose::TurnAway),
            3 => hello(Purpose::WrongKey),
            4 => handshake(Part::Call),
            5 => handshake(Part::Answer),
            _ => Some((Self::Nonsense, HEAD_SIZE)),
        }
    }
}

/// A part of a handshake as it goes over the line.
pub(crate) fn encode_handshake(part: Part, message: &[u8; HANDSHAKE_SIZE]) -> Vec<u8> {
    let kind = match part {
        Part::Call => 4,
        Part::Answer => 5,
    };
    [&head(kind)[..], message].concat()
}

fn head(kind: u32) -> [u8; HEAD_SIZE] {
    let mut head = [0; HEAD_SIZE];
    head[0..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
    head[12..16].copy_from_slice(&kind.to_le_bytes());
    head
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A hello, either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    pub(crate) purpose: Purpose,
    pub(crate) cluster: ClusterId,
    pub(crate) sender: NodeId,
    pub(crate) target: NodeId,
}

impl Hello {
    pub(crate) fn encode(self) -> [u8; HELLO_SIZE] {
        let kind = match self.purpose {
            Purpose::Call => 0,
            Purpose::Welcome => 1,
            Purpose::TurnAway => 2,
            Purpose::WrongKey => 3,
        };
        let mut bytes = [0; HELLO_SIZE];
        bytes[0..16].copy_from_slice(&head(kind));
        bytes[16..24].copy_from_slice(&self.cluster.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.sender.0.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.target.0.to_le_bytes());
        bytes
    }

    /// From what follows the head.
    fn decode(purpose: Purpose, body: &[u8; HELLO_SIZE - HEAD_SIZE]) -> Self {
        let cluster = u64::from(u32_at(body, 0)) | (u64::from(u32_at(body, 4)) << 32);
        Self {
            purpose,
            cluster: ClusterId(cluster),
            sender: NodeId(u32_at(body, 8)),
            target: NodeId(u32_at(body, 12)),
        }
    }

    /// What `self`, received by node `me` of `cluster`, has against being let in.
    pub(crate) fn check(self, cluster: ClusterId, me: NodeId) -> Result<(), Refusal> {
        if self.cluster != cluster {
            return Err(Refusal::Cluster {
                expected: cluster,
                found: self.cluster,
            });
        }
        if self.target != NOBODY && self.target != me {
            return Err(Refusal::Target {
                expected: me,
                found: self.target,
            });
        }
        Ok(())
    }

    /// What the process that sent this answer had against `call`.
    pub(crate) fn refusal_of(self, call: Self) -> Refusal {
        if self.purpose == Purpose::WrongKey {
            return Refusal::Key;
        }
        if self.cluster != call.cluster {
            return Refusal::Cluster {
                expected: self.cluster,
                found: call.cluster,
            };
        }
        Refusal::Target {
            expected: self.sender,
            found: call.target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ClusterId = ClusterId(0x1122_3344_5566_7788);
    const CALL: Hello = Hello {
        purpose: Purpose::Call,
        cluster: HERE,
        sender: NodeId(3),
        target: NodeId(1),
    };

    #[test]
    fn openings_survive_the_line_however_they_arrive() {
        let message = [7; HANDSHAKE_SIZE];
        let hello = |purpose| {
            let hello = Hello { purpose, ..CALL };
            (hello.encode().to_vec(), Opening::Hello(hello))
        };
        let handshake = |part| {
            let bytes = encode_handshake(part, &message);
            (bytes, Opening::Handshake(part, message))
        };
        let cases = [
            hello(Purpose::Call),
            hello(Purpose::Welcome),
            hello(Purpose::TurnAway),
            hello(Purpose::WrongKey),
            handshake(Part::Call),
            handshake(Part::Answer),
        ];
        for (bytes, opening) in cases {
            for length in 0..bytes.len() {
                assert_eq!(Opening::decode(&bytes[..length]), None);
            }
            let more = [&bytes[..], b"more"].concat();
            assert_eq!(Opening::decode(&more), Some((opening, bytes.len())));
        }
    }

    #[test]
    fn other_bytes_open_nothing() {
        let text = b"GET / HTTP/1.1\r\nHost: local.at\r\n";
        let nonsense = Some((Opening::Nonsense, HEAD_SIZE));
        assert_eq!(Opening::decode(text), nonsense);
        assert_eq!(Opening::decode(&head(6)), nonsense);
        let mut later = CALL.encode();
        later[8] += 1;
        let found = PROTOCOL_VERSION + 1;
        let expected = Some((Opening::OtherVersion(found), HEAD_SIZE));
        assert_eq!(Opening::decode(&later), expected);
    }

    #[test]
    fn the_dialer_learns_what_the_door_had_against_it() {
        for (cluster, me) in [(ClusterId(5), NodeId(1)), (HERE, NodeId(7))] {
            let refusal = CALL.check(cluster, me).unwrap_err();
            let answer = Hello {
                purpose: Purpose::TurnAway,
                cluster,
                sender: me,
                target: CALL.sender,
            };
            assert_eq!(answer.refusal_of(CALL), refusal);
        }
    }
}
