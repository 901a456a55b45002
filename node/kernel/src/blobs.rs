//! Large byte objects: module code, inputs, results.
//!
//! A blob is a range of pages of its own, larger than it needs: addresses cost
//! nothing. Its first page is the header; then one page per slot with the end of what
//! that slot's node wrote; then the bytes. So writers on different nodes meet on no
//! page but those whose bytes they share, and a large blob can be written by many
//! transactions. Sealing fixes the length; from then on it can be read without a
//! look at the slots' pages.
use types::{Extent, PAGE_SIZE, PAGES_PER_EXTENT, PageId};

use crate::cell::{Cell, clear_page, record};
use crate::region::{self, BLOB_REGIONS, Counter};
use crate::{BlobId, Failure, Pages, Refusal, Slot, Stop};

/// Pages before the bytes: the header and a page per slot.
const PREFIX_PAGES: u32 = 65;
/// Blob extents of a region.
const EXTENTS_PER_REGION: u64 = (1 << 32) / PAGES_PER_EXTENT as u64;
/// Bytes that a blob can hold at most.
pub const BLOB_BYTES_MAX: u64 = 4 << 30;
/// Bytes that one transaction should write or read at most: it holds all their pages.
pub const BLOB_BYTES_PER_TRANSACTION: usize = 64 * PAGE_SIZE;

const PAGE_BYTES: u64 = PAGE_SIZE as u64;

const NONE: u32 = 0;
const OPEN: u32 = 1;
const SEALED: u32 = 2;
const FREED: u32 = 3;

record! {
    struct BlobHeader {
        state: u32,
        capacity: u64,
        /// Bytes, once sealed; bytes yet to be cleared, once freed.
        length: u64,
        /// One bit for every slot that has written.
        writers: u64,
    }
}

/// How much of bounded work is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Call again, in a transaction of its own.
    More,
    /// Nothing is left.
    Done,
}

/// Reserves a blob of up to `capacity` bytes.
///
/// # Errors
/// If that is more than [`BLOB_BYTES_MAX`], or no addresses are left.
pub fn create(pages: &mut impl Pages, capacity: u64) -> Result<BlobId, Failure> {
    if capacity > BLOB_BYTES_MAX {
        return Err(Refusal::BlobTooLong {
            end: capacity,
            capacity: BLOB_BYTES_MAX,
        }
        .into());
    }
    let extents = extents_of(capacity);
    let next: Cell<u64> = Cell::first(region::counter(Counter::BlobExtents));
    let mut first = next.get(pages)?;
    if first % EXTENTS_PER_REGION + extents > EXTENTS_PER_REGION {
        first = first.next_multiple_of(EXTENTS_PER_REGION);
    }
    if first + extents > EXTENTS_PER_REGION * u64::from(BLOB_REGIONS) {
        return Err(Refusal::BlobSpaceFull.into());
    }
    next.set(pages, first + extents)?;
    let blob = BlobId::at_extent(first);
    header(blob).set(
        pages,
        BlobHeader {
            state: OPEN,
            capacity,
            length: 0,
            writers: 0,
        },
    )?;
    Ok(blob)
}

/// Writes bytes; what lies between them and earlier ones reads as zeroes.
///
/// # Errors
/// If the blob is sealed, or too small.
pub fn write(
    pages: &mut impl Pages,
    slot: Slot,
    blob: BlobId,
    offset: u64,
    bytes: &[u8],
) -> Result<(), Failure> {
    let BlobHeader {
        state, capacity, ..
    } = open(pages, blob)?;
    if state == SEALED {
        return Err(Refusal::BlobSealed(blob).into());
    }
    let end = offset.saturating_add(bytes.len() as u64);
    if end > capacity {
        return Err(Refusal::BlobTooLong { end, capacity }.into());
    }
    if bytes.is_empty() {
        return Ok(());
    }
    let mut rest = bytes;
    for (page, within) in spans(blob, offset, bytes.len()) {
        let (now, later) = rest.split_at(within.len());
        pages.write(page)?[within].copy_from_slice(now);
        rest = later;
    }
    let mark = mark(blob, slot);
    let before = mark.get(pages)?;
    if before == 0 {
        header(blob).update(pages, |header| header.writers |= 1 << slot.index())?;
    }
    if before < end {
        mark.set(pages, end)?;
    }
    Ok(())
}

/// Reads bytes from `offset` on; returns how many there were.
///
/// # Errors
/// If there is no such blob.
pub fn read(
    pages: &mut impl Pages,
    blob: BlobId,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, Failure> {
    let left = length(pages, blob)?.saturating_sub(offset);
    let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    let mut rest = &mut buffer[..count];
    for (page, within) in spans(blob, offset, count) {
        let (now, later) = rest.split_at_mut(within.len());
        now.copy_from_slice(&pages.read(page)?[within]);
        rest = later;
    }
    Ok(count)
}

/// Length in bytes: up to the last byte that was written.
///
/// # Errors
/// If there is no such blob.
pub fn length(pages: &mut impl Pages, blob: BlobId) -> Result<u64, Failure> {
    let header = open(pages, blob)?;
    if header.state == SEALED {
        Ok(header.length)
    } else {
        Ok(written(pages, blob, &header)?)
    }
}

/// The addresses that are the blob's alone: its first extent, and how many follow from there.
///
/// # Errors
/// If there is no such blob.
pub fn extents(pages: &mut impl Pages, blob: BlobId) -> Result<(Extent, u32), Failure> {
    let count = extents_of(check(pages, blob)?.capacity);
    let count = u32::try_from(count).expect("a blob holds some gigabytes at most");
    Ok((blob.page(0).extent(), count))
}

/// Makes the blob unchangeable.
///
/// # Errors
/// If there is no such blob. Sealing twice is no error.
pub fn seal(pages: &mut impl Pages, blob: BlobId) -> Result<(), Failure> {
    let found = open(pages, blob)?;
    if found.state == OPEN {
        let length = written(pages, blob, &found)?;
        header(blob).set(
            pages,
            BlobHeader {
                state: SEALED,
                length,
                ..found
            },
        )?;
    }
    Ok(())
}

/// Clears up to `pages_max` pages of bytes, from the end; when none are left, the
/// blob no longer exists. A cleared page costs no more than one never written.
///
/// # Errors
/// If there is no such blob.
pub fn free(pages: &mut impl Pages, blob: BlobId, pages_max: u32) -> Result<Progress, Failure> {
    let mut found = check(pages, blob)?;
    if found.state == OPEN {
        found.length = written(pages, blob, &found)?;
    }
    found.state = FREED;
    for _ in 0..pages_max {
        let Some(last) = found.length.checked_sub(1) else {
            break;
        };
        clear_page(pages, byte_page(blob, last))?;
        found.length = last - last % PAGE_BYTES;
    }
    if found.length > 0 {
        header(blob).set(pages, found)?;
        return Ok(Progress::More);
    }
    for slot in writers(&found) {
        clear_page(pages, mark_page(blob, slot))?;
    }
    clear_page(pages, blob.page(0))?;
    Ok(Progress::Done)
}

fn extents_of(capacity: u64) -> u64 {
    let page_count = u64::from(PREFIX_PAGES) + capacity.div_ceil(PAGE_BYTES);
    page_count.div_ceil(u64::from(PAGES_PER_EXTENT))
}

fn header(blob: BlobId) -> Cell<BlobHeader> {
    Cell::first(blob.page(0))
}

fn mark_page(blob: BlobId, slot: Slot) -> PageId {
    blob.page(1 + slot.index())
}

fn mark(blob: BlobId, slot: Slot) -> Cell<u64> {
    Cell::first(mark_page(blob, slot))
}

fn check(pages: &mut impl Pages, blob: BlobId) -> Result<BlobHeader, Failure> {
    if !blob.is_plausible() {
        return Err(Refusal::NoSuchBlob(blob).into());
    }
    let found = header(blob).get(pages)?;
    if found.state == NONE {
        return Err(Refusal::NoSuchBlob(blob).into());
    }
    Ok(found)
}

fn open(pages: &mut impl Pages, blob: BlobId) -> Result<BlobHeader, Failure> {
    match check(pages, blob)? {
        BlobHeader { state: FREED, .. } => Err(Refusal::BlobFreed(blob).into()),
        found => Ok(found),
    }
}

fn writers(header: &BlobHeader) -> impl Iterator<Item = Slot> + use<> {
    let writers = header.writers;
    Slot::all().filter(move |slot| writers >> slot.index() & 1 == 1)
}

fn written(pages: &mut impl Pages, blob: BlobId, header: &BlobHeader) -> Result<u64, Stop> {
    let mut end = 0;
    for slot in writers(header) {
        end = end.max(mark(blob, slot).get(pages)?);
    }
    Ok(end)
}

fn byte_page(blob: BlobId, offset: u64) -> PageId {
    let page = u32::try_from(offset / PAGE_BYTES).expect("offsets are below the capacity");
    blob.page(PREFIX_PAGES + page)
}

/// The pages of `count` bytes from `offset` on, with the part of each.
fn spans(
    blob: BlobId,
    offset: u64,
    count: usize,
) -> impl Iterator<Item = (PageId, core::ops::Range<usize>)> {
    let end = offset + count as u64;
    let mut at = offset;
    core::iter::from_fn(move || {
        if at == end {
            return None;
        }
        let start = usize::try_from(at % PAGE_BYTES).expect("below the page size");
        let left = usize::try_from(end - at).expect("no more than the count");
        let within = start..PAGE_SIZE.min(start + left);
        let page = byte_page(blob, at);
        at += within.len() as u64;
        Some((page, within))
    })
}

impl BlobId {
    fn at_extent(extent: u64) -> Self {
        let region = u32::try_from(extent / EXTENTS_PER_REGION).expect("checked by create");
        let index = (extent % EXTENTS_PER_REGION) * u64::from(PAGES_PER_EXTENT);
        Self((u64::from(region::blob_region(region)) << 32) | index)
    }

    /// Whether a blob's header can lie there.
    fn is_plausible(self) -> bool {
        let PageId { region, index } = self.page(0);
        region::is_blob_region(region.0) && index.0.is_multiple_of(PAGES_PER_EXTENT)
    }

    fn page(self, offset: u32) -> PageId {
        let region = u32::try_from(self.0 >> 32).expect("32 bits are left");
        let index = u32::try_from(self.0 & 0xFFFF_FFFF).expect("32 bits are left");
        PageId::new(region, index + offset)
    }
}
