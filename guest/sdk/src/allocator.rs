//! The global allocator of a module: the heap, between `__heap_base` and the end of memory.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::{Cell, UnsafeCell};
use core::ptr;

use crate::heap::{ARENAS, Heap, SHARED_ARENA, Source};
use crate::host::node;
use crate::shared::{PAGE_BYTES, PageAligned, Static};

/// Bytes in a page of WebAssembly, the unit in which memory grows.
const WASM_PAGE_BYTES: usize = 64 << 10;

unsafe extern "C" {
    /// End of the module's statics; the linker defines it.
    static __heap_base: u8;
}

/// The module's linear memory.
struct LinearMemory;

impl Source for LinearMemory {
    fn start(&self) -> (usize, usize) {
        let base = (&raw const __heap_base).addr().next_multiple_of(PAGE_BYTES);
        (base, wasm32::memory_size::<0>() * WASM_PAGE_BYTES)
    }

    fn grow(&mut self, bytes: usize) -> Option<(usize, usize)> {
        let more = bytes.div_ceil(WASM_PAGE_BYTES);
        let before = wasm32::memory_grow::<0>(more);
        // The last page of a full 4 GiB is not used: its end has no address.
        let end = before.checked_add(more)?.checked_mul(WASM_PAGE_BYTES)?;
        (before != usize::MAX).then_some((before * WASM_PAGE_BYTES, end))
    }
}

static HEAP: Static<UnsafeCell<Heap<LinearMemory>>> =
    Static::new(UnsafeCell::new(Heap::new(LinearMemory)));

/// Whether [`share`] runs. On a page of its own, which only `share` writes; and as it is
/// the same at the end of a step as at its beginning, that is no write either.
static SHARING: Static<PageAligned<Cell<bool>>> = Static::new(PageAligned::new(Cell::new(false)));

/// Makes a value that all nodes will read. What `make` allocates lies on pages where
/// nothing else is allocated later, so that reading it never meets a write.
pub fn share<T>(make: impl FnOnce() -> T) -> T {
    let outer = SHARING.replace(true);
    let value = make();
    SHARING.set(outer);
    value
}

/// The arena to allocate from and to give memory back to.
fn arena() -> usize {
    if SHARING.get() {
        SHARED_ARENA
    } else {
        node() % ARENAS
    }
}

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: the heap hands out memory as `GlobalAlloc` demands. Nothing here calls back into
// the allocator, so there is one reference to the heap at a time.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the only reference at this time.
        match unsafe { &mut *HEAP.get() }.allocate(layout, arena()) {
            Some(block) => ptr::with_exposed_provenance_mut(block.address),
            None => ptr::null_mut(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the only reference at this time.
        let Some(block) = unsafe { &mut *HEAP.get() }.allocate(layout, arena()) else {
            return ptr::null_mut();
        };
        let pointer: *mut u8 = ptr::with_exposed_provenance_mut(block.address);
        if !block.zero {
            // SAFETY: the block is at least as large as the layout.
            unsafe { pointer.write_bytes(0, layout.size()) };
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the only reference at this time; the caller vouches for the block.
        unsafe { (*HEAP.get()).free(pointer.expose_provenance(), layout, arena) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return ptr::null_mut();
        };
        if Heap::<LinearMemory>::fits(layout, new_layout) {
            return pointer;
        }
        // SAFETY: as the caller of `realloc` vouches; the blocks are different.
        unsafe {
            let target = self.alloc(new_layout);
            if !target.is_null() {
                target.copy_from_nonoverlapping(pointer, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
            target
        }
    }
}
