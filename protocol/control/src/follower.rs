//! How long a member may go on without its leader.
//!
//! The leader sends its next heartbeat only after the answer to the last one, so a
//! heartbeat shows that the answer to the one before has arrived. The leader gives a
//! member up no earlier than `failure_timeout` after its last answer; a member that
//! counts a shorter time from when it sent that answer stops first, whatever the
//! messages' delays. What is left between the two is for clocks that run unevenly.
use types::{Duration, Instant};

/// A member's view of its leader.
#[derive(Clone, Debug)]
pub struct Follower {
    lease: Duration,
    /// From when the lease counts.
    granted_at: Instant,
    /// When the last heartbeat was answered.
    answered_at: Option<Instant>,
}

impl Follower {
    /// A view has begun. Until the second heartbeat the lease counts from here; the
    /// leader waits twice as long for a first answer.
    #[must_use]
    pub fn new(now: Instant, failure_timeout: Duration) -> Self {
        let lease = Duration::from_nanos(failure_timeout.as_nanos() / 4 * 3);
        Self {
            lease,
            granted_at: now,
            answered_at: None,
        }
    }

    /// The leader's heartbeat has come, and is answered now.
    pub fn on_heartbeat(&mut self, now: Instant) {
        if let Some(answered_at) = self.answered_at.replace(now) {
            assert!(answered_at >= self.granted_at, "heartbeats come in order");
            self.granted_at = answered_at;
        }
    }

    /// When the member must have stopped, unless a heartbeat comes.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.granted_at + self.lease
    }

    /// Whether the member must stop.
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        now >= self.deadline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_lease_counts_from_the_answer_that_the_leader_has() {
        let mut follower = Follower::new(ms(1000), Duration::from_millis(400));
        assert_eq!(follower.deadline(), ms(1300));
        follower.on_heartbeat(ms(1100));
        assert_eq!(follower.deadline(), ms(1300));
        follower.on_heartbeat(ms(1250));
        assert_eq!(follower.deadline(), ms(1400));
        assert!(!follower.is_expired(ms(1399)));
        assert!(follower.is_expired(ms(1400)));
    }
}
