//! What the WebAssembly runtime asks of the machine below it: the functions that it lists in
//! `wasmtime/src/runtime/vm/sys/custom/capi.rs`, by the names that it gives them.
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use types::PAGE_SIZE;

use crate::interrupt::Frame;
use crate::paging::{self, Access};
use crate::{cores, frames};

const WRITE: u32 = 2;
const RUN: u32 = 4;
/// Values that the runtime keeps per thread.
pub(crate) const VALUES: usize = 2;
/// A lock that is held for writing.
const WRITER: usize = usize::MAX;

type TrapHandler = extern "C" fn(usize, usize, bool, usize);

static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Ends the guest that was interrupted; returns only if it was none.
pub(crate) fn trap(frame: &Frame, touched: Option<usize>) {
    let handler = HANDLER.load(Ordering::Relaxed);
    if handler == 0 {
        return;
    }
    // SAFETY: the runtime has given this address of such a function.
    let handler: TrapHandler = unsafe { core::mem::transmute(handler) };
    let register = |value| usize::try_from(value).expect("registers hold addresses");
    handler(
        register(frame.rip),
        register(frame.rbp),
        touched.is_some(),
        touched.unwrap_or(0),
    );
}

fn access(flags: u32) -> Access {
    match (flags & WRITE != 0, flags & RUN != 0) {
        (_, true) => Access::Run,
        (true, false) => Access::Write,
        (false, false) => Access::Read,
    }
}

fn pages(at: *mut u8, size: usize) -> core::ops::Range<usize> {
    at.addr()..at.addr() + size.next_multiple_of(PAGE_SIZE)
}

fn fill(range: core::ops::Range<usize>, flags: u32) {
    for page in range.step_by(PAGE_SIZE) {
        paging::map(page, frames::take_zeroed(), access(flags));
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_mmap_new(size: usize, flags: u32, place: &mut *mut u8) -> i32 {
    let range = paging::reserve(size);
    *place = ptr::with_exposed_provenance_mut(range.start);
    fill(range, flags);
    0
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_mmap_remap(at: *mut u8, size: usize, flags: u32) -> i32 {
    let range = pages(at, size);
    // SAFETY: the runtime gives up what it had there.
    unsafe { paging::unmap_all(range.clone()) };
    fill(range, flags);
    0
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_munmap(at: *mut u8, size: usize) -> i32 {
    // SAFETY: the runtime gives up what it has got from `wasmtime_mmap_new`.
    unsafe { paging::release(pages(at, size)) };
    0
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_mprotect(at: *mut u8, size: usize, flags: u32) -> i32 {
    // SAFETY: the runtime says what it will do from now on.
    unsafe { paging::protect(pages(at, size), access(flags)) };
    0
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_page_size() -> usize {
    PAGE_SIZE
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_init_traps(handler: TrapHandler) -> i32 {
    HANDLER.store(handler as usize, Ordering::Relaxed);
    0
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_memory_image_new(_: *const u8, _: usize, place: &mut *mut u8) -> i32 {
    // There are none: views are filled by the node.
    *place = ptr::null_mut();
    0
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_memory_image_map_at(_: *mut u8, _: *mut u8, _: usize) -> i32 {
    unreachable!("no image was ever made")
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_memory_image_free(_: *mut u8) {}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_tls_get(slot: usize) -> *mut u8 {
    cores::own().runtime_values[slot].load(Ordering::Relaxed)
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_tls_set(slot: usize, value: *mut u8) {
    cores::own().runtime_values[slot].store(value, Ordering::Relaxed);
}

// Locks: one word, zero when free. Whoever waits spins; they are held for moments.

fn lock<'a>(word: *mut usize) -> &'a AtomicUsize {
    // SAFETY: the runtime gives the address of an aligned word that it uses for nothing else
    // and that lives as long as the lock.
    unsafe { AtomicUsize::from_ptr(word) }
}

fn spin(mut attempt: impl FnMut() -> bool) {
    while !attempt() {
        core::hint::spin_loop();
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_lock_free(_: *mut usize) {}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_lock_acquire(word: *mut usize) {
    spin(|| {
        let won = lock(word).compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed);
        won.is_ok()
    });
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_lock_release(word: *mut usize) {
    lock(word).store(0, Ordering::Release);
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_rwlock_read(word: *mut usize) {
    spin(|| {
        let readers = lock(word).load(Ordering::Relaxed);
        readers != WRITER
            && lock(word)
                .compare_exchange(readers, readers + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    });
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_rwlock_read_release(word: *mut usize) {
    lock(word).fetch_sub(1, Ordering::Release);
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_rwlock_write(word: *mut usize) {
    wasmtime_sync_lock_acquire(word);
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_rwlock_write_release(word: *mut usize) {
    wasmtime_sync_lock_release(word);
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_rwlock_free(_: *mut usize) {}
