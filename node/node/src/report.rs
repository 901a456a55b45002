//! Figures of a node, for people: what it did and the longest pause it made.
use dtm::Counters;
use platform::LinkCounters;
use store::Stats;
use types::{Duration, Instant};
use wire::NodeReport;

/// What the node itself counts; the rest is counted where it happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    steps: u64,
    pause_max: Duration,
    reported_at: Instant,
    has_committed_in_view: bool,
    is_first_commit_untold: bool,
}

impl Figures {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            steps: 0,
            pause_max: Duration::ZERO,
            reported_at: now,
            has_committed_in_view: false,
            is_first_commit_untold: false,
        }
    }

    pub(crate) fn step_done(&mut self) {
        self.steps += 1;
    }

    pub(crate) fn view_entered(&mut self) {
        self.has_committed_in_view = false;
        self.is_first_commit_untold = true;
    }

    pub(crate) fn committed(&mut self) {
        self.has_committed_in_view = true;
    }

    /// Commits could not happen for this long.
    pub(crate) fn longest_pause(&mut self, pause: Duration) {
        self.pause_max = self.pause_max.max(pause);
    }

    /// When the leader is told next: now, if there is news for which it waits.
    pub(crate) fn next_report(&self, every: Duration) -> Instant {
        if self.has_committed_in_view && self.is_first_commit_untold {
            return self.reported_at;
        }
        self.reported_at + every
    }

    pub(crate) fn reported(&mut self, now: Instant) {
        self.reported_at = now;
        self.is_first_commit_untold = !self.has_committed_in_view;
    }

    pub(crate) fn report(&self, dtm: &Counters, store: &Stats, links: &LinkCounters) -> NodeReport {
        NodeReport {
            transactions: dtm.commits,
            aborts: dtm.aborts_conflict + dtm.aborts_fallback + dtm.aborts_lost,
            steps: self.steps,
            pages_fetched: dtm.fetches_remote,
            bytes_stored: store.bytes_written,
            bytes_cleaned: store.bytes_cleaned,
            bytes_on_disk: store.bytes_stored,
            bytes_live: store.bytes_live,
            frames_stored: store.frames_written,
            pause_us_max: self.pause_max.as_micros(),
            intruders: links.intruders(),
            messages_ignored: dtm.messages_ignored,
            has_committed_in_view: self.has_committed_in_view,
            ..NodeReport::default()
        }
    }
}
