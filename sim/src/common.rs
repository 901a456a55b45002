//! What everything in a run shares: time, chance, records, and the first failure.
use std::fmt::Arguments;

use types::{Duration, Instant, Prng};

use crate::Property;
use crate::plant::Planted;
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::trace::Trace;

/// Shared state of a run.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) now: Instant,
    pub(crate) prng: Prng,
    pub(crate) scenario: Scenario,
    pub(crate) recorder: Recorder,
    pub(crate) trace: Trace,
    pub(crate) planted: Planted,
    /// Whether a node still has long transactions to run that others shall disturb.
    pub(crate) is_prey_alive: bool,
    /// The first thing that went wrong.
    pub(crate) failure: Option<(Property, String)>,
}

impl Common {
    pub(crate) fn note(&mut self, what: Arguments<'_>) {
        self.trace.note(self.now, what);
    }

    pub(crate) fn fail(&mut self, property: Property, detail: String) {
        self.note(format_args!("violated: {property}: {detail}"));
        self.failure.get_or_insert((property, detail));
    }

    /// A span up to `max`, zero included.
    pub(crate) fn span(&mut self, max: Duration) -> Duration {
        Duration::from_nanos(self.prng.below(max.as_nanos() + 1))
    }
}
