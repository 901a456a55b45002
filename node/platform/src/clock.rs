//! Time and randomness, the two things a protocol must never find by itself.
use types::Instant;

/// The node's clocks.
pub trait Clock {
    /// Now, on the node's own monotonic clock.
    fn now(&self) -> Instant;

    /// Nanoseconds since 1970 on the wall clock, for people and guests; it may jump.
    fn wall_ns(&self) -> u64;
}

/// Randomness good enough for ids and seeds.
pub trait Entropy {
    /// Fills `bytes` with random bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}
