//! The first bytes on a connection between nodes.
use platform::ClusterId;
use types::NodeId;

use self::opening::{Hello, Opening, Part, Purpose};
use crate::Target;

/// The file itself: its crate shows it to nobody, and brings the compiler of guests along.
#[path = "../../../node/links/src/hello.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is written for its own crate")]
mod opening;

pub(crate) const TARGET: Target = Target {
    name: "hello",
    seeds: openings,
    check,
};

const HERE: ClusterId = ClusterId(7);
const ME: NodeId = NodeId(1);
const CALL: Hello = Hello {
    purpose: Purpose::Call,
    cluster: HERE,
    sender: NodeId(3),
    target: ME,
};

fn check(bytes: &[u8]) {
    let Some((opening, length)) = Opening::decode(bytes) else {
        return;
    };
    let said = &bytes[..length];
    assert_eq!(Opening::decode(said), Some((opening, length)));
    assert_eq!(Opening::decode(&said[..length - 1]), None);
    match opening {
        Opening::Nonsense | Opening::OtherVersion(_) => {}
        Opening::Handshake(part, message) => {
            assert_eq!(opening::encode_handshake(part, &message), said);
        }
        Opening::Hello(hello) => {
            assert_eq!(hello.encode(), said);
            if hello.check(HERE, ME).is_ok() {
                assert_eq!(hello.cluster, HERE);
            }
            // Whatever an answer says, the caller can say why it was turned away.
            let refusal = hello.refusal_of(CALL);
            assert!(!refusal.to_string().is_empty());
        }
    }
}

fn openings() -> Vec<Vec<u8>> {
    use Purpose::{Call, TurnAway, Welcome, WrongKey};
    let hellos = [Call, Welcome, TurnAway, WrongKey].map(|purpose| {
        let hello = Hello { purpose, ..CALL };
        hello.encode().to_vec()
    });
    let handshakes =
        [Part::Call, Part::Answer].map(|part| opening::encode_handshake(part, &[9; 48]));
    [&hellos[..], &handshakes].concat()
}
