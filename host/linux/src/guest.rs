//! The guest that a thread runs: what signal handlers find of it, and their stack.
use std::cell::{Cell, RefCell};
use std::io;
use std::ptr;
use std::sync::atomic::{Ordering, compiler_fence};

use platform::{GuestCode, GuestEvents};
use types::PAGE_SIZE;

use crate::mapping::{Mapping, check};
use crate::{fault, interrupt};

/// Stack of the handlers: the node's network runs on it while a page is fetched.
const STACK_BYTES: usize = 2 << 20;

/// The guest that this thread runs.
pub(crate) struct Target<'a> {
    /// Where the view's linear memory begins.
    pub(crate) base: usize,
    /// Its bytes.
    pub(crate) length: usize,
    pub(crate) code: &'a GuestCode,
    pub(crate) events: &'a dyn GuestEvents,
}

/// A thread's stack for signals, taken out of service when the thread ends.
struct SignalStack(#[expect(dead_code, reason = "held until the thread ends")] Mapping);

thread_local! {
    static TARGET: Cell<*const Target<'static>> = const { Cell::new(ptr::null()) };
    static STACK: RefCell<Option<SignalStack>> = const { RefCell::new(None) };
}

/// Runs `body`; while it runs, signals of this thread are about the guest `target`.
pub(crate) fn run(target: &Target<'_>, body: &mut dyn FnMut()) {
    let watch = interrupt::watch().unwrap_or_else(prepare_thread);
    // Only the lifetime is erased: `Reset` takes the pointer out of reach of the handlers
    // before this function returns or unwinds, and so before the target ends.
    let _reset = Reset(TARGET.replace(ptr::from_ref(target).cast()));
    let _step = watch.begin();
    compiler_fence(Ordering::SeqCst);
    body();
    compiler_fence(Ordering::SeqCst);
}

/// The guest that this thread runs, for handlers of signals.
pub(crate) fn current<'a>() -> Option<&'a Target<'a>> {
    // SAFETY: not null means that `run` is active on this thread, further up its stack
    // than whoever asks; the target is alive until `run` ends.
    unsafe { TARGET.get().as_ref() }
}

/// Runs `answer` while there is no guest: a fault in the node's own code is fatal, and
/// an interrupt while it answers is none.
pub(crate) fn suspended<R>(answer: impl FnOnce() -> R) -> R {
    let _reset = Reset(TARGET.replace(ptr::null()));
    compiler_fence(Ordering::SeqCst);
    let answer = answer();
    compiler_fence(Ordering::SeqCst);
    answer
}

struct Reset(*const Target<'static>);

impl Drop for Reset {
    fn drop(&mut self) {
        TARGET.set(self.0);
    }
}

#[cold]
fn prepare_thread() -> &'static interrupt::Watch {
    let stack = SignalStack::install().expect("a stack for signals");
    STACK.with_borrow_mut(|place| *place = Some(stack));
    fault::install();
    interrupt::install();
    interrupt::join()
}

impl SignalStack {
    fn install() -> io::Result<Self> {
        // The lowest page stays closed: an overflow ends the process, not its memory.
        let mapping = Mapping::reserve(STACK_BYTES + PAGE_SIZE)?;
        mapping.open(PAGE_SIZE, STACK_BYTES)?;
        let stack = libc::stack_t {
            ss_sp: mapping.at(PAGE_SIZE).cast(),
            ss_flags: 0,
            ss_size: STACK_BYTES,
        };
        // SAFETY: the stack is mapped, and stays so until `drop` has disabled it.
        check(unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) })?;
        Ok(Self(mapping))
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        let none = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: takes the stack out of service; the thread ends and runs no handler on it.
        let disabled = check(unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) });
        disabled.expect("a thread that ends is not in a signal handler");
    }
}
