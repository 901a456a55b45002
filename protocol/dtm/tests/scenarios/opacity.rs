//! A transaction never sees pages of two different times, not even one that is lost.
use dtm::{Access, AccessResult, PageState, TxnStatus, Why};
use wire::Message;

use crate::cluster::Cluster;

const LOST: TxnStatus = TxnStatus::Marked(Why::Conflict);

#[test]
fn a_reader_is_marked_before_the_copy_is_given_up() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(3, 0);
    cluster.begin(1);
    cluster.read(1, page);
    cluster.begin(2);
    cluster.write(2, page, 8);
    cluster.commit(2);
    while cluster.in_flight(1, 2).is_none() {
        cluster.step();
    }
    let answer = cluster.in_flight(1, 2).unwrap();
    assert!(matches!(
        answer,
        Message::InvalidateAck {
            was_owner: false,
            ..
        }
    ));
    assert_eq!(cluster.status(1), LOST);
    assert_eq!(cluster.access(1, page, Access::Read), AccessResult::Stopped);
}

#[test]
fn a_marked_transaction_keeps_its_old_bytes_until_it_is_rolled_back() {
    let mut cluster = Cluster::new(3);
    let pages = [
        cluster.linear(3, 0),
        cluster.exact(3, 0),
        cluster.linear(3, 1),
    ];
    cluster.begin(1);
    pages
        .iter()
        .for_each(|&page| assert_eq!(cluster.read(1, page), 0));
    cluster.write(1, pages[2], 6);
    cluster.begin(2);
    pages.iter().for_each(|&page| cluster.write(2, page, 8));
    cluster.finish(2);
    assert_eq!(cluster.status(1), LOST);
    let seen: Vec<u64> = pages.map(|page| cluster.node(1).memory.value(page)).into();
    assert_eq!(seen, [0, 0, 6]);
    cluster.rollback(1);
    assert!(
        !pages
            .iter()
            .any(|&page| cluster.node(1).memory.is_mapped(page))
    );
    cluster.retry(1);
    pages
        .iter()
        .for_each(|&page| assert_eq!(cluster.read(1, page), 8));
}

/// A misses in a lost transaction whose other page is old: new data beside old bytes
/// would be a state that never was.
#[test]
fn data_for_a_marked_transaction_is_cached_not_mapped() {
    let mut cluster = Cluster::new(3);
    let (a, b) = (cluster.linear(3, 0), cluster.linear(3, 1));
    cluster.put(2, a, 1);
    cluster.put(2, b, 1);
    cluster.begin(1);
    assert_eq!(cluster.read(1, b), 1);
    cluster.hold(1, 3); // The read of A stays under way.
    assert_eq!(cluster.access(1, a, Access::Read), AccessResult::Wait);
    cluster.begin(2);
    cluster.write(2, a, 2);
    cluster.write(2, b, 2);
    cluster.finish(2);
    assert_eq!(cluster.status(1), LOST);
    cluster.release(1, 3);
    cluster.pump();
    assert_eq!(cluster.state(1, a), PageState::Shared);
    assert!(!cluster.node(1).memory.is_mapped(a));
    assert_eq!(cluster.node(1).memory.value(b), 1);
    cluster.rollback(1);
    cluster.retry(1);
    assert_eq!(cluster.access(1, a, Access::Read), AccessResult::Ready);
    assert_eq!((cluster.read(1, a), cluster.read(1, b)), (2, 2));
}

/// The lost page itself comes back, newer, while its old bytes are still in use.
#[test]
fn a_page_may_be_cached_anew_below_its_old_bytes() {
    let mut cluster = Cluster::new(3);
    let (a, b) = (cluster.linear(3, 0), cluster.linear(3, 1));
    cluster.put(2, a, 1);
    cluster.begin(1);
    cluster.write(1, a, 5);
    cluster.rollback(1);
    cluster.begin(1);
    assert_eq!(cluster.read(1, a), 1);
    cluster.read(1, b);
    cluster.put(2, a, 2);
    assert_eq!(cluster.status(1), LOST);
    cluster.rollback(1);
    cluster.retry(1);
    assert_eq!(cluster.read(1, a), 2);
    assert_eq!(cluster.read(1, b), 0);
}

#[test]
fn pages_outside_linear_memory_count_only_when_accessed() {
    let mut cluster = Cluster::new(2);
    let (exact, linear) = (cluster.exact(1, 0), cluster.linear(1, 0));
    cluster.get(1, exact);
    cluster.get(1, linear);
    cluster.begin(1);
    cluster.put(2, exact, 1);
    assert_eq!(cluster.status(1), TxnStatus::Running);
    assert!(!cluster.node(1).memory.is_mapped(exact));
    assert_eq!(cluster.read(1, exact), 1);
    cluster.put(2, linear, 1);
    assert_eq!(cluster.status(1), LOST);
}
