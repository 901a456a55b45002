//! How long a member may go on without its leader.
//!
//! The leader sends its next heartbeat only after the answer to the last one, so a
//! heartbeat shows that the answer to the one before has arrived, and the first view
//! that it says what led to that view. Unless it knows that the process is dead, the leader
//! gives away what a member has no earlier than `lease` after it has heard it last; a
//! member that counts three quarters of that from when it said something that was heard
//! stops first, whatever the messages' delays. What is left between the two is for clocks
//! that run unevenly. (Gray and Cheriton, Leases, SOSP 1989.)
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
    /// A view has begun that this member has heard of now or later. When it said that it
    /// wanted in, or on what its work depends, is `granted_at`: the leader has heard that.
    #[must_use]
    pub fn new(granted_at: Instant, lease: Duration) -> Self {
        let lease = Duration::from_nanos(lease.as_nanos() / 4 * 3);
        Self {
            lease,
            granted_at,
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
