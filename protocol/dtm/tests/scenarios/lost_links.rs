//! A link may be up again before anybody has decided who goes: what was lost meanwhile must
//! not be taken for never said.
//!
//! A link between two members broke and came up again, far quicker than the leader gives up
//! one of the two. A frame was lost, the end of its part arrived; the store synced what it
//! had and acknowledged, and an epoch was called stable of which it lacked a page.
use dtm::Input;
use types::NodeId;
use wire::Message;

use crate::cluster::{Cluster, view};

/// Node 1 has sent node 2 the first frames of a part, and they are lost.
fn with_lost_frames() -> Cluster {
    let mut cluster = Cluster::new(2);
    let pages = [0, 1, 2, 3].map(|nth| cluster.linear(2, nth));
    for page in pages {
        cluster.put(1, page, 7);
    }
    cluster.pump();
    cluster.advance_epoch();
    cluster.pump();
    assert!(cluster.snapshot_slice(1), "there is more to send");
    while let Some(message) = cluster.in_flight(1, 2) {
        assert!(matches!(message, Message::StoreFrame { .. }), "{message:?}");
        cluster.lose_message(1, 2);
    }
    for (told, node) in [(1, NodeId(2)), (2, NodeId(1))] {
        cluster.input(told, Input::LinkLost { node });
    }
    cluster
}

#[test]
fn a_part_with_a_gap_is_never_acknowledged() {
    let mut cluster = with_lost_frames();
    cluster.snapshot(1);
    cluster.pump();
    let (epoch, reported) = (cluster.dtm(1).epoch(), cluster.reported.get(&1));
    assert!(reported.is_none_or(|stored| stored.next() < epoch));
}

#[test]
fn after_a_gap_the_next_view_gets_everything() {
    let mut cluster = with_lost_frames();
    let mut next = view(2, 2, 0, 50);
    next.fallbacks[0].cuts.clear();
    cluster.fence(1);
    cluster.fence(2);
    cluster.enter_all(&next);
    cluster.pump();
    cluster.snapshot(1);
    cluster.pump();
    let page = cluster.linear(2, 0);
    assert_eq!(cluster.stored(2, page).len(), 1);
    assert_eq!(cluster.reported[&1].next(), cluster.dtm(1).epoch());
}
