//! The guest that a processor runs: what interrupts and faults find of it.
//!
//! A guest is interrupted only for long steps: the timer is started when a step begins, unless
//! it runs already, and starts itself again as long as a step was running at its last tick. An
//! idle machine has no ticks.
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, compiler_fence};

use platform::{GuestAnswer, GuestCode, GuestEvents};
use types::{PAGE_SIZE, PageIndex};

use crate::interrupt::{Frame, News};
use crate::{apic, cores, watchdog};

/// Time between two ticks.
const TICK_US: u32 = 1_000;
/// No step runs.
const NONE: u64 = 0;

/// A guest that runs.
pub(crate) struct Target<'a> {
    /// Where the view's linear memory begins.
    pub(crate) base: usize,
    /// Its bytes.
    pub(crate) length: usize,
    pub(crate) code: &'a GuestCode,
    pub(crate) events: &'a dyn GuestEvents,
}

/// How interrupted code goes on.
pub(crate) enum Onward {
    /// As if nothing had been.
    Resume,
    /// At this instruction, which traps.
    Stop(usize),
    /// Not: the runtime ends it. The address that it touched, if that was why.
    Fail(Option<usize>),
}

/// What a processor knows of the guest that it runs.
pub(crate) struct State {
    target: AtomicPtr<Target<'static>>,
    /// Number of the step that runs, or [`NONE`].
    step: AtomicU64,
    last_step: AtomicU64,
    /// The step that ran at the last tick.
    seen: AtomicU64,
    is_ticking: AtomicBool,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            target: AtomicPtr::new(ptr::null_mut()),
            step: AtomicU64::new(NONE),
            last_step: AtomicU64::new(NONE),
            seen: AtomicU64::new(NONE),
            is_ticking: AtomicBool::new(false),
        }
    }
}

fn own() -> &'static State {
    &cores::own().guest
}

/// Runs `body`; while it runs, faults and ticks are about the guest `target`.
pub(crate) fn run(target: &Target<'_>, body: &mut dyn FnMut()) {
    let step = own().last_step.fetch_add(1, Ordering::Relaxed) + 1;
    // Only the lifetime is erased: `Reset` takes the pointer out of reach before the target
    // ends.
    let _reset = Reset::new(ptr::from_ref(target).cast_mut().cast());
    own().step.store(step, Ordering::Relaxed);
    if !own().is_ticking.swap(true, Ordering::Relaxed) {
        apic::start_timer(TICK_US);
    }
    compiler_fence(Ordering::SeqCst);
    body();
    compiler_fence(Ordering::SeqCst);
    own().step.store(NONE, Ordering::Relaxed);
}

/// The timer has another use now: the next step starts it again.
pub(crate) fn timer_is_used() {
    own().is_ticking.store(false, Ordering::Relaxed);
}

/// The page of the running guest's view that lies at an address.
pub(crate) fn touched(address: usize) -> Option<PageIndex> {
    let target = current()?;
    let offset = address.checked_sub(target.base)?;
    let page = u32::try_from(offset / PAGE_SIZE).ok()?;
    (offset < target.length).then_some(PageIndex(page))
}

/// Whether code of the running guest was interrupted.
pub(crate) fn runs_at(frame: &Frame) -> bool {
    current().is_some_and(|target| target.code.text.contains(&address(frame.rip)))
}

/// A tick of the timer: what the interrupted guest is to be told.
pub(crate) fn on_tick(frame: &Frame) -> Option<News> {
    let step = own().step.load(Ordering::Relaxed);
    let seen = own().seen.swap(step, Ordering::Relaxed);
    own().is_ticking.store(step != NONE, Ordering::Relaxed);
    watchdog::look();
    if step == NONE {
        watchdog::start();
        return None;
    }
    apic::start_timer(TICK_US);
    let target = current().filter(|_| seen == step)?;
    let at = address(frame.rip);
    if at == target.code.stop {
        return None; // It is being stopped already.
    }
    if !target.code.is_guest(at) {
        target.events.interrupt_later();
        return None;
    }
    is_walkable(target, frame).then_some(News::Tick)
}

/// Asks the node, on the stack of the interrupted code. The timer goes on.
pub(crate) fn answer(news: News) -> Onward {
    let Some(target) = current() else {
        return match news {
            News::Failed(address) => Onward::Fail(address),
            News::Touched(_) | News::Tick => Onward::Resume,
        };
    };
    let answer = match news {
        News::Touched(page) => suspended(|| target.events.fault(page)),
        News::Tick => suspended(|| target.events.interrupt()),
        News::Failed(address) => return Onward::Fail(address),
    };
    match (answer, news) {
        (GuestAnswer::Resume, _) => Onward::Resume,
        (GuestAnswer::Trap, News::Touched(page)) => {
            Onward::Fail(Some(target.base + page.0 as usize * PAGE_SIZE))
        }
        (GuestAnswer::Trap, _) => Onward::Stop(target.code.stop),
    }
}

/// Whether the frames can be followed from here to the frame that called the guest.
///
/// The compiler keeps a frame pointer in every function. Before a prologue has set it and after
/// an epilogue has taken it back, it is that of the caller, which is as good: only a line of a
/// report is missing. But the prologue of a function with tail calls that pass more arguments on
/// the stack than it has got moves its frame, and for two instructions the frame pointer points
/// to where the saved one is not yet. So the guest is interrupted only where the walk is seen to
/// end well; no loop consists of other places only.
fn is_walkable(target: &Target<'_>, interrupted: &Frame) -> bool {
    let (mut frame, mut lowest) = (address(interrupted.rbp), address(interrupted.rsp));
    // `target` lies in an older frame than all of the guest's, so the words between are of the
    // executor's stack.
    let end = ptr::from_ref(target).addr();
    loop {
        if frame < lowest || frame > end - 16 || !frame.is_multiple_of(16) {
            return false;
        }
        // SAFETY: two aligned words of the executor's stack, as just checked.
        let [older, caller] = unsafe { ptr::with_exposed_provenance::<[usize; 2]>(frame).read() };
        if !target.code.text.contains(&caller) {
            return true; // The frame of the code that the host has called.
        }
        (lowest, frame) = (frame + 16, older);
    }
}

fn current<'a>() -> Option<&'a Target<'a>> {
    // SAFETY: not null means that `run` is active, further up the executor's stack than whoever
    // asks; the target is alive until `run` ends.
    unsafe { own().target.load(Ordering::Relaxed).as_ref() }
}

/// Runs `answer` while there is no guest: a fault in the node's own code is fatal, and a tick
/// while it answers is none.
fn suspended<R>(answer: impl FnOnce() -> R) -> R {
    let _reset = Reset::new(ptr::null_mut());
    compiler_fence(Ordering::SeqCst);
    let answer = answer();
    compiler_fence(Ordering::SeqCst);
    answer
}

struct Reset(*mut Target<'static>);

impl Reset {
    fn new(target: *mut Target<'static>) -> Self {
        Self(own().target.swap(target, Ordering::Relaxed))
    }
}

impl Drop for Reset {
    fn drop(&mut self) {
        own().target.store(self.0, Ordering::Relaxed);
    }
}

fn address(register: u64) -> usize {
    usize::try_from(register).expect("registers hold addresses")
}
