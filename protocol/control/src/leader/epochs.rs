//! When epochs end: by the clock, or sooner if somebody waits for the present one. Then all who
//! wait share one end, and the next comes when that is safe: a group commit.
use types::{Durability, Epoch, Instant};

use super::{Leader, Output};
use crate::event::Event;

/// Epochs of this view that have ended and are not stable, with which another one may end
/// before its time.
const UNSTABLE_MAX: u64 = 1;
/// The same where work is safe before it is stable: disks are not to fall ever further behind.
const UNSTABLE_MAX_IF_HELD: u64 = 8;

impl Leader {
    /// When the present epoch ends, as far as is known.
    pub(super) fn epoch_ends(&self) -> Instant {
        let length = self.config.epoch_length;
        let is_early = self.awaited >= self.epoch && self.may_end_early();
        let length = match is_early {
            true => length.min(self.config.epoch_min),
            false => length,
        };
        self.epoch_began + length
    }

    /// Whether what ended before is safe, but for so much as disks take at a time.
    fn may_end_early(&self) -> bool {
        let Some(view) = self.view() else {
            return false;
        };
        let ended_above = |epoch: Epoch| {
            let first = epoch.next().max(view.first_epoch);
            self.epoch.0.saturating_sub(first.0)
        };
        let stable = self.state.stable();
        let (unstable, not_held) = (ended_above(stable), ended_above(stable.max(self.held)));
        match view.durability {
            Durability::Disk => unstable < UNSTABLE_MAX,
            Durability::Memory => not_held < UNSTABLE_MAX && unstable < UNSTABLE_MAX_IF_HELD,
        }
    }

    /// Whether a new epoch has begun.
    pub(super) fn advance_epoch(&mut self) -> bool {
        let is_stopped = self.epoch >= self.state.epoch_limit();
        if is_stopped && !self.is_stopped {
            self.event(Event::EpochsStopped { epoch: self.epoch });
        }
        self.is_stopped = is_stopped;
        if !is_stopped {
            self.epoch = self.epoch.next();
            self.outputs.push_back(Output::AdvanceEpoch(self.epoch));
        }
        !is_stopped
    }
}
