//! Epoch cuts: for every e, the transactions of epochs up to e are closed under
//! whatever came before them, so that a snapshot of epoch e is a prefix of the
//! commit order. Equivalent: no dependency leads to an earlier epoch.
use types::Epoch;

use crate::{AttemptId, Timeline, Violation, dependencies};

/// Checks the dependencies of a timeline.
///
/// # Errors
/// The first dependency that leads to an earlier epoch.
pub fn check(timeline: &Timeline<'_>) -> Result<(), Violation> {
    for edge in dependencies(timeline) {
        let epochs = [epoch(timeline, edge.from), epoch(timeline, edge.to)];
        if epochs[0] > epochs[1] {
            return Err(Violation::NoPrefix { edge, epochs });
        }
    }
    Ok(())
}

fn epoch(timeline: &Timeline<'_>, id: AttemptId) -> Epoch {
    let commit = timeline.history.attempt(id).commit();
    commit
        .expect("dependencies are between committed attempts")
        .0
        .epoch()
}
