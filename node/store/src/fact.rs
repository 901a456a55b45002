//! Records that are about other records: what is undone, what is stable. A footer has a
//! copy of each, and a new segment repeats what still counts.
use alloc::vec::Vec;

use crate::record::{Head, Meta, Position, StableMeta, Undone, put_record};

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fact {
    /// The epoch cannot be lost any more.
    Stable(StableMeta),
    /// A decision, as far as it is about one node.
    Undone(Undone),
}

impl Fact {
    /// The head's part of the record.
    pub(crate) fn meta(&self) -> Meta {
        match self {
            Self::Stable(stable) => Meta::Stable(*stable),
            Self::Undone(undone) => Meta::Undone(*undone),
        }
    }

    /// The record's payload.
    pub(crate) fn payload(&self) -> Vec<u8> {
        match self {
            Self::Stable(_) | Self::Undone(_) => Vec::new(),
        }
    }

    /// What the record says; `None` if it is none of these.
    pub(crate) fn of(meta: &Meta, _payload: &[u8]) -> Option<Self> {
        match *meta {
            Meta::Stable(stable) => Some(Self::Stable(stable)),
            Meta::Undone(undone) => Some(Self::Undone(undone)),
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
