//! What the threads of a run tell each other.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oracle::Moment;

/// Lists that are in use at a time.
pub(super) const LISTS: u64 = 4;
/// So many has the program.
const LISTS_MAX: u64 = 8192;
/// Faults that a list lives to see: enough, and it does not become full.
const FAULTS_PER_LIST: u64 = 2;

/// Shared by all threads of a run.
#[derive(Debug)]
pub(super) struct Board {
    start: Instant,
    faults: AtomicU64,
    last_answer_ns: AtomicU64,
    is_over: AtomicBool,
    is_given_up: AtomicBool,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            faults: AtomicU64::new(0),
            last_answer_ns: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            is_given_up: AtomicBool::new(false),
        }
    }

    /// Nanoseconds since the start.
    pub(super) fn now(&self) -> Moment {
        let elapsed = self.start.elapsed().as_nanos();
        Moment(u64::try_from(elapsed).expect("no run takes centuries"))
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// One more fault has happened.
    pub(super) fn count_fault(&self) {
        self.faults.fetch_add(1, Ordering::SeqCst);
    }

    /// The first of the lists in use now.
    pub(super) fn first_list(&self) -> u64 {
        let generation = self.faults.load(Ordering::SeqCst) / FAULTS_PER_LIST;
        (generation * LISTS).min(LISTS_MAX - LISTS)
    }

    /// A client has its answer.
    pub(super) fn note_answer(&self, at: Moment) {
        self.last_answer_ns.fetch_max(at.0, Ordering::SeqCst);
    }

    /// How long no client has had an answer.
    pub(super) fn silence(&self) -> Duration {
        let last = Duration::from_nanos(self.last_answer_ns.load(Ordering::SeqCst));
        self.elapsed().saturating_sub(last)
    }

    /// No more faults: clients stop, programs run to their ends.
    pub(super) fn finish(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Everybody stops at once.
    pub(super) fn give_up(&self) {
        self.finish();
        self.is_given_up.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::SeqCst)
    }
}
