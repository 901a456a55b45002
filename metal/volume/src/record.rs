//! Records of the log: what has changed since the one before, or all there is.
use alloc::vec::Vec;

use platform::SegmentNumber;

use crate::blocks::Run;
use crate::device::SECTOR_SIZE;
use crate::superblock::VolumeId;

const MAGIC: [u8; 4] = *b"PXVR";
const HEAD_BYTES: usize = 40;
/// A change without its runs.
const CHANGE_BYTES: usize = 32;
const RUN_BYTES: usize = 8;
/// What a file of one run takes.
pub(crate) const ENTRY_BYTES: usize = CHANGE_BYTES + RUN_BYTES;

/// Which record: of which checkpoint, and the how manyth after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Order {
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
}

/// What has become of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// All of it is said here.
    Whole,
    /// It has got longer; its new blocks are said.
    Grown,
    /// It is no more.
    Deleted,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) segment: SegmentNumber,
    pub(crate) kind: Kind,
    pub(crate) length: u64,
    /// Bytes from here on were written along with the record.
    pub(crate) checked_from: u64,
    /// Of these.
    pub(crate) checksum: u32,
    pub(crate) runs: Vec<Run>,
}

/// The beginning of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) order: Order,
    payload_bytes: u32,
    changes: u32,
    checksum: u32,
}

impl Head {
    /// The head at the start of a sector, its checksum not yet compared.
    pub(crate) fn decode(sector: &[u8], volume: VolumeId) -> Option<Self> {
        let mut fields = Fields(sector);
        let magic = fields.bytes::<4>()?;
        let checksum = fields.u32()?;
        let id = fields.u64()?;
        let head = Self {
            order: Order {
                generation: fields.u64()?,
                sequence: fields.u64()?,
            },
            payload_bytes: fields.u32()?,
            changes: fields.u32()?,
            checksum,
        };
        (magic == MAGIC && id == volume.0).then_some(head)
    }

    pub(crate) fn sectors(&self) -> u64 {
        (HEAD_BYTES as u64 + u64::from(self.payload_bytes)).div_ceil(SECTOR_SIZE as u64)
    }

    /// Whether these bytes are the record of this head.
    pub(crate) fn is_whole(&self, bytes: &[u8]) -> bool {
        let end = HEAD_BYTES + self.payload_bytes as usize;
        let checked = bytes.get(8..end);
        checked.is_some_and(|checked| crc32fast::hash(checked) == self.checksum)
    }

    /// What a whole record says; `None` if it makes no sense.
    pub(crate) fn changes(&self, bytes: &[u8]) -> Option<Vec<Change>> {
        let end = HEAD_BYTES + self.payload_bytes as usize;
        let mut fields = Fields(bytes.get(HEAD_BYTES..end)?);
        let mut changes = Vec::new();
        for _ in 0..self.changes {
            changes.push(decode_change(&mut fields)?);
        }
        fields.0.is_empty().then_some(changes)
    }
}

fn decode_change(fields: &mut Fields<'_>) -> Option<Change> {
    let segment = SegmentNumber(fields.u32()?);
    let kind = match fields.u32()? {
        1 => Kind::Whole,
        2 => Kind::Grown,
        3 => Kind::Deleted,
        _ => return None,
    };
    let length = fields.u64()?;
    let checked_from = fields.u64()?;
    let checksum = fields.u32()?;
    let count = fields.u32()?;
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(Run {
            first: fields.u32()?,
            count: fields.u32()?,
        });
    }
    Some(Change {
        segment,
        kind,
        length,
        checked_from,
        checksum,
        runs,
    })
}

/// How many sectors a record of these changes takes.
pub(crate) fn sectors(changes: &[Change]) -> u64 {
    let payload = changes
        .iter()
        .map(|change| CHANGE_BYTES + change.runs.len() * RUN_BYTES);
    (HEAD_BYTES + payload.sum::<usize>()).div_ceil(SECTOR_SIZE) as u64
}

/// The record, in whole sectors.
pub(crate) fn encode(volume: VolumeId, order: Order, changes: &[Change]) -> Vec<u8> {
    let count = |length| u32::try_from(length).expect("a log is shorter than 4 GiB");
    let mut payload = Vec::new();
    for change in changes {
        let kind = match change.kind {
            Kind::Whole => 1_u32,
            Kind::Grown => 2,
            Kind::Deleted => 3,
        };
        payload.extend(change.segment.0.to_le_bytes());
        payload.extend(kind.to_le_bytes());
        payload.extend(change.length.to_le_bytes());
        payload.extend(change.checked_from.to_le_bytes());
        payload.extend(change.checksum.to_le_bytes());
        payload.extend(count(change.runs.len()).to_le_bytes());
        for run in &change.runs {
            payload.extend(run.first.to_le_bytes());
            payload.extend(run.count.to_le_bytes());
        }
    }
    let mut checked = Vec::with_capacity(HEAD_BYTES + payload.len());
    checked.extend(volume.0.to_le_bytes());
    checked.extend(order.generation.to_le_bytes());
    checked.extend(order.sequence.to_le_bytes());
    checked.extend(count(payload.len()).to_le_bytes());
    checked.extend(count(changes.len()).to_le_bytes());
    checked.extend(payload);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(crc32fast::hash(&checked).to_le_bytes());
    bytes.extend(checked);
    bytes.resize(bytes.len().next_multiple_of(SECTOR_SIZE), 0);
    bytes
}

/// Fields that are read one after another.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_record_is_read_back_and_every_flipped_bit_is_noticed() {
        let change = Change {
            segment: SegmentNumber(7),
            kind: Kind::Grown,
            length: 1 << 40,
            checked_from: 5,
            checksum: 6,
            runs: vec![
                Run { first: 9, count: 2 },
                Run {
                    first: 20,
                    count: 1,
                },
            ],
        };
        let deleted = Change {
            kind: Kind::Deleted,
            runs: vec![],
            ..change.clone()
        };
        let changes = vec![change, deleted];
        let order = Order {
            generation: 3,
            sequence: 4,
        };
        let bytes = encode(VolumeId(5), order, &changes);
        assert_eq!(bytes.len() as u64, sectors(&changes) * 512);
        assert_eq!(Head::decode(&bytes, VolumeId(6)), None);
        let head = Head::decode(&bytes, VolumeId(5)).unwrap();
        assert_eq!(head.order, order);
        assert!(head.is_whole(&bytes));
        assert_eq!(head.changes(&bytes), Some(changes));
        let end = HEAD_BYTES + head.payload_bytes as usize;
        for bit in 0..end * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let head = Head::decode(&bytes, VolumeId(5));
            assert!(!head.is_some_and(|head| head.is_whole(&bytes)), "bit {bit}");
        }
    }
}
