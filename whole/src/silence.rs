//! Whether the machine at the other end of a link is still there: the rule by which nodes
//! judge that from what the other system acknowledges.
use types::{Duration, Instant};

use crate::clock::Clock;
use crate::network::Flight;

/// How long a system may leave unanswered what is sent to it.
const SILENCE: Duration = Duration::from_millis(100);
/// So often the other end is looked for in that time.
const CHECKS: u64 = 4;
/// In so many of the times between two looks something was sent.
const SENDINGS_MIN: u32 = 3;

/// What is known of the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It has acknowledged everything.
    Present,
    /// Something is on its way; say something that will be acknowledged.
    Probe,
    /// It is not there any more.
    Silent,
}

/// A connection on which something has been sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Watch {
    since: Instant,
    sendings: u32,
    sent: u64,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            sendings: 0,
            sent: 0,
        }
    }

    /// Time since anything was acknowledged, or it began.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.since(self.since)
    }

    /// Looks again, a `pace` after the last time.
    pub(crate) fn check(&mut self, now: Instant, flight: Flight, clock: Clock) -> Verdict {
        if flight.packets == 0 {
            return Verdict::Present;
        }
        if clock.at(flight.acked_at) > self.since {
            *self = Self::new(now);
        }
        self.sendings += u32::from(flight.sent != self.sent);
        self.sent = flight.sent;
        if self.age(now) >= SILENCE && self.sendings >= SENDINGS_MIN {
            Verdict::Silent
        } else {
            Verdict::Probe
        }
    }
}

/// Time between two looks.
pub(crate) fn pace() -> Duration {
    Duration::from_nanos(SILENCE.as_nanos() / CHECKS)
}
