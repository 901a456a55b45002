//! Pages moving between nodes when nobody is in the way.
use dtm::{PageState, TxnStatus};

use crate::cluster::{Cluster, config};

#[test]
fn a_page_that_nobody_wrote_reads_as_zero() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(2, 0);
    assert_eq!(cluster.get(1, page), 0);
    assert_eq!(cluster.state(1, page), PageState::Shared);
}

#[test]
fn a_commit_on_modified_pages_sends_nothing() {
    let mut cluster = Cluster::new(3);
    let pages: Vec<_> = (0..4).map(|nth| cluster.linear(2, nth)).collect();
    pages.iter().for_each(|&page| cluster.put(1, page, 1));
    cluster.pump();
    let sent = cluster.sent.len();
    cluster.begin(1);
    pages.iter().for_each(|&page| cluster.write(1, page, 2));
    cluster.commit(1);
    assert!(cluster.is_committed(1));
    assert_eq!(cluster.sent.len(), sent);
    assert_eq!(cluster.dtm(1).written(), pages);
}

#[test]
fn the_only_node_of_a_cluster_talks_to_nobody() {
    let mut cluster = Cluster::new(1);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 7);
    assert_eq!(cluster.get(1, page), 7);
    assert!(cluster.sent.is_empty());
}

#[test]
fn ownership_follows_the_writer_whoever_is_home() {
    for home in 1..=3 {
        let mut cluster = Cluster::new(3);
        let page = cluster.linear(home, 0);
        for round in 1..=6 {
            let writer = round % 3 + 1;
            cluster.put(u32::try_from(writer).unwrap(), page, round);
            assert_eq!(
                cluster.get(u32::try_from(round % 2 + 1).unwrap(), page),
                round
            );
        }
        cluster.pump();
    }
}

#[test]
fn a_read_copy_costs_the_owner_its_exclusiveness_only() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(3, 0);
    cluster.put(1, page, 5);
    assert_eq!(cluster.get(2, page), 5);
    assert_eq!(cluster.state(1, page), PageState::Owned);
    assert_eq!(cluster.state(2, page), PageState::Shared);
    cluster.put(1, page, 6);
    assert_eq!(cluster.state(1, page), PageState::Modified);
    assert_eq!(cluster.state(2, page), PageState::Invalid);
}

#[test]
fn equal_bytes_written_are_no_write() {
    let mut cluster = Cluster::new(2);
    let (same, changed) = (cluster.linear(1, 0), cluster.linear(1, 1));
    cluster.put(2, same, 3);
    cluster.get(1, same);
    cluster.begin(1);
    cluster.write(1, same, 3);
    cluster.write(1, changed, 4);
    cluster.finish(1);
    assert_eq!(cluster.dtm(1).written(), [changed]);
    assert_eq!(cluster.state(2, same), PageState::Owned);
    assert_eq!(cluster.dtm(1).counters().silent_stores, 1);
    cluster.put(1, same, 5); // Protected again: the next write is noticed.
    assert_eq!(cluster.get(2, same), 5);
}

#[test]
fn a_query_sees_its_writes_and_leaves_none() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    cluster.put(2, page, 3);
    cluster.begin_query(1);
    cluster.write(1, page, 9);
    let sent = cluster.sent.len();
    cluster.commit(1);
    assert!(cluster.is_committed(1));
    assert_eq!(cluster.sent.len(), sent);
    assert_eq!(cluster.dtm(1).written(), []);
    assert_eq!(cluster.get(1, page), 3);
    assert_eq!(cluster.dtm(2).page(page).state, PageState::Owned);
}

#[test]
fn a_query_that_lost_a_page_is_not_answered() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    cluster.begin_query(1);
    cluster.read(1, page);
    cluster.put(2, page, 3);
    cluster.commit(1);
    assert!(matches!(cluster.status(1), TxnStatus::Marked(_)));
}

#[test]
fn a_rolled_back_transaction_leaves_nothing() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    cluster.put(1, page, 1);
    cluster.begin(1);
    cluster.write(1, page, 2);
    cluster.rollback(1);
    assert_eq!(cluster.status(1), TxnStatus::Idle);
    assert_eq!(cluster.get(1, page), 1);
    assert_eq!(cluster.get(2, page), 1);
}

#[test]
fn a_page_on_the_way_is_asked_for_once() {
    let mut cluster = Cluster::with_config(2, config());
    let page = cluster.linear(2, 0);
    cluster.begin(1);
    let before = cluster.sent.len();
    for _ in 0..3 {
        let _ = cluster.access(1, page, dtm::Access::Read);
    }
    assert_eq!(cluster.sent.len(), before + 1);
}

/// One exchange instead of two: the page comes as the only copy.
#[test]
fn a_page_fetched_to_be_written_comes_whole() {
    for home in 1..=3 {
        let mut cluster = Cluster::new(3);
        let page = cluster.linear(home, 0);
        cluster.put(2, page, 3);
        cluster.begin(1);
        cluster.write(1, page, 4);
        assert_eq!(cluster.state(1, page), PageState::Modified);
        assert_eq!(cluster.state(2, page), PageState::Invalid);
        let sent = cluster.sent.len();
        cluster.commit(1);
        assert!(cluster.is_committed(1));
        assert_eq!(cluster.sent.len(), sent);
        assert_eq!(cluster.dtm(2).counters().pages_given_away, 1);
        assert_eq!(cluster.get(3, page), 4);
    }
}

/// Nobody loses a transaction because another one might write.
#[test]
fn a_page_that_its_holder_uses_is_not_given_away() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    cluster.put(2, page, 3);
    cluster.begin(2);
    assert_eq!(cluster.read(2, page), 3);
    cluster.begin(1);
    cluster.write(1, page, 4);
    assert_eq!(cluster.state(2, page), PageState::Owned);
    assert_eq!(cluster.state(1, page), PageState::Shared);
    cluster.commit(2);
    assert!(cluster.is_committed(2));
    cluster.finish(1);
    assert_eq!(cluster.get(2, page), 4);
}

/// A transaction looks before it writes, mostly: the second time one knows that it will.
#[test]
fn a_page_that_was_written_last_time_is_fetched_whole_until_it_is_not_written() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 1);
    cluster.put(2, page, 2);
    cluster.begin(1);
    cluster.update(1, page, 3);
    assert_eq!(cluster.state(1, page), PageState::Modified);
    cluster.finish(1);
    for (stay, state) in [
        PageState::Modified,
        PageState::Modified,
        PageState::Modified,
        PageState::Shared,
    ]
    .into_iter()
    .enumerate()
    {
        let value = 4 + u64::try_from(stay).unwrap();
        cluster.put(2, page, value);
        assert_eq!(cluster.get(1, page), value);
        assert_eq!(cluster.state(1, page), state);
    }
}

/// Queries scale because they take nothing from anybody.
#[test]
fn a_query_takes_no_page_from_its_owner() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 1);
    cluster.put(2, page, 2);
    cluster.begin_query(1);
    cluster.write(1, page, 9);
    cluster.commit(1);
    assert!(cluster.is_committed(1));
    assert_eq!(cluster.state(2, page), PageState::Owned);
    assert_eq!(cluster.dtm(2).counters().pages_given_away, 0);
}
