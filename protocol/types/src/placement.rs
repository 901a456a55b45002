//! Which member is home of an extent, and which keep its copies: rendezvous
//! hashing (Thaler and Ravishankar 1998). When a member leaves, only what it
//! held moves. The home is the first of the stores, so that it reads locally. Of members
//! that are about to leave nothing is asked any more.
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::limits::REPLICAS;
use crate::prng::mix;
use crate::{Extent, Member, NodeId, View};

/// The member that keeps the directory entries of the pages of `extent`.
///
/// # Panics
/// If the view has no members that stay.
#[must_use]
pub fn home(view: &View, extent: Extent) -> NodeId {
    let best = view
        .staying()
        .max_by_key(|member| weight(extent_key(extent), member));
    best.expect("a view has members that stay").node
}

/// Which of these extents have which home; every member is there.
#[must_use]
pub fn by_home(
    view: &View,
    extents: impl IntoIterator<Item = Extent>,
) -> BTreeMap<NodeId, Vec<Extent>> {
    let mut homes: BTreeMap<NodeId, Vec<Extent>> =
        view.nodes().map(|node| (node, vec![])).collect();
    for extent in extents {
        homes.entry(home(view, extent)).or_default().push(extent);
    }
    homes
}

/// The members whose stores keep the pages of `extent`: the home first, R of them
/// or as many as there are.
#[must_use]
pub fn stores(view: &View, extent: Extent) -> Vec<NodeId> {
    let key = extent_key(extent);
    // In one pass: it is done for every page that is sent.
    let mut best = Vec::with_capacity(REPLICAS + 1);
    for member in view.staying() {
        let candidate = (weight(key, member), member.node);
        let place = best.partition_point(|better| *better > candidate);
        best.insert(place, candidate);
        best.truncate(REPLICAS);
    }
    best.into_iter().map(|(_, node)| node).collect()
}

fn extent_key(extent: Extent) -> u64 {
    mix((u64::from(extent.region.0) << 32) | u64::from(extent.index))
}

/// Weight of a member for a key. By store, so that what a disk holds does not
/// depend on which node serves it; unique because store ids are.
fn weight(key: u64, member: &Member) -> (u64, u64) {
    (mix(key ^ mix(member.store.0)), member.store.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, Epoch, RegionId, StoreId, ViewNumber};

    fn view(stores: &[u64]) -> View {
        let members = stores
            .iter()
            .zip(1..)
            .map(|(&store, node)| Member {
                node: NodeId(node),
                store: StoreId(store),
            })
            .collect();
        View {
            number: ViewNumber(1),
            leader: NodeId(1),
            members,
            leaving: vec![],
            stable: Epoch(0),
            first_epoch: Epoch(1),
            durability: Durability::Disk,
            fallbacks: vec![],
        }
    }

    fn extents() -> impl Iterator<Item = Extent> {
        (0..3000).map(|index| Extent {
            region: RegionId(7),
            index,
        })
    }

    #[test]
    fn home_is_the_first_store_and_stores_are_distinct() {
        let view = view(&[11, 22, 33]);
        for extent in extents() {
            let stores = stores(&view, extent);
            assert_eq!(stores.len(), REPLICAS);
            assert_eq!(stores[0], home(&view, extent));
            assert_ne!(stores[0], stores[1]);
        }
    }

    #[test]
    fn the_second_store_is_home_once_the_first_is_gone() {
        let all = view(&[11, 22, 33, 44, 55]);
        for extent in extents() {
            let stores = stores(&all, extent);
            let mut rest = all.clone();
            rest.members.retain(|member| member.node != stores[0]);
            assert_eq!(home(&rest, extent), stores[1]);
        }
    }

    #[test]
    fn who_is_home_of_nothing_is_listed_too() {
        let homes = by_home(&view(&[11, 22, 33]), []);
        assert!(homes.values().all(Vec::is_empty));
        assert_eq!(homes.len(), 3);
    }

    #[test]
    fn homes_are_spread_evenly() {
        let view = view(&[11, 22, 33]);
        for (node, extents) in by_home(&view, extents()) {
            assert!(extents.iter().all(|&extent| home(&view, extent) == node));
            let count = extents.len();
            assert!(
                (900..1100).contains(&count),
                "{node} is home of {count} of 3000"
            );
        }
    }

    #[test]
    fn a_leaving_member_moves_only_its_own_extents() {
        let before = view(&[11, 22, 33]);
        let mut after = before.clone();
        let gone = after.members.remove(1).node;
        for extent in extents().filter(|&extent| home(&before, extent) != gone) {
            assert_eq!(home(&before, extent), home(&after, extent));
        }
    }

    #[test]
    fn a_member_that_is_about_to_leave_is_passed_over_as_if_it_had_left() {
        let mut before = view(&[11, 22, 33]);
        before.leaving = vec![NodeId(2)];
        let mut after = view(&[11, 22, 33]);
        after.members.remove(1);
        for extent in extents() {
            assert_eq!(home(&before, extent), home(&after, extent));
            assert_eq!(stores(&before, extent), stores(&after, extent));
        }
    }
}
