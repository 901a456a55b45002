//! What a node allocates from: lists of pages and runs, and a chunk of unused memory.

use core::ptr;

use super::page::SmallPage;
use super::size::{RUN_BUCKETS, SMALL_CLASSES, bucket_below, bucket_pages};
use crate::shared::PAGE_BYTES;

/// Memory that was never used, hence all zero.
pub(super) struct Chunk {
    pub(super) next: usize,
    pub(super) end: usize,
}

impl Chunk {
    pub(super) fn take(&mut self, bytes: usize) -> Option<usize> {
        let address = self.next;
        if self.end - address < bytes {
            return None;
        }
        self.next += bytes;
        Some(address)
    }
}

/// The control block.
pub(super) struct Arena {
    pub(super) chunk: Chunk,
    /// Size of the latest chunk.
    pub(super) chunk_bytes: usize,
    /// Per small size, the first page with a free block; 0 = none.
    pages: [usize; SMALL_CLASSES],
    /// Per bucket, the first free run, which begins with the address of the next.
    runs: [usize; RUN_BUCKETS],
}

const _: () = assert!(
    size_of::<Arena>() <= PAGE_BYTES,
    "an arena's control block is one page"
);

impl Arena {
    pub(super) const fn new() -> Self {
        Self {
            chunk: Chunk { next: 0, end: 0 },
            chunk_bytes: 0,
            pages: [0; SMALL_CLASSES],
            runs: [0; RUN_BUCKETS],
        }
    }

    /// A page with a free block of the size.
    pub(super) fn page(&self, class: usize) -> Option<&'static mut SmallPage> {
        let address = self.pages[class];
        (address != 0).then(|| SmallPage::of(address))
    }

    pub(super) fn put_page(&mut self, class: usize, page: &mut SmallPage) {
        page.set_next(self.pages[class]);
        self.pages[class] = page.address();
    }

    /// Takes the first page, which is full now, out of its list.
    pub(super) fn unlink_page(&mut self, class: usize) {
        self.pages[class] = SmallPage::of(self.pages[class]).next();
    }

    pub(super) fn take_run(&mut self, bucket: usize) -> Option<usize> {
        let run = self.runs[bucket];
        if run == 0 {
            return None;
        }
        // SAFETY: a run in the list is the heap's own, and `put_run` has written its link.
        self.runs[bucket] = unsafe { *ptr::with_exposed_provenance::<usize>(run) };
        Some(run)
    }

    pub(super) fn put_run(&mut self, bucket: usize, run: usize) {
        // SAFETY: the run is free, so it is the heap's own again, and page aligned.
        unsafe { *ptr::with_exposed_provenance_mut::<usize>(run) = self.runs[bucket] };
        self.runs[bucket] = run;
    }

    /// Takes the beginning of the smallest larger run; the rest stays free.
    pub(super) fn split_run(&mut self, bucket: usize) -> Option<usize> {
        let larger = (bucket + 1..RUN_BUCKETS).find(|&larger| self.runs[larger] != 0)?;
        let run = self.take_run(larger)?;
        let pages = bucket_pages(bucket);
        self.put_pages(run + pages * PAGE_BYTES, bucket_pages(larger) - pages);
        Some(run)
    }

    /// Puts what is left of the chunk among the free runs.
    pub(super) fn retire_chunk(&mut self) {
        let pages = (self.chunk.end - self.chunk.next) / PAGE_BYTES;
        self.put_pages(self.chunk.next, pages);
        self.chunk.next = self.chunk.end;
    }

    fn put_pages(&mut self, mut address: usize, mut pages: usize) {
        while pages > 0 {
            let bucket = bucket_below(pages);
            self.put_run(bucket, address);
            address += bucket_pages(bucket) * PAGE_BYTES;
            pages -= bucket_pages(bucket);
        }
    }
}
