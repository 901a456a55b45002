//! Disks as inputs: the segments one after the other, each with its number and length (two
//! `u32`, little-endian) before it.
//!
//! No fuzzer guesses a checksum, so [`mend`] makes them right again (`docs/format.md` has
//! the bytes): what is said under a good checksum may still be wrong.
use platform::{Disk, SegmentNumber};
use store::MemoryDisk;

/// Bytes of a record's head, and the alignment of records.
const HEAD_SIZE: usize = 64;
const MAGIC: [u8; 2] = *b"PX";
const KIND: usize = 2;
const PAYLOAD_LENGTH: usize = 4;
const PAYLOAD_CHECKSUM: usize = 16;
const HEAD_CHECKSUM: usize = 20;
const AFTER_CHECKSUM: usize = 24;
/// The kind whose checksum is not of its place, too: it says itself where it is.
const HEADER: u8 = 1;
/// The place of what a footer repeats.
const NOWHERE: u64 = 0;
/// The kind of a record whose payload ends with heads, after entries.
const FOOTER: u8 = 6;
const FOOTER_ENTRIES: usize = 24;
const FOOTER_ENTRY_SIZE: usize = 40;

/// The segments of a disk, by number.
type Image = Vec<(u32, Vec<u8>)>;

/// The disk that these bytes describe. Whatever they are, they describe one.
pub(crate) fn parse(bytes: &[u8]) -> Image {
    let mut image = Image::new();
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_first_chunk::<8>() {
        let length = u32_at(header, 4) as usize;
        let (segment, after) = after.split_at(length.min(after.len()));
        image.push((u32_at(header, 0), segment.to_vec()));
        rest = after;
    }
    image.sort_by_key(|(number, _)| *number);
    image.dedup_by_key(|(number, _)| *number);
    image
}

/// The bytes that describe this disk.
pub(crate) fn describe(mut disk: MemoryDisk) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in disk.segments().expect("it has not failed") {
        let length = disk.length(segment).expect("it is there");
        let length = u32::try_from(length).expect("segments are short");
        bytes.extend(segment.0.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        let start = bytes.len();
        bytes.resize(start + length as usize, 0);
        let read = disk.read(segment, 0, &mut bytes[start..]);
        read.expect("it is there");
    }
    bytes
}

/// A disk with this on it.
pub(crate) fn disk(image: &Image) -> MemoryDisk {
    let mut disk = MemoryDisk::new();
    for (number, bytes) in image {
        let segment = SegmentNumber(*number);
        disk.create(segment).expect("numbers differ");
        let written = disk.append(segment, bytes.clone());
        written.expect("it does not fail");
    }
    disk
}

/// Makes all checksums right.
pub(crate) fn mend(image: &mut Image) {
    for (number, segment) in image {
        let mut at = 0;
        while at + HEAD_SIZE <= segment.len() {
            let place = u64::from(*number) << 32 | at as u64;
            at += mend_record(&mut segment[at..], place);
        }
    }
}

/// Mends the record at the start, which is in this place; returns how far the next may be.
fn mend_record(bytes: &mut [u8], place: u64) -> usize {
    let (head, rest) = bytes.split_at_mut(HEAD_SIZE);
    if !head.starts_with(&MAGIC) {
        return HEAD_SIZE;
    }
    let length = u32_at(head, PAYLOAD_LENGTH) as usize;
    let payload = rest.get_mut(..length);
    let size = payload.map_or(0, |payload| {
        if head[KIND] == FOOTER {
            let entries = u32_at(head, FOOTER_ENTRIES) as usize * FOOTER_ENTRY_SIZE;
            let heads = payload.get_mut(entries..).unwrap_or_default();
            let heads = heads.chunks_exact_mut(HEAD_SIZE);
            heads
                .filter(|head| head.starts_with(&MAGIC))
                .for_each(|head| mend_head(head, NOWHERE));
        }
        let checksum = crc32fast::hash(payload);
        put(head, PAYLOAD_CHECKSUM, checksum);
        payload.len()
    });
    mend_head(head, place);
    HEAD_SIZE + size.next_multiple_of(HEAD_SIZE)
}

fn mend_head(head: &mut [u8], place: u64) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..HEAD_CHECKSUM]);
    hasher.update(&head[AFTER_CHECKSUM..]);
    if head[KIND] != HEADER {
        hasher.update(&place.to_le_bytes());
    }
    put(head, HEAD_CHECKSUM, hasher.finalize());
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes[at..].first_chunk().expect("it is there");
    u32::from_le_bytes(*field)
}
