//! Interrupts of guests that run long: a signal from the ticker to the guest's thread.
//!
//! Guest code has no checks of a clock. A thread publishes the number of the step that
//! it runs; the ticker looks at it, and when it sees one number twice, it signals the
//! thread. So a short step costs two stores, and an idle node gets no signals.
//!
//! The signal is asynchronous, but the handler does something only if it has come at an
//! instruction of the guest's own functions. There no lock is held and no host code is
//! in the middle of anything, so the handler may do what the handler of faults may do.
//! Anywhere else it leaves a note ([`platform::GuestEvents::interrupt_later`]) and the
//! ticker signals again at its next look.
//!
//! A signal may come late: when its step has ended, when another runs, or not even a
//! guest. It carries the number of the step that it is for, and is ignored then.
//!
//! To stop the guest, the handler moves it to an instruction that traps. The WebAssembly
//! runtime then walks the frames, from the frame pointer that it finds there: see
//! [`is_walkable`].
use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use platform::{GuestAnswer, GuestCode};

use crate::guest::{self, Target};
use crate::mapping::check;

/// Ignored by default, so one that comes before the handler is harmless.
const SIGNAL: i32 = libc::SIGURG;
/// No step runs.
const NONE: u64 = 0;

/// A thread that runs guests, as the ticker sees it.
#[derive(Debug)]
pub(crate) struct Watch {
    thread: AtomicU64,
    /// Number of the step that runs, or [`NONE`]. Written by the thread only.
    step: AtomicU64,
    /// The last step; numbers go on when another thread takes this watch over.
    last: AtomicU64,
    /// What the ticker has seen at its last look.
    seen: AtomicU64,
    /// The step that the last signal was for.
    asked: AtomicU64,
}

/// All watches. They are never freed, but used again when their thread has ended.
static WATCHES: Mutex<Vec<&'static Watch>> = Mutex::new(Vec::new());

thread_local! {
    static WATCH: Cell<Option<&'static Watch>> = const { Cell::new(None) };
    static LEAVER: Leaver = const { Leaver };
}

/// Gives the watch back when the thread ends.
struct Leaver;

impl Drop for Leaver {
    fn drop(&mut self) {
        if let Some(watch) = WATCH.take() {
            // Under the lock, so that the ticker never signals a thread that has ended.
            let _watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
            watch.thread.store(NONE, Ordering::Relaxed);
        }
    }
}

/// The step that runs, until dropped.
pub(crate) struct Step<'a>(&'a Watch);

impl Watch {
    /// Publishes that a step begins.
    pub(crate) fn begin(&self) -> Step<'_> {
        let step = self.last.load(Ordering::Relaxed) + 1;
        self.last.store(step, Ordering::Relaxed);
        self.step.store(step, Ordering::Relaxed);
        Step(self)
    }

    /// Signals the thread if it still runs the step that it ran at the last look.
    fn look(&self) {
        let step = self.step.load(Ordering::Relaxed);
        if self.seen.swap(step, Ordering::Relaxed) != step || step == NONE {
            return;
        }
        self.asked.store(step, Ordering::Relaxed);
        let thread = self.thread.load(Ordering::Relaxed).cast_signed();
        if thread != 0 {
            // SAFETY: signals a thread of this process; its handler ignores what is not
            // for it. Fails only if the thread is gone, and with it the step.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
        }
    }

    /// Whether the last signal was for the step that runs.
    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) == self.step.load(Ordering::Relaxed)
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.step.store(NONE, Ordering::Relaxed);
    }
}

/// This thread's watch, if it has one.
pub(crate) fn watch() -> Option<&'static Watch> {
    WATCH.get()
}

/// Gives this thread a watch.
pub(crate) fn join() -> &'static Watch {
    // SAFETY: asks for a number.
    let thread = i64::from(unsafe { libc::gettid() }).cast_unsigned();
    let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    let free = watches
        .iter()
        .copied()
        .find(|watch| watch.thread.load(Ordering::Relaxed) == NONE);
    let watch = free.unwrap_or_else(|| {
        let new = Box::leak(Box::new(Watch {
            thread: AtomicU64::new(NONE),
            step: AtomicU64::new(NONE),
            last: AtomicU64::new(NONE),
            seen: AtomicU64::new(NONE),
            asked: AtomicU64::new(NONE),
        }));
        watches.push(new);
        new
    });
    watch.thread.store(thread, Ordering::Relaxed);
    WATCH.set(Some(watch));
    LEAVER.with(|_| ());
    watch
}

/// Looks at all threads that run guests, and signals those whose step is long.
pub(crate) fn look() {
    let watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    watches.iter().for_each(|watch| watch.look());
}

/// Installs the handler, once per process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| install_handler().expect("a handler for SIGURG"));
}

fn install_handler() -> io::Result<()> {
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    // SAFETY: all zeroes is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    // A second signal while the node answers is ignored rather than kept: hence NODEFER.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for.
    check(unsafe { libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()) })
}

/// Until it knows that it is at a guest's instruction it allocates nothing, locks
/// nothing and makes no system call: any code may be in the middle of anything.
extern "C" fn on_signal(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let (Some(target), Some(watch)) = (guest::current(), watch()) else {
        return;
    };
    if !watch.is_asked() {
        return;
    }
    // SAFETY: the kernel passes the context of the interrupted code, which nobody else
    // looks at before the handler returns.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    let at = program_counter(registers);
    if *at == target.code.stop {
        return; // It is being stopped already.
    }
    if !target.code.is_guest(*at) {
        target.events.interrupt_later();
        return;
    }
    if !is_walkable(target, frame_and_stack(registers)) {
        return;
    }
    match guest::suspended(|| target.events.interrupt()) {
        GuestAnswer::Resume => {}
        GuestAnswer::Trap => *program_counter(registers) = target.code.stop,
    }
}

/// Whether the frames can be followed from here to the frame that called the guest.
///
/// The compiler keeps a frame pointer in every function. Before a prologue has set it
/// and after an epilogue has taken it back, it is that of the caller, which is as good:
/// only a line of a report is missing. But the prologue of a function with tail calls
/// that pass more arguments on the stack than it has got moves its frame, and for two
/// instructions the frame pointer points to where the saved one is not yet. The runtime
/// would stop at an assertion or follow it to nowhere. So the guest is interrupted only
/// where the walk is seen to end well; no loop consists of other places only.
fn is_walkable(target: &Target<'_>, (mut frame, stack): (usize, usize)) -> bool {
    // `target` lies in an older frame than all of the guest's, so the words between are
    // of this thread's stack.
    let end = ptr::from_ref(target) as usize;
    let mut lowest = stack;
    loop {
        if frame < lowest || frame > end - 16 || frame % 16 != 0 {
            return false;
        }
        // SAFETY: two aligned words of this thread's stack, as just checked.
        let [older, caller] = unsafe { *(frame as *const [usize; 2]) };
        if !is_code(target.code, caller) {
            return true; // The frame of the code that the host has called.
        }
        (lowest, frame) = (frame + 16, older);
    }
}

fn is_code(code: &GuestCode, address: usize) -> bool {
    code.text.contains(&address)
}

#[cfg(target_arch = "x86_64")]
mod registers {
    //! Where the kernel puts the registers of interrupted code.
    const PC: usize = libc::REG_RIP as usize;
    const FRAME: usize = libc::REG_RBP as usize;
    const STACK: usize = libc::REG_RSP as usize;

    pub(super) fn program_counter(registers: &mut libc::mcontext_t) -> &mut usize {
        let register: *mut i64 = &raw mut registers.gregs[PC];
        // SAFETY: the two types have the same size and alignment and allow all values.
        unsafe { &mut *register.cast::<usize>() }
    }

    pub(super) fn frame_and_stack(registers: &libc::mcontext_t) -> (usize, usize) {
        let register = |index: usize| {
            let value = registers.gregs[index].cast_unsigned();
            usize::try_from(value).expect("registers hold addresses")
        };
        (register(FRAME), register(STACK))
    }
}
use registers::{frame_and_stack, program_counter};
