//! Clocks of machines: each begins somewhere and runs a little fast or slow.
use types::{Duration, Instant};

const MILLION: i128 = 1_000_000;

/// A machine's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clock {
    /// What it shows at the beginning of the world.
    offset: Duration,
    /// How much faster it runs than the world's time.
    fast_ppm: i64,
}

impl Clock {
    pub(crate) fn new(offset: Duration, fast_ppm: i64) -> Self {
        Self { offset, fast_ppm }
    }

    /// What it shows.
    pub(crate) fn at(self, now: Instant) -> Instant {
        let nanos = i128::from(now.as_nanos()) * (MILLION + i128::from(self.fast_ppm)) / MILLION;
        let nanos = u64::try_from(nanos).expect("no clock runs backwards");
        Instant::from_nanos(nanos) + self.offset
    }

    /// When it shows at least this.
    pub(crate) fn when(self, shown: Instant) -> Instant {
        let nanos = i128::from(
            shown
                .since(Instant::from_nanos(self.offset.as_nanos()))
                .as_nanos(),
        );
        let rate = MILLION + i128::from(self.fast_ppm);
        let nanos = (nanos * MILLION + rate - 1) / rate;
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_a_time_is_not_woken_before_it() {
        for fast_ppm in [-500_000, -300, 0, 7, 300_000] {
            let clock = Clock::new(Duration::from_millis(5_000), fast_ppm);
            for nanos in (0..1_000_000_000).step_by(99_999_989) {
                let shown = clock.at(Instant::from_nanos(nanos));
                assert!(clock.at(clock.when(shown)) >= shown);
                assert!(clock.when(shown) <= Instant::from_nanos(nanos));
            }
        }
    }
}
