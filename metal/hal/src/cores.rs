//! Processors: what each has for itself, and how those beside the first are started.
//!
//! A machine begins with one processor; each runs a node of its own, with devices of its own.
//! They share memory, the heap, and the tables of addresses. No two of them ever use the same
//! range of addresses above memory (`paging`), so that none has to be told when another's
//! changes.
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::arch::asm;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use spin::Mutex;
use types::PAGE_SIZE;
use x86_64::VirtAddr;
use x86_64::instructions::{hlt, interrupts};
use x86_64::registers::model_specific::GsBase;

use crate::{apic, clock, cpu, frames, guest, interrupt, paging, runtime, segments};

/// Processors that may run nodes.
pub const CORES_MAX: usize = 16;
/// A guest may use 512 KiB of stack, and so may the node that fetches a page for it.
pub(crate) const STACK_BYTES: usize = 4 << 20;
/// Where processors begin when they are woken: `cores.s` says so, too.
const TRAMPOLINE_AT: usize = 0x8000;
/// How long the first processor waits for the others.
const PATIENCE_NS: u64 = 5_000_000_000;
/// Processors need so long between the two parts of the wake-up call, by their makers.
const RESET_NS: u64 = 10_000_000;
const AGAIN_NS: u64 = 200_000;

/// What a processor is to do. It sleeps for ever when it has.
pub type Work = Box<dyn FnOnce() + Send>;

/// What a processor has for itself.
pub(crate) struct Core {
    pub(crate) guest: guest::State,
    /// What the WebAssembly runtime keeps per thread.
    pub(crate) runtime_values: [AtomicPtr<u8>; runtime::VALUES],
    /// Lines of devices that have asked for attention since they were last looked at.
    pub(crate) lines: AtomicU32,
    /// When there was the last sign of life; 0: nobody has promised any.
    pub(crate) alive_ns: AtomicU64,
    /// Somebody wants it to look around before it sleeps.
    is_called: AtomicBool,
    is_asleep: AtomicBool,
    /// Its name among interrupt controllers.
    controller: AtomicU32,
    work: Mutex<Option<Work>>,
}

static CORES: [Core; CORES_MAX] = [const { Core::new() }; CORES_MAX];
/// The number of a processor: where its GS register points to.
static NUMBERS: [usize; CORES_MAX] = {
    let mut numbers = [0; CORES_MAX];
    let mut number = 0;
    while number < CORES_MAX {
        numbers[number] = number;
        number += 1;
    }
    numbers
};
/// Processors that run.
static COUNT: AtomicUsize = AtomicUsize::new(1);

// What `cores.s` reads; the first processor's part is done when any other comes there.
#[unsafe(no_mangle)]
static CORES_WOKEN: AtomicU32 = AtomicU32::new(0);
#[unsafe(no_mangle)]
static CORES_WANTED: AtomicU32 = AtomicU32::new(0);
#[unsafe(no_mangle)]
static CORES_ROOT: AtomicUsize = AtomicUsize::new(0);
#[unsafe(no_mangle)]
static CORES_STACKS: [AtomicUsize; CORES_MAX] = [const { AtomicUsize::new(0) }; CORES_MAX];

unsafe extern "C" {
    static cores_trampoline: u8;
    static cores_trampoline_end: u8;
}

/// Fewer processors than there is work for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissingCores {
    /// Processors that are needed.
    pub expected: usize,
    /// Processors that there are.
    pub found: usize,
}

impl Core {
    const fn new() -> Self {
        Self {
            guest: guest::State::new(),
            runtime_values: [const { AtomicPtr::new(ptr::null_mut()) }; runtime::VALUES],
            lines: AtomicU32::new(0),
            alive_ns: AtomicU64::new(0),
            is_called: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
            controller: AtomicU32::new(0),
            work: Mutex::new(None),
        }
    }
}

/// What this processor has for itself.
pub(crate) fn own() -> &'static Core {
    &CORES[number()]
}

/// The number of this processor; the first has 0.
#[must_use]
pub fn number() -> usize {
    let number: usize;
    // SAFETY: `claim` has pointed GS to a number, before anything else was done here.
    unsafe {
        asm!(
            "mov {}, gs:[0]",
            out(reg) number,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    number
}

/// How many processors run.
#[must_use]
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Makes this processor the one with this number. The first that is done on it.
pub(crate) fn claim(number: usize) {
    // The register is used for nothing else.
    GsBase::write(VirtAddr::from_ptr(&raw const NUMBERS[number]));
}

/// Notes how this processor is named by others.
pub(crate) fn introduce() {
    own().controller.store(apic::name(), Ordering::Relaxed);
}

/// Wakes a processor, or has it look around once more before it goes to sleep.
pub fn wake(number: usize) {
    let core = &CORES[number];
    core.is_called.store(true, Ordering::SeqCst);
    if core.is_asleep.load(Ordering::SeqCst) {
        apic::call(core.controller.load(Ordering::Relaxed));
    }
}

/// Interrupts all others that run, whatever they do.
pub(crate) fn call_others() {
    for (number, core) in CORES.iter().enumerate().take(count()) {
        if number != self::number() {
            apic::call_loudly(core.controller.load(Ordering::Relaxed));
        }
    }
}

/// Sleeps until an interrupt, unless somebody has called. Interrupts are off before, and on
/// after it.
pub(crate) fn doze() {
    let own = own();
    own.is_asleep.store(true, Ordering::SeqCst);
    // Who calls from here on sends an interrupt, which ends the sleep, or keeps it from
    // beginning.
    if own.is_called.swap(false, Ordering::SeqCst) {
        interrupts::enable();
    } else {
        interrupts::enable_and_hlt();
    }
    own.is_asleep.store(false, Ordering::SeqCst);
}

/// Tells those processors, as bits, that a line wants attention.
pub(crate) fn tell(cores: u32, line: u8) {
    for (number, core) in CORES.iter().enumerate().take(count()) {
        if cores & (1 << number) != 0 {
            core.lines.fetch_or(1 << line, Ordering::Release);
            if number != self::number() {
                wake(number);
            }
        }
    }
}

/// Gives each piece of work a processor of its own. Called once, on the first.
///
/// # Errors
/// If there are not enough of them. Those that are there have begun.
///
/// # Panics
/// If it is called again, or for more than [`CORES_MAX`] with the first.
pub fn start(work: Vec<Work>) -> Result<(), MissingCores> {
    let wanted = work.len();
    assert!(
        wanted < CORES_MAX && CORES_ROOT.load(Ordering::Relaxed) == 0,
        "called once, for fewer than {CORES_MAX}"
    );
    if wanted == 0 {
        return Ok(());
    }
    for (index, work) in work.into_iter().enumerate() {
        CORES_STACKS[index].store(stack().end, Ordering::Relaxed);
        *CORES[index + 1].work.lock() = Some(work);
    }
    CORES_ROOT.store(paging::root(), Ordering::Relaxed);
    CORES_WANTED.store(u32::try_from(wanted).expect("few"), Ordering::Release);
    place_trampoline();
    apic::reset_others();
    pause(RESET_NS);
    apic::start_others(TRAMPOLINE_AT);
    pause(AGAIN_NS);
    apic::start_others(TRAMPOLINE_AT);
    let until = clock::now_ns() + PATIENCE_NS;
    while count() <= wanted {
        if clock::now_ns() > until {
            return Err(MissingCores {
                expected: wanted + 1,
                found: count(),
            });
        }
        core::hint::spin_loop();
    }
    Ok(())
}

/// A stack below which nothing is mapped.
pub(crate) fn stack() -> core::ops::Range<usize> {
    let stack = paging::reserve(STACK_BYTES);
    for page in stack.clone().step_by(PAGE_SIZE) {
        paging::map(page, frames::take(), paging::Access::Write);
    }
    stack
}

fn place_trampoline() {
    let from = &raw const cores_trampoline;
    let bytes = (&raw const cores_trampoline_end).addr() - from.addr();
    assert!(bytes <= PAGE_SIZE, "processors begin in one page");
    let to = ptr::with_exposed_provenance_mut::<u8>(TRAMPOLINE_AT);
    // SAFETY: (1) memory below 1 MiB is mapped and nobody's: what the loader has left there was
    // read; (2) the code is part of the image.
    unsafe { to.copy_from_nonoverlapping(from, bytes) };
}

fn pause(ns: u64) {
    let until = clock::now_ns() + ns;
    while clock::now_ns() < until {
        core::hint::spin_loop();
    }
}

/// Called by `cores.s`, once on each processor but the first, on a stack of its own.
#[unsafe(no_mangle)]
extern "C" fn start_core(index: u32) {
    let number = index as usize + 1;
    claim(number);
    segments::load_another();
    interrupt::load_another();
    cpu::check();
    apic::open_another();
    introduce();
    let work = own().work.lock().take();
    COUNT.fetch_add(1, Ordering::AcqRel);
    cpu::enable_interrupts();
    if let Some(work) = work {
        work();
    }
    sleep()
}

/// For ever, but for interrupts.
pub fn sleep() -> ! {
    own().alive_ns.store(0, Ordering::Relaxed);
    loop {
        interrupts::enable();
        hlt();
    }
}

impl fmt::Display for MissingCores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected {} processors, one for each node, found {}",
            self.expected, self.found
        )
    }
}

impl core::error::Error for MissingCores {}
