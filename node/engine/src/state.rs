//! What import functions, faults and ticks find of the step that is running.
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use platform::{GuestAnswer, GuestEvents, GuestSpace};
use types::{PAGE_SIZE, PageIndex};

use crate::instance::Limits;
use crate::{FaultKind, GuestFault, StepHost, Stop};

/// Bytes of WebAssembly's own unit of memory size.
pub(crate) const PAGE_64K: u64 = 64 << 10;

/// Data of a runtime store: shared with the instance that owns the store.
pub(crate) type Context = Rc<StepState>;

/// One instance's share in the running step; cells, because the guest is suspended
/// somewhere on the stack whenever they change.
pub(crate) struct StepState {
    pub(crate) space: Arc<dyn GuestSpace>,
    /// Current memory size.
    pub(crate) memory_bytes: Cell<u64>,
    /// What the module's own type allows, in units of 64 KiB.
    pub(crate) type_max_64k: u64,
    pub(crate) limits: Cell<Limits>,
    pub(crate) is_growth_refused: Cell<bool>,
    ticks: Cell<u32>,
    /// Set in the middle of whatever the host does for the guest.
    is_interrupt_due: AtomicBool,
    /// Invariant: points to a live host from `begin` to `end`.
    host: Cell<Option<NonNull<dyn StepHost>>>,
    stop: Cell<Option<Stop>>,
    /// An error made beforehand, in a form for which the runtime does not walk the
    /// stack: a lost conflict costs a tenth of a microsecond, not several.
    silent_error: Cell<Option<wasmtime::Error>>,
}

impl StepState {
    pub(crate) fn new(space: Arc<dyn GuestSpace>, type_max_64k: u64) -> Self {
        Self {
            space,
            memory_bytes: Cell::new(0),
            type_max_64k,
            limits: Cell::new(Limits::default()),
            is_growth_refused: Cell::new(false),
            ticks: Cell::new(0),
            is_interrupt_due: AtomicBool::new(false),
            host: Cell::new(None),
            stop: Cell::new(None),
            silent_error: Cell::new(None),
        }
    }

    pub(crate) fn set_silent_error(&self, error: wasmtime::Error) {
        self.silent_error.set(Some(error));
    }

    /// Lets the step use `host`.
    ///
    /// # Safety
    /// The caller calls `end` while `host` is alive, and does not use it before that.
    pub(crate) unsafe fn begin(&self, host: &mut dyn StepHost, limits: Limits) {
        // SAFETY: only the lifetime is erased; the caller promises to call `end` in time.
        let host = unsafe {
            core::mem::transmute::<NonNull<dyn StepHost + '_>, NonNull<dyn StepHost + 'static>>(
                NonNull::from(host),
            )
        };
        self.host.set(Some(host));
        self.limits.set(limits);
        self.ticks.set(0);
        self.is_interrupt_due.store(false, Ordering::Relaxed);
        self.is_growth_refused.set(false);
    }

    pub(crate) fn end(&self) {
        self.host.set(None);
    }

    /// Asks the host; if it answers with a stop, gives the error that ends the guest.
    pub(crate) fn ask<R>(
        &self,
        request: impl FnOnce(&mut dyn StepHost) -> Result<R, Stop>,
    ) -> wasmtime::Result<R> {
        self.request(request).map_err(|stop| self.stopped(stop))
    }

    fn request<R>(
        &self,
        request: impl FnOnce(&mut dyn StepHost) -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        // Taken out while it answers, so that there is never a second reference.
        let mut host = self.host.take().expect("guest code runs in steps only");
        // SAFETY: set by `begin`, not yet unset by `end`, so the host is alive; whoever
        // called `begin` does not use it, and nobody else can reach it.
        let answer = request(unsafe { host.as_mut() });
        self.host.set(Some(host));
        answer
    }

    /// Remembers why the guest ends; gives the error that ends it.
    #[cold]
    pub(crate) fn stopped(&self, stop: Stop) -> wasmtime::Error {
        let silent = match stop {
            Stop::Guest(_) => None,
            _ => self.silent_error.take(),
        };
        self.stop.set(Some(stop));
        silent.unwrap_or_else(|| wasmtime::Error::msg("stopped by the host"))
    }

    /// Ends the guest because of its own fault.
    #[cold]
    pub(crate) fn faulted(&self, kind: FaultKind, what: &str) -> wasmtime::Error {
        self.stopped(
            GuestFault {
                kind,
                report: what.into(),
            }
            .into(),
        )
    }

    /// Why the guest ended with this error.
    pub(crate) fn reason(&self, error: &wasmtime::Error) -> Stop {
        match self.stop.take() {
            Some(Stop::Guest(fault)) => GuestFault::new(fault.kind, &fault.report, error).into(),
            Some(stop) => stop,
            None if self.is_growth_refused.get() => Stop::MemoryLimit,
            None => GuestFault::of_error(error).into(),
        }
    }

    /// Serves an interrupt that came while the host or a routine of the runtime was busy
    /// for the guest. Asked by every call that may be most of what a loop does: there an
    /// interrupt hardly ever meets an instruction of the guest's own.
    pub(crate) fn serve_due_interrupt(&self) -> wasmtime::Result<()> {
        if self.is_interrupt_due.load(Ordering::Relaxed) {
            self.on_tick().map_err(|stop| self.stopped(stop))
        } else {
            Ok(())
        }
    }

    /// Guest code has been running for a tick.
    fn on_tick(&self) -> Result<(), Stop> {
        self.is_interrupt_due.store(false, Ordering::Relaxed);
        let ticks = self.ticks.get().saturating_add(1);
        self.ticks.set(ticks);
        if ticks > self.limits.get().ticks_max {
            return Err(Stop::TimeLimit);
        }
        self.request(|host| host.interrupt())
    }

    fn answer(&self, result: Result<(), Stop>) -> GuestAnswer {
        match result {
            Ok(()) => GuestAnswer::Resume,
            Err(stop) => {
                self.stop.set(Some(stop));
                GuestAnswer::Trap
            }
        }
    }
}

impl GuestEvents for StepState {
    fn fault(&self, page: PageIndex) -> GuestAnswer {
        if u64::from(page.0) * PAGE_SIZE as u64 >= self.memory_bytes.get() {
            return GuestAnswer::Trap;
        }
        self.answer(self.request(|host| host.read_fault(page)))
    }

    fn interrupt(&self) -> GuestAnswer {
        self.answer(self.on_tick())
    }

    fn interrupt_later(&self) {
        self.is_interrupt_due.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepState")
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}
