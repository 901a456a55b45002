//! The recovery line: how far each node goes back after some were lost.
//!
//! What the dead have committed is lost if it is neither stable nor whole at the stores of
//! survivors. Whatever depends on it is undone: directly, through others, and as later work
//! of a node that goes back (Strom and Yemini 1985; Johnson and Zwaenepoel 1990). Nothing
//! else is.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use types::{Cut, Epoch, Fallback, Interval, NodeId, Stamp};
use wire::{IntervalEdges, Testimony};

use crate::kept::kept_of;

/// The cuts of a decision, ascending by node: those of the dead, and of each survivor that
/// must go back. `past` are the decisions before: a survivor may not have applied them yet,
/// and of what they kept of others that had died something may be lost now.
#[must_use]
pub fn recovery_line(
    stable: Epoch,
    past: &[Fallback],
    dead: &[NodeId],
    testimonies: &BTreeMap<NodeId, Testimony>,
) -> Vec<Cut> {
    let floor = Interval::last_of(stable);
    let gone = gone_before(stable, past, testimonies);
    let judged: BTreeSet<NodeId> = dead.iter().chain(gone.keys()).copied().collect();
    let kept = judged.iter();
    let kept: Vec<_> = kept
        .map(|&node| (node, kept_of(node, stable, testimonies)))
        .collect();
    let last = |kept: &[IntervalEdges]| kept.last().map_or(floor, |of| of.interval);
    let mut cuts: BTreeMap<NodeId, Interval> = kept
        .iter()
        .map(|(node, kept)| (*node, last(kept)))
        .collect();
    let survivors = testimonies.iter();
    let survivors = survivors.map(|(&node, testimony)| (node, &testimony.intervals[..]));
    let kept = kept.iter().map(|(node, kept)| (*node, &kept[..]));
    let work: BTreeMap<NodeId, &[IntervalEdges]> = survivors.chain(kept).collect();
    while cut_orphans(floor, past, &work, &mut cuts) {}
    // What an earlier decision has cut as far need not be said again.
    let is_news = |(node, last): &(NodeId, Interval)| {
        dead.contains(node) || gone.get(node).is_none_or(|before| last < before)
    };
    let cuts = cuts.into_iter().filter(is_news);
    cuts.map(|(node, last)| Cut { node, last }).collect()
}

/// Nodes that had died before and of which something is kept that is not stable, with the
/// last interval that is.
fn gone_before(
    stable: Epoch,
    past: &[Fallback],
    testimonies: &BTreeMap<NodeId, Testimony>,
) -> BTreeMap<NodeId, Interval> {
    let mut gone = BTreeMap::new();
    for cut in past.iter().flat_map(|decided| &decided.cuts) {
        if !testimonies.contains_key(&cut.node) {
            // A cut that it has survived says nothing of what it did afterwards.
            gone.insert(cut.node, cut.last);
        }
    }
    gone.retain(|_, last| last.epoch > stable);
    gone
}

/// Cuts each node before the first of its intervals that depends on something undone;
/// whether any was found.
fn cut_orphans(
    floor: Interval,
    past: &[Fallback],
    work: &BTreeMap<NodeId, &[IntervalEdges]>,
    cuts: &mut BTreeMap<NodeId, Interval>,
) -> bool {
    let is_past = |stamp: Stamp| past.iter().any(|decided| decided.undoes(stamp));
    let mut is_changed = false;
    for (&node, intervals) in work {
        let kept = cuts.get(&node).copied();
        let is_kept = |of: &&IntervalEdges| kept.is_none_or(|last| of.interval <= last);
        let mut last = floor;
        for of in intervals.iter().take_while(is_kept) {
            let interval = of.interval;
            let is_lost = |to: &Stamp| {
                let cut = cuts.get(&to.node);
                is_past(*to) || cut.is_some_and(|&last| to.interval > last)
            };
            let is_undone = is_past(Stamp { node, interval }) || of.edges.iter().any(is_lost);
            if interval > floor && is_undone {
                cuts.insert(node, last);
                is_changed = true;
                break;
            }
            last = last.max(interval);
        }
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use types::ViewNumber;
    use wire::{Manifest, ReceivedPart};

    fn at(epoch: u64, sub: u32) -> Interval {
        Interval {
            epoch: Epoch(epoch),
            sub,
        }
    }

    fn of(interval: Interval, edges: &[(u32, Interval)]) -> IntervalEdges {
        let stamp = |&(node, interval): &(u32, Interval)| Stamp {
            node: NodeId(node),
            interval,
        };
        IntervalEdges {
            interval,
            edges: edges.iter().map(stamp).collect(),
        }
    }

    fn own(intervals: Vec<IntervalEdges>) -> Testimony {
        Testimony {
            intervals,
            parts: vec![],
        }
    }

    /// A part of a node, as the only store says that has got it.
    fn part(node: u32, last: Interval, edges: &[(u32, Interval)]) -> ReceivedPart {
        ReceivedPart {
            node: NodeId(node),
            view: ViewNumber(1),
            manifest: Manifest {
                last,
                before: Epoch(0),
                stores: vec![NodeId(2)],
                copies: 1,
                edges: of(last, edges).edges,
            },
        }
    }

    fn line(dead: &[u32], reports: &[(u32, Vec<IntervalEdges>)]) -> Vec<(u32, Interval)> {
        let dead: Vec<NodeId> = dead.iter().copied().map(NodeId).collect();
        let testimonies = reports.iter().cloned();
        let testimonies = testimonies.map(|(node, of)| (NodeId(node), own(of)));
        let cuts = recovery_line(Epoch(4), &[], &dead, &testimonies.collect());
        cuts.iter().map(|cut| (cut.node.0, cut.last)).collect()
    }

    #[test]
    fn who_depends_on_nothing_lost_keeps_everything() {
        let reports = [(
            2,
            vec![
                of(at(5, 0), &[(1, at(4, 0))]),
                of(at(6, 0), &[(3, at(6, 0))]),
            ],
        )];
        assert_eq!(line(&[1], &reports), [(1, Interval::last_of(Epoch(4)))]);
    }

    #[test]
    fn a_chain_of_dependencies_falls_back_to_just_before_it() {
        let reports = [
            (
                2,
                vec![
                    of(at(5, 0), &[]),
                    of(at(5, 1), &[(1, at(5, 0))]),
                    of(at(6, 0), &[]),
                ],
            ),
            (
                3,
                vec![
                    of(at(5, 0), &[(2, at(5, 0))]),
                    of(at(7, 0), &[(2, at(5, 1))]),
                ],
            ),
            (4, vec![of(at(6, 0), &[(3, at(5, 0))])]),
        ];
        let stable = Interval::last_of(Epoch(4));
        let expected = [(1, stable), (2, at(5, 0)), (3, at(5, 0))];
        assert_eq!(line(&[1], &reports), expected);
    }

    #[test]
    fn what_was_undone_before_stays_undone() {
        let past = Fallback::to_stable(Epoch(3), Epoch(9), [NodeId(1)]);
        let testimonies = [(NodeId(2), own(vec![of(at(5, 0), &[(1, at(5, 0))])]))];
        let cuts = recovery_line(Epoch(4), &[past], &[], &testimonies.into());
        let last = Interval::last_of(Epoch(4));
        assert_eq!(
            cuts,
            [Cut {
                node: NodeId(2),
                last
            }]
        );
    }

    #[test]
    fn what_the_dead_have_left_whole_is_kept_with_what_depends_on_it() {
        let testimony = Testimony {
            intervals: vec![
                of(at(6, 0), &[(1, at(5, 1))]),
                of(at(6, 1), &[(1, at(6, 0))]),
            ],
            parts: vec![part(1, at(5, 2), &[])],
        };
        let cuts = recovery_line(
            Epoch(4),
            &[],
            &[NodeId(1)],
            &[(NodeId(2), testimony)].into(),
        );
        let cuts: Vec<_> = cuts.iter().map(|cut| (cut.node.0, cut.last)).collect();
        assert_eq!(cuts, [(1, at(5, 2)), (2, at(6, 0))]);
    }

    #[test]
    fn what_the_dead_have_left_goes_if_it_depends_on_what_is_lost() {
        let testimony = Testimony {
            intervals: vec![of(at(7, 0), &[(1, at(6, 0))])],
            parts: vec![part(1, at(5, 0), &[]), part(1, at(6, 0), &[(3, at(5, 0))])],
        };
        let dead = [NodeId(1), NodeId(3)];
        let cuts = recovery_line(Epoch(4), &[], &dead, &[(NodeId(2), testimony)].into());
        let cuts: Vec<_> = cuts.iter().map(|cut| (cut.node.0, cut.last)).collect();
        let stable = Interval::last_of(Epoch(4));
        assert_eq!(cuts, [(1, at(5, 0)), (2, stable), (3, stable)]);
    }

    /// The first decision has kept what two stores had; now neither is left.
    #[test]
    fn what_was_kept_of_the_dead_may_be_lost_with_its_stores() {
        let past = |last| Fallback {
            stable: Epoch(4),
            cuts: vec![Cut {
                node: NodeId(1),
                last,
            }],
            first_epoch: Epoch(9),
        };
        let own = own(vec![of(at(5, 0), &[(1, at(5, 0))])]);
        let line = |past: Fallback, stable| {
            let testimonies = [(NodeId(2), own.clone())].into();
            recovery_line(stable, &[past], &[], &testimonies)
        };
        let cuts = line(past(at(5, 0)), Epoch(4));
        let stable = Interval::last_of(Epoch(4));
        let all = [1, 2].map(NodeId).map(|node| Cut { node, last: stable });
        assert_eq!(cuts, all);
        // Meanwhile it has become stable.
        assert_eq!(line(past(at(5, 0)), Epoch(5)), []);
    }

    /// It had survived a decision that cut it to what is stable, and went on.
    #[test]
    fn what_the_dead_did_after_an_earlier_cut_may_be_lost_later() {
        let decided = |last, first_epoch| Fallback {
            stable: Epoch(4),
            cuts: vec![Cut {
                node: NodeId(1),
                last,
            }],
            first_epoch: Epoch(first_epoch),
        };
        let stable = Interval::last_of(Epoch(4));
        let past = [decided(stable, 9), decided(at(11, 0), 20)];
        let own = own(vec![of(at(12, 0), &[(1, at(11, 0))])]);
        let cuts = recovery_line(Epoch(4), &past, &[], &[(NodeId(2), own)].into());
        let all = [1, 2].map(NodeId).map(|node| Cut { node, last: stable });
        assert_eq!(cuts, all);
    }
}
