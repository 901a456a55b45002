//! Frames: pages of memory at addresses of their own, for page tables and for guests.
//!
//! They come from the heap in blocks and go back to a list of free ones, which lies in
//! themselves.
use alloc::alloc::{Layout, alloc, handle_alloc_error};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use spin::Mutex;
use types::PAGE_SIZE;

/// Bytes taken from the heap at once.
const BLOCK_BYTES: usize = 1 << 20;

/// Where a frame lies. Memory is mapped one to one, so this is where it is found, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameAddress(pub(crate) usize);

/// The first free frame, 0 = none; each holds where the next is.
struct FreeList(usize);

static FREE: Mutex<FreeList> = Mutex::new(FreeList(0));
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Pages of memory that page tables, stacks and guests have.
#[must_use]
pub fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

impl FrameAddress {
    /// The frame's bytes.
    pub(crate) fn pointer<T>(self) -> *mut T {
        ptr::with_exposed_provenance_mut(self.0)
    }
}

/// A frame, with whatever was in it.
pub(crate) fn take() -> FrameAddress {
    let mut free = FREE.lock();
    if free.0 == 0 {
        refill(&mut free);
    }
    let frame = FrameAddress(free.0);
    // SAFETY: a free frame holds the address of the next, and nobody else uses it.
    free.0 = unsafe { frame.pointer::<usize>().read() };
    IN_USE.fetch_add(1, Ordering::Relaxed);
    frame
}

/// A frame of zeros.
pub(crate) fn take_zeroed() -> FrameAddress {
    let frame = take();
    // SAFETY: the frame is ours and has so many bytes.
    unsafe { frame.pointer::<u8>().write_bytes(0, PAGE_SIZE) };
    frame
}

/// Gives back a frame that nothing refers to any more.
///
/// # Safety
/// It came from [`take`], it is mapped nowhere but where all memory is, and nobody uses it.
pub(crate) unsafe fn give(frame: FrameAddress) {
    let mut free = FREE.lock();
    // SAFETY: the caller gives it up, and it has room for an address.
    unsafe { frame.pointer::<usize>().write(free.0) };
    free.0 = frame.0;
    IN_USE.fetch_sub(1, Ordering::Relaxed);
}

fn refill(free: &mut FreeList) {
    let layout = Layout::from_size_align(BLOCK_BYTES, PAGE_SIZE).expect("a power of two");
    // SAFETY: the layout has a size.
    let block = unsafe { alloc(layout) };
    let Some(block) = NonNull::new(block) else {
        handle_alloc_error(layout);
    };
    let start = block.as_ptr().expose_provenance();
    for at in (start..start + BLOCK_BYTES).step_by(PAGE_SIZE) {
        // SAFETY: within the block, which is ours.
        unsafe { FrameAddress(at).pointer::<usize>().write(free.0) };
        free.0 = at;
    }
}
