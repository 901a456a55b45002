//! The heap: all memory that nothing else uses.
use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use spin::Mutex;
use talc::base::Talc;
use talc::base::binning::DefaultBinning;
use talc::source::Manual;

/// The allocator, and what it counts.
struct Heap(Mutex<Talc<Manual, DefaultBinning>>);

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Talc::new(Manual)));

static USED: AtomicUsize = AtomicUsize::new(0);
static CLAIMED: AtomicUsize = AtomicUsize::new(0);

/// Bytes in use, and bytes that there are.
#[must_use]
pub fn usage() -> (usize, usize) {
    (
        USED.load(Ordering::Relaxed),
        CLAIMED.load(Ordering::Relaxed),
    )
}

/// Adds memory that is mapped and that nobody uses.
pub(crate) fn claim(free: &[Range<usize>]) {
    let mut heap = HEAP.0.lock();
    for range in free {
        let base = ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: `Told::free` has found that nothing lies there.
        let claimed = unsafe { heap.claim(base, range.len()) };
        // A piece may be too small to be of use.
        if claimed.is_some() {
            CLAIMED.fetch_add(range.len(), Ordering::Relaxed);
        }
    }
}

// Interrupts never allocate: those that take long are delivered to code that holds no lock.
// SAFETY: the allocator keeps the contract, and the lock makes it one caller's at a time.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises that the layout has a size.
        let found = unsafe { self.0.lock().allocate(layout) };
        found.map_or(ptr::null_mut(), |at| {
            USED.fetch_add(layout.size(), Ordering::Relaxed);
            at.as_ptr()
        })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller promises that it has this from `alloc`.
        unsafe { self.0.lock().deallocate(at, layout) };
    }
}
