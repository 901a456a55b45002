//! After a failure only what depends on lost work is undone; everybody else goes on with
//! what he has. The names of the tests say what went wrong in earlier drafts of the rules.
use dtm::{PageState, TxnStatus};
use types::{Cut, Epoch, Interval, NodeId};
use wire::Message;

use crate::cluster::Cluster;

const FIRST_EPOCH: u64 = 100;

fn at(epoch: u64, sub: u32) -> Interval {
    Interval {
        epoch: Epoch(epoch),
        sub,
    }
}

fn cut(node: u32, last: Interval) -> Cut {
    Cut {
        node: NodeId(node),
        last,
    }
}

/// Node 3 dies with all that is not stable; these survivors go back, too.
fn lose_3(cluster: &mut Cluster, others: &[Cut]) {
    let floor = Interval::last_of(cluster.dtm(1).stable());
    let mut cuts = others.to_vec();
    cuts.push(cut(3, floor));
    cluster.lose(&[3], cuts, FIRST_EPOCH);
}

#[test]
fn who_does_not_depend_on_the_dead_keeps_his_pages_and_asks_nobody() {
    let mut cluster = Cluster::new(3);
    let (mine, theirs) = (cluster.linear(3, 0), cluster.linear(3, 1));
    cluster.put(1, mine, 1);
    cluster.put(3, theirs, 2);
    let report = cluster.fence(1);
    assert_eq!(report.len(), 1);
    assert_eq!(report[0].edges, []);
    lose_3(&mut cluster, &[]);
    assert_eq!(cluster.state(1, mine), PageState::Modified);
    let sent = cluster.sent.len();
    cluster.put(1, mine, 5);
    assert_eq!(cluster.sent.len(), sent);
    assert_eq!(cluster.get(2, mine), 5);
    assert_eq!(cluster.get(2, theirs), 0);
}

/// A before-image may be of the very version that was lost.
#[test]
fn an_orphan_goes_back_to_what_is_stable_not_to_his_before_image() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(1, 0);
    cluster.put(2, page, 7);
    cluster.make_stable();
    let stable = Interval::last_of(cluster.dtm(1).stable());
    cluster.put(3, page, 8);
    cluster.put(2, page, 9);
    let report = cluster.fence(2);
    let lost = cluster.dtm(3).page(page).stamp;
    assert!(
        report
            .iter()
            .any(|of| of.edges.iter().any(|to| to.node == NodeId(3))),
        "{lost:?}"
    );
    lose_3(&mut cluster, &[cut(2, stable)]);
    assert_eq!(cluster.dtm(2).counters().pages_undone, 1);
    assert_eq!(cluster.get(1, page), 7);
    assert_eq!(cluster.get(2, page), 7);
}

/// The only copy of a version that survives may be the frame that its producer keeps.
#[test]
fn a_version_whose_holder_died_comes_from_its_producers_frame() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(2, 0);
    cluster.put(1, page, 7);
    cluster.begin(3);
    cluster.write(3, page, 8); // Fetched whole, never committed.
    assert_eq!(cluster.state(3, page), PageState::Modified);
    lose_3(&mut cluster, &[]);
    assert!(cluster.dtm(1).offer(page).is_some());
    assert_eq!(cluster.get(2, page), 7);
    cluster.put(1, page, 9);
    assert_eq!(cluster.get(2, page), 9);
}

/// It is no dependant, but what it has must not win.
#[test]
fn a_copy_that_nobody_used_is_dropped_without_a_reset() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(1, 0);
    cluster.put(3, page, 8);
    cluster.begin(2);
    assert_eq!(cluster.read(2, page), 8);
    cluster.rollback(2);
    assert_eq!(cluster.fence(2), []);
    lose_3(&mut cluster, &[]);
    assert_eq!(cluster.state(2, page), PageState::Invalid);
    assert_eq!(cluster.get(2, page), 0);
}

/// Read copies outlive their owner if what they hold does.
#[test]
fn copies_of_a_dead_owner_are_found() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(2, 0);
    cluster.put(3, page, 8);
    assert_eq!(cluster.get(1, page), 8);
    cluster.make_stable();
    lose_3(&mut cluster, &[]);
    assert_eq!(cluster.state(1, page), PageState::Shared);
    assert_eq!(cluster.get(2, page), 8);
    cluster.put(2, page, 9);
    assert_eq!(cluster.state(1, page), PageState::Invalid);
    assert_eq!(cluster.get(1, page), 9);
}

/// What was committed before a dependency came does not depend on it.
#[test]
fn an_interval_is_cut_when_a_dependency_arrives() {
    let mut cluster = Cluster::new(3);
    let (own, page) = (cluster.exact(2, 0), cluster.exact(1, 0));
    cluster.put(2, own, 1);
    cluster.put(3, page, 8);
    assert_eq!(cluster.get(2, page), 8);
    cluster.put(2, own, 2);
    let report = cluster.fence(2);
    let intervals: Vec<_> = report
        .iter()
        .map(|of| (of.interval, of.edges.len()))
        .collect();
    assert_eq!(intervals, [(at(1, 0), 0), (at(1, 1), 1)]);
    lose_3(&mut cluster, &[cut(2, at(1, 0))]);
    assert_eq!(cluster.get(2, own), 1);
    assert_eq!(cluster.get(1, page), 0);
}

#[test]
fn a_fenced_node_commits_what_adds_no_dependency_and_nothing_else() {
    let mut cluster = Cluster::new(3);
    let (own, cached, absent) = (
        cluster.exact(1, 0),
        cluster.exact(1, 1),
        cluster.exact(2, 0),
    );
    cluster.put(2, own, 1);
    cluster.put(3, cached, 8);
    cluster.begin(2);
    assert_eq!(cluster.read(2, cached), 8);
    cluster.rollback(2);
    cluster.fence(2);
    let sent = cluster.sent.len();
    cluster.put(2, own, 2);
    cluster.begin(2);
    cluster.write(2, own, 3);
    assert_eq!(cluster.read(2, cached), 8);
    cluster.commit(2);
    cluster.pump();
    assert_eq!(cluster.status(2), TxnStatus::Committing);
    cluster.rollback(2);
    cluster.begin(2);
    assert_eq!(
        cluster.access(2, absent, dtm::Access::Read),
        dtm::AccessResult::Wait
    );
    cluster.pump();
    let by_2 = cluster.sent[sent..].iter().filter(|(from, ..)| *from == 2);
    assert_eq!(by_2.count(), 0);
    cluster.rollback(2);
    lose_3(&mut cluster, &[]);
    assert_eq!(cluster.get(2, own), 2);
    assert_eq!(cluster.get(2, cached), 0);
}

/// The stores of the new view need everything that is not stable, whoever had it before.
#[test]
fn parts_are_sent_again_to_the_stores_of_the_next_view() {
    let mut cluster = Cluster::new(3);
    let pages: Vec<_> = (0..3).map(|home| cluster.exact(home + 1, 0)).collect();
    pages.iter().for_each(|&page| cluster.put(1, page, 4));
    cluster.advance_epoch();
    cluster.pump();
    cluster.snapshot(1);
    cluster.pump();
    lose_3(&mut cluster, &[]);
    let sent = cluster.sent.len();
    cluster.snapshot(1);
    cluster.pump();
    let frames = cluster.sent[sent..].iter();
    let frames = frames.filter(|(.., message)| matches!(message, Message::StoreFrame { .. }));
    assert_eq!(frames.count(), pages.len() * 2);
    assert!(cluster.make_stable() >= Epoch(FIRST_EPOCH));
    assert!(
        pages
            .iter()
            .all(|&page| !cluster.stored(2, page).is_empty())
    );
}

/// A node that has missed a decision applies it with the next one.
#[test]
fn decisions_add_up() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(1, 0);
    cluster.put(2, page, 7);
    let stable = Interval::last_of(Epoch(0));
    // Decided, but node 2 never heard of it.
    cluster.decide(vec![cut(2, stable)], 50);
    lose_3(&mut cluster, &[]);
    assert_eq!(cluster.get(2, page), 0);
    assert_eq!(cluster.get(1, page), 0);
}
