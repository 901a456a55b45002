//! A machine whose node makes no progress starts again.
//!
//! The timer is always set: to the next tick while a guest runs, to the end of a sleep, else to
//! the next look of the watchdog.
use core::sync::atomic::Ordering;

use crate::{apic, clock, cores};

/// Longest time between two signs of life, in nanoseconds. A step of a guest, and a disk that
/// is waited for, take less.
const PATIENCE_NS: u64 = 30_000_000_000;
const LOOK_US: u32 = 1_000_000;

/// A sign of life of this processor. From the first one on, the next must come within half a
/// minute.
pub fn alive() {
    let own = cores::own();
    own.alive_ns.store(clock::now_ns(), Ordering::Relaxed);
}

/// Sets the timer to the next look.
pub(crate) fn start() {
    apic::start_timer(LOOK_US);
}

/// Called when the timer has ended.
pub(crate) fn look() {
    let own = cores::own();
    let alive = own.alive_ns.load(Ordering::Relaxed);
    if alive != 0 && clock::now_ns().saturating_sub(alive) > PATIENCE_NS {
        own.alive_ns.store(0, Ordering::Relaxed);
        panic!(
            "the node has made no progress for {} s",
            PATIENCE_NS / 1_000_000_000
        );
    }
}
