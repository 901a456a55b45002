//! A machine whose node makes no progress starts again.
//!
//! The timer is always set: to the next tick while a guest runs, to the end of a sleep, else to
//! the next look of the watchdog.
use core::sync::atomic::{AtomicU64, Ordering};

use crate::{apic, clock};

/// Longest time between two signs of life, in nanoseconds. A step of a guest, and a disk that
/// is waited for, take less.
const PATIENCE_NS: u64 = 30_000_000_000;
const LOOK_US: u32 = 1_000_000;

/// When there was the last sign of life; 0: nobody has promised any.
static ALIVE_NS: AtomicU64 = AtomicU64::new(0);

/// A sign of life. From the first one on, the next must come within half a minute.
pub fn alive() {
    ALIVE_NS.store(clock::now_ns(), Ordering::Relaxed);
}

/// Sets the timer to the next look.
pub(crate) fn start() {
    apic::start_timer(LOOK_US);
}

/// Called when the timer has ended.
pub(crate) fn look() {
    let alive = ALIVE_NS.load(Ordering::Relaxed);
    if alive != 0 && clock::now_ns().saturating_sub(alive) > PATIENCE_NS {
        ALIVE_NS.store(0, Ordering::Relaxed);
        panic!(
            "the node has made no progress for {} s",
            PATIENCE_NS / 1_000_000_000
        );
    }
}
