//! Transactions that want the same pages: who keeps them, and where they end up.
use dtm::{Access, AccessResult, PageState, TxnStatus, Why};
use wire::{Message, ReadRefusal};

use crate::cluster::Cluster;

const LOST: TxnStatus = TxnStatus::Marked(Why::Conflict);

/// The owner acknowledges and a sharer refuses: the transition fails, but the owner has
/// already given the page up. The ownership must go to the requester.
#[test]
fn a_partly_refused_transition_keeps_an_owner() {
    let mut cluster = Cluster::new(4);
    let page = cluster.exact(4, 0);
    cluster.put(1, page, 1);
    for id in [2, 3] {
        cluster.begin(id); // As old as each other: then the lower id is older.
        cluster.write(id, page, u64::from(id) * 10);
    }
    cluster.hold(4, 2); // The older committer hears of nothing before it commits.
    cluster.commit(3);
    while cluster.status(1) != TxnStatus::Idle && cluster.state(1, page) != PageState::Invalid {
        cluster.step();
    }
    cluster.commit(2);
    cluster.release(4, 2);
    cluster.pump();
    assert_eq!(cluster.state(1, page), PageState::Invalid);
    cluster.until_committed(2);
    assert_eq!(cluster.status(3), LOST);
    cluster.rollback(3);
    assert_eq!(cluster.get(3, page), 20);
}

/// A refused requester that became owner asks again while it serves the others.
#[test]
fn who_became_owner_by_a_refused_transition_serves_reads() {
    let mut cluster = Cluster::new(4);
    let page = cluster.exact(4, 0);
    cluster.put(1, page, 1);
    for id in [2, 3] {
        cluster.begin(id);
        cluster.update(id, page, u64::from(id) * 10);
    }
    let other = cluster.exact(4, 1);
    cluster.update(2, other, 1);
    cluster.hold(2, 4); // 2 is committing but its requests do not reach the home.
    cluster.commit(2);
    cluster.commit(3);
    cluster.pump();
    assert_eq!(cluster.state(3, page), PageState::Owned);
    cluster.begin(1);
    assert_eq!(cluster.read(1, page), 1);
    cluster.rollback(1);
    cluster.release(2, 4);
    cluster.until_committed(2);
    assert_eq!(cluster.get(1, page), 20);
}

/// Reads of a younger transaction would take the exclusiveness away from an older
/// committer again and again.
#[test]
fn a_committer_refuses_younger_readers_and_serves_older_ones() {
    for reader_is_older in [false, true] {
        let mut cluster = Cluster::new(3);
        let (held, missing) = (cluster.exact(3, 0), cluster.exact(3, 1));
        cluster.put(1, held, 1);
        cluster.get(2, missing);
        let [older, younger] = if reader_is_older { [2, 1] } else { [1, 2] };
        cluster.begin(older);
        cluster.begin_younger(younger);
        cluster.write(1, held, 2);
        cluster.write(1, missing, 2);
        cluster.hold(2, 1); // The other holder's answer does not come.
        cluster.commit(1);
        cluster.pump();
        assert_eq!(cluster.access(2, held, Access::Read), AccessResult::Wait);
        cluster.pump();
        cluster.release(2, 1);
        let was_refused = |cluster: &Cluster| {
            let is_refusal = |message: &Message| {
                matches!(
                    message,
                    Message::ReadNack {
                        reason: ReadRefusal::Busy,
                        ..
                    }
                )
            };
            cluster.sent.iter().any(|(.., message)| is_refusal(message))
        };
        if reader_is_older {
            assert_eq!(cluster.node(2).memory.value(held), 1);
            assert!(!was_refused(&cluster));
        } else {
            cluster.pump();
            assert!(was_refused(&cluster));
            assert!(cluster.is_committed(1));
            assert_eq!(cluster.read(2, held), 2);
        }
    }
}

/// A page that has arrived but was not accessed yet would be given up unnoticed, so its
/// reader could miss it for ever. It counts as touched on arrival.
#[test]
fn a_page_waited_for_is_touched_when_it_arrives() {
    for page in [Cluster::new(2).exact(1, 0), Cluster::new(2).linear(1, 0)] {
        let mut cluster = Cluster::new(2);
        cluster.put(1, page, 1);
        cluster.begin(2);
        assert_eq!(cluster.access(2, page, Access::Read), AccessResult::Wait);
        cluster.pump();
        cluster.put(1, page, 2);
        assert_eq!(cluster.status(2), LOST);
    }
}

/// Both hold copies and ask at once. The younger one's copy goes before its request is
/// served, so the home does not list it any more.
#[test]
fn upgrades_that_cross_leave_one_winner() {
    for home in 1..=3 {
        let mut cluster = Cluster::new(3);
        let page = cluster.linear(home, 0);
        for id in [1, 2] {
            cluster.begin(id);
            let value = cluster.read(id, page);
            cluster.write(id, page, value + 1);
        }
        cluster.commit(1);
        cluster.commit(2);
        while !cluster.is_committed(1) && !cluster.is_committed(2) {
            cluster.step();
        }
        cluster.pump();
        let loser = if cluster.is_committed(1) { 2 } else { 1 };
        assert_eq!(cluster.status(loser), LOST);
        cluster.rollback(loser);
        cluster.retry(loser);
        let value = cluster.read(loser, page);
        cluster.write(loser, page, value + 1);
        cluster.finish(loser);
        assert_eq!(cluster.get(3, page), 2);
    }
}

/// A request by whoever has lost its copy meanwhile is dead: no bytes move for it, and
/// nobody becomes exclusive without bytes.
#[test]
fn an_upgrade_without_a_copy_is_stale() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(3, 0);
    for id in [1, 2] {
        cluster.begin(id);
        cluster.write(id, page, u64::from(id));
    }
    cluster.hold(2, 3);
    cluster.commit(2);
    cluster.finish(1); // Older: 2 acknowledges, but its request is still under way.
    assert_eq!(cluster.status(2), LOST);
    cluster.release(2, 3);
    cluster.pump();
    assert!(cluster.sent.contains(&(3, 2, Message::Stale { page })));
    assert_eq!(cluster.state(2, page), PageState::Invalid);
    cluster.rollback(2);
    assert_eq!(cluster.get(2, page), 1);
}

/// A granted transition ends also for a transaction that has died meanwhile, and the
/// page stays exclusive for whoever runs next.
#[test]
fn a_page_won_for_a_dead_transaction_stays() {
    let mut cluster = Cluster::new(4);
    let (won, lost) = (cluster.exact(4, 0), cluster.exact(3, 0));
    cluster.begin(2);
    cluster.update(2, lost, 2);
    cluster.begin_younger(1);
    cluster.update(1, won, 1);
    cluster.update(1, lost, 1);
    cluster.pump();
    cluster.hold(4, 1);
    cluster.hold(3, 2);
    cluster.commit(1);
    cluster.pump();
    cluster.commit(2); // Queued behind the younger one, which it then refuses.
    cluster.release(3, 2);
    cluster.until_committed(2);
    assert_eq!(cluster.status(1), LOST);
    assert_eq!(cluster.state(1, won), PageState::Shared);
    cluster.release(4, 1);
    cluster.pump();
    assert_eq!(cluster.state(1, won), PageState::Modified);
    cluster.rollback(1);
    let sent = cluster.sent.len();
    cluster.put(1, won, 5);
    assert_eq!(cluster.sent.len(), sent);
}

/// Two transactions that read what the other writes cannot both be first.
#[test]
fn write_skew_is_refused() {
    let mut cluster = Cluster::new(3);
    let (a, b) = (cluster.exact(1, 0), cluster.exact(2, 0));
    cluster.begin(1);
    cluster.begin(2);
    cluster.read(1, a);
    cluster.read(2, b);
    cluster.write(1, b, 1);
    cluster.write(2, a, 1);
    cluster.commit(1);
    cluster.commit(2);
    cluster.pump();
    cluster.until_committed(1);
    assert_eq!(cluster.status(2), LOST);
}
