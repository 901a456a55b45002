//! Touches of absent pages: from the signal to the node, and back into the guest.
//!
//! The signals are synchronous: the kernel raises them at the guest's own instruction,
//! on the thread that runs it, with no lock held. So the handler may do what any
//! function may do, and the node fetches the page from its peers inside it. Signals
//! that are not about a running guest's view, and those that the node answers with
//! [`FaultAnswer::Trap`], go on to the handler that was there before: that of the
//! WebAssembly runtime, which is installed before the first guest runs.
use std::cell::{Cell, RefCell};
use std::io;
use std::ptr;
use std::sync::OnceLock;

use platform::FaultAnswer;
use types::{PAGE_SIZE, PageIndex};

use crate::mapping::{Mapping, check};

/// Stack of the handler: the node's network runs on it while a page is fetched.
const STACK_BYTES: usize = 2 << 20;

/// The view whose guest this thread runs.
struct Target {
    base: usize,
    length: usize,
    on_fault: *mut dyn FnMut(PageIndex) -> FaultAnswer,
}

/// The handlers that were there before ours.
struct Previous {
    segv: libc::sigaction,
    bus: libc::sigaction,
}

/// A thread's stack for signals, taken out of service when the thread ends.
struct SignalStack(#[expect(dead_code, reason = "held until the thread ends")] Mapping);

thread_local! {
    static TARGET: Cell<*const Target> = const { Cell::new(ptr::null()) };
    static STACK: RefCell<Option<SignalStack>> = const { RefCell::new(None) };
    static PREPARED: Cell<bool> = const { Cell::new(false) };
}

static PREVIOUS: OnceLock<Previous> = OnceLock::new();

/// Runs `body`; while it runs, touches of absent pages between `base` and
/// `base + length` ask `on_fault`.
pub(crate) fn run(
    base: *mut u8,
    length: usize,
    on_fault: &mut dyn FnMut(PageIndex) -> FaultAnswer,
    body: &mut dyn FnMut(),
) {
    if !PREPARED.get() {
        prepare_thread();
    }
    // SAFETY: only the lifetime is erased: `Reset` takes the pointer out of reach of the
    // handler before this function returns or unwinds, and so before `on_fault` ends.
    let on_fault = unsafe {
        std::mem::transmute::<
            *mut (dyn FnMut(PageIndex) -> FaultAnswer + '_),
            *mut (dyn FnMut(PageIndex) -> FaultAnswer + 'static),
        >(on_fault)
    };
    let target = Target {
        base: base as usize,
        length,
        on_fault,
    };
    let _reset = Reset(TARGET.replace(&raw const target));
    body();
}

struct Reset(*const Target);

impl Drop for Reset {
    fn drop(&mut self) {
        TARGET.set(self.0);
    }
}

#[cold]
fn prepare_thread() {
    let stack = SignalStack::install().expect("a stack for signals");
    STACK.with_borrow_mut(|place| *place = Some(stack));
    PREVIOUS.get_or_init(|| install_handler().expect("handlers for SIGSEGV and SIGBUS"));
    PREPARED.set(true);
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

/// Installs our handler for both signals, over whatever there was.
fn install_handler() -> io::Result<Previous> {
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    // SAFETY: all zeroes is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
    // SAFETY: as above.
    let (mut segv, mut bus) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // A fault between these calls and the moment when `PREVIOUS` is set would find no
    // previous handler; it would be a defect of the node's own code, fatal anyway.
    // SAFETY: the handler has the signature that SA_SIGINFO asks for.
    check(unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut segv) })?;
    // SAFETY: as above.
    check(unsafe { libc::sigaction(libc::SIGBUS, &raw const action, &raw mut bus) })?;
    Ok(Previous { segv, bus })
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t` that has an address for these signals.
    let address = unsafe { (*info).si_addr() } as usize;
    let is_guest = match guest_answer(address) {
        Some(FaultAnswer::Resume) => return,
        Some(FaultAnswer::Trap) => true,
        None => false,
    };
    let previous = match PREVIOUS.get() {
        // The runtime knows SIGSEGV only; to it a trap is a trap.
        Some(previous) if is_guest || signal == libc::SIGSEGV => &previous.segv,
        Some(previous) => &previous.bus,
        None => std::process::abort(),
    };
    pass_on(previous, signal, info, context);
}

/// Asks the node about a touched address, if a guest of this thread touched its view.
fn guest_answer(address: usize) -> Option<FaultAnswer> {
    let target = TARGET.get();
    // SAFETY: not null means that `run` is active on this thread, and the target is in
    // its frame.
    let here = unsafe { target.as_ref() }?;
    let offset = address
        .checked_sub(here.base)
        .filter(|&offset| offset < here.length)?;
    let page = u32::try_from(offset / PAGE_SIZE).expect("a view has less than 2^32 pages");
    // While the node answers there is no guest: a fault in its own code is fatal.
    let _reset = Reset(TARGET.replace(ptr::null()));
    // SAFETY: `run` has the only reference to the callback and is suspended in `body`;
    // the line above excludes a second call.
    Some(unsafe { (*here.on_fault)(PageIndex(page)) })
}

/// Lets the handler that was there before ours have the signal.
fn pass_on(
    previous: &libc::sigaction,
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let action = previous.sa_sigaction;
    if action == libc::SIG_DFL || action == libc::SIG_IGN {
        // SAFETY: puts the old disposition back; the instruction is run again and the
        // process ends as it would have without us.
        let restored = unsafe { libc::sigaction(signal, previous, ptr::null_mut()) };
        assert_eq!(
            restored, 0,
            "restoring a disposition that was in force before"
        );
    } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: SA_SIGINFO says that the address is a function of this signature.
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(action) };
        handler(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO the address is a function of this signature.
        let handler: extern "C" fn(i32) = unsafe { std::mem::transmute(action) };
        handler(signal);
    }
}
