//! Timers: when they are looked at.
use platform::Disk;
use types::{Duration, Instant};

use super::Channels;
use crate::{Node, Platform};

/// No node sleeps so long.
const LONG_NS: u64 = 1 << 40;

impl<P: Platform, D: Disk> Node<P, D> {
    /// Notes which timers tick now.
    pub(super) fn look_at_timers(&mut self) {
        let Channels { ticks, due, .. } = &mut self.channels;
        if ticks.is_empty() {
            return;
        }
        let now = self.core.platform.wall_ns();
        let ticking = ticks.iter().take_while(|(next, _)| *next <= now);
        due.extend(ticking.map(|(_, id)| *id));
    }

    /// When a timer ticks next.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let (next, _) = self.channels.ticks.first()?;
        let after = next.saturating_sub(self.core.platform.wall_ns());
        Some(self.core.now + Duration::from_nanos(after.min(LONG_NS)))
    }
}
