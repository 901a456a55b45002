//! Progress: every transaction that was started commits in the end, unless its node
//! crashed or left, and none loses without limit.
use alloc::collections::BTreeMap;

use crate::{Abort, History, Outcome, TxnId, Violation};

/// What is still called progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Conflicts that a transaction may lose.
    pub losses_max: usize,
}

/// What became of a transaction so far.
#[derive(Default)]
struct Tally {
    attempts: usize,
    losses: usize,
    is_over: bool,
}

/// Checks every transaction.
///
/// # Errors
/// The oldest transaction that did not commit, else one that lost too often.
pub fn check(history: &History, limits: &Limits) -> Result<(), Violation> {
    let mut tallies: BTreeMap<TxnId, Tally> = BTreeMap::new();
    for attempt in &history.attempts {
        let tally = tallies.entry(attempt.txn).or_default();
        tally.attempts += 1;
        match attempt.outcome {
            Outcome::Running | Outcome::Aborted(Abort::Fallback | Abort::Own) => {}
            Outcome::Aborted(Abort::Conflict) => tally.losses += 1,
            Outcome::Aborted(Abort::Crash) | Outcome::Committed { .. } => tally.is_over = true,
        }
    }
    for (
        &txn,
        &Tally {
            attempts, is_over, ..
        },
    ) in &tallies
    {
        if !is_over {
            return Err(Violation::Unfinished { txn, attempts });
        }
    }
    for (&txn, &Tally { losses, .. }) in &tallies {
        if losses > limits.losses_max {
            return Err(Violation::Starved { txn, losses });
        }
    }
    Ok(())
}
