//! Touches of absent pages: from the signal to the node, and back into the guest.
//!
//! The signals are synchronous: the kernel raises them at the guest's own instruction,
//! on the thread that runs it, with no lock held. So the handler may do what any
//! function may do, and the node fetches the page from its peers inside it. Signals
//! that are not about a running guest's view, and those that the node answers with
//! [`GuestAnswer::Trap`], go on to the handler that was there before: that of the
//! WebAssembly runtime, which is installed before the first guest runs.
use std::io;
use std::ptr;
use std::sync::OnceLock;

use platform::GuestAnswer;
use types::{PAGE_SIZE, PageIndex};

use crate::guest;
use crate::mapping::check;

/// The handlers that were there before ours.
struct Previous {
    segv: libc::sigaction,
    bus: libc::sigaction,
}

static PREVIOUS: OnceLock<Previous> = OnceLock::new();

/// Installs the handlers, once per process.
pub(crate) fn install() {
    PREVIOUS.get_or_init(|| install_handler().expect("handlers for SIGSEGV and SIGBUS"));
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
        Some(GuestAnswer::Resume) => return,
        Some(GuestAnswer::Trap) => true,
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
fn guest_answer(address: usize) -> Option<GuestAnswer> {
    let here = guest::current()?;
    let offset = address
        .checked_sub(here.base)
        .filter(|&offset| offset < here.length)?;
    let page = u32::try_from(offset / PAGE_SIZE).expect("a view has less than 2^32 pages");
    Some(guest::suspended(|| here.events.fault(PageIndex(page))))
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
