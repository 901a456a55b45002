//! Which sizes blocks have.

use core::alloc::Layout;

use super::page::{BLOCK_ALIGN, BLOCKS_OFFSET};
use crate::shared::PAGE_BYTES;

/// Sizes of small blocks. The upper ones are those that fill a page well.
const SMALL_BYTES: [usize; 21] = [
    16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 672, 816, 1008, 1360,
    2032,
];
/// How many sizes of small blocks there are.
pub(super) const SMALL_CLASSES: usize = SMALL_BYTES.len();

/// Numbers of pages that runs have: all up to 8, then four per doubling.
const EXACT_BUCKETS: usize = 8;
/// Buckets up to runs of 2^20 pages, all that a memory can have.
pub(super) const RUN_BUCKETS: usize = EXACT_BUCKETS + 4 * (20 - EXACT_BUCKETS.ilog2() as usize);
/// The bucket of single pages.
pub(super) const ONE_PAGE: usize = 0;

/// The kind of block that a layout gets.
#[derive(PartialEq, Eq)]
pub(super) enum Class {
    /// A block of the small size with this index.
    Small(usize),
    /// A run of pages of this bucket.
    Run(usize),
}

impl Class {
    pub(super) fn of(layout: Layout) -> Option<Self> {
        if layout.align() > PAGE_BYTES {
            return None;
        }
        let small = SMALL_BYTES.partition_point(|&bytes| bytes < layout.size());
        if small < SMALL_CLASSES && layout.align() <= BLOCK_ALIGN {
            return Some(Self::Small(small));
        }
        let bucket = bucket_above(layout.size().div_ceil(PAGE_BYTES).max(1));
        (bucket < RUN_BUCKETS).then_some(Self::Run(bucket))
    }
}

/// Size of a small block in bytes.
pub(super) fn small_bytes(class: usize) -> usize {
    SMALL_BYTES[class]
}

/// How many small blocks a page has.
pub(super) fn blocks_per_page(class: usize) -> usize {
    (PAGE_BYTES - BLOCKS_OFFSET) / SMALL_BYTES[class]
}

/// Pages of a run of the bucket.
pub(super) fn bucket_pages(bucket: usize) -> usize {
    match bucket.checked_sub(EXACT_BUCKETS) {
        None => bucket + 1,
        Some(above) => (5 + above % 4) << (above / 4 + 1),
    }
}

/// The smallest bucket with at least this many pages.
pub(super) fn bucket_above(pages: usize) -> usize {
    if pages <= EXACT_BUCKETS {
        return pages - 1;
    }
    let octave = (pages - 1).ilog2() as usize;
    let quarter = ((pages - 1) >> (octave - 2)) & 3;
    EXACT_BUCKETS + (octave - 3) * 4 + quarter
}

/// The largest bucket with at most this many pages.
pub(super) fn bucket_below(pages: usize) -> usize {
    let bucket = bucket_above(pages);
    if bucket_pages(bucket) == pages {
        bucket
    } else {
        bucket - 1
    }
}

#[cfg(test)]
mod tests {
    use super::{RUN_BUCKETS, SMALL_BYTES, bucket_above, bucket_below, bucket_pages};

    #[test]
    fn small_sizes_keep_the_alignment() {
        assert!(
            SMALL_BYTES
                .iter()
                .all(|bytes| bytes % super::BLOCK_ALIGN == 0)
        );
    }

    #[test]
    fn buckets_and_pages_agree() {
        for bucket in 0..RUN_BUCKETS {
            let pages = bucket_pages(bucket);
            assert_eq!(bucket_above(pages), bucket);
            assert_eq!(bucket_below(pages), bucket);
        }
        assert_eq!(bucket_pages(RUN_BUCKETS - 1), 1 << 20);
        for pages in 1..5000 {
            let (below, above) = (bucket_below(pages), bucket_above(pages));
            assert!(bucket_pages(below) <= pages && pages <= bucket_pages(above));
            assert!(above - below <= 1);
            assert!(bucket_pages(above) <= pages + pages / 4 + 1);
        }
    }
}
