//! The footer of a sealed segment: where each frame is, so that a restart need not
//! read the frames. Its history part repeats the records of stable epochs and decisions.
use alloc::vec::Vec;
use platform::SegmentNumber;
use types::{Epoch, Interval, NodeId, PageId, Stamp, Version};

use crate::fact::Fact;
use crate::index::Entry;
use crate::record::{HEAD_SIZE, IMAGE_LENGTH_MAX, Position, put, u32_at, u64_at};

/// Bytes of the entry of a frame.
pub(crate) const ENTRY_SIZE: usize = 40;

/// What a segment holds, apart from the bytes of its pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) entries: Vec<Entry>,
    /// Stable epochs and decisions.
    pub(crate) history: Vec<Fact>,
}

pub(crate) fn encode(contents: &Contents) -> Vec<u8> {
    let size = contents.entries.len() * ENTRY_SIZE + contents.history.len() * HEAD_SIZE;
    let mut bytes = Vec::with_capacity(size);
    for entry in &contents.entries {
        bytes.extend_from_slice(&encode_entry(entry));
    }
    for fact in &contents.history {
        fact.put(&mut bytes);
    }
    bytes
}

/// `None` if the bytes cannot be a footer with so many entries and facts.
pub(crate) fn decode(
    bytes: &[u8],
    segment: SegmentNumber,
    entries: u32,
    history: u32,
) -> Option<Contents> {
    let (first, second) = bytes.split_at_checked(entries as usize * ENTRY_SIZE)?;
    let (entries, _) = first.as_chunks::<ENTRY_SIZE>();
    let history = Fact::take(second, history)?;
    let entries = entries
        .iter()
        .map(|bytes| decode_entry(bytes, segment))
        .collect::<Option<_>>()?;
    Some(Contents { entries, history })
}

/// Entries, as far as they are some.
pub(crate) fn decode_entries(
    bytes: &[u8],
    segment: SegmentNumber,
) -> impl Iterator<Item = Entry> + '_ {
    let (entries, _) = bytes.as_chunks::<ENTRY_SIZE>();
    entries
        .iter()
        .filter_map(move |bytes| decode_entry(bytes, segment))
}

fn encode_entry(entry: &Entry) -> [u8; ENTRY_SIZE] {
    let mut bytes = [0; ENTRY_SIZE];
    let length = u64::from(entry.base) << 16 | u64::from(entry.length);
    put(&mut bytes, 0, &entry.page.to_u64().to_le_bytes());
    put(&mut bytes, 8, &entry.version.0.to_le_bytes());
    put(&mut bytes, 16, &entry.stamp.interval.epoch.0.to_le_bytes());
    put(&mut bytes, 24, &entry.stamp.node.0.to_le_bytes());
    put(&mut bytes, 28, &entry.stamp.interval.sub.to_le_bytes());
    put(
        &mut bytes,
        32,
        &(length << 32 | u64::from(entry.position.offset)).to_le_bytes(),
    );
    bytes
}

/// `None` if its image would be longer than a page.
fn decode_entry(bytes: &[u8; ENTRY_SIZE], segment: SegmentNumber) -> Option<Entry> {
    let (length, base) = (u32_at(bytes, 36) & 0xFFFF, u32_at(bytes, 36) >> 16);
    if length > IMAGE_LENGTH_MAX {
        return None;
    }
    let interval = Interval {
        epoch: Epoch(u64_at(bytes, 16)),
        sub: u32_at(bytes, 28),
    };
    Some(Entry {
        page: PageId::new(u32_at(bytes, 4), u32_at(bytes, 0)),
        version: Version(u64_at(bytes, 8)),
        stamp: Stamp {
            node: NodeId(u32_at(bytes, 24)),
            interval,
        },
        position: Position {
            segment,
            offset: u32_at(bytes, 32),
        },
        length: u16::try_from(length).expect("checked above"),
        base: u16::try_from(base).expect("half of a word"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: SegmentNumber = SegmentNumber(1);

    fn footer(length: u16) -> Vec<u8> {
        let entry = Entry {
            page: PageId::new(300, 1),
            version: Version(5),
            stamp: Stamp::ZERO,
            position: Position {
                segment: SEGMENT,
                offset: 64,
            },
            length,
            base: 0,
        };
        encode(&Contents {
            entries: [entry].into(),
            history: Vec::new(),
        })
    }

    #[test]
    fn an_entry_of_more_than_a_page_makes_a_footer_useless() {
        assert!(decode(&footer(4096), SEGMENT, 1, 0).is_some());
        assert!(decode(&footer(4097), SEGMENT, 1, 0).is_none());
        let mut longer = footer(0);
        longer[36..38].copy_from_slice(&u16::MAX.to_le_bytes());
        assert!(decode(&longer, SEGMENT, 1, 0).is_none());
    }
}
