//! Looking for a driver that is not there yet.
use sdk::{Event, Timer};

/// Between two looks.
const LOOK_NS: u64 = 100_000_000;

/// Has a program look again soon, as long as something is missing.
#[derive(Debug, Default)]
pub struct Lookout {
    timer: Option<Timer>,
}

impl Lookout {
    /// If something is missing, the event is signalled in a moment.
    pub fn look_again_if(&mut self, is_missing: bool, event: Event) {
        if let Some(timer) = self.timer
            && timer.take().is_some()
        {
            timer.cancel();
            self.timer = None;
        }
        if is_missing && self.timer.is_none() {
            self.timer = Some(Timer::after(LOOK_NS, event));
        }
    }
}
