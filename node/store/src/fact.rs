//! Records that are about other records: what is undone, what is stable, what is retained,
//! which segments there are. A footer has a copy of each, and a new segment repeats what
//! still counts.
use alloc::vec::Vec;
use platform::SegmentNumber;
use types::Epoch;

use crate::record::{
    HEAD_SIZE, Head, Meta, Position, StableMeta, Undone, put_record, u32_at, u64_at,
};

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fact {
    /// The epoch cannot be lost any more.
    Stable(StableMeta),
    /// A decision, as far as it is about one node.
    Undone(Undone),
    /// Epochs to be retained, instead of those named before.
    Retained(Vec<Epoch>),
    /// Segments that are needed beside the one with this record, and nobody else of before.
    Existing(Vec<SegmentNumber>),
    /// A segment that is not needed any more, and may be missing.
    Dropped(SegmentNumber),
}

impl Fact {
    /// The head's part of the record.
    pub(crate) fn meta(&self) -> Meta {
        match self {
            Self::Stable(stable) => Meta::Stable(*stable),
            Self::Undone(undone) => Meta::Undone(*undone),
            Self::Retained(_) => Meta::Retained,
            Self::Existing(_) => Meta::Existing,
            &Self::Dropped(segment) => Meta::Dropped { segment },
        }
    }

    /// The record's payload.
    pub(crate) fn payload(&self) -> Vec<u8> {
        match self {
            Self::Stable(_) | Self::Undone(_) | Self::Dropped(_) => Vec::new(),
            Self::Retained(epochs) => {
                let bytes = epochs.iter().flat_map(|epoch| epoch.0.to_le_bytes());
                bytes.collect()
            }
            Self::Existing(segments) => {
                let bytes = segments.iter().flat_map(|segment| segment.0.to_le_bytes());
                bytes.collect()
            }
        }
    }

    /// Bytes of the record.
    pub(crate) fn size(&self) -> u32 {
        let payload = self.payload().len().next_multiple_of(HEAD_SIZE);
        u32::try_from(HEAD_SIZE + payload).expect("facts are short")
    }

    /// What the record says; `None` if it is none of these.
    pub(crate) fn of(meta: &Meta, payload: &[u8]) -> Option<Self> {
        match *meta {
            Meta::Stable(stable) => Some(Self::Stable(stable)),
            Meta::Undone(undone) => Some(Self::Undone(undone)),
            Meta::Retained => {
                let epochs = payload.chunks_exact(8);
                let epochs = epochs.map(|bytes| Epoch(u64_at(bytes, 0)));
                Some(Self::Retained(epochs.collect()))
            }
            Meta::Existing => {
                let segments = payload.chunks_exact(4);
                let segments = segments.map(|bytes| SegmentNumber(u32_at(bytes, 0)));
                Some(Self::Existing(segments.collect()))
            }
            Meta::Dropped { segment } => Some(Self::Dropped(segment)),
            _ => None,
        }
    }

    /// A copy for a footer.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        let nowhere = Position::START;
        put_record(bytes, self.meta(), &self.payload(), nowhere, nowhere);
    }

    /// The copies in a footer; `None` if the bytes are not so many.
    pub(crate) fn take(mut bytes: &[u8], count: u32) -> Option<Vec<Self>> {
        let mut facts = Vec::new();
        while let Some((head, rest)) = bytes.split_first_chunk() {
            let head = Head::decode(head, Position::START).ok()?;
            let payload = head.payload(rest)?;
            facts.push(Self::of(&head.meta, &payload)?);
            bytes = bytes.get(head.record_size()..)?;
        }
        (bytes.is_empty() && facts.len() == count as usize).then_some(facts)
    }
}
