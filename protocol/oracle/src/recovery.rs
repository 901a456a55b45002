//! Recovery: a fallback undoes all that depends on what it undoes, and how much more than
//! it had to.
use alloc::collections::BTreeSet;
use types::NodeId;

use crate::{AttemptId, DependencyKind, Period, Timeline, Violation, dependencies};

/// What a fallback did, against what it had to do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Judgement {
    /// Transactions of dead nodes that were lost.
    pub lost: usize,
    /// Surviving nodes that had to go back: some transaction of theirs depends on a lost one
    /// through data.
    pub needed: BTreeSet<NodeId>,
    /// Surviving nodes that went back.
    pub reset: BTreeSet<NodeId>,
    /// Transactions of survivors that had to be undone: the first that depends on a lost one
    /// through data, and all later ones of its node, and so on (Smith, Johnson, Tygar 1995).
    pub undone_min: usize,
    /// Transactions of survivors that were undone.
    pub undone: usize,
}

/// Checks the fallback at the end of a timeline's period, if there is one.
///
/// # Errors
/// A dependency of which only the first half was undone.
pub fn check(timeline: &Timeline<'_>) -> Result<(), Violation> {
    let Period(number) = timeline.period;
    let Some(fallback) = timeline.history.fallbacks.get(number) else {
        return Ok(());
    };
    let is_undone = |id: AttemptId| {
        let commit = timeline.history.attempt(id).commit();
        commit.is_some_and(|(stamp, _)| fallback.undoes(stamp))
    };
    let mut data = dependencies(timeline)
        .into_iter()
        .filter(|edge| is_data(edge.kind));
    match data.find(|edge| is_undone(edge.from) && !is_undone(edge.to)) {
        None => Ok(()),
        Some(edge) => Err(Violation::OrphanKept {
            edge,
            period: timeline.period,
        }),
    }
}

/// Judges the fallback at the end of a timeline's period, if there is one.
///
/// # Panics
/// If it is not recorded who had died.
#[must_use]
pub fn judge(timeline: &Timeline<'_>) -> Option<Judgement> {
    let Period(number) = timeline.period;
    let history = timeline.history;
    let fallback = history.fallbacks.get(number)?;
    // Of those that had died before something may have been kept that is lost now.
    let dead: BTreeSet<NodeId> = history.deaths[..=number]
        .iter()
        .flatten()
        .copied()
        .collect();
    let stamp = |id: AttemptId| history.attempt(id).commit().expect("it has committed").0;
    let is_lost = |id: AttemptId| dead.contains(&stamp(id).node) && fallback.undoes(stamp(id));
    let mut undone: BTreeSet<AttemptId> = timeline
        .committed()
        .iter()
        .copied()
        .filter(|&id| is_lost(id))
        .collect();
    let mut judgement = Judgement {
        lost: undone.len(),
        ..Judgement::default()
    };
    let edges = dependencies(timeline);
    loop {
        let before = undone.len();
        let data = edges.iter().filter(|edge| is_data(edge.kind));
        for edge in data {
            if undone.contains(&edge.from) {
                undone.insert(edge.to);
            }
        }
        // What a node committed after an orphan goes with it.
        let mut fallen = BTreeSet::new();
        for &id in timeline.committed() {
            if undone.contains(&id) {
                fallen.insert(stamp(id).node);
            } else if fallen.contains(&stamp(id).node) {
                undone.insert(id);
            }
        }
        if undone.len() == before {
            break;
        }
    }
    let nodes = undone.iter().map(|&id| stamp(id).node);
    judgement.needed = nodes.filter(|node| !dead.contains(node)).collect();
    judgement.undone_min = undone.len() - judgement.lost;
    for &id in timeline.committed() {
        if fallback.undoes(stamp(id)) && !dead.contains(&stamp(id).node) {
            judgement.undone += 1;
            judgement.reset.insert(stamp(id).node);
        }
    }
    Some(judgement)
}

fn is_data(kind: DependencyKind) -> bool {
    matches!(kind, DependencyKind::ReadFrom | DependencyKind::Overwrite)
}
