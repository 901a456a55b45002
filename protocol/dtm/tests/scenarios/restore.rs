//! The memory goes back behind what is stable because somebody wants it to.
use dtm::{Access, AccessResult, PageState, TxnStatus, Why};
use types::{Cut, Epoch, Interval, NodeId, View};

use crate::cluster::{Cluster, view};

/// Everybody goes back to the end of this epoch.
fn restore(cluster: &mut Cluster, count: u32, to: Epoch, first_epoch: u64) {
    let last = Interval::last_of(to);
    let cut = |node| Cut {
        node: NodeId(node),
        last,
    };
    cluster.lose(&[], (1..=count).map(cut).collect(), first_epoch);
}

#[test]
fn stable_versions_are_dropped_wherever_they_are_held() {
    let mut cluster = Cluster::new(3);
    let (page, young) = (cluster.linear(1, 0), cluster.exact(2, 0));
    cluster.put(1, page, 1);
    let kept = cluster.make_stable();
    cluster.put(2, page, 2);
    cluster.put(3, young, 2);
    assert_eq!(cluster.get(1, page), 2);
    let stable = cluster.make_stable();
    assert_ne!(cluster.state(1, page), PageState::Invalid);
    restore(&mut cluster, 3, kept, 100);
    for id in 1..=3 {
        assert_eq!(cluster.state(id, page), PageState::Invalid);
        assert_eq!(cluster.get(id, page), 1);
        assert_eq!(cluster.get(id, young), 0);
    }
    assert_eq!(
        cluster.dtm(1).stable(),
        stable,
        "epochs are never used twice"
    );
    // And on from there, with versions of the same numbers.
    cluster.put(3, page, 3);
    assert_eq!(cluster.get(2, page), 3);
    assert!(cluster.make_stable() >= Epoch(100));
    assert_eq!(cluster.get(1, page), 3);
}

/// What was written before and not since is where it was.
#[test]
fn copies_of_what_is_kept_stay() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 1);
    assert_eq!(cluster.get(2, page), 1);
    let kept = cluster.make_stable();
    cluster.make_stable();
    restore(&mut cluster, 2, kept, 100);
    assert_ne!(cluster.state(1, page), PageState::Invalid);
    assert_ne!(cluster.state(2, page), PageState::Invalid);
    assert_eq!(cluster.get(2, page), 1);
}

#[test]
fn what_is_not_stable_goes_too() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    cluster.put(1, page, 1);
    let kept = cluster.make_stable();
    cluster.put(1, page, 2);
    cluster.make_stable();
    cluster.put(2, page, 3);
    restore(&mut cluster, 2, kept, 100);
    assert_eq!(cluster.get(1, page), 1);
    // First the part of the last view, of which nothing is left, then one of this.
    cluster.make_stable();
    assert!(cluster.make_stable() >= Epoch(100));
}

#[test]
fn a_transaction_that_runs_is_stopped() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    cluster.put(1, page, 1);
    let kept = cluster.make_stable();
    cluster.put(1, page, 2);
    let stable = cluster.make_stable();
    cluster.begin(2);
    assert_eq!(cluster.read(2, page), 2);
    let deeper = view(2, 2, kept.0, 100);
    cluster.enter_all(&View { stable, ..deeper });
    assert_eq!(cluster.status(2), TxnStatus::Marked(Why::Fallback));
    assert_eq!(cluster.access(2, page, Access::Read), AccessResult::Stopped);
    cluster.pump();
    cluster.rollback(2);
    assert_eq!(cluster.get(2, page), 1);
}

/// A second time, to something earlier; and to something later, on the new line.
#[test]
fn one_may_go_back_again_and_again() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(3, 0);
    cluster.put(1, page, 1);
    let first = cluster.make_stable();
    cluster.put(2, page, 2);
    let second = cluster.make_stable();
    cluster.put(3, page, 3);
    cluster.make_stable();
    restore(&mut cluster, 3, second, 100);
    assert_eq!(cluster.get(1, page), 2);
    cluster.put(1, page, 4);
    let later = cluster.make_stable();
    cluster.put(2, page, 5);
    cluster.make_stable();
    restore(&mut cluster, 3, later, 2000);
    assert_eq!(cluster.get(3, page), 4);
    restore(&mut cluster, 3, first, 4000);
    assert_eq!(cluster.get(2, page), 1);
}

/// A death afterwards takes no more than what depends on it.
#[test]
fn after_it_only_dependants_go_back_again() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 1);
    let kept = cluster.make_stable();
    cluster.put(1, page, 2);
    let stable = cluster.make_stable();
    restore(&mut cluster, 3, kept, 100);
    cluster.put(2, page, 3);
    let last = Interval::last_of(stable);
    let node = NodeId(3);
    cluster.lose(&[3], vec![Cut { node, last }], 2000);
    assert_ne!(cluster.state(2, page), PageState::Invalid);
    assert_eq!(cluster.get(1, page), 3);
}

/// What is in its region may be another program's now.
#[test]
fn nobody_keeps_copies_of_pages_that_nobody_has_written() {
    let mut cluster = Cluster::new(2);
    let (page, zero) = (cluster.linear(1, 0), cluster.linear(2, 1));
    cluster.put(1, page, 1);
    let kept = cluster.make_stable();
    assert_eq!(cluster.get(1, zero), 0);
    cluster.put(1, page, 2);
    cluster.make_stable();
    assert_ne!(cluster.state(1, zero), PageState::Invalid);
    restore(&mut cluster, 2, kept, 100);
    assert_eq!(cluster.state(1, zero), PageState::Invalid);
    assert_eq!(cluster.dtm(1).mapped_regions().len(), 0);
    cluster.put(2, zero, 5);
    assert_eq!(cluster.get(1, zero), 5);
}
