//! Whether the machine at the other end of a link is still there.
//!
//! A process may be slow or stand still; its system acknowledges for it what is sent. So
//! what is not acknowledged for long enough, though it was said several times, tells of a
//! machine that is off or of a network that is cut, within a few round trips and without
//! mistaking a busy process for a dead one. What is not even sent, because too much was
//! lost and the system waits before it sends again, tells of nothing.
use types::{Duration, Instant};

/// So often the other end is looked for in the time that it may be silent.
const CHECKS: u64 = 4;
/// In so many of the times between two looks something was sent: one lost packet, or two,
/// are no silence.
const SENDINGS_MIN: u32 = 3;

/// What is on its way over a connection, as its own system sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flight {
    /// Packets that are not acknowledged.
    pub packets: u32,
    /// Packets sent so far, those sent again included.
    pub sent: u32,
    /// Since anything was acknowledged.
    pub quiet: Duration,
}

/// What is known of the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It has acknowledged everything.
    Present,
    /// Something is on its way; say something that will be acknowledged.
    Probe,
    /// It is not there any more.
    Silent,
}

/// A connection on which something has been sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    since: Instant,
    /// Times between two looks in which something was sent, since then.
    sendings: u32,
    /// Packets sent when it was looked last.
    sent: u32,
}

impl Watch {
    /// From now on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            sendings: 0,
            sent: 0,
        }
    }

    /// Time since anything was acknowledged, or it began.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.since(self.since)
    }

    /// Looks again, a `pace` after the last time.
    pub fn check(&mut self, now: Instant, flight: Flight, silence: Duration) -> Verdict {
        if flight.packets == 0 {
            return Verdict::Present;
        }
        if flight.quiet < now.since(self.since) {
            *self = Self::new(now);
        }
        self.sendings += u32::from(flight.sent != self.sent);
        self.sent = flight.sent;
        if now.since(self.since) >= silence && self.sendings >= SENDINGS_MIN {
            Verdict::Silent
        } else {
            Verdict::Probe
        }
    }
}

/// Time between two looks.
#[must_use]
pub fn pace(silence: Duration) -> Duration {
    Duration::from_nanos(silence.as_nanos() / CHECKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_millis(100);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos((1_000 + ms) * 1_000_000)
    }

    fn flight(sent: u32, quiet_ms: u64) -> Flight {
        Flight {
            packets: 1,
            sent,
            quiet: Duration::from_millis(quiet_ms),
        }
    }

    #[test]
    fn what_is_never_acknowledged_tells_of_silence() {
        let mut watch = Watch::new(at(0));
        for (sent, ms) in [(7, 25), (8, 50), (9, 75)] {
            let verdict = watch.check(at(ms), flight(sent, 5_000 + ms), SILENCE);
            assert_eq!(verdict, Verdict::Probe, "after {ms} ms");
        }
        let verdict = watch.check(at(100), flight(10, 5_100), SILENCE);
        assert_eq!(verdict, Verdict::Silent);
    }

    #[test]
    fn whoever_acknowledges_anything_is_there() {
        let mut watch = Watch::new(at(0));
        for (sent, ms) in (7..).zip((25..1_000).step_by(25)) {
            let quiet = if ms % 75 == 0 { 1 } else { 60 };
            let verdict = watch.check(at(ms), flight(sent, quiet), SILENCE);
            assert_eq!(verdict, Verdict::Probe, "after {ms} ms");
        }
        let none = Flight {
            packets: 0,
            ..flight(50, 60)
        };
        assert_eq!(watch.check(at(1_000), none, SILENCE), Verdict::Present);
    }

    #[test]
    fn what_is_not_sent_tells_nothing() {
        let mut watch = Watch::new(at(0));
        for ms in (25..1_000).step_by(25) {
            let sent = if ms < 100 { 7 } else { 8 };
            let verdict = watch.check(at(ms), flight(sent, 5_000 + ms), SILENCE);
            assert_eq!(verdict, Verdict::Probe, "after {ms} ms");
        }
        let verdict = watch.check(at(1_000), flight(9, 6_000), SILENCE);
        assert_eq!(verdict, Verdict::Silent);
    }

    #[test]
    fn one_look_at_an_old_watch_is_not_enough() {
        let mut watch = Watch::new(at(0));
        let verdict = watch.check(at(900), flight(7, 5_000), SILENCE);
        assert_eq!(verdict, Verdict::Probe);
    }
}
