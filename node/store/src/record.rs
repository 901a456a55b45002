//! One record: a head of 64 bytes that says everything but the payload, then the
//! payload. `docs/format.md` has the diagrams.
//!
//! Records begin at multiples of 64 bytes, so that a scan finds the next one even
//! when a head is destroyed. The head has its own checksum, so that a damaged page
//! can be named although its bytes are not to be trusted. The checksum is also of the place
//! for which the record was meant: a record that a device has put elsewhere is none.
use alloc::borrow::Cow;
use alloc::vec::Vec;
use platform::{ClusterId, SegmentNumber};
use types::{Cut, Epoch, Interval, NodeId, PAGE_SIZE, PageId, Stamp, StoreId, Version};

use crate::mask;

/// Bytes of a head, and the alignment of records.
pub(crate) const HEAD_SIZE: usize = 64;
/// Version of the format, in the header of every segment.
pub(crate) const FORMAT_VERSION: u32 = 5;
/// The first two bytes of every record: "PX".
pub(crate) const MAGIC: u16 = 0x5850;

/// No image is longer than its page.
pub(crate) const IMAGE_LENGTH_MAX: u32 = 4096;

const KIND: usize = 2;
const MASK: usize = 3;
const PAYLOAD_LENGTH: usize = 4;
const DURABLE: usize = 8;
const PAYLOAD_CHECKSUM: usize = 16;
const HEAD_CHECKSUM: usize = 20;
const META: usize = 24;
/// The kind of a header.
const HEADER: u8 = 1;

/// A place in the log: a segment and an offset in it. Ordered as the log is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Position {
    pub(crate) segment: SegmentNumber,
    pub(crate) offset: u32,
}

impl Position {
    /// Before everything.
    pub(crate) const START: Self = Self {
        segment: SegmentNumber(0),
        offset: 0,
    };
}

/// What a stable epoch cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StableMeta {
    pub(crate) epoch: Epoch,
    pub(crate) wall_ms: u64,
    pub(crate) bytes: u64,
    pub(crate) pages: u64,
}

/// What a record says, apart from its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meta {
    /// First record of a segment.
    Header {
        version: u32,
        segment: SegmentNumber,
        cluster: ClusterId,
        store: StoreId,
    },
    /// A version of a page. Payload: its bytes, or none if they are zeroes.
    Frame {
        page: PageId,
        version: Version,
        stamp: Stamp,
        /// How many versions before this one its base is, from which the payload says what
        /// differs; 0: there is none, the payload is the page's.
        base: u16,
    },
    /// A producer's part of an epoch is complete.
    PartEnd {
        node: NodeId,
        epoch: Epoch,
        frames: u32,
    },
    /// The epoch cannot be lost any more.
    Stable(StableMeta),
    /// A decision, as far as it is about one node.
    Undone(Undone),
    /// Index of a sealed segment. Payload: entries, then the heads of its history.
    Footer { entries: u32, history: u32 },
    /// Last record of a sealed segment.
    Trailer { footer: u32 },
    /// Epochs to be retained, instead of those named before. Payload: these, ascending.
    Retained,
    /// Segments that are needed beside this one. Payload: their numbers, ascending.
    Existing,
    /// A segment that is not needed any more, and may be missing.
    Dropped { segment: SegmentNumber },
    /// A record of the control log. Payload: up to its user.
    Control,
    /// A record of the control log that stands for all before it.
    Checkpoint,
}

/// What a node committed after its cut, before this epoch, is undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Undone {
    pub(crate) cut: Cut,
    pub(crate) first_epoch: Epoch,
}

/// The head of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) meta: Meta,
    pub(crate) payload_length: u32,
    /// Of the payload as it lies on the disk, under its mask.
    pub(crate) payload_checksum: u32,
    /// What each byte of the payload was changed by.
    pub(crate) mask: u8,
    /// Everything before this place had reached the device when the record was
    /// written: if it is damaged now, that was no crash.
    pub(crate) durable: Position,
}

/// Why bytes are no head: which field, what it should be and what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeadFault {
    Magic {
        expected: u32,
        found: u32,
    },
    Checksum {
        expected: u32,
        found: u32,
    },
    Kind {
        found: u32,
    },
    /// Of a frame, whose payload is a page at most.
    PayloadLength {
        expected: u32,
        found: u32,
    },
}

impl Head {
    /// Bytes from the start of this record to the start of the next.
    pub(crate) fn record_size(&self) -> usize {
        HEAD_SIZE + (self.payload_length as usize).next_multiple_of(HEAD_SIZE)
    }

    /// Its payload, at the start of `rest`, as it was before the mask; `None` if it is not
    /// whole.
    pub(crate) fn payload<'rest>(&self, rest: &'rest [u8]) -> Option<Cow<'rest, [u8]>> {
        let stored = rest.get(..self.payload_length as usize)?;
        if payload_checksum(stored) != self.payload_checksum {
            return None;
        }
        let mut payload = Cow::Borrowed(stored);
        if self.mask != 0 {
            mask::apply(self.mask, payload.to_mut());
        }
        Some(payload)
    }

    /// The head for this place.
    pub(crate) fn encode(&self, at: Position) -> [u8; HEAD_SIZE] {
        let mut bytes = [0; HEAD_SIZE];
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        bytes[KIND] = encode_meta(&self.meta, &mut bytes);
        bytes[MASK] = self.mask;
        put(
            &mut bytes,
            PAYLOAD_LENGTH,
            &self.payload_length.to_le_bytes(),
        );
        put(&mut bytes, DURABLE, &self.durable.offset.to_le_bytes());
        put(
            &mut bytes,
            DURABLE + 4,
            &self.durable.segment.0.to_le_bytes(),
        );
        put(
            &mut bytes,
            PAYLOAD_CHECKSUM,
            &self.payload_checksum.to_le_bytes(),
        );
        let checksum = head_checksum(&bytes, at);
        put(&mut bytes, HEAD_CHECKSUM, &checksum.to_le_bytes());
        bytes
    }

    /// The head that these bytes are, in this place.
    pub(crate) fn decode(bytes: &[u8; HEAD_SIZE], at: Position) -> Result<Self, HeadFault> {
        let magic = u16::from_le_bytes([bytes[0], bytes[1]]);
        if magic != MAGIC {
            return Err(HeadFault::Magic {
                expected: MAGIC.into(),
                found: magic.into(),
            });
        }
        let expected = u32_at(bytes, HEAD_CHECKSUM);
        let found = head_checksum(bytes, at);
        if expected != found {
            return Err(HeadFault::Checksum { expected, found });
        }
        let meta = decode_meta(bytes).ok_or_else(|| HeadFault::Kind {
            found: bytes[KIND].into(),
        })?;
        let payload_length = u32_at(bytes, PAYLOAD_LENGTH);
        if matches!(meta, Meta::Frame { .. }) && payload_length > IMAGE_LENGTH_MAX {
            let (expected, found) = (IMAGE_LENGTH_MAX, payload_length);
            return Err(HeadFault::PayloadLength { expected, found });
        }
        let durable = Position {
            segment: SegmentNumber(u32_at(bytes, DURABLE + 4)),
            offset: u32_at(bytes, DURABLE),
        };
        Ok(Self {
            meta,
            payload_length,
            payload_checksum: u32_at(bytes, PAYLOAD_CHECKSUM),
            mask: bytes[MASK],
            durable,
        })
    }
}

fn encode_meta(meta: &Meta, bytes: &mut [u8; HEAD_SIZE]) -> u8 {
    let mut field = |at: usize, value: u64| put(bytes, META + at, &value.to_le_bytes());
    match *meta {
        Meta::Header {
            version,
            segment,
            cluster,
            store,
        } => {
            field(0, pair(version, segment.0));
            field(8, cluster.0);
            field(16, store.0);
            HEADER
        }
        Meta::Frame {
            page,
            version,
            stamp,
            base,
        } => {
            field(32, base.into());
            field(0, page.to_u64());
            field(8, version.0);
            field(16, stamp.interval.epoch.0);
            field(24, pair(stamp.node.0, stamp.interval.sub));
            2
        }
        Meta::PartEnd {
            node,
            epoch,
            frames,
        } => {
            field(0, pair(node.0, frames));
            field(8, epoch.0);
            3
        }
        Meta::Stable(stable) => {
            field(0, stable.epoch.0);
            field(8, stable.wall_ms);
            field(16, stable.bytes);
            field(24, stable.pages);
            4
        }
        Meta::Undone(Undone { cut, first_epoch }) => {
            let Cut { node, last } = cut;
            field(0, last.epoch.0);
            field(8, first_epoch.0);
            field(16, u64::from(last.sub) << 32 | u64::from(node.0));
            5
        }
        Meta::Footer { entries, history } => {
            field(0, pair(entries, history));
            6
        }
        Meta::Trailer { footer } => {
            field(0, pair(footer, 0));
            7
        }
        Meta::Control => 8,
        Meta::Checkpoint => 9,
        Meta::Retained => 10,
        Meta::Existing => 11,
        Meta::Dropped { segment } => {
            field(0, pair(segment.0, 0));
            12
        }
    }
}

fn decode_meta(bytes: &[u8; HEAD_SIZE]) -> Option<Meta> {
    let word = |at: usize| u64_at(bytes, META + at);
    let half = |at: usize| u32_at(bytes, META + at);
    let meta = match bytes[KIND] {
        HEADER => Meta::Header {
            version: half(0),
            segment: SegmentNumber(half(4)),
            cluster: ClusterId(word(8)),
            store: StoreId(word(16)),
        },
        2 => Meta::Frame {
            page: PageId::new(half(4), half(0)),
            version: Version(word(8)),
            stamp: Stamp {
                node: NodeId(half(24)),
                interval: Interval {
                    epoch: Epoch(word(16)),
                    sub: half(28),
                },
            },
            base: u16::from_le_bytes([bytes[META + 32], bytes[META + 33]]),
        },
        3 => Meta::PartEnd {
            node: NodeId(half(0)),
            epoch: Epoch(word(8)),
            frames: half(4),
        },
        4 => Meta::Stable(StableMeta {
            epoch: Epoch(word(0)),
            wall_ms: word(8),
            bytes: word(16),
            pages: word(24),
        }),
        5 => Meta::Undone(Undone {
            cut: Cut {
                node: NodeId(half(16)),
                last: Interval {
                    epoch: Epoch(word(0)),
                    sub: half(20),
                },
            },
            first_epoch: Epoch(word(8)),
        }),
        6 => Meta::Footer {
            entries: half(0),
            history: half(4),
        },
        7 => Meta::Trailer { footer: half(0) },
        8 => Meta::Control,
        9 => Meta::Checkpoint,
        10 => Meta::Retained,
        11 => Meta::Existing,
        12 => Meta::Dropped {
            segment: SegmentNumber(half(0)),
        },
        _ => return None,
    };
    Some(meta)
}

/// Checksum of a payload; none has 0.
pub(crate) fn payload_checksum(payload: &[u8]) -> u32 {
    crc32fast::hash(payload)
}

/// The whole head but the checksum itself, and where it is. A header says itself where, so
/// that one under another name can be told from one that is damaged.
fn head_checksum(bytes: &[u8; HEAD_SIZE], at: Position) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..HEAD_CHECKSUM]);
    hasher.update(&bytes[META..]);
    if bytes[KIND] != HEADER {
        let place = u64::from(at.segment.0) << 32 | u64::from(at.offset);
        hasher.update(&place.to_le_bytes());
    }
    hasher.finalize()
}

/// Adds a record for the place `at`; gives its size.
pub(crate) fn put_record(
    bytes: &mut Vec<u8>,
    meta: Meta,
    payload: &[u8],
    durable: Position,
    at: Position,
) -> u32 {
    let start = bytes.len() + HEAD_SIZE;
    let mask = mask::mask_for(payload);
    bytes.reserve(HEAD_SIZE + payload.len().next_multiple_of(HEAD_SIZE));
    bytes.extend_from_slice(&[0; HEAD_SIZE]);
    bytes.extend_from_slice(payload);
    let stored = &mut bytes[start..];
    mask::apply(mask, stored);
    let head = Head {
        meta,
        payload_length: u32::try_from(payload.len()).expect("payloads fit into segments"),
        payload_checksum: payload_checksum(stored),
        mask,
        durable,
    };
    bytes[start - HEAD_SIZE..start].copy_from_slice(&head.encode(at));
    let size = head.record_size();
    bytes.resize(start - HEAD_SIZE + size, 0);
    u32::try_from(size).expect("records fit into segments")
}

/// Two numbers as one field: `low` comes first in the file.
fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes[at..]
        .first_chunk()
        .expect("fields lie inside of their records");
    u32::from_le_bytes(*field)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let field = bytes[at..]
        .first_chunk()
        .expect("fields lie inside of their records");
    u64::from_le_bytes(*field)
}

const _: () = assert!(
    PAGE_SIZE.is_multiple_of(HEAD_SIZE),
    "frames need no padding"
);
const _: () = assert!(IMAGE_LENGTH_MAX as usize == PAGE_SIZE, "a whole page");

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Position = Position {
        segment: SegmentNumber(7),
        offset: 640,
    };

    fn heads() -> [Head; 12] {
        let stamp = Stamp {
            node: NodeId(7),
            interval: Interval {
                epoch: Epoch(1 << 40),
                sub: 3,
            },
        };
        let stable = StableMeta {
            epoch: Epoch(9),
            wall_ms: 1,
            bytes: 2,
            pages: 3,
        };
        [
            Meta::Header {
                version: FORMAT_VERSION,
                segment: SegmentNumber(2),
                cluster: ClusterId(3),
                store: StoreId(u64::MAX),
            },
            Meta::Frame {
                page: PageId::new(300, 12),
                version: Version(5),
                stamp,
                base: 4,
            },
            Meta::PartEnd {
                node: NodeId(1),
                epoch: Epoch(2),
                frames: 3,
            },
            Meta::Stable(stable),
            Meta::Undone(Undone {
                cut: Cut {
                    node: NodeId(6),
                    last: Interval {
                        epoch: Epoch(4),
                        sub: u32::MAX,
                    },
                },
                first_epoch: Epoch(5),
            }),
            Meta::Footer {
                entries: 6,
                history: 7,
            },
            Meta::Trailer { footer: 8 },
            Meta::Control,
            Meta::Checkpoint,
            Meta::Retained,
            Meta::Existing,
            Meta::Dropped {
                segment: SegmentNumber(9),
            },
        ]
        .map(|meta| Head {
            meta,
            payload_length: 4096,
            payload_checksum: 0xDEAD_BEEF,
            mask: 3,
            durable: Position {
                segment: SegmentNumber(1),
                offset: 64,
            },
        })
    }

    #[test]
    fn every_head_survives_the_disk() {
        for head in heads() {
            assert_eq!(Head::decode(&head.encode(HERE), HERE), Ok(head));
        }
    }

    #[test]
    fn every_flipped_bit_of_a_head_is_noticed() {
        for head in heads() {
            for bit in 0..HEAD_SIZE * 8 {
                let mut bytes = head.encode(HERE);
                bytes[bit / 8] ^= 1 << (bit % 8);
                let decoded = Head::decode(&bytes, HERE);
                assert!(decoded.is_err(), "bit {bit} of {head:?}");
            }
        }
    }

    #[test]
    fn a_record_in_another_place_is_none() {
        for head in heads().into_iter().skip(1) {
            let bytes = head.encode(HERE);
            for bit in 0..32 {
                let offset = HERE.offset ^ 1 << bit;
                assert!(Head::decode(&bytes, Position { offset, ..HERE }).is_err());
                let segment = SegmentNumber(HERE.segment.0 ^ 1 << bit);
                assert!(Head::decode(&bytes, Position { segment, ..HERE }).is_err());
            }
        }
    }
}
