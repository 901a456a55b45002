//! Messages between nodes. The input is a body; its header is made to fit, since no fuzzer
//! guesses a checksum. As it is, it is tried too.
use types::{Epoch, NodeId, PAGE_SIZE, PageId, Seq, Stamp, Version, ViewNumber};
use wire::{Envelope, HEADER_SIZE, Hold, Image, Message, PageVersion};

use crate::{Target, seeds};

pub(crate) const TARGET: Target = Target {
    name: "wire",
    seeds: bodies,
    check,
};

/// Sender, view and epoch.
const BEFORE_KIND: [u8; 3] = [3, 2, 1];

fn check(body: &[u8]) {
    // Most likely an error, and in any case no panic.
    let _ = wire::decode(body);
    let mut line = header(body).to_vec();
    line.extend_from_slice(body);
    assert_eq!(wire::decode(&line[..line.len() - 1]), Ok(None));
    let decoded = wire::decode(&line);
    line.push(0xFF);
    assert_eq!(wire::decode(&line), decoded, "what follows does not matter");
    let Ok(Some((envelope, length))) = decoded else {
        return;
    };
    assert_eq!(length, line.len() - 1);
    let again = encoded(&envelope);
    assert_eq!(wire::decode(&again), Ok(Some((envelope, again.len()))));
}

fn header(body: &[u8]) -> [u8; HEADER_SIZE] {
    let length = u32::try_from(body.len()).expect("inputs are short");
    let mut header = [0; HEADER_SIZE];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    header
}

fn encoded(envelope: &Envelope) -> Vec<u8> {
    let mut line = Vec::new();
    wire::encode(envelope, &mut line);
    line
}

fn bodies() -> Vec<Vec<u8>> {
    let decodes = |body: &[u8]| {
        let line = [&header(body), body].concat();
        wire::decode(&line).is_ok()
    };
    let mut bodies = seeds::of_each_kind(&BEFORE_KIND, decodes);
    let mut sparse = [0; PAGE_SIZE];
    sparse[1000..1020].fill(7);
    for page in [sparse, [0xA5; PAGE_SIZE]] {
        bodies.push(encoded(&data(&page))[HEADER_SIZE..].to_vec());
    }
    bodies
}

/// A page on its way, the only thing in a message that has a format of its own.
fn data(page: &[u8; PAGE_SIZE]) -> Envelope {
    Envelope {
        from: NodeId(3),
        view: ViewNumber(2),
        epoch: Epoch(1 << 40),
        message: Message::Data {
            page: PageId::new(300, 77),
            seq: Seq(9),
            content: PageVersion {
                version: Version(5),
                stamp: Stamp::ZERO,
                image: Image::of(page),
            },
            hold: Hold::Exclusive,
        },
    }
}
