//! What a leader has said again to voters that lacked it.
//!
//! Every answer of a voter that lacks something asks for it. If decisions follow each other
//! faster than answers come, each answer finds that something is lacking that is on its way;
//! said again it makes one more answer, which asks again: ever more packets go around. So
//! what was said again is not said once more before a while.
use alloc::collections::BTreeMap;
use noraft::LogEntries;
use types::{Duration, Instant};

use crate::voting::VoterId;

/// Entries after `from` up to `last`, said again at `at`.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    from: u64,
    last: u64,
    at: Instant,
}

/// The last of them to each voter.
#[derive(Default, Debug)]
pub(super) struct Repeats(BTreeMap<VoterId, Repeat>);

impl Repeats {
    /// A leadership begins, or ends.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether to say these entries again now; if so it is noted.
    pub(super) fn may_say(
        &mut self,
        now: Instant,
        to: VoterId,
        entries: &LogEntries,
        pause: Duration,
    ) -> bool {
        let from = entries.prev_position().index.get();
        let last = entries.last_position().index.get();
        let is_on_its_way = self
            .0
            .get(&to)
            .is_some_and(|one| one.from <= from && from < one.last && now < one.at + pause);
        // Without entries it asks where the voter's log goes apart from the leader's.
        let may = entries.is_empty() || !is_on_its_way;
        if may && !entries.is_empty() {
            let at = now;
            self.0.insert(to, Repeat { from, last, at });
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use noraft::{LogEntry, LogPosition, Term};

    use super::*;

    const PAUSE: Duration = Duration::from_millis(10);

    fn entries(from: u64, count: u64) -> LogEntries {
        let (term, index) = (Term::new(1), noraft::LogIndex::new(from));
        let mut entries = LogEntries::new(LogPosition { term, index });
        (0..count).for_each(|_| entries.push(LogEntry::Command));
        entries
    }

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn what_is_on_its_way_is_not_said_again_at_once() {
        let (mut repeats, to) = (Repeats::default(), VoterId(1));
        let mut may = |ms, from, count| repeats.may_say(at(ms), to, &entries(from, count), PAUSE);
        assert!(may(0, 4, 3));
        assert!(!may(1, 4, 5), "the same, asked by another answer");
        assert!(!may(1, 5, 4), "a part of it");
        assert!(may(2, 7, 2), "what follows");
        assert!(may(2, 4, 5), "more than was said last");
        assert!(!may(11, 4, 5));
        assert!(may(12, 4, 5), "it may be lost");
    }
}
