//! When the store is cleaned: a slice whenever what was written has earned one, and slice
//! by slice while nothing is written.
use alloc::format;

use platform::Disk;
use store::Pace;
use types::{Duration, Instant};

use crate::Platform;
use crate::core::Core;

/// Between slices while the store is idle: some 6 MB a second.
const EVERY: Duration = Duration::from_millis(5);
/// Until it is looked at again if there was nothing to do, or something was written.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the node knows of its store's idleness.
#[derive(Debug)]
pub(crate) struct Cleaning {
    next: Instant,
    /// Frames that had been written at the last look.
    frames: u64,
}

impl Cleaning {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            next: now + LOOK_EVERY,
            frames: 0,
        }
    }

    /// When to look at the store next.
    pub(crate) fn next_deadline(&self) -> Instant {
        self.next
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Cleans as much as was earned.
    pub(crate) fn on_cleaning(&mut self) {
        self.clean(Pace::Earned);
    }

    /// Cleans a slice if nothing was written since the last look.
    pub(crate) fn on_cleaning_time(&mut self) {
        if self.cleaning.next > self.now {
            return;
        }
        let frames = self.store.stats().frames_written;
        let is_idle = core::mem::replace(&mut self.cleaning.frames, frames) == frames;
        let is_more = is_idle && self.clean(Pace::Idle);
        self.cleaning.next = self.now + if is_more { EVERY } else { LOOK_EVERY };
    }

    /// Whether another slice would find something to do.
    fn clean(&mut self, pace: Pace) -> bool {
        match self.store.clean(pace) {
            Ok(cleaned) => {
                for damage in &cleaned.damage {
                    (self.config.note)(&format!("the store: {damage}"));
                }
                cleaned.is_more
            }
            Err(error) => {
                self.store_failed(&error);
                false
            }
        }
    }
}
