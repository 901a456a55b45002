//! What a crash led to, read from the history after the run.
use std::collections::BTreeMap;

use oracle::{Period, Timeline};
use types::{Duration, Fallback, Instant, NodeId, Stamp};

use crate::scale::Seen;
use crate::world::World;

/// What the crash of one node led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Nodes that did not crash.
    pub survivors: u64,
    /// Transactions that were lost with the dead node.
    pub lost: u64,
    /// Survivors that had to go back, because they depend on lost work.
    pub needed: u64,
    /// Transactions of theirs that had to be undone.
    pub undone_min: u64,
    /// What was decided.
    pub decided: Reach,
    /// What a fallback of everybody to the stable epoch would have undone.
    pub global: Reach,
    /// Messages between nodes that the recovery caused.
    pub messages: Messages,
    /// From the notice until all homes serve again.
    pub open: Duration,
    /// From the notice until every node that did not go back has committed something in
    /// the new view; `None` if there are none.
    pub kept_commit: Option<Duration>,
    /// Until every survivor has.
    pub all_commit: Duration,
    /// Longest time without a commit on a node that did not go back, from the crash on.
    pub gap: Option<Duration>,
    /// The same of the same nodes, in as long a time before the crash.
    pub gap_before: Option<Duration>,
}

/// How far a fallback goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    /// Survivors that go back.
    pub nodes: u64,
    /// Their transactions that are undone.
    pub undone: u64,
    /// From the first of a node's transactions that is undone until the crash is noticed,
    /// summed over these nodes.
    pub work: Duration,
}

/// Messages that a recovery causes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Messages {
    /// The leader's questions, the answers, the new view.
    pub decision: u64,
    /// Inventories.
    pub inventories: u64,
    /// Who holds what of an extent: asked when it is missed for the first time.
    pub holders: u64,
    /// Reads of stores, because nobody holds a page.
    pub stores: u64,
}

/// When each survivor has committed what.
struct Commits(BTreeMap<NodeId, Vec<(Instant, Stamp)>>);

impl Outcome {
    pub(super) fn of(world: &World, seen: &Seen) -> Self {
        let history = &world.common.recorder.history;
        let judgement = oracle::recovery::judge(&Timeline::new(history, Period(0)));
        let judgement = judgement.expect("there was a fallback");
        let commits = Commits::of(world);
        let fallback = &history.fallbacks[0];
        let survivors = world.nodes.len() as u64;
        let is_kept = |node: NodeId| !judgement.reset.contains(&node);
        let length = seen.end.since(seen.crashed);
        let everybody = Fallback::to_stable(
            fallback.stable,
            fallback.first_epoch,
            world.nodes.keys().copied(),
        );
        Self {
            survivors,
            lost: judgement.lost as u64,
            needed: judgement.needed.len() as u64,
            undone_min: judgement.undone_min as u64,
            decided: commits.reach(fallback, seen.noticed),
            global: commits.reach(&everybody, seen.noticed),
            messages: Messages {
                // The leader need not ask itself.
                decision: 3 * (survivors - 1),
                inventories: seen.sent.inventories,
                holders: seen.sent.holders,
                stores: seen.sent.stores,
            },
            open: seen.open.since(seen.noticed),
            kept_commit: commits.back_after(fallback, seen.noticed, is_kept),
            all_commit: commits
                .back_after(fallback, seen.noticed, |_| true)
                .expect("somebody has survived"),
            gap: commits.gap(seen.crashed, seen.end, is_kept),
            gap_before: commits.gap(seen.crashed - length, seen.crashed, is_kept),
        }
    }
}

impl Commits {
    fn of(world: &World) -> Self {
        let recorder = &world.common.recorder;
        let survivors = world.nodes.keys().map(|&node| (node, vec![]));
        let mut commits: BTreeMap<NodeId, Vec<_>> = survivors.collect();
        for &(at, id) in &recorder.commits {
            let attempt = recorder.history.attempt(id);
            let (stamp, _) = attempt.commit().expect("commits are recorded");
            if let Some(of_node) = commits.get_mut(&attempt.node) {
                of_node.push((at, stamp));
            }
        }
        Self(commits)
    }

    fn reach(&self, fallback: &Fallback, noticed: Instant) -> Reach {
        let mut reach = Reach::default();
        for commits in self.0.values() {
            let mut undone = commits.iter().filter(|(_, stamp)| fallback.undoes(*stamp));
            let Some(&(first, _)) = undone.next() else {
                continue;
            };
            reach.nodes += 1;
            reach.undone += 1 + undone.count() as u64;
            reach.work = reach.work + noticed.since(first);
        }
        reach
    }

    /// Until all of these nodes have committed something in the view that began with this
    /// fallback.
    fn back_after(
        &self,
        fallback: &Fallback,
        noticed: Instant,
        is_meant: impl Fn(NodeId) -> bool,
    ) -> Option<Duration> {
        let is_new = |&&(_, stamp): &&(Instant, Stamp)| stamp.epoch() >= fallback.first_epoch;
        let meant = self.0.iter().filter(|&(&node, _)| is_meant(node));
        let firsts = meant.filter_map(|(_, commits)| commits.iter().find(is_new));
        firsts.map(|&(at, _)| at.since(noticed)).max()
    }

    /// The longest time that one of these nodes was without a commit.
    fn gap(
        &self,
        from: Instant,
        to: Instant,
        is_meant: impl Fn(NodeId) -> bool,
    ) -> Option<Duration> {
        let meant = self.0.iter().filter(|&(&node, _)| is_meant(node));
        let gaps = meant.map(|(_, commits)| longest_gap(commits, from, to));
        gaps.max()
    }
}

fn longest_gap(commits: &[(Instant, Stamp)], from: Instant, to: Instant) -> Duration {
    let (mut last, mut longest) = (from, Duration::ZERO);
    let inside = commits.iter().map(|&(at, _)| at);
    for at in inside.filter(|&at| from < at && at < to).chain([to]) {
        longest = longest.max(at.since(last));
        last = at;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Epoch, Interval};

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    /// Commits of node 2, given as milliseconds and epochs.
    fn commits(of: &[(u64, u64)]) -> Commits {
        let commit = |&(millis, epoch): &(u64, u64)| {
            let interval = Interval {
                epoch: Epoch(epoch),
                sub: 0,
            };
            let node = NodeId(2);
            (at(millis), Stamp { node, interval })
        };
        Commits([(NodeId(2), of.iter().map(commit).collect())].into())
    }

    #[test]
    fn work_counts_from_the_first_transaction_that_is_undone() {
        let commits = commits(&[(10, 3), (20, 4), (27, 4), (40, 9)]);
        let fallback = Fallback::to_stable(Epoch(3), Epoch(9), [NodeId(2)]);
        let expected = Reach {
            nodes: 1,
            undone: 2,
            work: Duration::from_millis(10),
        };
        assert_eq!(commits.reach(&fallback, at(30)), expected);
        let others = Fallback::to_stable(Epoch(3), Epoch(9), [NodeId(1)]);
        assert_eq!(commits.reach(&others, at(30)), Reach::default());
        let after = commits.back_after(&fallback, at(30), |_| true);
        assert_eq!(after, Some(Duration::from_millis(10)));
    }

    #[test]
    fn a_gap_may_reach_over_either_end() {
        let commits = commits(&[(10, 3), (14, 4), (40, 9)]);
        let gap = |from, to| commits.gap(at(from), at(to), |_| true);
        assert_eq!(gap(5, 15), Some(Duration::from_millis(5)));
        assert_eq!(gap(0, 30), Some(Duration::from_millis(16)));
        assert_eq!(commits.gap(at(0), at(9), |_| false), None);
    }
}
