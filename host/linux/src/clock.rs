//! The machine's clocks. All threads of all nodes of a machine see the same ones.
use std::time::{SystemTime, UNIX_EPOCH};

use platform::Clock;
use types::Instant;

/// `CLOCK_MONOTONIC` and the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinuxClock;

impl Clock for LinuxClock {
    fn now(&self) -> Instant {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the pointer is to a live timespec, which the call only fills.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        assert_eq!(result, 0, "every Linux has a monotonic clock");
        let seconds = u64::try_from(time.tv_sec).expect("it starts at 0");
        let nanos = u64::try_from(time.tv_nsec).expect("below 10^9");
        Instant::from_nanos(seconds * 1_000_000_000 + nanos)
    }

    fn wall_ns(&self) -> u64 {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let first = LinuxClock.now();
        let second = LinuxClock.now();
        assert!(first <= second);
    }
}
