//! What voters say to each other and write down.
use control::{Packet, Record};

use crate::{Target, seeds};

pub(crate) const TARGET: Target = Target {
    name: "control",
    seeds: values,
    check,
};

fn check(bytes: &[u8]) {
    if let Ok(packet) = Packet::decode(bytes) {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

fn values() -> Vec<Vec<u8>> {
    let packets = seeds::of_each_kind(&[], |bytes| Packet::decode(bytes).is_ok());
    let records = seeds::of_each_kind(&[], |bytes| Record::decode(bytes).is_ok());
    [packets, records].concat()
}
