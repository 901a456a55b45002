//! What a dead node had given to stores is not lost with it, although it was not stable:
//! survivors vouch for it, serve it, and see to it that it gets its copies.
use types::{Cut, Epoch, NodeId, PageId, placement};
use wire::{ReceivedPart, Testimony};

use crate::cluster::Cluster;

const FIRST_EPOCH: u64 = 100;

/// Node 3 has written a page that it is itself a store of, and its part is stored; nothing
/// of that is stable. The page, and the other node that has got the part.
fn with_part_of_3() -> (Cluster, PageId, u32) {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(3, 0);
    cluster.put(3, page, 8);
    cluster.advance_epoch();
    cluster.pump();
    cluster.snapshot(3);
    cluster.pump();
    let stores = placement::stores(cluster.dtm(1).view().unwrap(), page.extent());
    let other = stores.iter().find(|store| store.0 != 3).unwrap().0;
    (cluster, page, other)
}

/// Node 3 dies, and is cut where its part ends.
fn lose_3(cluster: &mut Cluster, heir: u32) {
    let Testimony { parts, .. } = cluster.testify(heir, &[3]);
    let last = parts.last().expect("the part has come").manifest.last;
    let node = NodeId(3);
    cluster.lose(&[3], vec![Cut { node, last }], FIRST_EPOCH);
}

fn newest(cluster: &Cluster, id: u32, page: PageId) -> Option<u64> {
    let versions = cluster.stored(id, page);
    versions.last().map(|content| content.version.0)
}

#[test]
fn who_has_got_a_part_says_so_with_all_that_is_to_be_known_of_it() {
    let (mut cluster, _, heir) = with_part_of_3();
    let stores = |part: &ReceivedPart| part.manifest.stores.clone();
    let parts = cluster.testify(heir, &[3]).parts;
    let [part] = &parts[..] else {
        panic!("one part, not {parts:?}");
    };
    assert_eq!(part.node, NodeId(3));
    assert_eq!(part.manifest.last.epoch, Epoch(1));
    assert_eq!(part.manifest.before, Epoch(0));
    assert_eq!(part.manifest.copies, 2);
    let mut expected = vec![NodeId(heir), NodeId(3)];
    expected.sort_unstable();
    assert_eq!(stores(part), expected);
    // Of those that live nobody needs to vouch.
    assert_eq!(cluster.testify(heir, &[]).parts, []);
    assert_eq!(cluster.testify(3 - heir, &[3]).parts, []);
}

#[test]
fn what_comes_later_says_what_must_not_be_missing() {
    let (mut cluster, page, heir) = with_part_of_3();
    let theirs = cluster.exact(1, 0);
    cluster.put(1, theirs, 1);
    cluster.begin(3);
    let value = cluster.read(3, theirs);
    cluster.write(3, page, value);
    cluster.finish(3);
    cluster.advance_epoch();
    cluster.pump();
    cluster.snapshot(3);
    cluster.pump();
    let parts = cluster.testify(heir, &[3]).parts;
    let later = &parts[1].manifest;
    assert_eq!((later.last.epoch, later.before), (Epoch(2), Epoch(1)));
    let edges: Vec<_> = later.edges.iter().map(|to| (to.node, to.epoch())).collect();
    assert_eq!(edges, [(NodeId(1), Epoch(2))]);
}

#[test]
fn what_the_dead_have_left_is_served() {
    let (mut cluster, page, heir) = with_part_of_3();
    lose_3(&mut cluster, heir);
    assert_eq!(cluster.get(1, page), 8);
    assert_eq!(cluster.get(2, page), 8);
}

/// Else it would be called stable with one copy.
#[test]
fn the_heir_reports_nothing_before_the_legacy_has_its_copies() {
    let (mut cluster, page, heir) = with_part_of_3();
    let other = 3 - heir;
    lose_3(&mut cluster, heir);
    cluster.snapshot(heir);
    cluster.pump();
    assert_eq!(newest(&cluster, other, page), None);
    assert_eq!(cluster.reported[&heir], Epoch(1));
    cluster.inherit(heir);
    cluster.snapshot(heir);
    cluster.pump();
    assert_eq!(newest(&cluster, other, page), Some(1));
    assert_eq!(cluster.reported[&heir], Epoch(FIRST_EPOCH - 1));
    cluster.make_stable();
    assert_eq!(cluster.get(other, page), 8);
}

/// The stores are others now.
#[test]
fn the_next_view_begins_with_the_legacy_anew() {
    let (mut cluster, page, heir) = with_part_of_3();
    lose_3(&mut cluster, heir);
    cluster.inherit(heir);
    cluster.lose(&[], vec![], 2 * FIRST_EPOCH);
    cluster.inherit(heir);
    cluster.snapshot(heir);
    cluster.pump();
    assert_eq!(newest(&cluster, 3 - heir, page), Some(1));
    assert_eq!(cluster.reported[&heir], Epoch(2 * FIRST_EPOCH - 1));
}

/// It is lost, or others have it: in either case nothing is to be waited for.
#[test]
fn what_cannot_be_read_is_not_waited_for() {
    let (mut cluster, page, heir) = with_part_of_3();
    lose_3(&mut cluster, heir);
    cluster.damage(heir, page);
    cluster.inherit(heir);
    cluster.advance_epoch();
    cluster.pump();
    assert_eq!(cluster.reported[&heir], Epoch(FIRST_EPOCH));
}

#[test]
fn what_was_undone_is_no_legacy() {
    let (mut cluster, page, heir) = with_part_of_3();
    let last = types::Interval::last_of(Epoch(0));
    let node = NodeId(3);
    cluster.lose(&[3], vec![Cut { node, last }], FIRST_EPOCH);
    assert_eq!(cluster.dtm(heir).next_legacy(), None);
    assert_eq!(cluster.get(1, page), 0);
}

#[test]
fn what_is_stable_is_no_legacy() {
    let (mut cluster, _, heir) = with_part_of_3();
    let stable = cluster.make_stable();
    let last = types::Interval::last_of(stable);
    let node = NodeId(3);
    cluster.lose(&[3], vec![Cut { node, last }], FIRST_EPOCH);
    assert_eq!(cluster.dtm(heir).next_legacy(), None);
}

/// In the new view it goes to other stores, and may come to none of them.
#[test]
fn a_part_is_vouched_for_in_every_view_in_which_it_has_come() {
    let (mut cluster, _, heir) = with_part_of_3();
    let views = |cluster: &mut Cluster| {
        let parts = cluster.testify(heir, &[3]).parts;
        let views = parts.iter().map(|part| part.view.0);
        views.collect::<Vec<_>>()
    };
    cluster.lose(&[], vec![], FIRST_EPOCH);
    assert_eq!(views(&mut cluster), [1]);
    cluster.lose(&[], vec![], 2 * FIRST_EPOCH);
    cluster.snapshot(3);
    cluster.pump();
    assert_eq!(views(&mut cluster), [1, 3]);
}

/// Of the legacy the stores get each page's last version. If an epoch before became stable a
/// fallback to it would need an earlier one, of which there is one copy.
#[test]
fn the_heir_reports_no_epoch_before_the_legacy() {
    let mut cluster = Cluster::new(4);
    let view = cluster.dtm(1).view().unwrap().clone();
    let mut next = view.clone();
    next.members.retain(|member| member.node != NodeId(4));
    let of = |view: &types::View, page: PageId| {
        let stores = placement::stores(view, page.extent());
        stores.into_iter().map(|node| node.0).collect::<Vec<u32>>()
    };
    // Node 4 and the heir have the page that is left; the heir's own goes to somebody else.
    let pages = || (0..40).map(|nth| cluster.exact(4, nth));
    let left = pages().find(|&page| of(&view, page).contains(&4)).unwrap();
    let heir = of(&view, left).into_iter().find(|&store| store != 4);
    let heir = heir.unwrap();
    let slow = (1..4).find(|store| *store != heir && !of(&next, left).contains(store));
    let slow = slow.unwrap();
    let own = (0..40).map(|nth| cluster.exact(slow, nth));
    let own = own
        .filter(|&page| page != left)
        .find(|&page| of(&next, page).contains(&slow));
    let own = own.unwrap();

    cluster.put(4, left, 8);
    cluster.advance_epoch();
    cluster.pump();
    cluster.put(heir, own, 9);
    cluster.advance_epoch();
    cluster.pump();
    cluster.snapshot(4);
    cluster.pump();
    let last = cluster.testify(heir, &[4]).parts[0].manifest.last;
    let node = NodeId(4);
    cluster.lose(&[4], vec![Cut { node, last }], FIRST_EPOCH);
    cluster.reported.clear();
    cluster.hold(slow, heir);
    cluster.inherit(heir);
    cluster.snapshot(heir);
    cluster.pump();
    assert!(
        of(&next, left)
            .iter()
            .all(|&id| newest(&cluster, id, left) == Some(1))
    );
    assert!(!cluster.reported.contains_key(&heir));
    cluster.release(slow, heir);
    cluster.pump();
    assert_eq!(cluster.reported[&heir], Epoch(FIRST_EPOCH - 1));
}
