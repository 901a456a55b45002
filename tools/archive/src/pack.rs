//! Packs: some MiB of frames in one object.
//!
//! ```text
//! magic "PXPK" | version u32 | frames u32 | length u32 | frames × head | images, in a row
//! ```
//!
//! If the length is not 0, what follows it is compressed (zstd), and has that length when it
//! is not.
use std::fmt;

use types::{Epoch, Interval, NodeId, PAGE_SIZE, PAGES_PER_EXTENT, PageId, Stamp, Version};
use wire::{Image, PageVersion};

use crate::hash::Hash;

/// Version of the format.
pub const PACK_VERSION: u32 = 1;
/// A pack ends with the extent with which it gets so long.
pub const PACK_BYTES: usize = 8 << 20;

const MAGIC: &[u8; 4] = b"PXPK";
const HEADER_BYTES: usize = 16;
/// Pages of an extent, whole: no pack is longer than by so much.
const EXTENT_BYTES: usize = PAGES_PER_EXTENT as usize * (PAGE_SIZE + HEAD_BYTES);
/// What is common is found fast; the rest takes too long.
const LEVEL: i32 = 1;
/// Bytes that a frame takes besides its image.
pub const HEAD_BYTES: usize = 40;

/// A page and a version of it.
pub type PagedVersion = (PageId, PageVersion);

/// Frames that are collected.
#[derive(Debug, Default)]
pub struct PackWriter {
    heads: Vec<u8>,
    images: Vec<u8>,
}

/// Why bytes are no pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoPack {
    /// They hash to something else than their name says.
    Hash {
        /// By the name.
        expected: Hash,
        /// By the bytes.
        found: Hash,
    },
    /// They do not begin as a pack does.
    Magic,
    /// Another version's.
    Version(u32),
    /// They are not what was compressed.
    Compressed,
    /// The frames end elsewhere than they say.
    Length {
        /// Where they say.
        expected: usize,
        /// Where they do.
        found: usize,
    },
    /// An image is none.
    Image(PageId),
}

impl PackWriter {
    /// Adds a frame.
    ///
    /// # Panics
    /// If the pack would have 2^32 frames.
    pub fn put(&mut self, page: PageId, content: &PageVersion) {
        let PageVersion {
            version,
            stamp,
            image,
        } = content;
        let image = image.encoded();
        let length = u32::try_from(image.len()).expect("a page at most");
        let head = &mut self.heads;
        head.extend(page.index.0.to_le_bytes());
        head.extend(page.region.0.to_le_bytes());
        head.extend(version.0.to_le_bytes());
        head.extend(stamp.epoch().0.to_le_bytes());
        head.extend(stamp.node.0.to_le_bytes());
        head.extend(stamp.interval.sub.to_le_bytes());
        head.extend(length.to_le_bytes());
        head.extend([0; 4]);
        self.images.extend(image);
    }

    /// Bytes of the frames, before they are compressed.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.heads.len() + self.images.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The pack.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let short = |length: usize| u32::try_from(length).expect("some MiB of frames");
        let frames = short(self.heads.len() / HEAD_BYTES);
        let mut body = self.heads;
        body.extend(self.images);
        let shorter = zstd::bulk::compress(&body, LEVEL).ok();
        let shorter = shorter.filter(|shorter| shorter.len() < body.len());
        let length = shorter.as_ref().map_or(0, |_| short(body.len()));
        let body = shorter.unwrap_or(body);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend(MAGIC);
        bytes.extend(PACK_VERSION.to_le_bytes());
        bytes.extend(frames.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(body);
        bytes
    }
}

/// The frames in the pack of this name, in their order.
///
/// # Errors
/// If these bytes are not that pack.
pub fn read(name: Hash, bytes: &[u8]) -> Result<Vec<PagedVersion>, NoPack> {
    let found = Hash::of(bytes);
    if found != name {
        let expected = name;
        return Err(NoPack::Hash { expected, found });
    }
    decode(bytes)
}

/// The frames in a pack, whatever its name.
///
/// # Errors
/// If these bytes are none.
pub fn decode(bytes: &[u8]) -> Result<Vec<PagedVersion>, NoPack> {
    let (header, rest) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .filter(|(header, _)| header.starts_with(MAGIC))
        .ok_or(NoPack::Magic)?;
    let version = u32_at(header, 4);
    if version != PACK_VERSION {
        return Err(NoPack::Version(version));
    }
    let length = u32_at(header, 12) as usize;
    if length == 0 {
        return frames_of(u32_at(header, 8), rest);
    }
    if length > PACK_BYTES + EXTENT_BYTES {
        return Err(NoPack::Compressed);
    }
    let whole = zstd::bulk::decompress(rest, length);
    let whole = whole.ok().filter(|whole| whole.len() == length);
    frames_of(u32_at(header, 8), &whole.ok_or(NoPack::Compressed)?)
}

/// So many frames, which take all of these bytes.
fn frames_of(count: u32, bytes: &[u8]) -> Result<Vec<PagedVersion>, NoPack> {
    let heads_end = (count as usize).saturating_mul(HEAD_BYTES);
    let wrong_length = |expected: usize| NoPack::Length {
        expected,
        found: bytes.len(),
    };
    let (heads, mut images) = bytes
        .split_at_checked(heads_end)
        .ok_or_else(|| wrong_length(heads_end))?;
    let (heads, _) = heads.as_chunks::<HEAD_BYTES>();
    let lengths = heads.iter().map(|head| u32_at(head, 32) as usize);
    let end = lengths.fold(heads_end, usize::saturating_add);
    if end != bytes.len() {
        return Err(wrong_length(end));
    }
    let mut frames = Vec::with_capacity(heads.len());
    for head in heads {
        let (image, others) = images.split_at(u32_at(head, 32) as usize);
        images = others;
        let page = PageId::new(u32_at(head, 4), u32_at(head, 0));
        let image = Image::decode(image).map_err(|_| NoPack::Image(page))?;
        let interval = Interval {
            epoch: Epoch(u64_at(head, 16)),
            sub: u32_at(head, 28),
        };
        let node = NodeId(u32_at(head, 24));
        let content = PageVersion {
            version: Version(u64_at(head, 8)),
            stamp: Stamp { node, interval },
            image,
        };
        frames.push((page, content));
    }
    Ok(frames)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl fmt::Display for NoPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash { expected, found } => {
                write!(f, "expected bytes with the hash {expected}, found {found}")
            }
            Self::Magic => write!(f, "it does not begin as a pack does"),
            Self::Version(found) => {
                write!(f, "expected format version {PACK_VERSION}, found {found}")
            }
            Self::Compressed => write!(f, "what is compressed in it makes no sense"),
            Self::Length { expected, found } => {
                write!(f, "expected {expected} bytes of frames, found {found}")
            }
            Self::Image(page) => write!(f, "page {page}: what is there is no image of a page"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<PagedVersion> {
        let frame = |index: u32, image| {
            let interval = Interval {
                epoch: Epoch(7),
                sub: index,
            };
            let content = PageVersion {
                version: Version(u64::from(index) + 1),
                stamp: Stamp {
                    node: NodeId(3),
                    interval,
                },
                image,
            };
            (PageId::new(300, index), content)
        };
        let mut sparse = [0; 4096];
        sparse[100] = 5;
        vec![
            frame(0, Image::ZERO),
            frame(1, Image::of(&[0xaa; 4096])),
            frame(9, Image::of(&sparse)),
        ]
    }

    fn pack(frames: &[PagedVersion]) -> Vec<u8> {
        let mut writer = PackWriter::default();
        for (page, content) in frames {
            writer.put(*page, content);
        }
        writer.finish()
    }

    #[test]
    fn what_was_put_is_read() {
        for count in 0..=3 {
            let frames = &frames()[..count];
            let bytes = pack(frames);
            assert_eq!(read(Hash::of(&bytes), &bytes).unwrap(), frames);
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let bytes = pack(&frames());
        let name = Hash::of(&bytes);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(matches!(read(name, &bad), Err(NoPack::Hash { .. })), "{at}");
            // Without its name it is another pack, or none; nothing worse.
            let _ = decode(&bad);
        }
    }

    #[test]
    fn a_pack_that_ends_early_or_late_is_none() {
        let bytes = pack(&frames());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode(&longer), Err(NoPack::Compressed));
        // One that is not compressed.
        let bytes = pack(&[]);
        let longer = [&bytes[..], &[0]].concat();
        let (expected, found) = (0, 1);
        assert_eq!(decode(&longer), Err(NoPack::Length { expected, found }));
    }

    #[test]
    fn what_is_alike_takes_little_room() {
        let mut alike = frames();
        alike.truncate(2);
        let mut other = alike[1].clone();
        other.0 = PageId::new(300, 2);
        alike.push(other);
        assert!(pack(&alike).len() < 300);
    }

    #[test]
    fn nobody_is_made_to_unpack_more_than_a_pack() {
        let mut bytes = pack(&frames());
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&bytes), Err(NoPack::Compressed));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = pack(&[]);
        bytes[4] = 9;
        let error = decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "expected format version 1, found 9");
    }
}
