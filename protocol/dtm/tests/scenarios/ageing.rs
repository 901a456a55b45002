//! Progress: whoever loses often enough is not robbed any more.
use dtm::{TxnStatus, Why};
use types::PageId;

use crate::cluster::Cluster;

const LOST: TxnStatus = TxnStatus::Marked(Why::Conflict);

/// Reads both pages with a write of the other node's between them, if it can.
fn reads_both_against_a_writer(cluster: &mut Cluster, pages: [PageId; 2]) -> bool {
    cluster.read(1, pages[0]);
    cluster.begin(2);
    cluster.write(2, pages[0], u64::MAX);
    cluster.commit(2);
    for _ in 0..20 {
        if cluster.is_committed(2) || cluster.status(1) == LOST {
            break;
        }
        cluster.step();
    }
    if cluster.status(1) == LOST {
        cluster.until_committed(2);
        return false;
    }
    cluster.read(1, pages[1]);
    cluster.finish(1);
    true
}

/// An endless stream of short writers aborts a long reader every time, because a running
/// transaction gives way. After some losses it does not.
#[test]
fn the_oldest_commits_against_a_stream_of_younger_ones() {
    for pages in [
        [Cluster::new(3).linear(3, 0), Cluster::new(3).linear(3, 1)],
        [Cluster::new(3).exact(3, 0), Cluster::new(3).exact(1, 0)],
    ] {
        let mut cluster = Cluster::new(3);
        cluster.begin(1);
        let mut losses = 0;
        let mut value = 0;
        while !reads_both_against_a_writer(&mut cluster, pages) {
            losses += 1;
            assert_eq!(losses, cluster.dtm(1).counters().aborts_conflict);
            cluster.rollback(1);
            value += 1;
            cluster.put(2, pages[0], value);
            cluster.retry(1);
        }
        assert_eq!(losses, u64::from(crate::cluster::config().ageing_losses));
        cluster.until_committed(2); // Refused until now, not for ever.
    }
}

#[test]
fn a_young_committer_gives_way_to_an_older_one() {
    let mut cluster = Cluster::new(3);
    let pages = [cluster.exact(3, 0), cluster.exact(3, 1)];
    cluster.begin(1);
    cluster.begin_younger(2);
    for id in [1, 2] {
        pages
            .iter()
            .for_each(|&page| cluster.write(id, page, u64::from(id)));
    }
    cluster.commit(2);
    cluster.commit(1);
    cluster.pump();
    cluster.until_committed(1);
    assert_eq!(cluster.status(2), LOST);
    assert_eq!(cluster.dtm(1).counters().aborts_conflict, 0);
}

/// Clocks are not compared: whoever saw a timestamp is younger from then on.
#[test]
fn timestamps_follow_what_was_seen() {
    let mut cluster = Cluster::new(2);
    let (page, other) = (cluster.exact(1, 0), cluster.exact(1, 1));
    cluster.begin_younger(2); // Node 2 runs ahead in Lamport time.
    cluster.write(2, page, 100);
    cluster.read(2, other); // The request shows its timestamp to node 1.
    cluster.begin(1); // Younger, although node 1 has never begun one before.
    cluster.write(1, page, 200);
    cluster.pump();
    cluster.commit(1);
    cluster.commit(2);
    cluster.until_committed(2);
    assert_eq!(cluster.status(1), LOST);
}
