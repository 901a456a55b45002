//! Figures of a node, for people: what it did and the longest pause it made.
use alloc::format;

use dtm::Counters;
use platform::LinkCounters;
use store::Stats;
use types::{Duration, Instant, NodeId};
use wire::NodeReport;

/// What the node itself counts; the rest is counted where it happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    steps: u64,
    pause_max: Duration,
    reported_at: Instant,
    has_committed_in_view: bool,
    is_first_commit_untold: bool,
    /// How far the node has come, as its operator knows.
    beginning: Beginning,
}

/// How far a node has come since it was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Beginning {
    Started,
    Member,
    Commits,
}

impl Figures {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            steps: 0,
            pause_max: Duration::ZERO,
            reported_at: now,
            has_committed_in_view: false,
            is_first_commit_untold: false,
            beginning: Beginning::Started,
        }
    }

    pub(crate) fn step_done(&mut self) {
        self.steps += 1;
    }

    /// Tells the operator of the first one.
    pub(crate) fn view_entered(&mut self, me: NodeId, note: fn(&str)) {
        self.has_committed_in_view = false;
        self.is_first_commit_untold = true;
        if self.beginning == Beginning::Started {
            self.beginning = Beginning::Member;
            note(&format!("a member of the cluster, as node {me}"));
        }
    }

    /// Tells the operator of the first one.
    pub(crate) fn committed(&mut self, note: fn(&str)) {
        self.has_committed_in_view = true;
        if self.beginning == Beginning::Member {
            self.beginning = Beginning::Commits;
            note("the first transaction is committed");
        }
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
