//! Epochs cut the commit order: whatever depends on something is not in an earlier one.
use dtm::{Input, TxnStatus};
use types::Epoch;

use crate::cluster::Cluster;

fn epoch_of_commit(cluster: &Cluster, id: u32) -> Epoch {
    let TxnStatus::Committed(stamp) = cluster.status(id) else {
        panic!("not committed")
    };
    stamp.epoch()
}

/// The reader's node is ahead. The overwriter must not commit in an epoch that lies
/// before that of the reader: the acknowledgement carries the reader's epoch.
#[test]
fn an_acknowledgement_brings_the_readers_epoch() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(3, 0);
    cluster.get(2, page);
    cluster.get(1, page);
    cluster.hold(1, 2);
    cluster.hold(1, 3); // The news of epoch 2 reaches nobody but the reader.
    cluster.advance_epoch();
    cluster.get(1, page);
    assert_eq!(epoch_of_commit(&cluster, 1), Epoch(2));
    cluster.begin(2);
    cluster.write(2, page, 1);
    cluster.commit(2);
    cluster.pump();
    assert_eq!(cluster.dtm(2).epoch(), Epoch(1));
    // Only the acknowledgement gets through, not the news that was sent before it.
    while let Some(message) = cluster.in_flight(1, 2) {
        if matches!(message, wire::Message::InvalidateAck { .. }) {
            break;
        }
        cluster.lose_message(1, 2);
    }
    cluster.deliver(1, 2);
    assert_eq!(epoch_of_commit(&cluster, 2), Epoch(2));
}

#[test]
fn data_brings_its_writers_epoch() {
    let mut cluster = Cluster::new(3);
    let page = cluster.exact(3, 0);
    cluster.put(1, page, 1);
    cluster.hold(1, 2);
    cluster.hold(1, 3);
    cluster.advance_epoch();
    cluster.put(1, page, 2);
    assert_eq!(cluster.dtm(2).epoch(), Epoch(1));
    cluster.begin(2);
    let _ = cluster.access(2, page, dtm::Access::Read);
    cluster.pump();
    while !matches!(cluster.in_flight(1, 2), Some(wire::Message::Data { .. })) {
        cluster.lose_message(1, 2);
    }
    cluster.deliver(1, 2);
    assert_eq!(cluster.read(2, page), 2);
    cluster.commit(2);
    assert_eq!(epoch_of_commit(&cluster, 2), Epoch(2));
}

#[test]
fn a_transaction_belongs_to_the_epoch_of_its_commit() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(2, 0);
    cluster.begin(1);
    cluster.update(1, page, 1);
    cluster.commit(1);
    assert_eq!(cluster.status(1), TxnStatus::Committing);
    cluster.input(1, Input::AdvanceEpoch);
    cluster.until_committed(1);
    assert_eq!(epoch_of_commit(&cluster, 1), Epoch(2));
    assert_eq!(cluster.dtm(1).page(page).stamp.epoch(), Epoch(2));
}

#[test]
fn epochs_without_commits_are_reported_at_once() {
    let mut cluster = Cluster::new(2);
    for epoch in 2..5 {
        cluster.advance_epoch();
        cluster.pump();
        assert_eq!(cluster.reported[&1], Epoch(epoch - 1));
        assert_eq!(cluster.reported[&2], Epoch(epoch - 1));
    }
}

/// Nothing was written in any of the epochs that the node never saw.
#[test]
fn a_jump_over_epochs_without_writes_is_reported_at_once() {
    let mut cluster = Cluster::new(2);
    cluster.hold(1, 2);
    (0..5).for_each(|_| cluster.advance_epoch());
    (0..4).for_each(|_| cluster.lose_message(1, 2));
    cluster.deliver(1, 2);
    cluster.pump();
    assert_eq!(cluster.reported[&2], Epoch(5));
}

#[test]
fn a_jump_over_epochs_reports_them_all() {
    let mut cluster = Cluster::new(2);
    cluster.hold(1, 2);
    (0..5).for_each(|_| cluster.advance_epoch());
    let page = cluster.linear(2, 0);
    cluster.put(2, page, 1);
    while cluster.in_flight(1, 2).is_some() {
        cluster.deliver(1, 2);
    }
    cluster.pump();
    assert_eq!(cluster.dtm(2).epoch(), Epoch(6));
    assert_eq!(cluster.reported.get(&2), None); // Epoch 1 has a write to store first.
    cluster.release(1, 2);
    cluster.snapshot(2);
    cluster.pump();
    assert_eq!(cluster.reported[&2], Epoch(5));
}
