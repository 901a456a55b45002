//! The first bytes on a connection between nodes: who calls whom, in which language.
//!
//! The dialer says hello and then nothing until it is answered, so that a refusal
//! reaches it. Offsets in bytes, numbers little-endian:
//!
//! ```text
//! 0   8  "plurix\r\n": no text protocol and no cut-off transfer looks like it
//! 8   4  protocol version
//! 12  4  answer: 0 in a dialer's hello, 1 welcome, 2 turned away
//! 16  8  cluster id
//! 24  4  the sender's node id, 0 = no member yet
//! 28  4  whom it calls, 0 = whoever is there
//! ```
use platform::{ClusterId, Refusal};
use types::NodeId;

/// Version of what nodes say to each other; nodes of different versions do not talk.
pub const PROTOCOL_VERSION: u32 = 2;
/// Bytes of a hello.
pub const HELLO_SIZE: usize = 32;

const MAGIC: [u8; 8] = *b"plurix\r\n";

/// A process that is no member yet.
pub(crate) const NOBODY: NodeId = NodeId(0);

/// What a hello wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Call,
    Welcome,
    TurnAway,
}

/// A hello, either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    pub(crate) purpose: Purpose,
    pub(crate) cluster: ClusterId,
    pub(crate) sender: NodeId,
    pub(crate) target: NodeId,
}

impl Hello {
    pub(crate) fn new(
        purpose: Purpose,
        cluster: ClusterId,
        sender: NodeId,
        target: NodeId,
    ) -> Self {
        Self {
            version: PROTOCOL_VERSION,
            purpose,
            cluster,
            sender,
            target,
        }
    }

    pub(crate) fn encode(self) -> [u8; HELLO_SIZE] {
        let purpose: u32 = match self.purpose {
            Purpose::Call => 0,
            Purpose::Welcome => 1,
            Purpose::TurnAway => 2,
        };
        let mut bytes = [0; HELLO_SIZE];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..16].copy_from_slice(&purpose.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.cluster.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.sender.0.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.target.0.to_le_bytes());
        bytes
    }

    /// `None` if the bytes are no hello at all.
    pub(crate) fn decode(bytes: &[u8; HELLO_SIZE]) -> Option<Self> {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let purpose = match u32_at(12) {
            0 => Purpose::Call,
            1 => Purpose::Welcome,
            2 => Purpose::TurnAway,
            _ => return None,
        };
        let cluster = u64::from(u32_at(16)) | (u64::from(u32_at(20)) << 32);
        bytes.starts_with(&MAGIC).then_some(Self {
            version: u32_at(8),
            purpose,
            cluster: ClusterId(cluster),
            sender: NodeId(u32_at(24)),
            target: NodeId(u32_at(28)),
        })
    }

    /// What `self`, received by node `me` of `cluster`, has against being let in.
    pub(crate) fn check(self, cluster: ClusterId, me: NodeId) -> Result<(), Refusal> {
        if self.version != PROTOCOL_VERSION {
            return Err(Refusal::Version {
                expected: PROTOCOL_VERSION,
                found: self.version,
            });
        }
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
        if self.version != call.version {
            return Refusal::Version {
                expected: self.version,
                found: call.version,
            };
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

    #[test]
    fn a_hello_survives_the_line() {
        for purpose in [Purpose::Call, Purpose::Welcome, Purpose::TurnAway] {
            let hello = Hello::new(purpose, HERE, NodeId(3), NodeId(1));
            assert_eq!(Hello::decode(&hello.encode()), Some(hello));
        }
    }

    #[test]
    fn other_bytes_are_no_hello() {
        assert_eq!(Hello::decode(b"GET / HTTP/1.1\r\nHost: local.at\r\n"), None);
    }

    #[test]
    fn the_dialer_learns_what_the_door_had_against_it() {
        let call = Hello::new(Purpose::Call, HERE, NodeId(3), NodeId(1));
        let cases = [
            (Hello { version: 9, ..call }, HERE, NodeId(1)),
            (call, ClusterId(5), NodeId(1)),
            (call, HERE, NodeId(7)),
        ];
        for (call, cluster, me) in cases {
            let refusal = call.check(cluster, me).unwrap_err();
            let answer = Hello::new(Purpose::TurnAway, cluster, me, call.sender);
            assert_eq!(answer.refusal_of(call), refusal);
        }
    }
}
