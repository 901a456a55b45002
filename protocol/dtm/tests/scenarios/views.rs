//! Views begin and fall back; what was said in another one does not count.
use dtm::{Access, AccessResult, Input, TxnStatus, Why};
use types::{Epoch, NodeId, PageId, Version, ViewNumber};
use wire::{Envelope, Message};

use crate::cluster::{Cluster, config, view};

#[test]
fn a_fallback_returns_to_stable_contents() {
    let mut cluster = Cluster::new(3);
    let (kept, never) = (cluster.linear(1, 0), cluster.exact(2, 0));
    cluster.put(1, kept, 1);
    let stable = cluster.make_stable();
    cluster.put(2, kept, 2);
    cluster.put(2, never, 2);
    cluster.enter_all(&view(2, 3, stable.0, 100));
    cluster.pump();
    assert_eq!(cluster.get(2, kept), 1);
    assert_eq!(cluster.get(3, never), 0);
    assert_eq!(cluster.dtm(1).epoch(), Epoch(100));
    cluster.put(2, kept, 3); // And on from there.
    assert_eq!(cluster.get(3, kept), 3);
    assert!(cluster.make_stable() >= Epoch(100));
}

/// Undone versions may have reached the stores already.
#[test]
fn an_undone_version_in_a_store_is_not_read() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 1);
    let stable = cluster.make_stable();
    cluster.put(2, page, 2);
    cluster.advance_epoch();
    cluster.pump();
    cluster.snapshot(2);
    cluster.pump();
    cluster.enter_all(&view(2, 3, stable.0, 100));
    cluster.pump();
    assert_eq!(cluster.get(3, page), 1);
}

#[test]
fn a_new_view_stops_the_transaction() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    cluster.begin(1);
    cluster.write(1, page, 5);
    cluster.enter_all(&view(2, 2, 0, 50));
    assert_eq!(cluster.status(1), TxnStatus::Marked(Why::Fallback));
    assert_eq!(cluster.access(1, page, Access::Read), AccessResult::Stopped);
    cluster.pump();
    cluster.rollback(1);
    cluster.retry(1);
    assert_eq!(cluster.read(1, page), 0);
    cluster.finish(1);
}

#[test]
fn a_committing_transaction_is_undone_by_a_new_view() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    cluster.begin(1);
    cluster.update(1, page, 5);
    cluster.commit(1);
    cluster.enter_all(&view(2, 2, 0, 50));
    cluster.pump();
    assert_eq!(cluster.status(1), TxnStatus::Marked(Why::Fallback));
    cluster.rollback(1);
    assert_eq!(cluster.get(2, page), 0);
}

/// A home that served before it has heard from everybody could overwrite, in an early
/// epoch, what a member that holds nothing any more has read in a later one.
#[test]
fn a_home_serves_nothing_before_every_inventory() {
    let mut cluster = Cluster::without_view(3, config());
    let page = cluster.exact(3, 0);
    cluster.hold(1, 3);
    cluster.enter_all(&view(1, 3, 0, 1));
    cluster.pump();
    cluster.begin(2);
    assert_eq!(cluster.access(2, page, Access::Read), AccessResult::Wait);
    cluster.pump();
    assert_eq!(cluster.access(2, page, Access::Read), AccessResult::Wait);
    let mut late = Envelope {
        from: NodeId(1),
        view: ViewNumber(1),
        epoch: Epoch(9),
        message: Message::Inventory {
            extents: vec![],
            last: false,
        },
    };
    cluster.receive(3, late.clone());
    cluster.pump();
    assert_eq!(cluster.access(2, page, Access::Read), AccessResult::Wait);
    late.message = Message::Inventory {
        extents: vec![],
        last: true,
    };
    cluster.receive(3, late);
    cluster.pump();
    assert_eq!(cluster.read(2, page), 0);
    assert_eq!(cluster.dtm(2).epoch(), Epoch(9)); // The home has passed it on.
}

/// Members do not enter a view at the same time. What reaches a node early counts later.
#[test]
fn requests_of_a_view_not_entered_yet_are_answered_later() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    let next = view(2, 2, 0, 50);
    cluster.forget_undone(&next);
    cluster.enter(1, &next);
    cluster.begin(1);
    assert_eq!(cluster.access(1, page, Access::Read), AccessResult::Wait);
    cluster.pump();
    assert_eq!(cluster.dtm(2).epoch(), Epoch(1));
    cluster.enter(2, &next);
    cluster.pump();
    assert_eq!(cluster.read(1, page), 0);
}

#[test]
fn messages_of_earlier_views_and_of_strangers_are_ignored() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    cluster.hold(1, 2);
    cluster.begin(1);
    assert_eq!(cluster.access(1, page, Access::Read), AccessResult::Wait);
    cluster.enter_all(&view(2, 2, 0, 50));
    cluster.pump();
    cluster.deliver(1, 2);
    assert_eq!(cluster.dtm(2).counters().messages_ignored, 1);
    let stranger = Envelope {
        from: NodeId(77),
        view: ViewNumber(2),
        epoch: Epoch(1000),
        message: Message::Heartbeat,
    };
    cluster.receive(2, stranger);
    assert_eq!(cluster.dtm(2).counters().messages_ignored, 2);
    assert_eq!(cluster.dtm(2).epoch(), Epoch(50));
}

#[test]
fn a_page_is_read_from_whatever_store_has_the_newest_version() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 1);
    cluster.make_stable();
    cluster.put(2, page, 2);
    let stable = cluster.make_stable();
    cluster.restart_all(&view(2, 3, stable.0, 60));
    assert_eq!(cluster.get(3, page), 2);
    let reads = cluster
        .sent
        .iter()
        .filter(|(.., message)| matches!(message, Message::StoreRead { .. }));
    assert_eq!(reads.count(), 2);
}

/// Nodes whose stores have the page, newest version first.
fn stores_of(cluster: &Cluster, page: PageId) -> Vec<u32> {
    let newest = |id: &u32| {
        let stored = cluster.stored(*id, page);
        stored.iter().map(|content| content.version).max()
    };
    let mut ids: Vec<u32> = (1..=3).filter(|id| newest(id).is_some()).collect();
    ids.sort_by_key(newest);
    ids.reverse();
    ids
}

#[test]
fn a_damaged_copy_is_not_missed_while_another_store_has_the_page() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(1, 0);
    cluster.put(2, page, 7);
    let stable = cluster.make_stable();
    let stores = stores_of(&cluster, page);
    assert!(stores.len() > 1, "{stores:?}");
    cluster.damage(stores[0], page);
    cluster.restart_all(&view(2, 3, stable.0, 60));
    assert_eq!(cluster.get(3, page), 7);
}

#[test]
fn no_older_version_is_given_instead_of_a_damaged_one() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(1, 0);
    let other = cluster.linear(1, 1);
    cluster.put(2, page, 7);
    cluster.put(2, other, 8);
    let stable = cluster.make_stable();
    for store in stores_of(&cluster, page) {
        cluster.damage(store, page);
    }
    cluster.restart_all(&view(2, 3, stable.0, 60));
    // Neither the first who asks nor the next gets it, and who asks is told.
    for node in [3, 2, 3] {
        cluster.begin(node);
        assert_eq!(
            cluster.access(node, page, Access::Write),
            AccessResult::Wait
        );
        cluster.pump();
        let lost = TxnStatus::Marked(Why::Lost(page, Version(1)));
        assert_eq!(cluster.status(node), lost);
        cluster.rollback(node);
    }
    // Other pages are as they were.
    assert_eq!(cluster.get(3, other), 8);
}

#[test]
fn only_the_leader_tells_of_new_epochs() {
    let mut cluster = Cluster::new(3);
    let before = cluster.sent.len();
    cluster.input(1, Input::AdvanceEpoch);
    let news = &cluster.sent[before..];
    let beats = news
        .iter()
        .filter(|(.., message)| *message == Message::Heartbeat);
    assert_eq!(beats.count(), 2);
}
