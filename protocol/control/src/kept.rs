//! What the dead have left whole.
//!
//! A part of a dead node is whole if its stores that have vouched for all of theirs are so
//! many that no frame can be at none of them: of those that got frames fewer are missing
//! than each frame has copies. Parts of a node depend on each other in turn, so what counts
//! is the unbroken row of whole parts above `stable`.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use types::{Epoch, NodeId, ViewNumber};
use wire::{IntervalEdges, Manifest, ReceivedPart, Testimony};

/// One part, as its stores in one view know it.
struct Vouched<'part> {
    manifest: &'part Manifest,
    /// Survivors whose stores have all of theirs.
    stores: BTreeSet<NodeId>,
}

impl Vouched<'_> {
    fn is_whole(&self) -> bool {
        let missing = self.manifest.stores.iter();
        let missing = missing.filter(|store| !self.stores.contains(store)).count();
        missing < self.manifest.copies as usize
    }
}

/// The intervals of a dead node above `stable` that are whole, one for each part, ascending.
pub(crate) fn kept_of(
    node: NodeId,
    stable: Epoch,
    testimonies: &BTreeMap<NodeId, Testimony>,
) -> Vec<IntervalEdges> {
    let mut parts: BTreeMap<Epoch, BTreeMap<ViewNumber, Vouched<'_>>> = BTreeMap::new();
    for (&store, testimony) in testimonies {
        let of_node = testimony.parts.iter().filter(|part| part.node == node);
        for ReceivedPart { view, manifest, .. } in of_node {
            let epoch = manifest.last.epoch;
            let views = parts.entry(epoch).or_default();
            let vouched = views.entry(*view).or_insert_with(|| Vouched {
                manifest,
                stores: BTreeSet::new(),
            });
            vouched.stores.insert(store);
        }
    }
    let mut last = stable;
    let mut kept = Vec::new();
    for (epoch, views) in parts.split_off(&stable.next()) {
        let follows = |vouched: &&Vouched<'_>| vouched.manifest.before <= last;
        let is_good = |vouched: &&Vouched<'_>| follows(vouched) && vouched.is_whole();
        let Some(Vouched { manifest, .. }) = views.values().rev().find(is_good) else {
            break;
        };
        kept.push(IntervalEdges {
            interval: manifest.last,
            edges: manifest.edges.clone(),
        });
        last = epoch;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use types::{Interval, Stamp};

    const DEAD: NodeId = NodeId(9);

    fn part(view: u64, epoch: u64, before: u64, stores: &[u32]) -> ReceivedPart {
        ReceivedPart {
            node: DEAD,
            view: ViewNumber(view),
            manifest: Manifest {
                last: Interval {
                    epoch: Epoch(epoch),
                    sub: 3,
                },
                before: Epoch(before),
                stores: stores.iter().copied().map(NodeId).collect(),
                copies: 2,
                edges: vec![],
            },
        }
    }

    fn kept(testimonies: &[(u32, &[ReceivedPart])]) -> Vec<u64> {
        let testimony = |parts: &[ReceivedPart]| Testimony {
            intervals: vec![],
            parts: parts.to_vec(),
        };
        let testimonies = testimonies.iter();
        let testimonies = testimonies.map(|&(node, parts)| (NodeId(node), testimony(parts)));
        let kept = kept_of(DEAD, Epoch(4), &testimonies.collect());
        kept.iter().map(|of| of.interval.epoch.0).collect()
    }

    #[test]
    fn a_part_at_all_stores_that_live_is_whole() {
        let part = part(1, 5, 4, &[1, 2, 9]);
        let whole = [part.clone()];
        assert_eq!(kept(&[(1, &whole), (2, &whole)]), [5]);
        // A frame may have been at 2 and 9 only.
        assert_eq!(kept(&[(1, &whole)]), []);
    }

    #[test]
    fn what_comes_after_a_gap_is_lost() {
        let all = [
            part(1, 5, 0, &[1, 9]),
            part(1, 6, 5, &[1, 9]),
            part(1, 8, 7, &[1, 9]),
        ];
        assert_eq!(kept(&[(1, &all)]), [5, 6]);
        assert_eq!(kept(&[(1, &all[1..])]), []);
    }

    #[test]
    fn what_is_stable_is_no_gap() {
        let all = [part(1, 4, 3, &[1, 9]), part(1, 6, 4, &[1, 9])];
        assert_eq!(kept(&[(1, &all)]), [6]);
        assert_eq!(kept(&[(1, &all[1..])]), [6]);
    }

    /// After a view has changed a part goes to other stores: what came in one view and what
    /// came in another do not add up.
    #[test]
    fn a_part_is_whole_in_one_view() {
        let (old, new) = (part(1, 5, 4, &[1, 2, 9]), part(2, 5, 4, &[1, 3, 9]));
        let (old, new) = ([old], [new]);
        assert_eq!(kept(&[(1, &new), (2, &old), (3, &[])]), []);
        assert_eq!(kept(&[(1, &new), (2, &old), (3, &new)]), [5]);
        assert_eq!(kept(&[(1, &old), (2, &old), (3, &[])]), [5]);
    }

    #[test]
    fn an_interval_has_the_edges_of_its_part() {
        let to = Stamp {
            node: NodeId(3),
            interval: Interval::last_of(Epoch(5)),
        };
        let mut part = part(1, 5, 4, &[1, 9]);
        part.manifest.edges.push(to);
        let testimony = Testimony {
            intervals: vec![],
            parts: vec![part],
        };
        let kept = kept_of(DEAD, Epoch(4), &[(NodeId(1), testimony)].into());
        assert_eq!(kept[0].edges, [to]);
        assert_eq!(kept[0].interval.sub, 3);
    }
}
