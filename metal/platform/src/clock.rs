//! The node's clocks.
use platform::Clock;
use types::Instant;

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct MetalClock;

impl Clock for MetalClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(hal::clock::now_ns())
    }

    fn wall_ns(&self) -> u64 {
        hal::clock::wall_ns()
    }
}
