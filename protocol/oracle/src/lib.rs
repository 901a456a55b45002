//! Judges a recorded history of a cluster: what every transaction read, wrote and
//! became, against what the memory promises.
//!
//! It knows nothing of messages, page states or version numbers of the memory under
//! test and shares no code with it. Versions are told apart by *tokens*: every write
//! puts a fresh number into its page, so a history speaks for itself.
//!
//! Start with [`History`] (what is recorded) and [`check`] (all checkers in the order
//! in which their findings are easiest to understand). Each checker has a file:
//! [`single_writer`], [`fallback`], [`epoch_cuts`], [`opacity`], [`serialisability`],
//! [`recovery`], [`progress`]. They look at a history through [`Timeline`]s: a fallback takes
//! committed transactions back, so what has happened depends on when one asks.
//!
//! Of real clusters only clients can tell: [`lists`] judges what they were told.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::float_arithmetic)]
extern crate alloc;

mod cycle;
mod dependency;
pub mod epoch_cuts;
pub mod fallback;
mod history;
pub mod lists;
pub mod opacity;
pub mod progress;
pub mod recovery;
pub mod serialisability;
pub mod single_writer;
mod timeline;
mod violation;

pub use dependency::{Dependency, DependencyKind, dependencies};
pub use history::{
    Abort, Attempt, AttemptId, History, Moment, Outcome, Period, Read, StableNotice, Token, TxnId,
    Write,
};
pub use progress::Limits;
pub use timeline::Timeline;
pub use violation::{Property, Violation};

/// Runs every checker.
///
/// # Errors
/// The first violation found.
pub fn check(history: &History, limits: &Limits) -> Result<(), Violation> {
    check_safety(history)?;
    progress::check(history, limits)
}

/// Runs the checkers that may be run at any time, also in the middle of a run.
///
/// # Errors
/// The first violation found.
pub fn check_safety(history: &History) -> Result<(), Violation> {
    for period in history.periods() {
        let timeline = Timeline::new(history, period);
        fallback::check(&timeline)?;
        single_writer::check(&timeline)?;
        epoch_cuts::check(&timeline)?;
        opacity::check(&timeline)?;
        serialisability::check(&timeline)?;
        recovery::check(&timeline)?;
    }
    fallback::check_notices(history)
}
