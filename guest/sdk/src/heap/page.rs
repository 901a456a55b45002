//! A page of small blocks of one size: header, then blocks.

use core::ptr;

use super::size::{blocks_per_page, small_bytes};
use crate::shared::PAGE_BYTES;

/// Alignment of small blocks.
pub(super) const BLOCK_ALIGN: usize = 16;
/// Where the first block begins.
pub(super) const BLOCKS_OFFSET: usize = 16;
const _: () = assert!(size_of::<SmallPage>() <= BLOCKS_OFFSET, "the header fits");

/// The header. Offsets are in bytes from the page's start, 0 = none.
#[repr(C)]
pub(super) struct SmallPage {
    /// Address of the next page in the arena's list of the same size; 0 = the last.
    next: usize,
    /// First block of the list of freed ones; each holds the offset of the next.
    freed: u16,
    /// First block that was never used. Invariant: those behind it were not, either.
    unused: u16,
    /// Blocks in use.
    used: u16,
}

impl SmallPage {
    /// Makes a page of small blocks out of any page.
    pub(super) fn format(address: usize) -> &'static mut Self {
        let page = Self::of(address);
        *page = Self {
            next: 0,
            freed: 0,
            unused: BLOCKS_OFFSET as u16,
            used: 0,
        };
        page
    }

    /// The page that an address is on.
    pub(super) fn of(address: usize) -> &'static mut Self {
        let page = ptr::with_exposed_provenance_mut::<Self>(address & !(PAGE_BYTES - 1));
        // SAFETY: the heap calls this for its own pages only, aligned and writable, and
        // lets go of the reference before it makes another to the same page. Any bytes
        // are a valid header.
        unsafe { &mut *page }
    }

    pub(super) fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    pub(super) fn next(&self) -> usize {
        self.next
    }

    pub(super) fn set_next(&mut self, next: usize) {
        self.next = next;
    }

    pub(super) fn is_full(&self, class: usize) -> bool {
        usize::from(self.used) == blocks_per_page(class)
    }

    /// Takes a block of a page that is not full.
    pub(super) fn take(&mut self, class: usize) -> usize {
        self.used += 1;
        let offset = if self.freed == 0 {
            let offset = self.unused;
            self.unused += small_bytes(class) as u16;
            offset
        } else {
            let offset = self.freed;
            self.freed = *self.link(offset);
            offset
        };
        self.address() + usize::from(offset)
    }

    /// Puts a block back.
    pub(super) fn put(&mut self, block: usize) {
        let offset = (block - self.address()) as u16;
        *self.link(offset) = self.freed;
        self.freed = offset;
        self.used -= 1;
    }

    /// The first bytes of a free block.
    fn link(&mut self, offset: u16) -> &mut u16 {
        let address = self.address() + usize::from(offset);
        // SAFETY: a free block is the heap's own, aligned, and apart from the header.
        unsafe { &mut *ptr::with_exposed_provenance_mut(address) }
    }
}
