//! How devices reach memory: it is mapped one to one.
use alloc::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use core::ptr::{self, NonNull};

use types::PAGE_SIZE;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::paging;

/// Memory as devices see it.
#[derive(Debug)]
pub(super) struct OneToOne;

fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).expect("queues are small")
}

// SAFETY: (1) the heap lies where memory is mapped one to one, so that addresses are physical
// ones; (2) what is allocated here is nobody else's until it is given back.
unsafe impl Hal for OneToOne {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: the layout has a size.
        let at = unsafe { alloc_zeroed(layout(pages)) };
        let Some(at) = NonNull::new(at) else {
            handle_alloc_error(layout(pages));
        };
        (at.as_ptr().expose_provenance() as PhysAddr, at)
    }

    unsafe fn dma_dealloc(_: PhysAddr, at: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller has it from `dma_alloc`.
        unsafe { dealloc(at.as_ptr(), layout(pages)) };
        0
    }

    unsafe fn mmio_phys_to_virt(at: PhysAddr, bytes: usize) -> NonNull<u8> {
        let at = usize::try_from(at).expect("addresses have 64 bits");
        paging::map_device(at..at + bytes);
        NonNull::new(ptr::with_exposed_provenance_mut(at)).expect("no device lies at zero")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr().expose_provenance() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
