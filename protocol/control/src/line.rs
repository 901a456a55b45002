//! The recovery line: how far each node goes back after some were lost.
//!
//! What the dead have committed and is not stable is lost. Whatever depends on it is
//! undone: directly, through others, and as later work of a node that goes back (Strom and
//! Yemini 1985; Johnson and Zwaenepoel 1990). Nothing else is.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use types::{Cut, Epoch, Fallback, Interval, NodeId, Stamp};
use wire::IntervalEdges;

/// The cuts of a decision, ascending by node: those of the dead, and of each survivor that
/// must go back. `reports` has the intervals of every survivor that are not stable,
/// ascending. `past` are the decisions before: a survivor may not have applied them yet.
#[must_use]
pub fn recovery_line(
    stable: Epoch,
    past: &[Fallback],
    dead: &[NodeId],
    reports: &BTreeMap<NodeId, Vec<IntervalEdges>>,
) -> Vec<Cut> {
    let floor = Interval::last_of(stable);
    let dead_cuts = dead.iter().map(|&node| (node, floor));
    let mut cuts: BTreeMap<NodeId, Interval> = dead_cuts.collect();
    let is_past = |stamp: Stamp| past.iter().any(|decided| decided.undoes(stamp));
    loop {
        let mut is_changed = false;
        for (&node, intervals) in reports {
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
        if !is_changed {
            break;
        }
    }
    let cuts = cuts.into_iter();
    cuts.map(|(node, last)| Cut { node, last }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

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

    fn line(dead: &[u32], reports: &[(u32, Vec<IntervalEdges>)]) -> Vec<(u32, Interval)> {
        let dead: Vec<NodeId> = dead.iter().copied().map(NodeId).collect();
        let reports = reports.iter().cloned();
        let reports = reports.map(|(node, of)| (NodeId(node), of)).collect();
        let cuts = recovery_line(Epoch(4), &[], &dead, &reports);
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
        let reports = [(NodeId(2), vec![of(at(5, 0), &[(1, at(5, 0))])])];
        let cuts = recovery_line(Epoch(4), &[past], &[], &reports.into_iter().collect());
        let last = Interval::last_of(Epoch(4));
        assert_eq!(
            cuts,
            [Cut {
                node: NodeId(2),
                last
            }]
        );
    }
}
