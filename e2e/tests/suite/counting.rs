//! Counting with a service that may fail: what was acknowledged is there, and no more beyond it
//! than what nobody knows of.
use std::sync::atomic::{AtomicBool, Ordering};

/// What somebody who counts knows.
#[derive(Default)]
pub(crate) struct Count {
    /// What was acknowledged last.
    pub(crate) acknowledged: u64,
    /// Increments of which nobody knows.
    pub(crate) unknown: u64,
}

/// Adds 1 until it is over. `add` gives the sum, or nothing if the connection has broken, and
/// goes on with another one then.
pub(crate) fn count(is_over: &AtomicBool, mut add: impl FnMut() -> Option<u64>) -> Count {
    let mut count = Count::default();
    while !is_over.load(Ordering::Relaxed) {
        match add() {
            Some(value) => {
                let most = count.acknowledged + 1 + count.unknown;
                let expected = count.acknowledged + 1..=most;
                assert!(expected.contains(&value), "{value}, expected {expected:?}");
                count.unknown = most - value;
                count.acknowledged = value;
            }
            None => count.unknown += 1,
        }
    }
    count
}
