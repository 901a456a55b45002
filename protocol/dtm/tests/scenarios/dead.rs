//! Regions whose processes have ended: nodes give back what they have of them, whatever is
//! still under way. A process is a page that says whether it lives, which every transaction
//! reads before it touches the process' region.
use dtm::{Access, AccessResult, PageState, TxnStatus, Why};
use types::{Cut, Epoch, Interval, NodeId, PageId};
use wire::{Envelope, Message, ReadWish};

use crate::cluster::{Cluster, view};

/// Region of the process that ends; another one's.
const MORTAL: u32 = 300;
const OTHER: u32 = 305;
const ALIVE: u64 = 1;
const ENDED: u64 = 2;

/// A cluster with a process, its record, and a page of its memory that is homed at node 3 and
/// that all nodes hold.
fn with_process() -> (Cluster, PageId, PageId) {
    let mut cluster = Cluster::new(3);
    let (record, page) = (cluster.exact(1, 0), cluster.linear(3, 0));
    cluster.put(1, record, ALIVE);
    cluster.put(2, page, 7);
    for id in 1..=3 {
        assert_eq!(cluster.get(id, record), ALIVE);
        assert_eq!(cluster.get(id, page), 7);
    }
    cluster.make_stable();
    (cluster, record, page)
}

/// The process ends, and what the leader says when that is stable.
fn end(cluster: &mut Cluster, record: PageId) -> Envelope {
    cluster.put(1, record, ENDED);
    let stable = cluster.make_stable();
    cluster.living(stable, &[OTHER])
}

/// Nobody has anything of the region.
fn check_gone(cluster: &Cluster, region: u32) {
    for id in 1..=3 {
        let mut held = cluster.dtm(id).cached_pages();
        assert_eq!(held.find(|page| page.region.0 == region), None, "node {id}");
        let mut mapped = cluster.dtm(id).mapped_regions().into_iter();
        assert_eq!(mapped.find(|mapped| mapped.0 == region), None, "node {id}");
    }
}

#[test]
fn what_is_dead_is_given_back_without_a_message_and_nothing_else_is() {
    let (mut cluster, record, page) = with_process();
    let living = PageId::new(OTHER, 3);
    cluster.put(2, living, 5);
    assert_eq!(cluster.get(3, living), 5);
    let said = end(&mut cluster, record);
    assert!(cluster.node(2).memory.is_mapped(page));
    let sent = cluster.sent.len();
    cluster.bury(&said, &[1, 2, 3]);
    check_gone(&cluster, MORTAL);
    assert_eq!(cluster.sent.len(), sent);
    for id in 1..=3 {
        assert!(!cluster.node(id).memory.is_mapped(page));
        assert_eq!(cluster.dtm(id).counters().pages_forgotten, 1);
        assert_eq!(cluster.get(id, record), ENDED);
        assert_eq!(cluster.get(id, living), 5);
    }
    // Said again it changes nothing.
    cluster.bury(&said, &[1, 2, 3]);
    assert_eq!(cluster.dtm(2).counters().pages_forgotten, 1);
    assert_eq!(cluster.state(2, living), PageState::Owned);
}

#[test]
fn what_is_said_before_its_epoch_is_stable_is_ignored() {
    let (mut cluster, record, page) = with_process();
    cluster.put(1, record, ENDED);
    let early = cluster.living(cluster.dtm(1).epoch(), &[]);
    let ignored = cluster.dtm(2).counters().messages_ignored;
    cluster.bury(&early, &[2]);
    assert_eq!(cluster.dtm(2).counters().messages_ignored, ignored + 1);
    assert_ne!(cluster.state(2, page), PageState::Invalid);
}

/// A node may not have rolled back yet what has lost its process.
#[test]
fn a_marked_transaction_keeps_its_bytes_until_it_is_rolled_back() {
    let (mut cluster, record, page) = with_process();
    cluster.begin(2);
    assert_eq!(cluster.read(2, record), ALIVE);
    cluster.write(2, page, 8);
    let said = end(&mut cluster, record);
    assert_eq!(cluster.status(2), TxnStatus::Marked(Why::Conflict));
    cluster.receive(2, said.clone());
    assert!(cluster.forget_some(2), "it has to wait");
    assert_eq!(cluster.node(2).memory.value(page), 8);
    assert_eq!(cluster.access(2, page, Access::Read), AccessResult::Stopped);
    cluster.rollback(2);
    cluster.bury(&said, &[1, 2, 3]);
    check_gone(&cluster, MORTAL);
}

/// A request of a transaction that is marked by now comes to a home that knows better; and
/// the requester still takes a page when it is told.
#[test]
fn a_read_that_is_under_way_is_forgotten_at_both_ends() {
    for told_first in [[2, 3], [3, 2]] {
        let (mut cluster, record, page) = with_process();
        let other = PageId::new(MORTAL, page.index.0 + 1);
        cluster.hold(2, 3);
        cluster.begin(2);
        assert_eq!(cluster.read(2, record), ALIVE);
        assert_eq!(cluster.access(2, other, Access::Read), AccessResult::Wait);
        let said = end(&mut cluster, record);
        assert_eq!(cluster.status(2), TxnStatus::Marked(Why::Conflict));
        cluster.rollback(2);
        cluster.bury(&said, &told_first[..1]);
        let request = cluster.deliver(2, 3);
        assert!(matches!(request, Message::GetShared { .. }), "{request:?}");
        cluster.release(2, 3);
        cluster.pump();
        cluster.bury(&said, &told_first[1..]);
        cluster.bury(&said, &[1]);
        check_gone(&cluster, MORTAL);
        assert_eq!(cluster.get(2, record), ENDED);
        assert!(cluster.make_stable() > Epoch(1));
    }
}

/// Of an exclusive transition that a marked transaction has asked for, nobody waits for an
/// answer; a holder may have forgotten the page when it is asked.
#[test]
fn an_exclusive_request_that_is_under_way_is_forgotten_by_all() {
    for told in [[2, 3, 1], [3, 1, 2], [1, 2, 3]] {
        let (mut cluster, record, page) = with_process();
        cluster.begin(1);
        cluster.hold(2, 3);
        cluster.begin_younger(2);
        assert_eq!(cluster.read(2, record), ALIVE);
        cluster.write(2, page, 8);
        cluster.commit(2);
        assert_eq!(cluster.status(2), TxnStatus::Committing);
        // The end is older than it, so it wins.
        cluster.write(1, record, ENDED);
        cluster.finish(1);
        assert_eq!(cluster.status(2), TxnStatus::Marked(Why::Conflict));
        cluster.rollback(2);
        let stable = cluster.make_stable();
        let said = cluster.living(stable, &[]);
        cluster.bury(&said, &told[..1]);
        let request = cluster.deliver(2, 3);
        assert!(
            matches!(request, Message::GetExclusive { .. }),
            "{request:?}"
        );
        cluster.release(2, 3);
        cluster.pump();
        cluster.bury(&said, &told[1..]);
        cluster.pump();
        check_gone(&cluster, MORTAL);
        assert_eq!(cluster.get(2, record), ENDED);
    }
}

#[test]
fn a_contended_page_is_forgotten_like_any_other() {
    let (mut cluster, record, page) = with_process();
    for value in 10..14 {
        cluster.get(1, page);
        cluster.begin(1);
        cluster.put(2, page, value);
        cluster.rollback(1);
    }
    assert!(cluster.dtm(1).page(page).is_contended);
    cluster.get(1, page);
    let said = end(&mut cluster, record);
    cluster.bury(&said, &[1, 2, 3]);
    check_gone(&cluster, MORTAL);
    for _ in 0..5 {
        cluster.make_stable();
    }
    assert_eq!(cluster.get(1, record), ENDED);
}

/// The process lives in the epoch to which the memory goes back: what was said before counts
/// no more, also if it comes after.
#[test]
fn who_goes_back_finds_what_was_dead() {
    let (mut cluster, record, page) = with_process();
    let kept = cluster.make_stable();
    let said = end(&mut cluster, record);
    cluster.bury(&said, &[1, 2]);
    let last = Interval::last_of(kept);
    let cut = |node| Cut {
        node: NodeId(node),
        last,
    };
    cluster.lose(&[], (1..=3).map(cut).collect(), 100);
    cluster.bury(&said, &[1, 2, 3]);
    for id in 1..=3 {
        assert_eq!(cluster.get(id, record), ALIVE);
        assert_eq!(cluster.get(id, page), 7);
    }
    cluster.put(2, page, 8);
    assert_eq!(cluster.get(1, page), 8);
}

/// Some have given their copies back when the next view begins, others have not.
#[test]
fn a_new_view_comes_before_all_were_told() {
    let (mut cluster, record, page) = with_process();
    let said = end(&mut cluster, record);
    cluster.bury(&said, &[2]);
    assert_eq!(cluster.state(2, page), PageState::Invalid);
    cluster.lose(&[], vec![], 100);
    assert_ne!(cluster.state(1, page), PageState::Invalid);
    let said = cluster.living(cluster.dtm(1).stable(), &[]);
    cluster.bury(&said, &[3, 1, 2]);
    check_gone(&cluster, MORTAL);
    assert_eq!(cluster.get(3, record), ENDED);
    assert!(cluster.make_stable() >= Epoch(99));
}

/// Nobody waits for pages that were asked for in advance, so their requester need not be marked
/// when its process ends.
#[test]
fn pages_on_their_way_in_advance_are_forgotten_too() {
    for told_first in [[2, 3], [3, 2]] {
        let (mut cluster, record, page) = with_process();
        let behind = |at: u32| PageId::new(MORTAL, page.index.0 + at);
        cluster.begin(2);
        (0..8).for_each(|at| cluster.write(2, behind(at), 9));
        cluster.finish(2);
        let stable = cluster.make_stable();
        cluster.restart_all(&view(2, 3, stable.0, 60));
        cluster.begin(2);
        assert_eq!(cluster.read(2, record), ALIVE);
        assert_eq!(cluster.read(2, behind(0)), 9);
        let before = cluster.sent.len();
        cluster.hold(3, 2);
        assert_eq!(
            cluster.access(2, behind(1), Access::Read),
            AccessResult::Wait
        );
        let is_ahead = |(.., message): &&(u32, u32, Message)| {
            matches!(
                message,
                Message::GetShared {
                    wish: ReadWish::Ahead(_),
                    ..
                }
            )
        };
        assert!(cluster.sent[before..].iter().filter(is_ahead).count() > 1);
        let said = end(&mut cluster, record);
        cluster.rollback(2);
        for id in told_first {
            cluster.bury(&said, &[id]);
            cluster.release(3, 2);
            cluster.pump();
        }
        cluster.bury(&said, &[1]);
        check_gone(&cluster, MORTAL);
        assert_eq!(cluster.get(2, record), ENDED);
    }
}
